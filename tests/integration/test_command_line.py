"""The command line as an operator meets it: names, JSON keys, exit codes, one clear line per error."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from triage.settings import ROOT

SAMPLES = ROOT / "triage" / "demo" / "samples"
INSPECT_KEYS = {
    "path", "index", "message_id", "subject", "from_address", "reply_to", "date", "text", "new_text", "attachments",
    "defects", "kind", "acknowledge", "no_reply_reasons", "laws", "laws_unclear", "law_probabilities", "urgency",
    "urgency_band", "urgency_probabilities", "danger", "sender_type", "topics", "language", "evidence", "model",
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def run(tmp_path: Path):
    """Runs a command with a data folder and a config folder of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TRIAGE_")}
    environment |= {
        "TRIAGE_CONFIG_DIR": str(tmp_path),
        "TRIAGE_DATA_DIR": str(tmp_path / "data"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }

    def command(
        *arguments: str | bytes, stdin: str | bytes = b"", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "triage", *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            env=environment | variables,
            cwd=ROOT,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
        )

    return command


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


# ---------------------------------------------------------------- deadline


def test_deadline_gives_both_terms_in_input_order(run) -> None:
    stamps = ["2026-05-22T16:58:00+02:00", "2026-11-21T10:00:00Z"]
    done = run("deadline", "--urgent", "--json", *stamps)
    assert done.returncode == 0
    first, second = objects(done.stdout)
    assert set(first) == {"arrived_at", "take_up_due", "answer_due", "explanation"}
    assert first["take_up_due"] == "2026-05-26T17:00:00+02:00"
    assert first["answer_due"] == "2026-05-28T17:00:00+02:00"
    assert "ma is Tweede Pinksterdag" in first["explanation"]
    assert second["answer_due"] == "2026-11-25T17:00:00+01:00"


def test_deadline_reads_stdin_and_gives_no_take_up_term_unless_asked(run) -> None:
    done = run("deadline", "--json", stdin="2026-11-23T09:00:00+01:00\n2026-11-24T09:00:00+01:00\n")
    assert [item["take_up_due"] for item in objects(done.stdout)] == [None, None]


@pytest.mark.parametrize("stamp", ["2026-11-23T09:00:00", "gisteren", ""])
def test_deadline_refuses_what_it_cannot_know_and_goes_on_with_the_rest(run, stamp: str) -> None:
    done = run("deadline", "--json", stamp, "2026-11-23T09:00:00+01:00")
    assert done.returncode == 2
    assert len(objects(done.stdout)) == 1
    assert "2026-05-22T16:58:00+02:00" in done.stderr  # the mend


# ---------------------------------------------------------------- inspect


def test_inspect_has_exactly_the_keys_of_the_contract(run) -> None:
    done = run("inspect", "--json", str(SAMPLES))
    assert done.returncode == 0, done.stderr
    found = objects(done.stdout)
    assert len(found) == len(list(SAMPLES.glob("*.eml")))
    assert all(set(item) == INSPECT_KEYS for item in found)
    assert [item["path"] for item in found] == sorted(item["path"] for item in found)
    kinds = {item["kind"] for item in found}
    assert {
        "question",
        "auto_reply",
        "delivery_report",
        "list_or_bulk",
        "unsolicited",
        "secure_mail_notice",
    } <= kinds
    for item in found:
        for evidence in item["evidence"]:
            assert 0 <= evidence["start"] < evidence["end"]
            assert evidence["text"]


def test_inspect_reads_mbox_maildir_and_stdin_and_ignores_other_files(run, tmp_path: Path) -> None:
    one = (SAMPLES / sorted(path.name for path in SAMPLES.glob("*.eml"))[0]).read_bytes()
    box = tmp_path / "mails"
    (box / "maildir" / "cur").mkdir(parents=True)
    (box / "maildir" / "new").mkdir()
    (box / "maildir" / "tmp").mkdir()
    (box / "maildir" / "cur" / "1.host:2,S").write_bytes(one)
    (box / "maildir" / "tmp" / "2.host").write_bytes(one)
    (box / "b.mbox").write_bytes(
        b"From a@b Mon Nov 23 09:00:00 2026\n" + one + b"\n\nFrom a@b Mon Nov 23 09:00:00 2026\n" + one
    )
    (box / "from.eml").write_bytes(b"From nobody Mon Nov 23 09:00:00 2026\n" + one)
    (box / "readme.txt").write_text("geen mail")
    found = objects(run("inspect", "--json", str(box)).stdout)
    assert [(Path(item["path"]).name, item["index"]) for item in found] == [
        ("b.mbox", 0),
        ("b.mbox", 1),
        ("from.eml", 0),
        ("1.host:2,S", 0),
    ]
    (piped,) = objects(run("inspect", "--json", "-", stdin=one).stdout)
    assert (piped["path"], piped["index"], piped["subject"]) == ("-", 0, found[0]["subject"])


def test_inspect_names_a_file_that_cannot_be_read_and_goes_on(run, tmp_path: Path) -> None:
    good = sorted(SAMPLES.glob("*.eml"))[0]
    done = run("inspect", "--json", str(tmp_path / "weg.eml"), str(good))
    assert done.returncode == 1
    bad, fine = objects(done.stdout)
    assert set(bad) == {"path", "error"}
    assert fine["kind"] == "question"


def test_any_bytes_are_a_message(run) -> None:
    (found,) = objects(run("inspect", "--json", "-", stdin=bytes(range(256)) * 40).stdout)
    assert found["urgency_band"] == "possible"


@pytest.mark.parametrize("as_json", [True, False])
def test_inspect_shows_a_file_name_with_an_odd_byte_and_goes_on(run, tmp_path: Path, as_json: bool) -> None:
    one = sorted(SAMPLES.glob("*.eml"))[0].read_bytes()
    folder = os.fsencode(tmp_path / "mails")
    Path(os.fsdecode(folder)).mkdir()
    odd = Path(os.fsdecode(folder + b"/caf\xe9.eml"))
    odd.write_bytes(one)
    (tmp_path / "mails" / "d.eml").write_bytes(one)
    done = run("inspect", *(["--json"] if as_json else []), folder, folder + b"/w\xe9g.eml")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    if not as_json:
        assert "caf\\udce9.eml[0]" in done.stdout and "d.eml[0]" in done.stdout
        assert "w\\udce9g.eml: cannot be read" in done.stderr
        return
    assert "caf\\udce9.eml" in done.stdout
    found = objects(done.stdout)
    assert [item["path"] for item in found[:2]] == [str(odd), str(tmp_path / "mails" / "d.eml")]
    assert found[0]["subject"] == found[1]["subject"]
    assert set(found[2]) == {"path", "error"}


def test_inspect_writes_utf8_whatever_the_terminal_can_show(run) -> None:
    mail = "Subject: =?utf-8?b?Y2Fmw6kg4oKs?=\n\nWie betaalt de traplift? Café €".encode()
    (found,) = objects(run("inspect", "--json", "-", stdin=mail, PYTHONIOENCODING="ascii").stdout)
    assert found["subject"] == "café €"
    assert "kind" in run("inspect", "-", stdin=mail, PYTHONIOENCODING="ascii").stdout


# ---------------------------------------------------------------- demo


def test_the_demo_runs_the_sample_mailbox_to_the_end_and_agrees_with_its_servers(run) -> None:
    done = run("demo", "--once", "--json")
    assert done.returncode == 0, done.stderr
    (summary,) = objects(done.stdout)
    samples = len(list(SAMPLES.glob("*.eml")))
    assert summary["received"] == samples
    assert summary["received"] == sum(
        summary[key] for key in ("cases", "follow_ups", "attached", "ignored", "quarantined", "gone")
    )
    assert summary["cases"] == summary["acknowledged"] + summary["withheld"] + summary["pending"]
    assert (summary["unaccounted"], summary["pending"], summary["quarantined"]) == (0, 0, 0)
    assert summary["follow_ups"] >= 1
    assert summary["attached"] >= 1
    assert len([line for line in done.stderr.splitlines() if " JL-" in line or " ignored " in line]) == samples


def test_the_demo_reaches_nothing_of_a_machine_that_is_set_up_for_real(run, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "mailbox__password").write_text("geheim-1")
    (tmp_path / "local.toml").write_text(
        "[mailbox]\nfolder = 'Echt'\n[acknowledgements]\nmode = 'shadow'\nsince = 2099-01-01T00:00:00+00:00\n"
        "per_hour = 0\n[alerts]\nto = ['toezicht@echt.example']\n"
    )
    untouched = tmp_path / "echt"
    port = free_port()  # nothing listens there
    done = run(
        "demo",
        "--once",
        "--json",
        **mail_servers(port),
        TRIAGE_SECRETS_DIR=str(secrets),
        TRIAGE_MAILBOX__ADDRESSES='["echt@echt.example"]',
        TRIAGE_MAILBOX__CA_FILE=str(untouched / "ca.pem"),
        TRIAGE_SMTP__USERNAME="echt@echt.example",
        TRIAGE_SMTP__PASSWORD="geheim-2",
        TRIAGE_DATABASE__URL=f"sqlite:///{untouched / 'echt.sqlite3'}",
        TRIAGE_DATA_DIR=str(untouched),
        TRIAGE_SEAL__KEY="not a key at all",
    )
    assert done.returncode == 0, done.stderr
    (summary,) = objects(done.stdout)
    assert summary["received"] == len(list(SAMPLES.glob("*.eml")))
    assert summary["acknowledged"] > 0 and (summary["pending"], summary["unaccounted"]) == (0, 0)
    assert not untouched.exists()
    assert str(port) not in done.stderr


def test_a_mistyped_variable_stops_the_demo_too(run) -> None:
    done = run("demo", "--once", "--json", TRIAGE_MAILBX__HOST="x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "TRIAGE_MAILBX__HOST" in done.stderr


def test_json_without_once_is_a_wrong_call(run) -> None:
    assert run("demo", "--json").returncode == 2


# ---------------------------------------------------------------- settings and servers that are wrong


def test_serve_without_settings_names_what_is_missing(run) -> None:
    done = run("serve")
    assert done.returncode == 2
    assert "TRIAGE_MAILBOX__HOST" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_mistyped_variable_stops_every_command_and_is_named(run) -> None:
    done = run("poll", TRIAGE_MAILBX__HOST="x")
    assert done.returncode == 2
    assert "TRIAGE_MAILBX__HOST" in done.stderr


def mail_servers(port: int) -> dict[str, str]:
    return {
        "TRIAGE_MAILBOX__HOST": "127.0.0.1", "TRIAGE_MAILBOX__PORT": str(port), "TRIAGE_MAILBOX__USERNAME": "u",
        "TRIAGE_MAILBOX__PASSWORD": "geheim-1", "TRIAGE_MAILBOX__SECURITY": "none", "TRIAGE_SMTP__HOST": "127.0.0.1",
        "TRIAGE_SMTP__PORT": str(port), "TRIAGE_SMTP__FROM": "meldpunt@juisteloket.example",
        "TRIAGE_SMTP__SECURITY": "none",
    }  # fmt: skip


def test_a_server_that_is_down_is_one_line_and_exit_code_1(run) -> None:
    port = free_port()
    done = run("poll", **mail_servers(port))
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert f"127.0.0.1:{port}" in line
    assert "geheim" not in done.stderr + done.stdout
    relayed = run("relay", "--json", **mail_servers(port))
    assert relayed.returncode == 0  # nothing is due: the server is not needed
    assert objects(relayed.stdout) == [{"sent": 0, "deferred": 0, "refused": 0, "uncertain": 0}]


def test_check_says_what_is_wrong_and_masks_secrets(run) -> None:
    done = run("check", **mail_servers(free_port()))
    assert done.returncode == 1
    assert "[wrong] mailbox (IMAP)" in done.stdout
    assert "[wrong] sending (SMTP)" in done.stdout
    assert "[ok]    database" in done.stdout
    assert "[ok]    acknowledgement: the product's own texts" in done.stdout
    assert "[ok]    model" in done.stdout
    assert "Goede Vrijdag" in done.stdout  # asks to confirm the calendar
    assert "(set)" in done.stdout
    assert "geheim" not in done.stdout + done.stderr


def test_a_data_folder_that_cannot_be_written_is_named(run, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = run("check", TRIAGE_DATA_DIR=str(blocked / "data"))
    assert done.returncode == 1
    assert "data_dir" in done.stdout


def test_a_missing_or_changed_model_is_said_and_mail_is_still_judged_possible(run, tmp_path: Path) -> None:
    missing = run(
        "inspect",
        "--json",
        "-",
        stdin=b"Subject: x\n\nWie betaalt de traplift?",
        TRIAGE_MODEL__DIRECTORY=str(tmp_path / "no"),
    )
    (found,) = objects(missing.stdout)
    assert (found["urgency_band"], found["laws_unclear"]) == ("possible", True)
    changed = tmp_path / "model"
    shutil.copytree(ROOT / "classifiers" / "models" / "current", changed)
    with (changed / "model.skops").open("ab") as file:
        file.write(b"x")
    done = run("check", TRIAGE_MODEL__DIRECTORY=str(changed))
    assert "[wrong] model" in done.stdout


# ---------------------------------------------------------------- accounts


def test_accounts_are_made_reset_and_disabled(run) -> None:
    made = run("user", "add", "jansen", "--role", "medewerker", "--password-stdin", stdin="een lang wachtwoord\n")
    assert made.returncode == 0, made.stderr
    again = run("user", "add", "jansen", "--password-stdin", stdin="een lang wachtwoord\n")
    assert again.returncode == 1
    short = run("user", "reset", "jansen", "--password-stdin", stdin="kort\n")
    assert short.returncode == 2
    assert "12" in short.stderr
    assert run("user", "disable", "jansen").returncode == 0
    assert run("user", "disable", "niemand").returncode == 1
    assert run("user", "add", "x y", "--password-stdin", stdin="een lang wachtwoord\n").returncode == 2
    assert (
        run("user", "add", "piet", "--role", "baas", "--password-stdin", stdin="een lang wachtwoord\n").returncode == 2
    )


def test_every_command_of_the_contract_has_help(run) -> None:
    for command in (
        "serve", "demo", "poll", "relay", "inspect", "deadline", "check", "train", "evaluate", "migrate", "verify",
        "report ledger",
        "report calendar",
    ):  # fmt: skip
        done = run(*command.split(), "--help")
        assert done.returncode == 0
        assert "Usage" in done.stdout

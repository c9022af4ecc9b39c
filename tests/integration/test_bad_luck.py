"""Full disk, locked and read-only database, an old backup put back, two instances, a kill during the migration.

Nothing is lost, no acknowledgement leaves without a recorded intent or twice, and people are told (protocol X19–X23).
"""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.integration.harness import mail
from tests.integration.site import Site, new_site
from tests.integration.test_command_line import free_port
from tests.servers import missing, postgresql
from tests.servers.dovecot import DovecotServer
from tests.servers.killable import Killable, Running
from triage.adapters.tables import HEAD

pytestmark = [pytest.mark.dovecot, pytest.mark.slow]
KEY = "A" * 43 + "="
LARGE = "Een heel lange vraag over hulp in huis onder de wmo.\r\n" * 40_000


def first_ids(count: int) -> dict[str, int]:
    return {f"<vraag-{number}@mensen.example>": 1 for number in range(1, count + 1)}


def wait_for(what: Callable[[], object], process: Running, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert process.runs(), process.told
        assert time.monotonic() < until, process.told
        time.sleep(0.05)


@pytest.fixture(scope="module")
def commands() -> Iterator[Killable]:
    with Killable() as helper:
        yield helper


@pytest.fixture(scope="module")
def postgresql_server() -> Iterator[postgresql.PostgresqlServer]:
    with postgresql.running() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, dovecot: DovecotServer, commands: Killable) -> Iterator[Site]:
    with new_site(tmp_path, dovecot, commands, TRIAGE_WEB__PORT=str(free_port())) as made:
        yield made


# ---------------------------------------------------------------- migration


@pytest.mark.protocol("X19")
@pytest.mark.parametrize("table", [1, 9])
def test_a_kill_during_the_migration_leaves_nothing_and_the_next_start_makes_all(site: Site, table: int) -> None:
    site.deliver(mail(1))
    assert site.poll(step="migrating", nth=table).code == -signal.SIGKILL
    assert site.rows("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'") == []
    site.settle()
    assert site.rows("SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert (site.count("cases"), site.receipts()) == (1, first_ids(1))


@pytest.mark.protocol("X19")
@pytest.mark.postgresql
def test_a_kill_during_the_migration_of_postgresql_leaves_nothing(
    tmp_path: Path, dovecot: DovecotServer, commands: Killable, postgresql_server: postgresql.PostgresqlServer
) -> None:
    with (
        postgresql_server.database() as url,
        new_site(tmp_path, dovecot, commands, TRIAGE_DATABASE__URL=url) as site,
    ):
        assert site.run("migrate", step="migrating", nth=9).code == -signal.SIGKILL
        tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        assert site.rows(tables) == []
        refused = site.poll()
        assert refused.code == 2 and "run.py migrate" in refused.told  # stops with a clear error
        assert site.run("migrate").code == 0
        site.deliver(mail(1))
        site.settle()
        assert (site.count("cases"), site.receipts()) == (1, first_ids(1))


# ---------------------------------------------------------------- full disk


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[bool], None]]:
    """A file system of 80 MB at `folder`; the function given fills it up (True) or makes room."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        missing("the right to mount a file system")
    ballast = folder / "ballast"

    def fill(full: bool) -> None:
        if not full:
            ballast.unlink()
            return
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    try:
        yield fill
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def is_healthy(site: Site) -> bool:
    try:
        url = f"http://127.0.0.1:{site.environment['TRIAGE_WEB__PORT']}/gezond"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(json.loads(answer.read())["healthy"])
    except (urllib.error.URLError, ConnectionError):
        return False


def intake_pauses_and_recovers(site: Site, set_full: Callable[[Running, bool], None], words: str) -> None:
    with site.commands.running(["serve"], site.environment) as serving:
        wait_for(lambda: is_healthy(site), serving)
        set_full(serving, True)
        site.deliver(mail(1, body=LARGE))
        wait_for(lambda: "poll_failed" in serving.told and words in serving.told, serving)
        wait_for(lambda: not is_healthy(site), serving)  # the alarm of whoever watches /gezond
        assert (site.count("cases"), site.count("outbox"), site.receipts()) == (0, 0, {})
        set_full(serving, False)
        wait_for(lambda: site.receipts() == first_ids(1), serving)
        wait_for(lambda: is_healthy(site), serving)
        assert site.outcomes() == {"case": 1}
        serving.signal(signal.SIGTERM)
        assert serving.wait() == 0
    site.verified()


@pytest.mark.protocol("X20")
def test_a_full_disk_pauses_the_intake_raises_the_alarm_and_recovers(
    tmp_path: Path, dovecot: DovecotServer, commands: Killable
) -> None:
    disk = tmp_path / "disk"
    with (
        small_disk(disk) as fill,
        new_site(
            tmp_path, dovecot, commands, TRIAGE_WEB__PORT=str(free_port()), TRIAGE_DATA_DIR=str(disk / "data")
        ) as site,
    ):
        site.data = disk / "data"
        intake_pauses_and_recovers(site, lambda _, full: fill(full), "the disk with the database is full")
        fill(True)
        refused = site.poll()
        assert refused.code == 2 and "make room" in refused.told


@pytest.mark.protocol("X20")
def test_a_limit_on_file_sizes_is_no_different_from_a_full_disk(site: Site) -> None:
    def limit(serving: Running, full: bool) -> None:
        size = 20_000 if full else resource.RLIM_INFINITY
        resource.prlimit(serving.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    intake_pauses_and_recovers(site, limit, "the database file cannot be written")


@pytest.mark.protocol("X20")
def test_no_acknowledgement_leaves_while_its_leaving_cannot_be_noted(site: Site) -> None:
    """The intent is in the database; what cannot be written is that it leaves now."""
    site.deliver(mail(1))
    site.poll()
    mark = site.data / "sent.new"
    mark.mkdir()  # the file of what left cannot be written
    stopped = site.relay()
    assert stopped.code == 1 and "nothing is sent until it can" in stopped.told
    assert site.receipts() == {}
    mark.rmdir()
    site.settle()
    assert site.receipts() == first_ids(1)


# ---------------------------------------------------------------- locked or read-only database


@pytest.mark.protocol("X21")
def test_a_locked_database_stops_the_poll_and_the_relay_and_both_go_on_later(site: Site) -> None:
    site.deliver(mail(1))
    site.poll()
    site.deliver(mail(2))
    with contextlib.closing(sqlite3.connect(site.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        polling = site.commands.start(["poll", "--json"], site.environment)
        stopped = polling.wait()
        other.execute("ROLLBACK")
    assert stopped == 1 and "stayed locked" in polling.told and "Traceback" not in polling.told
    assert (site.count("cases"), site.receipts()) == (1, {})
    site.settle()
    assert (site.count("cases"), site.receipts()) == (2, first_ids(2))
    site.verified()


@pytest.mark.protocol("X21")
def test_a_database_on_a_read_only_disk_stops_all_and_it_goes_on_later(
    tmp_path: Path, dovecot: DovecotServer, commands: Killable
) -> None:
    disk = tmp_path / "disk"
    url = f"sqlite:///{disk / 'triage.sqlite3'}"
    with small_disk(disk), new_site(tmp_path, dovecot, commands, TRIAGE_DATABASE__URL=url) as site:
        site.deliver(mail(1))
        site.poll()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        site.deliver(mail(2))
        for command in ("poll", "relay"):
            stopped = site.run(command)
            assert stopped.code in (1, 2) and "Traceback" not in stopped.told, stopped.told
            assert "cannot be" in stopped.told or "read-only" in stopped.told
        assert site.receipts() == {}
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        site.settle()
        assert site.receipts() == first_ids(2)


@pytest.mark.protocol("X21")
@pytest.mark.postgresql
def test_a_postgresql_that_takes_no_changes_blames_no_mail(
    tmp_path: Path, dovecot: DovecotServer, commands: Killable, postgresql_server: postgresql.PostgresqlServer
) -> None:
    with (
        postgresql_server.database() as url,
        new_site(tmp_path, dovecot, commands, TRIAGE_DATABASE__URL=url) as site,
    ):
        assert site.run("migrate").code == 0
        site.poll()
        site.deliver(mail(1))
        name = url.rpartition("/")[2]
        set_read_only(url, name, "on")
        for _ in range(3):
            stopped = site.poll()
            assert stopped.code == 1 and "takes no changes" in stopped.told, stopped.told
        set_read_only(url, name, "off")
        site.settle()
        assert (site.outcomes(), site.receipts()) == ({"case": 1}, first_ids(1))


def set_read_only(url: str, name: str, value: str) -> None:
    with psycopg.connect(url.rpartition("/")[0] + "/postgres", autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}".encode())


# ---------------------------------------------------------------- an old backup


@pytest.mark.protocol("X22")
@pytest.mark.parametrize("trace", ["keyword", "mark"])
def test_yesterdays_database_put_back_acknowledges_nothing_twice(site: Site, trace: str) -> None:
    """What is known of the time since: our keyword on the mails, or the file beside the database."""
    site.deliver(mail(1))
    site.settle(rounds=1)
    site.deliver(mail(2))
    site.poll()  # its acknowledgement waits when the backup is made
    backup = site.folder / "yesterday.sqlite3"
    with contextlib.closing(sqlite3.connect(site.database)) as now, contextlib.closing(sqlite3.connect(backup)) as then:
        now.backup(then)
    site.relay()
    site.deliver(mail(3))
    site.settle(rounds=1)
    assert site.receipts() == first_ids(3)

    for suffix in ("", "-wal", "-shm"):
        Path(f"{site.database}{suffix}").unlink(missing_ok=True)
    shutil.copy(backup, site.database)
    if trace == "keyword":
        site.write("UPDATE outbox SET state = 'refused' WHERE state = 'due'")  # only the file knows of that one
        (site.data / "sent.mark").unlink()
    else:
        client = site.dovecot.client(site.username)
        client.select_folder("INBOX")
        client.remove_flags(client.search(["ALL"]), [b"$Triaged"])
        client.logout()
    site.settle()

    assert site.receipts() == first_ids(3)  # nobody got a second one
    assert site.outcomes() == {"case": 3}
    held = "refused" if trace == "keyword" else "uncertain"
    assert sorted(site.receipt_states()) == sorted(["sent", held, "uncertain"])
    (told,) = site.rows("SELECT count(*) FROM audit WHERE action = 'acknowledgement_doubtful'")[0]
    assert told == 1  # the case says why
    site.verified()


@pytest.mark.protocol("X22")
def test_mail_that_came_after_the_restore_is_acknowledged_as_ever(site: Site) -> None:
    site.deliver(mail(1))
    site.poll()
    shutil.copytree(site.data, site.folder / "backup")
    site.relay()
    (site.data / "triage.sqlite3").unlink()
    for suffix in ("-wal", "-shm"):
        Path(f"{site.database}{suffix}").unlink(missing_ok=True)
    shutil.copy(site.folder / "backup" / "triage.sqlite3", site.database)
    mark = site.data / "sent.mark"
    count, _, _ = mark.read_text().partition(" ")
    mark.write_text(f"{count} 2026-01-01T00:00:00+00:00\n")  # long ago: the clocks' difference does not reach it
    site.deliver(mail(2))
    site.settle()
    assert site.receipts() == first_ids(2)
    assert site.receipt_states() == ["uncertain", "sent"]


# ---------------------------------------------------------------- two instances


@pytest.fixture
def pair(
    request: pytest.FixtureRequest, tmp_path: Path, dovecot: DovecotServer, commands: Killable
) -> Iterator[tuple[Site, Site]]:
    """Two installations by mistake on one mailbox and one database, each with a data folder of its own."""
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
        else:
            server: postgresql.PostgresqlServer = request.getfixturevalue("postgresql_server")
            url = stack.enter_context(server.database())
        (tmp_path / "a").mkdir()
        changes = {"TRIAGE_DATABASE__URL": url, "TRIAGE_SEAL__KEY": KEY}
        one = stack.enter_context(new_site(tmp_path / "a", dovecot, commands, **changes))
        (tmp_path / "b").mkdir()
        other = Site(tmp_path / "b", dovecot, one.smtp, commands, changes)
        other.username = one.username
        other.environment["TRIAGE_MAILBOX__USERNAME"] = one.username
        if request.param == "postgresql":
            assert one.run("migrate").code == 0
        yield one, other


@pytest.mark.protocol("X23", "I31")
@pytest.mark.parametrize("pair", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_two_instances_at_once_handle_each_mail_once(pair: tuple[Site, Site]) -> None:
    one, _ = pair
    one.deliver(*(mail(number) for number in range(1, 13)))
    for command in ("poll", "relay", "poll", "relay"):
        together = [site.commands.start([command, "--json"], site.environment) for site in pair]
        for process in together:
            assert process.wait() == 0, process.told
    assert one.count("cases") == 12
    assert one.receipts() == first_ids(12)
    assert set(one.receipt_states()) == {"sent"}


_WHERE = {
    "half_literal": 1,
    "written": 1,
    "committed": 1,
    "marking": 1,
    "connecting": 1,
    "prepared": 1,
    "sending": 0,
    "dot": 1,
    "accepted": 1,
}
_INTAKE = ("half_literal", "written", "committed", "marking")


_ON_BOTH = [("sqlite", step) for step in _WHERE] + [
    pytest.param("postgresql", step, marks=pytest.mark.postgresql) for step in ("written", "prepared", "accepted")
]


@pytest.mark.protocol("X23")
@pytest.mark.parametrize(("pair", "step"), _ON_BOTH, indirect=["pair"])
def test_one_of_two_instances_dies_and_the_other_ends_its_work_once(pair: tuple[Site, Site], step: str) -> None:
    one, other = pair
    one.deliver(mail(1))
    if step in _INTAKE:
        assert one.poll(step=step).code == -signal.SIGKILL
    else:
        one.poll()
        assert one.relay(step=step).code == -signal.SIGKILL
    other.relay()
    assert sum(one.receipts().values()) <= 1
    assert '"skipped":"another node polls"' in other.poll().printed  # it waits until the lease of the dead one ends
    one.end_leases()
    other.settle(rounds=1)
    assert (one.count("cases"), one.count("outbox", "state IN ('due', 'sending')")) == (1, 0)  # its work is done
    one.end_leases()
    one.settle(rounds=1)  # it comes back and finds nothing to do
    assert (one.count("cases"), sum(one.receipts().values())) == (1, _WHERE[step])
    assert one.receipt_states() == ["sent" if step in (*_INTAKE, "connecting", "prepared") else "uncertain"]

"""The command line (`product.md` section 9): one function per command; heavy imports stay inside the command.

Exit codes: 0 all went well, 1 something failed, 2 the call or the settings are wrong. With `--json` stdout carries
JSON Lines only; everything meant for people goes to stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from triage import __version__
from triage.errors import ConfigError, TriageError

app = typer.Typer(
    name="run.py",
    help="E-mail triage for the Juiste Loket.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
users = typer.Typer(help="Accounts and roles.", no_args_is_help=True)
app.add_typer(users, name="user")
reports = typer.Typer(help="Reports.", no_args_is_help=True)
app.add_typer(reports, name="report")
models = typer.Typer(help="Models made from feedback: see, compare, put in use, take back.", no_args_is_help=True)
app.add_typer(models, name="model")
letters = typer.Typer(help="Acknowledgements: see what senders read, check your own texts.", no_args_is_help=True)
app.add_typer(letters, name="letters")
knowledge = typer.Typer(help="The answer blocks that drafts are built from.", no_args_is_help=True)
app.add_typer(knowledge, name="knowledge")

Json = Annotated[bool, typer.Option("--json", help="JSON Lines on stdout, one compact object a line.")]


@app.command()
def serve() -> None:
    """Poller, relay, deadline watch and web app, with the settings given."""
    from triage.commands.running import serve as run

    run()


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Process the sample mailbox to the end and exit.")] = False,
    json: Json = False,
) -> None:
    """The embedded default: `serve` on an IMAP and an SMTP server of its own, with sample mails arriving.

    Everything it stores is gone when it ends."""
    if json and not once:
        raise typer.BadParameter("--json goes with --once")
    from triage.commands.demo import demo as run

    raise typer.Exit(run(once=once, as_json=json))


@app.command()
def poll(json: Json = False) -> None:
    """One cycle: fetch and triage what is new in the mailbox."""
    from triage.commands.running import poll as run

    raise typer.Exit(run(as_json=json))


@app.command()
def relay(json: Json = False) -> None:
    """One cycle: send what is due."""
    from triage.commands.running import relay as run

    raise typer.Exit(run(as_json=json))


@app.command()
def inspect(
    paths: Annotated[list[str], typer.Argument(help="Files, folders (*.eml, *.mbox, Maildir), or - for stdin.")],
    json: Json = False,
) -> None:
    """Parse, screen and assess files, with no database and no network."""
    from triage.commands.inspecting import inspect as run

    raise typer.Exit(run(paths, as_json=json))


@app.command()
def deadline(
    timestamps: Annotated[
        list[str] | None, typer.Argument(help="ISO 8601 with offset; read from stdin, one a line, when none is given.")
    ] = None,
    urgent: Annotated[bool, typer.Option("--urgent", help="Also the take-up term.")] = False,
    json: Json = False,
) -> None:
    """Both terms for an arrival, with the sum in words."""
    from triage.commands.deadlines import deadline as run

    raise typer.Exit(run(timestamps or [], urgent=urgent, as_json=json))


@app.command()
def check() -> None:
    """Settings with secrets masked; tries IMAP, SMTP, database and model; says what is wrong and how to mend it."""
    from triage.commands.checking import check as run

    raise typer.Exit(run())


@app.command("sign-in")
def sign_in(
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read a refresh token from stdin.")] = False,
) -> None:
    """Sign the mailbox in anew for OAuth2 (mailbox.oauth.grant = "refresh_token"); a running `serve` goes on with it.

    Without --token-stdin it asks the provider for a code that a person types in a browser (RFC 8628)."""
    from triage.commands.signing_in import sign_in as run

    raise typer.Exit(run(token_stdin=token_stdin))


@app.command()
def verify(json: Json = False) -> None:
    """The proof that nothing was lost: ledger, mail server, stored mails, cases, acknowledgements and outbox."""
    from triage.commands.verifying import verify as run

    raise typer.Exit(run(as_json=json))


@reports.command("ledger")
def report_ledger(
    begin: Annotated[str, typer.Option("--from", help="First day of arrival, such as 2026-11-23.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day of arrival.")] = "",
    form: Annotated[str, typer.Option("--format", help="text, csv or json.")] = "text",
) -> None:
    """What became of each mail and of its acknowledgement; in shadow mode: who would have got one. Holds addresses."""
    from triage.commands.reporting import report_ledger as run

    raise typer.Exit(run(begin=begin, end=end, form=form))


@reports.command("sla")
def report_sla(
    begin: Annotated[str, typer.Option("--from", help="First day of arrival, such as 2026-11-23.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day of arrival.")] = "",
    form: Annotated[str, typer.Option("--format", help="text, csv or json.")] = "text",
) -> None:
    """Promises kept: of each case its terms, every promised day, whether it was told and whether it was kept."""
    from triage.commands.sla_reporting import report_sla as run

    raise typer.Exit(run(begin=begin, end=end, form=form))


@reports.command("judgement")
def report_judgement(
    begin: Annotated[str, typer.Option("--from", help="A day of the first week, such as 2026-09-28.")] = "",
    end: Annotated[str, typer.Option("--to", help="A day of the last week.")] = "",
    form: Annotated[str, typer.Option("--format", help="text, csv or json.")] = "text",
) -> None:
    """How the machine judged per week (without days: the last eight), and what departs from the weeks before."""
    from triage.commands.judgement_reporting import report_judgement as run

    raise typer.Exit(run(begin=begin, end=end, form=form))


@reports.command("calendar")
def report_calendar(
    with_: Annotated[
        Path, typer.Option("--with", help="TOML file with the [mail] and [calendar] settings you mean to use.")
    ],
    begin: Annotated[str, typer.Option("--from", help="First day of arrival of ended cases, such as 2026-01-01.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day of arrival of ended cases.")] = "",
    form: Annotated[str, typer.Option("--format", help="text, csv or json.")] = "text",
) -> None:
    """Rehearse another calendar: what it would do to the open cases, and what it would have done to past ones.

    Changes nothing. What the file leaves out stays as it is; its closing days stand for the whole list."""
    from triage.commands.calendar_reporting import report_calendar as run

    raise typer.Exit(run(with_, begin=begin, end=end, form=form))


@app.command()
def migrate() -> None:
    """Brings the database to this version's tables (PostgreSQL; SQLite does so by itself at start)."""
    from triage.commands.running import migrate as run

    run()


@app.command()
def train(
    corpus: Annotated[
        Path | None, typer.Option(help="Folder with labelled *.jsonl (default: the repository's).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for model, manifest and card.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model on one machine.")] = 2026,
    with_feedback: Annotated[
        bool,
        typer.Option(
            "--with-feedback",
            help="Learn from what staff confirmed and corrected too; writes to the data folder, with a comparison.",
        ),
    ] = False,
) -> None:
    """Fit the model on the corpus; writes model, manifest and model card.

    With --with-feedback it makes a challenger in the data folder and compares it with the model in use; it is put in
    use by `model promote`, or on Beheer, never by itself."""
    if with_feedback:
        if corpus or out:
            raise typer.BadParameter("--with-feedback uses the repository's corpus and writes to the data folder")
        from triage.commands.models import train_with_feedback

        raise typer.Exit(train_with_feedback(seed=seed))
    from triage.commands.judging import train as run

    raise typer.Exit(run(corpus=corpus, out=out, seed=seed))


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help="JSON Lines with subject, body, laws, urgency, kind.")],
    json: Json = False,
) -> None:
    """Score any labelled file."""
    from triage.commands.judging import evaluate as run

    raise typer.Exit(run(file, as_json=json))


@models.command("list")
def model_list() -> None:
    """The model in use, and the models made from feedback with their comparison."""
    from triage.commands.models import list_models as run

    raise typer.Exit(run())


ModelId = Annotated[str, typer.Argument(metavar="ID", help="Such as jl-0123456789ab; see `model list`.")]


@models.command("compare")
def model_compare(model_id: ModelId) -> None:
    """Compare a model with the one in use: locked test, challenge set, mails that were missed before."""
    from triage.commands.models import compare as run

    raise typer.Exit(run(model_id))


@models.command("promote")
def model_promote(
    model_id: ModelId,
    anyway: Annotated[bool, typer.Option("--anyway", help="Against the comparison; needs --reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why, without personal data; kept and shown on Beheer.")] = "",
) -> None:
    """Put a model in use. A running `serve` takes it within a minute and judges the open cases again."""
    if anyway and not reason.strip():
        raise typer.BadParameter("--anyway needs --reason")
    from triage.commands.models import promote as run

    raise typer.Exit(run(model_id, anyway=anyway, reason=reason))


@models.command("rollback")
def model_rollback() -> None:
    """Put the model in use that was before."""
    from triage.commands.models import rollback as run

    raise typer.Exit(run())


@letters.command("preview")
def letters_preview(
    to: Annotated[
        Path | None, typer.Option(help="Write every language and case into this folder, as text and HTML.")
    ] = None,
    language: Annotated[
        str, typer.Option(help="Language of the mail: nl, en, one of languages.toml, or other.")
    ] = "nl",
    urgent: Annotated[bool, typer.Option("--urgent", help="The question is urgent.")] = False,
    arrived: Annotated[str, typer.Option(help="When the mail arrives, ISO 8601 with offset (default: now).")] = "",
) -> None:
    """The acknowledgement of a mail as its sender reads it; needs no mail server.

    Without --to it prints subject and text."""
    if to is not None and (urgent or language != "nl"):
        raise typer.BadParameter("--to writes every language and case: leave --language and --urgent out")
    from triage.commands.letters import preview as run

    raise typer.Exit(run(to=to, language=language, urgent=urgent, arrived=arrived))


@letters.command("check")
def letters_check() -> None:
    """Whether the texts in use hold all they must and read at level B1; exit 1 when something must be mended."""
    from triage.commands.letters import check as run

    raise typer.Exit(run())


@knowledge.command("check")
def knowledge_check(json: Json = False) -> None:
    """Whether every answer block has its sources, dates, language level and questions; exit 1 when one must be mended.

    What is only stale, or should be looked up anew, is listed and fails nothing."""
    from triage.commands.knowledge import check as run

    raise typer.Exit(run(as_json=json))


@users.command("add")
def user_add(
    username: str,
    role: Annotated[str, typer.Option(help="medewerker, trainee, toezichthouder or beheerder.")] = "medewerker",
    name: Annotated[str, typer.Option(help="Name as it stands under replies.")] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
) -> None:
    """Make an account. Without --password-stdin the password is asked for twice."""
    from triage.commands.accounts import add

    add(username, role=role, name=name, password_stdin=password_stdin)


@users.command("disable")
def user_disable(username: str) -> None:
    """End an account: it cannot log in, its sessions end."""
    from triage.commands.accounts import disable

    disable(username)


@users.command("reset")
def user_reset(
    username: str,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
) -> None:
    """Give an account a new password, take away its second factor, and let it log in again."""
    from triage.commands.accounts import reset

    reset(username, password_stdin=password_stdin)


@app.command()
def version() -> None:
    """The version of this product."""
    typer.echo(__version__)


def main() -> None:
    """Runs a command; what the product raises on purpose becomes one line on stderr."""
    try:
        app()
    except ConfigError as exc:
        sys.stderr.write(f"error: {exc}\n")
        sys.exit(2)
    except TriageError as exc:
        sys.stderr.write(f"error: {exc}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)

"""The product's commands in child processes that die at a named step. Nothing of this is in the product's code.

`Killable` starts one helper process that has imported the product; for each command it forks, wraps the function of
the step in the child, and runs the real command line there. So a run costs a fraction of a second, and every kill is
a real signal to a real process. Without a step the command runs as it is.
"""

from __future__ import annotations

import functools
import gc
import imaplib
import importlib
import inspect
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
_SPEC = "TRIAGE_TEST_KILL"
_FORK = "TRIAGE_TEST_FORK_READER"
_LITERAL_BYTES = 200  # a read of more bytes than this is a mail


@dataclass(frozen=True, slots=True)
class Step:
    """A function of the product, and where around it the process dies."""

    target: str  # module:Class.function
    when: str = "before"
    words: str = ""


STEPS = {
    "listed": Step("triage.adapters.imap:ImapMailbox.uids_above", "after", "after SEARCH, before FETCH"),
    "half_literal": Step("imaplib:IMAP4.read", "half_read", "in the middle of the FETCH literal"),
    "fetched": Step("triage.services.reading:Reader.read", "before", "after FETCH, before anything is read"),
    "parsed": Step("classifiers.registry:HybridClassifier.verdicts", "before", "after parsing, before the model"),
    "judging": Step("classifiers.registry:HybridClassifier._rule_evidence", "before", "during the model's call"),
    "drafting": Step("triage.services.letters:Letters.draft", "before", "while the draft is made"),
    "written": Step(
        "triage.adapters.store_ledger:LedgerPart.record_outcome", "after", "all rows written, before the commit"
    ),
    "committed": Step("triage.services.taking_in:TakingIn.take_in", "after", "just after the commit"),
    "marking": Step("triage.adapters.imap:ImapMailbox.mark", "before", "before the keyword is set"),
    "marked": Step("triage.adapters.imap:ImapMailbox.mark", "after", "keyword set, not yet noted"),
    "connecting": Step("triage.adapters.smtp:SmtpSender.session", "before", "intent committed, before connect"),
    "prepared": Step("triage.adapters.smtp_session:SmtpSession.prepare", "after", "after MAIL and RCPT"),
    "sending": Step("triage.adapters.smtp_session:SmtpSession.data", "before", "`sending` committed, before DATA"),
    "half_data": Step("aiosmtplib.protocol:SMTPProtocol.write", "half_mail", "in the middle of the mail's bytes"),
    "dot": Step("aiosmtplib.protocol:SMTPProtocol.write", "whole_mail", "after the final dot, before the 250"),
    "accepted": Step("triage.adapters.outbox:OutboxPart.record_delivery", "before", "after the 250, before `sent`"),
    "sent": Step("triage.adapters.outbox:OutboxPart.record_delivery", "after", "`sent` written, before the commit"),
    "migrating": Step("alembic.ddl.impl:DefaultImpl.create_table", "after", "in the middle of a migration"),
    "poison": Step("triage.services.reading:parse_mail", "poison", "by the mail itself, while it is parsed"),
    "bomb": Step("triage.services.reading:parse_mail", "bomb", "by the mail itself, which eats all memory"),
    "stuck": Step("triage.services.reading:parse_mail", "stuck", "by the mail itself: reading it never ends"),
    "hang": Step("classifiers.registry:HybridClassifier.verdicts", "hang", "the model never answers"),
}


# ---------------------------------------------------------------- in the child


@dataclass
class _Death:
    nth: int
    number: int
    calls: int = 0

    def strike(self) -> None:
        """The signal at the n-th call. After SIGTERM the process goes on, as long as it wants to."""
        self.calls += 1
        if self.calls == self.nth:
            os.kill(os.getpid(), self.number)


def _install(name: str, nth: int, number: int) -> None:
    step, death = STEPS[name], _Death(nth, number)
    module, _, path = step.target.partition(":")
    owner: Any = importlib.import_module(module)
    *classes, attribute = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    original = getattr(owner, attribute)
    setattr(owner, attribute, _WRAPPERS[step.when](original, death))


def _before(original: Callable[..., Any], death: _Death) -> Callable[..., Any]:
    @functools.wraps(original)
    def wrapped(*args: Any, **values: Any) -> Any:
        death.strike()
        return original(*args, **values)

    return wrapped


def _after(original: Callable[..., Any], death: _Death) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def waited(*args: Any, **values: Any) -> Any:
            result = await original(*args, **values)
            death.strike()
            return result

        return waited

    @functools.wraps(original)
    def wrapped(*args: Any, **values: Any) -> Any:
        result = original(*args, **values)
        death.strike()
        return result

    return wrapped


def _half_read(original: Callable[..., Any], death: _Death) -> Callable[..., Any]:
    def read(self: imaplib.IMAP4, size: int) -> bytes:
        if size < _LITERAL_BYTES:
            return original(self, size)  # type: ignore[no-any-return]
        half: bytes = original(self, size // 2)
        death.strike()
        return half + original(self, size - size // 2)  # type: ignore[no-any-return]

    return read


def _half_mail(original: Callable[..., Any], death: _Death) -> Callable[..., Any]:
    def write(self: Any, data: bytes) -> None:
        if not data.endswith(b"\r\n.\r\n"):
            return original(self, data)  # type: ignore[no-any-return]
        original(self, data[: len(data) // 2])
        death.strike()
        return original(self, data[len(data) // 2 :])  # type: ignore[no-any-return]

    return write


def _whole_mail(original: Callable[..., Any], death: _Death) -> Callable[..., Any]:
    def write(self: Any, data: bytes) -> None:
        original(self, data)
        if data.endswith(b"\r\n.\r\n"):
            death.strike()

    return write


def _poison(original: Callable[..., Any], death: _Death) -> Callable[..., Any]:
    def parse(raw: bytes) -> Any:
        if b"poison-pill" in raw:
            os.kill(os.getpid(), death.number)
        return original(raw)

    return parse


def _bomb(original: Callable[..., Any], death: _Death) -> Callable[..., Any]:
    """The child that reads alone meets its own memory limit; elsewhere the kernel's killer is played."""

    def parse(raw: bytes) -> Any:
        if b"poison-pill" in raw:
            if multiprocessing.parent_process() is None:
                os.kill(os.getpid(), death.number)
            eaten = [bytearray(50_000_000) for _ in range(1000)]
            del eaten
        return original(raw)

    return parse


def _stuck(original: Callable[..., Any], death: _Death) -> Callable[..., Any]:
    """A pattern that backtracks for ever holds the interpreter; the limits are shortened for the test."""
    from triage.adapters import isolation

    isolation.STUCK_SECONDS = 1.0
    limits = isolation.ChildReader.__init__.__kwdefaults__
    assert limits is not None
    limits["seconds"] = 1.0

    def parse(raw: bytes) -> Any:
        if b"poison-pill" in raw:
            re.match(r"(a+)+$", "a" * 60 + "b")
        return original(raw)

    return parse


def _hang(original: Callable[..., Any], death: _Death) -> Callable[..., Any]:
    def verdicts(self: Any, texts: Sequence[str]) -> Any:
        if any("hangs-the-model" in text for text in texts):
            time.sleep(3600)
        return original(self, texts)

    return verdicts


_WRAPPERS: Mapping[str, Callable[[Callable[..., Any], _Death], Callable[..., Any]]] = {
    "before": _before,
    "after": _after,
    "half_read": _half_read,
    "half_mail": _half_mail,
    "whole_mail": _whole_mail,
    "poison": _poison,
    "bomb": _bomb,
    "stuck": _stuck,
    "hang": _hang,
}


def _install_from_environment() -> None:
    if spec := os.environ.get(_SPEC):
        name, nth, number = spec.split(":")
        _install(name, int(nth), int(number))


def _replace(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def _fork_the_lone_reader() -> None:
    """The child that reads one mail alone starts in no time: it need not import everything again."""
    from triage.adapters import isolation

    start = multiprocessing.get_context
    _replace(isolation, "multiprocessing", types.SimpleNamespace(get_context=lambda method: start("fork")))


def _run_here(call: _Call) -> None:
    """In the forked child: the command line as it is, with its own environment and output."""
    out = os.open(call.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    err = os.open(call.errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
        os.dup2(source, target)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in ((0, "r"), (1, "w"), (2, "w")))
    os.environ.clear()
    os.environ.update(call.environment)
    os.setsid()
    sys.argv = ["run.py", *call.arguments]
    code = 1
    try:
        from triage.cli import main

        if os.environ.get(_FORK):
            _fork_the_lone_reader()
        _install_from_environment()
        main()
        code = 0
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _serve_forks() -> None:
    """The helper: one JSON call a line on stdin; answers the pid at once, and the status when it ended."""
    import triage.bootstrap
    import triage.commands.reporting
    import triage.commands.running
    import triage.commands.verifying
    import triage.host
    import triage.model_choice
    from triage.commands import checking

    del checking
    _replace(triage.model_choice, "load_classifier", functools.cache(vars(triage.model_choice)["load_classifier"]))
    from tests.integration.harness import mail
    from triage.services.knowledge import knowledge_in
    from triage.settings import load_settings

    # what is loaded with the first mail is loaded once, before any fork
    triage.bootstrap.reader_for(load_settings()).read([mail(1)])
    knowledge_in(triage.bootstrap.TEMPLATES / "knowledge").index  # noqa: B018 - made once, for all forks
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            _, status = os.waitpid(asked["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        child = os.fork()
        if child == 0:
            _run_here(_Call(**asked))
        print(child, flush=True)


# ---------------------------------------------------------------- in the test


@dataclass(frozen=True, slots=True)
class _Call:
    arguments: list[str]
    environment: dict[str, str]
    output: str
    errors: str


@dataclass
class Running:
    """A command that runs; `wait` gives its exit code, negative for a signal."""

    pid: int
    output: Path
    errors: Path
    _helper: Killable = field(repr=False)
    code: int | None = None

    def wait(self) -> int:
        if self.code is None:
            self.code = self._helper.ask({"wait": self.pid})
        return self.code

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def runs(self) -> bool:
        """False as well while it is a zombie nobody has waited for."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state != "Z"

    @property
    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    @property
    def told(self) -> str:
        return self.errors.read_text(errors="replace")


class Killable:
    """Context manager; `start` and `run` take the product's arguments, its settings, and the step to die at."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="killable-")
        self._numbers = 0
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TRIAGE_")}
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.killable"],
            cwd=ROOT,
            env=environment | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._helper.stdout is not None
        if self._helper.stdout.readline().strip() != "ready":
            raise RuntimeError("the helper that forks the product did not start")
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._helper.stdin is not None and self._helper.stdout is not None
        self._helper.stdin.close()
        self._helper.wait(20)
        self._helper.stdout.close()
        self._folder.cleanup()

    def ask(self, question: Mapping[str, Any]) -> int:
        assert self._helper.stdin is not None and self._helper.stdout is not None
        self._helper.stdin.write(json.dumps(question) + "\n")
        self._helper.stdin.flush()
        return int(self._helper.stdout.readline())

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        step: str = "",
        nth: int = 1,
        number: int = signal.SIGKILL,
        real_reader: bool = False,
    ) -> Running:
        """`real_reader`: the child that reads one mail alone is started as in production, which takes seconds."""
        self._numbers += 1
        output, errors = (Path(self._folder.name) / f"{self._numbers}.{kind}" for kind in ("out", "err"))
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("TRIAGE_")}
        spec = {_SPEC: f"{step}:{nth}:{int(number)}"} if step else {}
        if not real_reader:
            spec[_FORK] = "1"
        call = _Call(list(arguments), inherited | dict(environment) | spec, str(output), str(errors))
        errors.touch()
        return Running(self.ask(asdict(call)), output, errors, self)

    @contextmanager
    def running(self, arguments: Sequence[str], environment: Mapping[str, str], **how: Any) -> Iterator[Running]:
        """As `start`; killed when the block is left, if it still runs."""
        process = self.start(arguments, environment, **how)
        try:
            yield process
        finally:
            if process.code is None:
                with suppress(ProcessLookupError):
                    process.signal(signal.SIGKILL)
                process.wait()

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], **how: Any) -> Running:
        """Until its end."""
        process = self.start(arguments, environment, **how)
        process.wait()
        return process


if __name__ == "__main__":
    _serve_forks()
elif __name__ == "__mp_main__":  # the product's own child process, started by multiprocessing
    _install_from_environment()

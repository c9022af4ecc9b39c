"""Log lines hold no personal data, whoever writes them."""

from __future__ import annotations

import logging

import pytest

from triage import logs


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]):
    logs.configure("debug", "json")

    def read() -> str:
        return capsys.readouterr().err

    return read


def test_known_keys_pass_and_personal_ones_are_refused(written) -> None:
    logs.get_logger().info("mail_taken_in", case="JL-2026-00001", subject="Mijn moeder", sender="x@y.example")
    line = written()
    assert "JL-2026-00001" in line
    assert "Mijn moeder" not in line
    assert "x@y.example" not in line
    assert "refused" in line


def test_an_address_under_a_known_key_is_refused(written) -> None:
    logs.get_logger().info("x", rule="jan@zorg.example")
    assert "jan@" not in written()


def test_an_exception_leaves_its_class_and_place_never_its_text(written) -> None:
    try:
        raise ValueError("mevrouw Jansen is terminaal")
    except ValueError as exc:
        logs.get_logger().error("mail_not_parsed", exc_info=exc)
        logging.getLogger("some.library").exception("mail of mevrouw Jansen failed")
    line = written()
    assert "Jansen" not in line
    assert "ValueError" in line
    assert "test_logs.py" in line


def test_a_terminal_that_is_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return False

    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", Gone())
        logs.configure()
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(logs.get_logger(), level)("poll_failed", error="X")
    logs.configure()

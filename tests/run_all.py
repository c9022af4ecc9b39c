"""What `make test` does: bring what is missing, then format, lint, types and all tests.

As root with apt it installs Dovecot, PostgreSQL, Chromium and NeoMutt; elsewhere it runs what it can and says loudly
which tests were skipped and how to get them. With TRIAGE_TEST_REQUIRE_SERVERS=1 a missing server is a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import run  # noqa: E402

SERVERS = {
    "dovecot-imapd": lambda: shutil.which("dovecot"),
    "postgresql": lambda: any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or shutil.which("initdb"),
    "chromium": lambda: shutil.which("chromium"),
    "neomutt": lambda: shutil.which("neomutt"),
}


def bring_servers() -> list[str]:
    """Installs the Debian packages that are missing, when that is allowed; returns those still missing."""
    missing = [package for package, present in SERVERS.items() if not present()]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing {', '.join(missing)} …", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False, stdout=subprocess.DEVNULL)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
            env=quiet,
            check=False,
            stdout=subprocess.DEVNULL,
        )
        missing = [package for package, present in SERVERS.items() if not present()]
    return missing


def step(name: str, *command: str) -> bool:
    print(f"\n== {name}", flush=True)
    started = time.monotonic()
    passed = subprocess.run([str(run.PYTHON), "-m", *command], cwd=ROOT, env=run.environment()).returncode == 0
    print(f"== {name}: {'passed' if passed else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
    return passed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="no servers, no browser")
    parser.add_argument("--only", metavar="MODULE", help="set up, then run this module instead of the tests")
    options, rest = parser.parse_known_args()
    missing = [] if options.fast else bring_servers()
    run.ensure_environment(run.DEVELOPMENT)
    if options.only:
        return subprocess.run([str(run.PYTHON), "-m", options.only, *rest], cwd=ROOT, env=run.environment()).returncode
    if missing and os.environ.get("TRIAGE_TEST_REQUIRE_SERVERS") == "1":
        print(f"missing and not to be installed here: {', '.join(missing)}", file=sys.stderr)
        return 1
    tests = ["tests/unit", "tests/property"] if options.fast else ["tests"]
    passed = [
        step("format", "ruff", "format", "--check", "--quiet", "."),
        step("lint", "ruff", "check", "--quiet", "."),
        step("types", "mypy"),
        # most tests wait for servers and child processes; a file stays together, so that it starts its servers once
        step("tests", "pytest", "-q", "-n", "3", "--dist", "loadfile", *tests, *rest),
    ]
    if missing:
        print(
            f"\n!! Tests that need {', '.join(missing)} were SKIPPED. To run them: apt-get install {' '.join(missing)}",
            flush=True,
        )
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())

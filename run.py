#!/usr/bin/env python3
"""Makes and enters `.venv` when needed, then runs the command line of the product.

Works with the standard library alone: `python3 run.py COMMAND` is all that a fresh machine needs.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
MARKER = VENV / "installed"
RUNTIME, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"


def ensure_environment(lock: str = RUNTIME) -> None:
    """`.venv` holds what `lock` asks for, with hashes checked; does nothing when it does already."""
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        sys.exit(f"run.py: Python 3.11, 3.12 or 3.13 is needed; this is {sys.version.split()[0]}")
    wanted = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in (RUNTIME, DEVELOPMENT)}
    installed = set(MARKER.read_text().split()) if MARKER.exists() else set()
    if PYTHON.exists() and wanted[lock] in installed:
        return
    started = time.monotonic()
    print(f"Setting up {VENV.name} from {lock} (once, about half a minute) …", file=sys.stderr, flush=True)
    try:
        if not PYTHON.exists():
            venv.create(VENV, with_pip=True)
        subprocess.run(
            [
                PYTHON,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
                "-r",
                ROOT / lock,
            ],
            check=True,
            stdout=sys.stderr,
        )
    except subprocess.CalledProcessError as exc:
        if "ensurepip" in str(exc.cmd):
            sys.exit("run.py: Python lacks ensurepip: install the package python3-venv and try again")
        sys.exit("run.py: the packages could not be installed (see above); check the network and try again")
    except OSError as exc:
        sys.exit(f"run.py: {VENV} cannot be made ({exc.strerror}): check its rights and free space")
    # the development lock holds everything the runtime lock does, in the same versions
    MARKER.write_text("\n".join(sorted({wanted[lock], wanted[RUNTIME]})) + "\n")
    print(f"Ready in {time.monotonic() - started:.0f} s.", file=sys.stderr, flush=True)


def environment() -> dict[str, str]:
    """One thread per numeric library: mail is judged beside other work, and more threads cost more than they give."""
    return {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **os.environ}


def main() -> None:
    inside = Path(sys.prefix).resolve() == VENV.resolve()
    if not inside:
        ensure_environment()
        os.execve(PYTHON, [str(PYTHON), str(ROOT / "run.py"), *sys.argv[1:]], environment())
    sys.path.insert(0, str(ROOT))
    from triage.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()

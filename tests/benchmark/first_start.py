"""From clone to the first acknowledged mail, with an empty package cache: time and download size.

Clones this repository into a temporary folder and runs `python3 run.py demo --once --json` there, as a newcomer's
first command does. Writes docs/first-start.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from tests.benchmark.report import Bar, bar_table, measured_on, table, write

ROOT = Path(__file__).resolve().parents[2]
_MEGABYTE = 1_000_000


def received_bytes() -> int:
    """What all network interfaces but loopback have taken in since the machine started."""
    counters = psutil.net_io_counters(pernic=True)
    return sum(counter.bytes_recv for name, counter in counters.items() if name != "lo")


def size_of(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="triage-first-") as folder:
        clone = Path(folder) / "clone"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TRIAGE_")}
        environment |= {"PIP_NO_CACHE_DIR": "1", "PIP_CACHE_DIR": f"{folder}/cache"}
        environment.pop("VIRTUAL_ENV", None)
        started, before = time.monotonic(), received_bytes()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        cloned = time.monotonic() - started
        python = Path(sys.base_prefix) / "bin" / "python3"
        process = subprocess.Popen(
            [str(python), "run.py", "demo", "--once", "--json"],
            cwd=clone,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        moments: dict[str, float] = {}

        def listen() -> None:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("Ready in"):
                    moments.setdefault("installed", time.monotonic() - started)
                if "acknowledgement queued" in line:
                    moments.setdefault("first", time.monotonic() - started)

        listener = threading.Thread(target=listen)
        listener.start()
        assert process.stdout is not None
        printed = process.stdout.read()
        code = process.wait()
        listener.join()
        done = time.monotonic() - started
        downloaded = (received_bytes() - before) / _MEGABYTE
        installed = size_of(clone / ".venv") / _MEGABYTE
    summary = json.loads(printed.splitlines()[-1]) if printed else {}
    all_well = code == 0 and summary.get("pending") == 0 and summary.get("unaccounted") == 0
    rows = [
        ("git clone, s", cloned),
        ("packages installed, s", moments.get("installed", float("nan"))),
        ("first mail taken in and its acknowledgement queued, s", moments.get("first", float("nan"))),
        (
            f"all {summary.get('received', 0)} sample mails done and {summary.get('acknowledged', 0)} acknowledged, s",
            done,
        ),
        ("received over the network, MB", downloaded),
        (".venv on disk, MB", installed),
    ]
    bars = [Bar("-", "the sample mailbox is worked to the end (1: yes)", float(all_well), 1.0, "", at_least=True)]
    text = (
        "# First start\n\nWritten by `make first-start`: a fresh clone, an empty package cache, the demo once.\n\n"
        f"{measured_on()}\n\n{table(('What', 'Measured'), rows)}\n\n{bar_table(bars)}\n"
    )
    print(write("first-start.md", text).read_text())
    return 0 if all_well else 1


if __name__ == "__main__":
    sys.exit(main())

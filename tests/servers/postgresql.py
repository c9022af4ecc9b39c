"""A temporary PostgreSQL server, with a fresh database for every test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.servers import missing

_CONNECT = {"host": "127.0.0.1", "user": "triage", "connect_timeout": 5}


def find_binaries() -> Path | None:
    """The folder with initdb and postgres: on the PATH, or the newest of Debian's."""
    on_path = shutil.which("initdb")
    if on_path and shutil.which("postgres"):
        return Path(on_path).parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, key=lambda path: int(path.parent.name), default=None)


@dataclass
class PostgresqlServer:
    port: int
    _made: int = field(default=0)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database, removed afterwards with whatever still holds it."""
        self._made += 1
        name = f"test_{self._made}"
        self._execute(f"CREATE DATABASE {name}")
        try:
            yield f"postgresql://triage@127.0.0.1:{self.port}/{name}"
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(port=self.port, dbname="postgres", autocommit=True, **_CONNECT) as connection:
            connection.execute(statement.encode())


@contextmanager
def running() -> Iterator[PostgresqlServer]:
    """One server without fsync; skips the test when PostgreSQL is not installed."""
    binaries = find_binaries()
    if binaries is None:
        missing("PostgreSQL (Debian package postgresql)")
    as_user: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="triage-postgresql-"))
    try:
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        data = folder / "data"
        options = ["--auth=trust", "--username=triage", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run([*as_user, binaries / "initdb", "-D", data, *options], check=True, capture_output=True, cwd="/")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": 100,
        }
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*as_user, binaries / "postgres", "-D", data, *arguments], stdout=log, stderr=log, cwd="/"
            )
        try:
            _wait(server, port, folder / "log")
            yield PostgresqlServer(port)
        finally:
            server.send_signal(2)  # SIGINT: fast shutdown
            server.wait(30)
    finally:
        shutil.rmtree(folder)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(port=port, dbname="postgres", **_CONNECT).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)

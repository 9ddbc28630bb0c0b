"""A primary and its streaming replica, both real, on loopback: what tests/test_replica.py and a demonstration use.

    with Pair(folder) as pair:      # postgres:// addresses: pair.primary.url, pair.replica.url
        pair.replica.sql("SELECT pg_wal_replay_pause()")

By hand: `python -m tests.replica_servers FOLDER` starts them, prints the two variables and stops them at Ctrl-C.
The binaries are those of the wheel that the demo uses; the servers end with the process that started them.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from config import embedded
from tests.mail_server import free_port

OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "replica",
    "hot_standby": "on",
    "timezone": "UTC",
    "log_statement": "all",
    "fsync": "off",
}


def _account() -> str:
    """postgres does not run as root."""
    return pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else "postgres"


class Server:
    """One postgres on a port of its own; its data in `folder`, what it says in `folder`.log."""

    def __init__(self, folder: Path):
        self.folder, self.port, self.process = folder, free_port(), None
        self.log = folder.with_suffix(".log")
        self.url = f"postgres://cpe@127.0.0.1:{self.port}/cpe"

    def start(self) -> None:
        options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
        self.process = self.run("postgres", "-D", self.folder, "-p", self.port, *options)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                self.sql("SELECT 1", database="postgres")
                return
            time.sleep(0.05)
        raise RuntimeError(self.log.read_text()[-1500:])

    def kill(self) -> None:
        """As a power cut would: the postmaster and all it started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in (self.process.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(20)

    def sql(self, statement: str, values=(), database: str = "cpe") -> list[tuple]:
        """Run one statement as the owner of the cluster."""
        address = f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def run(self, program: str, *arguments) -> subprocess.Popen:
        """Start a program of PostgreSQL, as an ordinary account, ended with this process."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [
                    *embedded.THIS_FILE,
                    "become",
                    _account(),
                    str(os.getpid()),
                    str(embedded._binaries() / program),
                    *map(str, arguments),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": os.defpath, "LC_MESSAGES": "C"},
            )

    def finish(self, program: str, *arguments, text: str = "") -> None:
        process = self.run(program, *arguments)
        process.communicate(text.encode())
        if process.returncode:
            raise RuntimeError(f"{program}: {self.log.read_text()[-1500:]}")


class Pair:
    """A primary with an empty database `cpe` of the role `cpe`, and a replica that follows it."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(folder, _account())
        self.primary, self.replica = Server(folder / "primary"), Server(folder / "replica")

    def __enter__(self) -> "Pair":
        primary, replica = self.primary, self.replica
        locale = [f"--locale={embedded.LOCALE}", "--encoding=UTF8", "--text-search-config=simple"]
        primary.finish("initdb", "-D", primary.folder, "-U", "postgres", "--auth=trust", *locale, "--no-sync")
        try:
            primary.start()
            primary.sql("CREATE ROLE cpe LOGIN CREATEDB", database="postgres")
            primary.sql("CREATE DATABASE cpe OWNER cpe", database="postgres")
            source = ("-h", "127.0.0.1", "-p", primary.port, "-U", "postgres")
            replica.finish("pg_basebackup", "-D", replica.folder, "-R", "-c", "fast", "--no-sync", *source)
            replica.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error) -> None:
        self.replica.stop()
        self.primary.stop()

    def replayed(self, seconds: float = 20) -> None:
        """Come back when the replica has everything that the primary has committed."""
        head = self.primary.sql("SELECT pg_current_wal_lsn()")[0][0]
        deadline = time.monotonic() + seconds
        while not self.replica.sql("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [head])[0][0]:
            assert time.monotonic() < deadline, "the replica does not follow"
            time.sleep(0.02)


def main() -> None:
    with Pair(Path(sys.argv[1]).resolve()) as pair:
        sys.stdout.write(f"DATABASE_URL={pair.primary.url}\nDATABASE_REPLICA_URL={pair.replica.url}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            pair.primary.process.wait()


if __name__ == "__main__":
    main()

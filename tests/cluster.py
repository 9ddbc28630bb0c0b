"""A PostgreSQL cluster of a test's own, for what needs a server's administrator: roles, archive, backup, restore.

The programs are Debian's where they are installed, else those of the embedded server's wheel (whose pg_verifybackup
ends at once with a segmentation fault, in 0.6.0). As root they run under the account that config/embedded.py would use.
Only a socket is open, in a folder of the test.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import psycopg

from config import embedded


def _binaries() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    return installed[-1].parent if installed else embedded._binaries()


BINARIES = _binaries()


def verifies_backups() -> bool:
    """Whether pg_verifybackup works here."""
    program = [BINARIES / "pg_verifybackup", "--version"]
    return subprocess.run(program, capture_output=True, check=False).returncode == 0


def account() -> str:
    """The account that postgres runs as here."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid()).pw_name
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise RuntimeError("no account for PostgreSQL")


def as_account(*command) -> list:
    """The command as `account()` runs it; it ends with this process."""
    return [*embedded.THIS_FILE, "become", account(), str(os.getpid()), *map(str, command)]


def give(path: Path) -> Path:
    """Make a folder that belongs to the account."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not os.geteuid():
        shutil.chown(path, account(), pwd.getpwnam(account()).pw_gid)
    return path


class Cluster:
    """One cluster below `folder`; `settings` stand in its postgresql.conf."""

    def __init__(self, folder: Path, data: Path | None = None, **settings):
        self.folder = give(folder)
        self.data = data or folder / "data"
        # A socket's address is short, pytest's folders are long.
        self.sockets = give(Path(tempfile.mkdtemp(prefix="cpe-")))
        self.environment = {
            "PATH": f"{BINARIES}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "PGHOST": str(self.sockets),
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
            "PGCONNECT_TIMEOUT": "10",
        }
        self.settings = settings
        self.server = None

    def make(self) -> "Cluster":
        give(self.data)
        self.run(
            BINARIES / "initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync",
            "--locale=C.UTF-8", "--data-checksums", "--no-instructions",
        )  # fmt: skip
        return self

    def start(self) -> "Cluster":
        options = {
            "listen_addresses": "",
            "unix_socket_directories": self.sockets,
            "port": 5432,
            **self.settings,
        }
        arguments = [one for name, value in options.items() for one in ("-c", f"{name}={value}")]
        self.log = self.folder / "server.log"
        with self.log.open("ab") as log:
            self.server = subprocess.Popen(
                as_account(BINARIES / "postgres", "-D", self.data, *arguments),
                stdout=log, stderr=log, cwd="/", env=self.environment, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 120
        while True:
            try:
                self.sql("SELECT 1")
            except psycopg.OperationalError:
                assert self.server.poll() is None, self.log.read_text()[-3000:]
                assert time.monotonic() < deadline, self.log.read_text()[-3000:]
                time.sleep(0.05)
            else:
                return self

    def stop(self, sign: int = 2) -> None:
        """Fast shutdown; 9 is a crash."""
        if self.server and self.server.poll() is None:
            self.server.send_signal(sign)
            self.server.wait(60)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgres://{user}@/{database}?" + urlencode({"host": self.sockets})

    def connect(self, database: str = "postgres", user: str = "postgres", **how):
        return psycopg.connect(self.url(database, user), **how)

    def sql(self, statement: str, database: str = "postgres", user: str = "postgres") -> list:
        with self.connect(database, user, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def run(self, *command, check: bool = True, **environment) -> subprocess.CompletedProcess:
        """Run a program as the account. Its output is in the exception when it fails."""
        done = subprocess.run(
            as_account(*command), capture_output=True, text=True, cwd="/", check=False, timeout=300,
            env={**self.environment, **environment},
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

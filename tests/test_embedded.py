"""The embedded server (config/embedded.py): who starts it, who shares it, and what is left after a kill -9."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from config import embedded

pytestmark = pytest.mark.skipif(embedded.fcntl is None, reason="the embedded server needs a Unix")

CLIENT = """
import sys
from pathlib import Path
from config import embedded
try:
    with embedded.database(Path(sys.argv[1])) as url:
        print(url, flush=True)
        sys.stdin.readline()
except embedded.EmbeddedError as error:
    sys.exit(str(error))
"""


class Client:
    """A process of its own that uses the embedded server of `folder` until it is told to leave or is killed."""

    def __init__(self, folder: Path, wait: bool = True):
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=embedded.PROJECT,
            env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        )
        self.url = self.process.stdout.readline().strip() if wait else ""

    def sql(self, statement: str, user: str = "cpe"):
        with psycopg.connect(self.url, user=user, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else None

    def leave(self) -> None:
        self.process.communicate("\n", timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


@pytest.fixture
def use(tmp_path):
    """Start clients on one data folder; end what a failed test leaves."""
    clients = []

    def start(folder: Path = tmp_path, **options) -> Client:
        clients.append(Client(folder, **options))
        return clients[-1]

    yield start
    for client in clients:
        client.kill()
    assert_nothing_runs(tmp_path)


def commands() -> dict[int, str]:
    """Return the command line of every process by its id."""
    if Path("/proc/self").exists():
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                found[int(path.parts[2])] = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return found
    listed = subprocess.run(
        ["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True
    )
    return {
        int(pid): command for pid, command in (line.split(None, 1) for line in listed.stdout.splitlines())
    }


def running(folder: Path, what: str) -> list[int]:
    return [pid for pid, command in commands().items() if str(folder) in command and what in command]


def keeper_of(folder: Path) -> int:
    [pid] = running(folder, "embedded.py keep")
    return pid


def postmaster_of(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


def wait_for(condition, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def assert_nothing_runs(folder: Path) -> None:
    left = lambda: running(folder, "postgres") + running(folder, "embedded.py keep")  # noqa: E731
    assert wait_for(lambda: not left()), [commands().get(pid) for pid in left()]


def test_a_second_process_joins_and_the_last_one_to_leave_stops_it(use, tmp_path):
    first = use()
    first.sql("create table kept (n int)")
    postmaster = postmaster_of(tmp_path)
    second = use()
    assert postmaster_of(tmp_path) == postmaster
    first.leave()
    second.sql("insert into kept values (1)")
    assert postmaster_of(tmp_path) == postmaster
    second.leave()
    assert_nothing_runs(tmp_path)


def test_leaving_waits_until_the_server_has_stopped(use, tmp_path):
    client = use()
    keeper = keeper_of(tmp_path)
    os.kill(keeper, signal.SIGSTOP)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            client.process.communicate("\n", timeout=1)
    finally:
        os.kill(keeper, signal.SIGCONT)
    client.process.wait(20)
    assert running(tmp_path, "postgres") + running(tmp_path, "embedded.py keep") == []


def test_kill_9_of_the_owner_leaves_no_process_and_loses_nothing(use, tmp_path):
    owner = use()
    owner.sql("create table kept (n int)")
    owner.sql("insert into kept values (1)")
    assert running(tmp_path, "postgres")  # or the next line would prove nothing
    owner.kill()
    assert_nothing_runs(tmp_path)
    assert use().sql("select n from kept") == [(1,)]


@pytest.mark.parametrize("victim", [keeper_of, postmaster_of])
def test_a_killed_server_recovers_at_the_next_start(use, tmp_path, victim):
    owner = use()
    owner.sql("create table kept (n int)")
    with psycopg.connect(owner.url) as unfinished:
        unfinished.execute("insert into kept values (2)")
        owner.sql("insert into kept values (1)")
        postmaster = postmaster_of(tmp_path)
        os.kill(victim(tmp_path), signal.SIGKILL)
        assert_nothing_runs(tmp_path)
        again = use()  # while the first owner still lives and believes in its server
        assert again.sql("select n from kept") == [(1,)]
        assert postmaster_of(tmp_path) != postmaster
        unfinished.close()


def test_a_half_finished_initdb_is_begun_anew(use, tmp_path):
    owner = use(wait=False)
    assert wait_for((tmp_path / "postgres.new" / "PG_VERSION").exists)
    os.kill(keeper_of(tmp_path), signal.SIGKILL)
    owner.kill()
    assert not (tmp_path / "postgres").exists()
    assert_nothing_runs(tmp_path)
    assert use().sql("select 1") == [(1,)]


def test_a_stale_pid_file_neither_stops_the_start_nor_harms_a_bystander(use, tmp_path):
    use().leave()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        stale = f"{bystander.pid}\n{tmp_path}/postgres\n1\n5432\n{tmp_path}/run\n\n\nready\n"
        (tmp_path / "postgres" / "postmaster.pid").write_text(stale)
        assert use().sql("select 1") == [(1,)]
        assert bystander.poll() is None
        bystander.kill()


def test_the_disk_is_waited_for_and_the_application_is_no_superuser(use):
    client = use()
    assert client.sql("show fsync") + client.sql("show data_checksums") == [("on",), ("on",)]
    assert client.sql("select rolsuper, rolcreatedb from pg_roles where rolname = current_user") == [
        (False, True)
    ]
    assert client.sql("select 'é' < 'z', upper('é'), '乙' < '甲'") == [(False, "É", True)]


def test_a_cluster_of_another_locale_is_refused_in_a_sentence(use):
    client = use()
    client.sql("update pg_database set datctype = 'C' where datname = 'cpe'", user="postgres")
    client.leave()
    refused = use()
    assert refused.process.wait(20) == 1
    assert "排序规则" in refused.process.stderr.read()


def test_a_given_database_url_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere/db")
    with embedded.database(tmp_path) as url:
        assert url == "postgres://elsewhere/db"
    assert list(tmp_path.iterdir()) == []


def test_help_needs_no_server(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment["CPE_DATA_DIR"] = str(tmp_path)
    subprocess.run([sys.executable, "manage.py", "help"], cwd=embedded.PROJECT, env=environment, check=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
class TestAsRoot:
    def test_it_runs_below_a_closed_folder_with_one_capability(self, use, tmp_path):
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        use(closed / "data").sql("create table proof (n int)")
        status = Path(f"/proc/{postmaster_of(closed / 'data')}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert "0" not in fields["Uid"].split()
        assert int(fields["CapEff"], 16) == 1 << embedded.CAP_DAC_OVERRIDE
        assert closed.stat().st_mode & 0o777 == 0o700

    def test_other_accounts_do_not_get_in(self, use):
        with tempfile.TemporaryDirectory() as name:  # pytest's own folders would be in the way already
            folder = Path(name)
            folder.chmod(0o755)
            client = use(folder)
            assert met_by(0, client.url) == "connected"
            assert met_by(54321, client.url) == "no way to the socket"
            servers_own_account = (folder / "postgres").stat().st_uid
            assert met_by(servers_own_account, client.url) == "refused by the server"
            client.leave()


def met_by(uid: int, url: str) -> str:
    """Tell what a process of another account meets that wants to connect."""
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            os._exit(13 if "Permission denied" in str(error) else 14 if "Peer" in str(error) else 15)
        os._exit(0)
    answers = {0: "connected", 13: "no way to the socket", 14: "refused by the server"}
    return answers[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]

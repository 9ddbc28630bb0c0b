"""The stage of the fault drills (trust.md 4.4): a durable PostgreSQL, the real website, people who write down what they did.

    stage = Stage(folder).set_up()
    with stage.inside():                      # the ORM of this test speaks to the drill's server
        person = stage.town.practitioner(at=stage.old)
    with stage.drill(figure) as ledger:       # afterwards: nothing acknowledged is missing, nothing is there twice
        Mover(stage, person, ledger).go(...)

Database and website are processes of their own, on a socket and a loopback port of their own, with the settings of
production. Every acknowledged action stands in a file, on the disk, before its client does anything else.
"""

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.db import connections
from django.db.utils import load_backend
from django.test import override_settings

from accounts.models import User
from credits.years import current_year
from tests import race
from tests.cluster import BINARIES, Cluster
from tests.faults_browser import Answer, Browser
from tests.mail_server import free_port
from tests.tiers import figure, times
from tests.town import PASSWORD, Town
from transfers.models import UnitTransfer
from workflow import engine
from workflow.models import Application, Event, Step

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
YEAR = current_year()
NEVER_ANSWERED = 0  # instead of a status: the connection broke, or nothing came


def until(condition, seconds: float = 30, what: str = "it did not come to that"):
    """Wait for a true value and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


# --- the database ------------------------------------------------------------------------------------


class Server(Cluster):
    """A cluster that keeps what it says, can lose its power, and can be given a small disk for its log."""

    def kill(self) -> None:
        """As a power cut would: the postmaster and everything it started, at once."""
        pids = [self.server.pid, *children_of(self.server.pid)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.server.wait()
        until(lambda: not any(map(is_alive, pids)))

    def end(self) -> None:
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(60)

    def revive(self) -> None:
        """As a supervisor would: start it again if it ended, and wait until it answers."""

        def answers():
            if self.server.poll() is not None:
                self.start()
            return self.is_up()

        until(answers, 60)

    def is_up(self) -> bool:
        try:
            return bool(self.sql("SELECT 1", "cpe"))
        except psycopg.OperationalError:
            return False

    def waiting(self, count: int = 1) -> bool:
        """Whether so many of the website's or the worker's sessions wait for a lock."""
        found = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'cpe' AND wait_event_type = 'Lock'"
        return self.sql(found)[0][0] >= count

    def wanted_alone(self, table: str) -> bool:
        """Whether somebody waits to have the table for themselves."""
        found = "SELECT 1 FROM pg_locks WHERE relation = '{}'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted"
        return bool(self.sql(found.format(table), "cpe"))


def children_of(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(one) for path in threads for one in path.read_text().split()]


def link_of(path: Path) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


def is_alive(pid: int) -> bool:
    """Whether it runs; one that only waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


# --- the stage ---------------------------------------------------------------------------------------


class Stage:
    """A province of two units, with its database, its website and, where asked for, its worker."""

    def __init__(self, folder: Path, blocker):
        self.folder, self.blocker = folder, blocker
        self.server = Server(folder / "server", min_wal_size="32MB", **DURABLE)
        self.data = folder / "cpe"
        self.port = free_port()
        self.website = None
        self.workers: list[subprocess.Popen] = []
        self.browsers: dict[int, Browser] = {}

    def set_up(self, like: str) -> "Stage":
        """Make and start everything. `like` is a migrated database, whose tables are copied where that is possible."""
        self.data.mkdir()
        self.server.make().start()
        self.server.sql("CREATE ROLE cpe LOGIN")
        self.server.sql("CREATE DATABASE cpe OWNER cpe")
        wanted = DURABLE | {"data_checksums": "on"}
        assert {name: self.server.sql(f"SHOW {name}")[0][0] for name in wanted} == wanted
        collecting = self.manage("collectstatic", "--no-input", "--verbosity=0")
        commands = ["load_reference", "load_hours"]
        if not self._copied(like):
            commands.insert(0, "migrate")
        with self.inside():
            for command in commands:
                call_command(command, verbosity=0, stdout=io.StringIO())
            self.town = town = Town()
            self.old, self.new = town.employer(name="测试房产中心"), town.employer(name="测试公路中心")
            town.rules(total=90, public=30, professional=60)
            self.movers = self.people(4)
        # So that a clock that is set back finds them in office (I10).
        self.server.sql(
            "UPDATE orgs_historicalorgadmin SET history_date = history_date - interval '1 day'", "cpe"
        )
        assert collecting.wait(120) == 0
        with override_settings(PASSWORD_HASHERS=["accounts.hashers.Argon2"]):
            self.password = make_password(PASSWORD)
        self.open()
        return self

    def _copied(self, like: str) -> bool:
        """Whether the tables came from there. Not when these programs are older than that server."""
        dump = [BINARIES / "pg_dump", "--no-owner", "--no-privileges", f"--dbname={like}"]
        rows = [f"--table={name}" for name in ("django_migrations", "django_content_type", "auth_permission")]
        for more in (["--schema-only"], ["--data-only", *rows]):
            dumped = subprocess.run([*dump, *more], capture_output=True, check=False)
            if dumped.returncode:
                return False
            load = [BINARIES / "psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]
            load.append(f"--dbname={self.server.url('cpe', 'cpe')}")
            subprocess.run(load, input=dumped.stdout, stdout=subprocess.DEVNULL, check=True)
        return True

    def tear_down(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.close()
        self.server.stop()

    @property
    def environment(self) -> dict:
        keys = os.environ.get("CPE_KEYS_FILE") or str(settings.DATA_DIR / "keys.json")
        ours = {name: value for name, value in os.environ.items() if name != "CPE_TESTING"}
        return {
            **ours,
            "DATABASE_URL": self.server.url("cpe", "cpe"),
            "CPE_DATA_DIR": str(self.data),
            "CPE_KEYS_FILE": keys,
            "CPE_PARENT_PID": str(os.getpid()),
            "PYTHONPATH": str(settings.BASE_DIR),
        }

    def manage(self, *command: str, **environment: str) -> subprocess.Popen:
        return self._popen(f"{command[0]}.log", sys.executable, "manage.py", *command, **environment)

    def _popen(self, log: str, *command: str, **environment: str) -> subprocess.Popen:
        with (self.folder / log).open("ab") as file:
            return subprocess.Popen(
                command, cwd=settings.BASE_DIR, stdout=file, stderr=file, env=self.environment | environment
            )

    def log(self, name: str = "website") -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    # --- the website and the worker ------------------------------------------------------------------
    def open(self) -> None:
        """Start gunicorn as in production, two processes of four threads."""
        self.website = self.gunicorn(self.port)

    def gunicorn(self, port: int, application: str = "config.wsgi", **environment: str) -> subprocess.Popen:
        process = self._popen(
            "website.log", sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn",
            "--bind", f"127.0.0.1:{port}", application, **environment,
        )  # fmt: skip
        until(lambda: Browser(port).get("/health/").status == 200, 60, "the website did not start")
        return process

    def close(self) -> None:
        if self.website and self.website.poll() is None:
            self.website.terminate()
            self.website.wait(60)

    def processes(self) -> list[int]:
        """The website's workers."""
        return [pid for pid in children_of(self.website.pid) if is_alive(pid)]

    def process_of(self, browser: Browser) -> int:
        """The one of them that is answering this browser."""
        ends = f"0100007F:{self.port:04X} 0100007F:{browser.local_port:04X}"
        lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines())
        socket = next(f"socket:[{one[9]}]" for one in lines if f"{one[1]} {one[2]}" == ends)
        return next(
            pid
            for pid in self.processes()
            if any(link_of(path) == socket for path in Path(f"/proc/{pid}/fd").iterdir())
        )

    def worker(self) -> subprocess.Popen:
        """manage.py worker."""
        self.workers.append(self.manage("worker"))
        return self.workers[-1]

    # --- who acts ------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def inside(self):
        """The ORM and the files of this test are the drill's."""
        own = connections["default"]
        # What a test needs is looked at in its own time.
        parameters = own.settings_dict | dj_database_url.parse(self.server.url("cpe", "cpe"))
        wrapper = load_backend(parameters["ENGINE"]).DatabaseWrapper(parameters, "default")
        with self.blocker.unblock(), override_settings(MEDIA_ROOT=self.data / "files"):
            connections["default"] = wrapper
            try:
                yield
            finally:
                wrapper.close()
                connections["default"] = own

    def browser(self, who, port: int = 0) -> Browser:
        """Somebody who went through the login form; another tab of theirs when they did before.

        With a `port` at another website, where nobody is known.
        """
        with self.inside():
            account = self.town._account(who)
            if account.pk in self.browsers and not port:
                return self.browsers[account.pk].copy()
            role, number = account.role, account.user.id_number.reveal()
            User.objects.filter(pk=account.user.pk).update(password=self.password)
        browser = Browser(port or self.port)
        browser.ask("GET", "/login/")
        answer = browser.post("/login/", role=role, id_number=number, password=PASSWORD)
        assert answer.status == 302, answer.text
        assert answer.to == "/", answer.to
        if port:
            return browser
        self.browsers[account.pk] = browser
        return browser.copy()

    def filed(self, person) -> int:
        """A transfer that waits for the person's unit; its number."""
        payload = UnitTransfer(
            practitioner=person, old_employer=self.old, new_employer=self.new, reason="测试原因"
        )
        return engine.submit("unit-transfer", payload, by=self.town.actor(person)).pk

    def step_of(self, application: int, order: int = 1) -> int:
        return Step.objects.values_list("pk", flat=True).get(application=application, order=order)

    def people(self, count: int) -> list:
        return [self.town.practitioner(at=self.old) for _ in range(count)]

    # --- after the fault ------------------------------------------------------------------------------
    @contextlib.contextmanager
    def drill(self):
        """One drill: counted, with a ledger to write into; afterwards all that was acknowledged is there, once."""
        with figure("faults") as faults, figure("acknowledged") as acknowledged:
            faults.tried += 1
            ledger = Ledger(self.folder / "acknowledged.txt")
            try:
                yield ledger
                with self.inside():
                    wrong = ledger.compare()
                    acknowledged.tried, acknowledged.failed = len(ledger.lines()), len(wrong)
                    assert not wrong, wrong[:20]
                    race.check_invariants()
            finally:
                ledger.close()


class Ledger:
    """What the website said was done, each line on the disk before the next action begins."""

    def __init__(self, path: Path):
        path.unlink(missing_ok=True)
        self.path, self.lock = path, threading.Lock()
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, verb: str, number: int) -> None:
        with self.lock:
            os.write(self.file, f"{verb} {number}\n".encode())
            os.fsync(self.file)

    def lines(self) -> list[tuple[str, int]]:
        found = (line.split() for line in self.path.read_text().splitlines())
        return [(verb, int(number)) for verb, number in found]

    def compare(self) -> list[str]:
        """What is missing from the database, and what is in it twice."""
        in_place = Counter()
        for verb, application, step in Event.objects.values_list("verb", "application_id", "step_id"):
            in_place[(verb, step or application)] += 1
        said = Counter(self.lines())
        wrong = [f"missing: {verb} {number}" for verb, number in said if not in_place[(verb, number)]]
        wrong += [f"twice: {verb} {number}" for (verb, number), count in in_place.items() if count > 1]
        return wrong + [f"acknowledged twice: {one}" for one, count in said.items() if count > 1]

    def close(self) -> None:
        os.close(self.file)


# --- people who go on working ------------------------------------------------------------------------


class Busy(threading.Thread):
    """Somebody who does one thing after the other, and sends a form again until it is answered.

    `answers` holds (time of the clock that only goes forward, status, seconds) of every try. A status of 500 is nobody's to accept.
    """

    def __init__(self, browser: Browser, ledger: Ledger):
        super().__init__(daemon=True)
        self.browser, self.ledger = browser, ledger
        self.over, self.answers, self.error = threading.Event(), [], None

    def run(self) -> None:
        try:
            while self.act() and not self.over.wait(times(0.05, 0)):
                pass
        except BaseException as error:
            self.error = error

    def act(self) -> bool:
        """Do one thing; whether there is more to do."""
        raise NotImplementedError

    def send(self, path: str, **fields) -> tuple[Answer, bool]:
        """Send one form until it is answered; whether it took more than one try."""
        deadline, again = time.monotonic() + 90, False
        while True:
            answer = self.browser.post(path, **fields)
            self.answers.append((time.monotonic(), answer.status, answer.seconds))
            if answer.status in (302, 409):
                return answer, again
            assert answer.status in (NEVER_ANSWERED, 503), (path, answer.status, answer.text[-2000:])
            assert time.monotonic() < deadline, "it was never answered"
            again = True
            time.sleep(0.1)


class Mover(Busy):
    """Asks for a transfer and takes it back, again and again. `filed` is how often the person did."""

    def __init__(self, stage: Stage, person, ledger: Ledger):
        super().__init__(stage.browser(person), ledger)
        self.person = person
        with stage.inside():
            self.filed = self.in_database()
        self.form = {"new_unit": stage.new.name, "reason": "家庭原因", "chosen": stage.new.pk, "do": "submit"}

    def act(self) -> bool:
        answer, again = self.send("/moves/unit/", **self.form)
        if answer.status == 302:
            number = int(re.fullmatch(r"/applications/(\d+)/", answer.to)[1])
        else:  # it had been done, and only the answer was lost
            assert again, answer.text
            assert "已有一件“单位调转”在审核中" in answer.text
            number = int(re.search(r"/applications/(\d+)/", answer.text)[1])
        self.filed += 1
        self.ledger.note("submit", number)
        answer, _ = self.send(f"/applications/{number}/withdraw/")
        assert answer.to == f"/applications/{number}/", answer.to
        self.ledger.note("withdraw", number)
        return True

    def in_database(self) -> int:
        return Application.objects.filter(practitioner=self.person, kind="unit-transfer").count()


class Signer(Busy):
    """Signs what waits for a unit, one after the other."""

    def __init__(self, stage: Stage, unit, steps: list[int], ledger: Ledger):
        super().__init__(stage.browser(unit), ledger)
        self.steps = list(steps)

    def act(self) -> bool:
        if not self.steps:
            return False
        step = self.steps.pop()
        answer, again = self.send(f"/steps/{step}/approve/", comment="")
        assert answer.status == 302 or (again and "通过了这件申请" in answer.text), answer.text
        self.ledger.note("approve", step)
        return bool(self.steps)


class Traffic:
    """Six people at work while something happens. What they did is right, or leaving this block fails."""

    def __init__(self, stage: Stage, ledger: Ledger, matters: int = times(24, 60)):
        self.stage = stage
        with stage.inside():
            steps = [stage.step_of(stage.filed(person)) for person in stage.people(matters)]
        half = len(steps) // 2
        self.movers = [Mover(stage, person, ledger) for person in stage.movers]
        self.busy = [
            *self.movers,
            Signer(stage, stage.old, steps[:half], ledger),
            Signer(stage, stage.old, steps[half:], ledger),
        ]

    def __enter__(self) -> "Traffic":
        for one in self.busy:
            one.start()
        until(lambda: len(self.answers) > 12)
        return self

    def __exit__(self, kind, *_) -> None:
        for one in self.busy:
            one.over.set()
        for one in self.busy:
            one.join(120)
        if kind is None:
            errors = [one.error for one in self.busy if one.error]
            assert not errors, errors
            assert not any(one.is_alive() for one in self.busy), "somebody never came back"
            with self.stage.inside():
                assert [one.in_database() for one in self.movers] == [one.filed for one in self.movers]

    @property
    def answers(self) -> list[tuple[float, int, float]]:
        return sorted(answer for one in self.busy for answer in list(one.answers))

    def statuses(self, since: float = 0) -> Counter:
        return Counter(status for at, status, _ in self.answers if at >= since)

    def well_again(self, since: float, count: int = 12) -> float:
        """Wait until so many actions in a row went well after `since`; seconds from there to the first of them."""

        def found():
            good = []
            for at, status, _ in self.answers:
                if at >= since:
                    good = [*good, at] if status in (302, 409) else []
            return good if len(good) >= count else None

        return until(found, 60, "the traffic did not recover")[0] - since


# --- at the same moment ------------------------------------------------------------------------------


class Click(threading.Thread):
    """One form that is sent while the test goes on; `answer` afterwards."""

    def __init__(self, browser: Browser, path: str, **fields):
        super().__init__(daemon=True)
        self.browser, self.path, self.fields, self.answer = browser.copy(), path, fields, None
        self.start()

    def run(self) -> None:
        self.answer = self.browser.post(self.path, **self.fields)

    def came_to(self) -> Answer:
        self.join(60)
        assert self.answer is not None, "no answer and no end"
        return self.answer


# --- the stage of a whole run -------------------------------------------------------------------------

_stages: list[Stage] = []


@pytest.fixture
def stage(request, tmp_path_factory, django_db_setup, django_db_blocker) -> Stage:
    """One for all modules of this process: it takes fifteen seconds to set up."""
    if sys.platform != "linux":
        pytest.skip("!!! fault drills look into /proc: Linux alone")
    if not _stages:
        one = Stage(tmp_path_factory.mktemp("faults"), django_db_blocker)
        request.config.add_cleanup(one.tear_down)
        here = urlsplit(os.environ["DATABASE_URL"])._replace(
            path="/" + connections["default"].settings_dict["NAME"]
        )
        _stages.append(one.set_up(here.geturl()))
    return _stages[0]


# --- small disks -------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(path: Path, megabytes: int):
    """A file system of so many megabytes at `path`; yields whether there may be one here."""
    mounted = False
    if not os.geteuid() and shutil.which("mount"):
        path.mkdir(parents=True, exist_ok=True)
        options = f"size={megabytes}m,mode=700"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True)
        mounted = done.returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", path], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that is left; the file that holds it."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass
    return path

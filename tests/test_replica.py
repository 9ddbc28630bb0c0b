"""Reads on a streaming replica: real servers, the real site over HTTP, the real worker (accounts/replica.py).

The pair of servers and the site are started once; each test leaves them as it found them.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
from datetime import timedelta
from html import unescape
from urllib.request import HTTPCookieProcessor

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connection, connections, transaction
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from accounts import replica
from accounts.models import Tally
from accounts.replica import WrittenWhileReading
from accounts.replica_age import AsOf
from config.management.commands.demo import Browser
from orgs.models import Organization
from tests.mail_server import free_port
from tests.replica_servers import Pair
from tests.test_exports import CROWD
from tests.town import PASSWORD

TELL_AFTER, PAUSE = 1, 3  # seconds, in place of 60 and 30
FORM = "exports/new/people/"  # its number of rows is read from the replica
LIST = "people/"  # is not


# --- the servers, the site, one admin ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with Pair(tmp_path_factory.mktemp("pair", numbered=False)) as pair:
        yield pair


def until(condition, seconds=40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def token_of(page: str) -> str:
    return re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]


class Site:
    """The site as gunicorn runs it, on the pair; `town` is what tests/replica_town.py made there."""

    def __init__(self, pair: Pair, folder, **more: str):
        self.port, self.pair, self.folder = free_port(), pair, folder
        self.env = {
            **os.environ,
            "DATABASE_URL": pair.primary.url,
            "CPE_DATA_DIR": str(folder),
            "CPE_REPLICA_TELL_AFTER": str(TELL_AFTER),
            "CPE_REPLICA_PAUSE": str(PAUSE),
            "CPE_PARENT_PID": str(os.getpid()),
            "CPE_GUNICORN_LOG_LEVEL": "warning",
            "WEB_CONCURRENCY": "1",
            "CPE_TESTING": "1",
            **more,
        }
        if not more:
            self.env.pop("DATABASE_REPLICA_URL", None)
        self.log = (folder / "site.log").open("ab")

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=django_settings.BASE_DIR,
            env=self.env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        command = ["-m", "gunicorn", "-c", "python:config.gunicorn", "--bind", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(
            [sys.executable, *command, "config.wsgi"],
            cwd=django_settings.BASE_DIR,
            env=self.env,
            stdout=self.log,
            stderr=self.log,
        )

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def login(self, who: dict) -> Browser:
        browser = Browser(f"http://127.0.0.1:{self.port}/")
        deadline = time.monotonic() + 30
        while True:
            try:
                page = browser.open("login/")
                break
            except urllib.error.URLError:
                assert time.monotonic() < deadline, "the site does not start"
                time.sleep(0.1)
        token = token_of(page)
        form = {"role": who["role"], "id_number": who["number"], "password": PASSWORD}
        browser.open("login/", {**form, "csrfmiddlewaretoken": token})
        return browser


@pytest.fixture(scope="module")
def site(pair, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "static").mkdir()
    made = Site(pair, folder, DATABASE_REPLICA_URL=pair.replica.url)
    made.run("manage.py", "migrate", "-v0")
    made.town = json.loads(made.run("-m", "tests.replica_town"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def admin(site):
    return site.login(site.town["admin"])


@pytest.fixture
def paused(site):
    """Nothing more is replayed."""
    site.pair.replayed()
    site.pair.replica.sql("SELECT pg_wal_replay_pause()")
    yield
    with contextlib.suppress(Exception):
        site.pair.replica.sql("SELECT pg_wal_replay_resume()")
        site.pair.replayed()


def count(browser: Browser) -> int:
    """How many people the export would have."""
    return int(re.search(r"<dt>行数</dt><dd>([0-9,]+) 行</dd>", browser.open(FORM))[1])


def listed(browser: Browser) -> int:
    return browser.open(LIST).count('<td class="hd nw">')


def lag(browser: Browser) -> str:
    found = re.search(r"数据截至 [^<]*前", unescape(browser.open(FORM)))
    return found[0] if found else ""


def another_person(site) -> None:
    """One more, committed on the primary."""
    number = site.pair.primary.sql("SELECT coalesce(max(id), 0) + 100000 FROM accounts_user")[0][0]
    where = {"unit": site.town["unit"], "path": site.town["path"]}
    site.pair.primary.sql(CROWD, {**where, "first": number, "last": number})


def cookies(browser: Browser) -> set[str]:
    jars = [one.cookiejar for one in browser.opener.handlers if isinstance(one, HTTPCookieProcessor)]
    return {cookie.name for cookie in jars[0]} & {"csrftoken", "sessionid", replica.COOKIE}


def on_replica(site, what: str) -> int:
    """How often a statement stands in the replica's log."""
    return site.pair.replica.log.read_text(errors="replace").count(what)


# --- where it reads ------------------------------------------------------------------------------------------


def test_a_paused_replica_shows_old_figures_and_says_so_and_the_list_shows_the_new(site, admin, paused):
    before, rows = count(admin), listed(admin)
    assert lag(admin) == ""
    another_person(site)
    assert (count(admin), listed(admin)) == (before, rows + 1)
    time.sleep(TELL_AFTER + 0.2)
    assert re.fullmatch(r"数据截至 \d\d:\d\d，约 1 分钟前", lag(admin))
    site.pair.replica.sql("SELECT pg_wal_replay_resume()")
    site.pair.replayed()
    assert (count(admin), lag(admin)) == (before + 1, "")


def test_a_dashboard_counts_on_the_replica(site, admin, paused):
    def people() -> int:
        tile = r'<span class="big">([0-9,]+)</span> <span[^>]*>在册人员'
        return int(re.search(tile, admin.open(""))[1].replace(",", ""))

    before = people()
    another_person(site)
    time.sleep(TELL_AFTER + 0.2)
    assert people() == before
    assert "数据截至" in admin.open("")
    site.pair.replica.sql("SELECT pg_wal_replay_resume()")
    site.pair.replayed()
    assert people() == before + 1
    assert "数据截至" not in admin.open("")


def test_an_idle_primary_is_no_lag(site, admin):
    site.pair.replayed()
    time.sleep(TELL_AFTER + 0.5)
    reads = on_replica(site, 'FROM "orgs_practitioner"')
    assert lag(admin) == ""
    assert on_replica(site, 'FROM "orgs_practitioner"') > reads


def test_what_this_browser_wrote_it_sees_at_once(site, admin, paused):
    """Its own write goes to the primary until the replica has it; who wrote nothing reads the replica meanwhile."""
    other = site.login(site.town["colleague"])  # a login is a write: before the pause counts, not after
    site.pair.replica.sql("SELECT pg_wal_replay_resume()")
    site.pair.replayed()
    site.pair.replica.sql("SELECT pg_wal_replay_pause()")
    before = count(admin)
    another_person(site)
    assert count(admin) == count(other) == before
    token = token_of(other.open("messages/"))
    other.open("messages/read/", {"csrfmiddlewaretoken": token})
    assert (count(admin), count(other)) == (before, before + 1)
    assert lag(other) == ""
    site.pair.replica.sql("SELECT pg_wal_replay_resume()")
    site.pair.replayed()
    reads = on_replica(site, 'FROM "orgs_practitioner"')
    assert count(other) == before + 1
    assert on_replica(site, 'FROM "orgs_practitioner"') > reads


def test_a_dead_replica_is_left_alone_and_used_again_once_it_is_back(site, admin):
    before = count(admin)
    site.pair.replica.kill()
    another_person(site)
    started = time.monotonic()
    assert (count(admin), lag(admin)) == (before + 1, "")
    assert time.monotonic() - started < 2
    started = time.monotonic()
    assert count(admin) == before + 1  # nobody asks it again meanwhile
    assert time.monotonic() - started < 1
    site.pair.replica.start()
    site.pair.replayed()
    time.sleep(PAUSE)
    reads = on_replica(site, 'FROM "orgs_practitioner"')
    assert count(admin) == before + 1
    assert on_replica(site, 'FROM "orgs_practitioner"') > reads


def test_a_replica_that_does_not_answer_costs_one_short_wait(site, admin):
    """Its address takes connections and never says a word."""
    before = count(admin)
    replica_server = site.pair.replica
    replica_server.kill()
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(("127.0.0.1", replica_server.port))
        silent.listen(50)
        time.sleep(PAUSE)
        waits = []
        for _ in range(3):
            started = time.monotonic()
            assert count(admin) == before
            waits.append(time.monotonic() - started)
    assert 1.5 < max(waits) < 4.5  # the first connection is found dead, the next one is not answered
    assert sorted(waits)[1] < 1
    replica_server.start()
    site.pair.replayed()
    time.sleep(PAUSE)


def test_a_read_in_the_way_of_the_log_is_repeated_on_the_primary(site, admin):
    """The standby cancels a read that needs what the primary has removed: the page comes all the same."""
    server = site.pair.replica
    before = count(admin)
    reads = on_replica(site, "canceling statement due to conflict")
    server.sql("ALTER SYSTEM SET max_standby_streaming_delay = '100ms'")
    server.sql("SELECT pg_reload_conf()")
    try:
        script = (
            "from accounts import replica, replica_age\n"
            "from orgs.models import Practitioner\n"
            "tries = []\n"
            "def slow():\n"
            "    tries.append(replica.alias())\n"
            "    Practitioner.objects.count()\n"
            "    with replica.connection().cursor() as cursor:\n"
            "        if replica.alias() == 'replica':\n"
            "            print('begun', flush=True)\n"
            "            cursor.execute('SELECT pg_sleep(20)')\n"
            "    return Practitioner.objects.count()\n"
            "print(replica.read(slow), tries, replica_age.PAUSE.until)\n"
        )
        process = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "-v0", "-c", script],
            cwd=django_settings.BASE_DIR, env=site.env, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout.readline().strip() == "begun"
        site.pair.primary.sql("UPDATE orgs_practitioner SET title = title")
        site.pair.primary.sql("VACUUM orgs_practitioner")
        said = process.communicate(timeout=30)[0]
        assert "['replica', 'default']" in said
        assert said.strip().endswith("0.0")  # and the replica is not left alone for it
    finally:
        server.sql("ALTER SYSTEM RESET max_standby_streaming_delay")
        server.sql("SELECT pg_reload_conf()")
    assert on_replica(site, "canceling statement due to conflict") > reads
    assert count(admin) == before


def test_another_primary_or_another_cluster_is_no_replica(site, tmp_path):
    """A wrong address: the primary itself, or a server of somebody else. Nothing of it is shown."""
    script = "from accounts import replica; print(replica.read(replica.alias))"
    with Pair(tmp_path / "other") as other:
        for url in (site.pair.primary.url, other.replica.url):
            env = {**site.env, "DATABASE_REPLICA_URL": url}
            command = [sys.executable, "manage.py", "shell", "-v0", "-c", script]
            done = subprocess.run(
                command, cwd=django_settings.BASE_DIR, env=env, capture_output=True, text=True
            )
            assert done.stdout.strip() == "default", done.stderr
            assert "no replica of this primary" in done.stderr


def test_the_worker_reads_a_long_export_from_the_replica(site):
    """And writes what it has done to the primary."""
    crowded = site.login(site.town["crowded"])
    crowded.open(
        FORM, {"format": "csv", "detail": "masked", "csrfmiddlewaretoken": token_of(crowded.open(FORM))}
    )
    declared = on_replica(site, "DECLARE")
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "worker"], cwd=django_settings.BASE_DIR, env=site.env, stderr=site.log
    )
    try:
        deadline = time.monotonic() + 30
        while not site.pair.primary.sql("SELECT 1 FROM desk_export WHERE state = 'done' AND file <> ''"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        worker.terminate()
        worker.wait(20)
    assert on_replica(site, "DECLARE") == declared + 1
    assert site.pair.primary.sql("SELECT rows_done FROM desk_export WHERE file <> ''") == [(2_100,)]


def test_a_replica_that_dies_under_an_export_is_followed_by_the_primary(site):
    """The export waits on the replica for a lock that came with the log; then the replica is gone."""
    primary = site.pair.primary
    crowded = site.login(site.town["crowded"])
    crowded.open(
        FORM, {"format": "xlsx", "detail": "masked", "csrfmiddlewaretoken": token_of(crowded.open(FORM))}
    )
    ((export,),) = primary.sql("SELECT max(id) FROM desk_export")
    with psycopg.connect(f"postgresql://postgres@127.0.0.1:{primary.port}/cpe") as blocking:
        blocking.execute("LOCK TABLE credits_standing IN ACCESS EXCLUSIVE MODE")
        blocking.execute(
            "SELECT pg_log_standby_snapshot()" if blocking.info.server_version >= 160000 else "SELECT 1"
        )
        site.pair.replayed()
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=django_settings.BASE_DIR,
            env=site.env,
            stderr=site.log,
        )
        waiting = "SELECT 1 FROM pg_stat_activity WHERE usename = 'cpe' AND wait_event_type = 'Lock'"
        until(lambda: site.pair.replica.sql(waiting))
        site.pair.replica.kill()
    try:
        state = f"SELECT state, attempt FROM desk_export WHERE id = {export}"
        until(lambda: primary.sql(state) == [("done", 2)])
    finally:
        worker.terminate()
        worker.wait(20)
        site.pair.replica.start()
        site.pair.replayed()
        time.sleep(PAUSE)


def test_nothing_was_ever_written_to_the_replica(site, admin):
    """After everything above; its log holds every statement."""
    assert count(admin)
    assert cookies(admin) == {"csrftoken", "sessionid", replica.COOKIE}
    text = site.pair.replica.log.read_text(errors="replace")
    statements = re.findall(r"(?:statement|execute [^:]*): (\w+)", text)
    assert "SELECT" in statements
    assert not set(statements) & {"INSERT", "UPDATE", "DELETE", "COPY", "CREATE"}, set(statements)
    # Sessions, accounts and rights are read from the primary alone.
    assert not re.search(r'FROM "accounts_(session|roleaccount|message)"', text)


def test_without_the_variable_everything_is_the_primary(site):
    alone = Site(site.pair, site.folder)
    assert "DATABASE_REPLICA_URL" not in alone.env
    alone.start()
    try:
        before = on_replica(site, "orgs_practitioner")
        browser = alone.login(site.town["admin"])
        assert count(browser) == listed(browser)
        assert on_replica(site, "orgs_practitioner") == before
        assert cookies(browser) == {"csrftoken", "sessionid"}
    finally:
        alone.stop()


# --- what may be done there ----------------------------------------------------------------------------------


def test_nothing_is_written_inside_a_read_with_a_replica_or_without(db):
    for write in (
        lambda: Organization.objects.create(name="甲"),
        lambda: Organization.objects.update(name="甲"),
        lambda: Organization.objects.filter(pk=1).delete(),
        lambda: list(Organization.objects.select_for_update()),
        lambda: Tally.objects.create(key="a"),
        lambda: connection.cursor().execute("UPDATE accounts_tally SET count = 0"),
        lambda: connection.cursor().execute("  (INSERT INTO accounts_tally VALUES (1))"),
    ):
        with pytest.raises(WrittenWhileReading), transaction.atomic():
            replica.read(write)
    assert not Tally.objects.exists()

    def back_to_the_primary():
        with replica.primary():
            return Tally.objects.filter(key="a").update(count=0)

    assert replica.read(back_to_the_primary) == 0
    assert Tally.objects.filter(key="a").update(count=0) == 0  # and outside nothing is forbidden


def test_a_view_that_reads_takes_get_and_head_alone():
    @replica.reads_from_replica
    def view(request):
        return HttpResponse(replica.alias())

    requests = RequestFactory()
    assert view(requests.get("/")).content == b"default"
    assert view(requests.head("/")).status_code == 200
    for method in ("post", "put", "delete", "patch"):
        assert view(getattr(requests, method)("/")).status_code == 405


def test_without_a_replica_nothing_is_asked_twice(db, django_assert_num_queries):
    assert "replica" not in connections
    with django_assert_num_queries(1):
        replica.read(Organization.objects.count)
    assert replica.position() == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (61, "约 1 分钟前"),
        (100, "约 2 分钟前"),
        (60 * 90, "约 90 分钟前"),
        (3600 * 5, "约 5 小时前"),
        (3600 * 50, "约 50 小时前"),
    ],
)
def test_how_old_in_words(seconds, words):
    moment = timezone.now() - timedelta(seconds=seconds)
    said = str(AsOf(moment, seconds))
    local = timezone.localtime(moment)
    assert said.startswith("数据截至 ")
    assert f"{local:%H:%M}" in said
    assert said.endswith(words)
    assert (f"{local.month} 月 {local.day} 日" in said) == (local.date() != timezone.localdate())

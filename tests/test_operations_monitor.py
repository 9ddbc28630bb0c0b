"""/health/, /ready/ and /metrics (config/health.py, config/metrics.py): who may ask, what they say, what they cost."""

import json
import os
import re
import signal
import time

import pytest
from django.db import connection
from django.test import Client

from accounts.queue import enqueue
from config import health
from config.tally import BUCKETS, Tally
from tests.test_operations_logs import NUMBER, server  # noqa: F401 (a fixture)

ADDRESSES = ("/health/", "/ready/", "/metrics")
pytestmark = pytest.mark.django_db


def ask(path: str, **meta):
    return Client(SERVER_NAME="10.9.8.7").get(path, **meta)


# --- who may ask -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.parametrize(
    ("proxies", "networks", "meta", "allowed"),
    [
        (0, None, {"REMOTE_ADDR": "127.0.0.1"}, True),
        (0, None, {"REMOTE_ADDR": "::1"}, True),
        (0, None, {"REMOTE_ADDR": ""}, True),  # this machine's own socket
        (0, None, {"REMOTE_ADDR": "203.0.113.9"}, False),
        (0, None, {"REMOTE_ADDR": "2001:db8::1"}, False),
        # A proxy that nobody told us of: everybody would look like this machine.
        (0, None, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, False),
        (0, None, {"REMOTE_ADDR": "", "HTTP_FORWARDED": "for=203.0.113.9"}, False),
        (1, None, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, False),
        (1, None, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1, 203.0.113.9"}, False),
        (1, None, {"REMOTE_ADDR": "", "HTTP_X_FORWARDED_FOR": "rubbish"}, False),
        (1, ["10.1.0.0/16"], {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "10.1.2.3"}, True),
        (1, ["10.1.0.0/16"], {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "10.2.2.3"}, False),
        (0, ["10.1.0.0/16", "2001:db8:1::/48"], {"REMOTE_ADDR": "2001:db8:1::7"}, True),
    ],
)
def test_only_this_machine_and_the_named_networks(settings, path, proxies, networks, meta, allowed):
    settings.TRUSTED_PROXIES = proxies
    if networks:
        settings.MONITOR_NETWORKS = networks
    settings.ALLOWED_HOSTS = ["10.9.8.7"]
    answer = ask(path, **meta)
    assert (answer.status_code != 404) is allowed
    if not allowed:  # as if there were no such address
        assert answer.content == ask("/no-such-page/", **meta).content


@pytest.mark.parametrize("path", ADDRESSES)
def test_no_cookie_no_redirect_no_host(settings, path):
    """A probe comes by plain HTTP and IP address, and may carry whatever cookie."""
    settings.SECURE_SSL_REDIRECT = True
    for cookies in ({}, {"sessionid": "x" * 32}):
        client = Client(SERVER_NAME="10.9.8.7")
        client.cookies.load(cookies)
        answer = client.get(path)
        assert answer.status_code == 200
        assert not answer.cookies
        assert answer.headers["Cache-Control"] == "no-store"
        assert client.post(path).status_code == 405


def test_what_somebody_did_is_not_told(town):
    person = town.practitioner(at=town.employer())
    for path in ADDRESSES:
        answer = ask(path, HTTP_USER_AGENT=NUMBER).content.decode()
        for word in (person.user.name, connection.settings_dict["NAME"], os.environ["CPE_DATA_DIR"], NUMBER):
            assert word not in answer


# --- what it says ------------------------------------------------------------------------------------


def told(**meta) -> dict:
    return json.loads(ask("/ready/", HTTP_ACCEPT="application/json", **meta).content)


def test_ready_in_words_and_json(django_assert_max_num_queries):
    told()  # reads the names of the migrations once
    with django_assert_max_num_queries(6):
        assert told() == {"ready": True, "database": "ok", "migrations": "ok", "queue": "ok", "files": "ok"}
    assert (
        ask("/ready/").content.decode() == "ready: yes\ndatabase: ok\nmigrations: ok\nqueue: ok\nfiles: ok\n"
    )
    assert ask("/health/").content == b"ok\n"


def test_health_asks_the_database_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert ask("/health/").status_code == 200


def test_a_schema_older_than_the_code_is_not_ready():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'workflow' AND name LIKE '0001%'")
    assert ask("/ready/").status_code == 503
    assert told()["migrations"] == "1 not applied"


def test_a_schema_newer_than_the_code_is_ready():
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('workflow', '9999_next', now())"
        )
    assert told()["ready"] is True


def test_a_data_folder_that_takes_no_file_is_not_ready(settings, tmp_path):
    (tmp_path / "file").touch()
    settings.MEDIA_ROOT = tmp_path / "file" / "files"
    assert ask("/ready/").status_code == 503
    assert told()["files"] == "not writable (Not a directory)"


def test_a_full_disk_is_not_ready(monkeypatch):
    monkeypatch.setattr(health, "FULL", 2**62)
    assert ask("/ready/").status_code == 503
    assert told()["files"] == "almost full"


def test_the_probe_leaves_no_file(settings):
    ask("/ready/")
    assert list(settings.MEDIA_ROOT.iterdir()) == []


def age_of_queue(minutes: int) -> None:
    enqueue("accounts.mail_message", [{"message_id": 1}])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = now() - %s * interval '1 minute'", [minutes])


def test_a_queue_that_stands_still_is_told_but_takes_no_host_away():
    age_of_queue(31)
    assert ask("/ready/").status_code == 200
    assert told() == {
        "ready": True,
        "database": "ok",
        "migrations": "ok",
        "queue": "31 minutes late",
        "files": "ok",
    }


def test_a_job_that_will_be_tried_again_later_is_not_late():
    age_of_queue(31)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 hour'")
    assert told()["queue"] == "ok"


# --- figures -----------------------------------------------------------------------------------------


def figures(text: str) -> dict[str, str]:
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def test_what_waits():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")  # what browser tests committed outlives their flush
    before = figures(ask("/metrics").content.decode())
    age_of_queue(31)
    after = figures(ask("/metrics").content.decode())
    assert before["cpe_queue_lag_seconds"] == "0"
    assert int(after["cpe_queue_lag_seconds"]) in range(31 * 60, 32 * 60)
    assert after['cpe_jobs_waiting{task="accounts.mail_message"}'] == "1"
    assert after['cpe_jobs_failed{task="accounts.mail_message"}'] == "0"
    assert int(after['cpe_jobs_oldest_seconds{task="accounts.mail_message"}']) in range(31 * 60, 32 * 60)
    assert after["cpe_database_up"] == "1"
    assert int(after["cpe_data_free_bytes"]) > 0


LINE = re.compile(r'[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? -?\d+(\.\d+)?')


def test_the_text_format():
    Client().get("/faq/")
    answer = ask("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    named = set()
    for line in answer.content.decode().splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert kind in ("counter", "gauge", "histogram")
            assert name not in named
            named.add(name)
        elif not line.startswith("# HELP "):
            assert LINE.fullmatch(line), line
            assert any(line.startswith(name) for name in named)


def test_requests_are_counted_by_view_and_status():
    def seen() -> tuple[int, int]:
        found = figures(ask("/metrics").content.decode())
        return (
            int(found.get('cpe_http_requests_total{view="desk:faq",status="200"}', 0)),
            int(found.get('cpe_http_request_duration_seconds_bucket{view="desk:faq",le="+Inf"}', 0)),
        )

    before = seen()
    for _ in range(3):
        Client().get("/faq/?who=" + NUMBER)
    assert seen() == (before[0] + 3, before[1] + 3)
    assert NUMBER not in ask("/metrics").content.decode()


def test_buckets_hold_what_was_at_most_so_slow():
    tally = Tally(regions=2)
    for microseconds in (1, BUCKETS[0], BUCKETS[0] + 1, BUCKETS[-1] + 1):
        tally.count("a:b", 200, microseconds)
    [(total, counts)] = tally.sums().values()
    assert total == 2 * BUCKETS[0] + BUCKETS[-1] + 3
    assert (counts[0], counts[1], counts[-1], sum(counts)) == (2, 1, 1, 4)


def test_a_region_is_taken_over_and_a_full_one_does_no_harm():
    tally = Tally(regions=1)
    tally.count("a:b", 200, 1)
    tally.use(0)  # the next worker
    tally.count("a:b", 200, 1)
    assert sum(tally.sums()["a:b", "200"][1]) == 2
    for number in range(2000):
        tally.count(f"v{number}", 200, 1)
    assert len(tally.sums()) == 768
    tally.use(tally.free_region({0}))  # none is free
    tally.count("a:b", 200, 1)
    assert sum(tally.sums()["a:b", "200"][1]) == 2


def test_all_workers_are_summed_and_a_dead_ones_counts_stay(server):  # noqa: F811
    one = server(WEB_CONCURRENCY="3", CPE_THREADS="2")

    def total() -> int:
        found = figures(one.get("/metrics").content)
        return sum(
            int(value) for key, value in found.items() if key.startswith('cpe_http_requests_total{view="-"')
        )

    for _ in range(60):
        one.get("/nothing/x")
    status = [total() for _ in range(6)]  # whichever worker answers; each look is itself an answer
    assert status == list(range(60, 66)), status
    workers = re.findall(r"Booting worker with pid: (\d+)", one.log.read_text())
    assert len(workers) == 3
    for pid in workers:
        os.kill(int(pid), signal.SIGKILL)
    deadline = time.monotonic() + 20
    while len(re.findall("Booting worker", one.log.read_text())) < 6:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    one.get("/nothing/x")
    assert total() == 67


def test_without_a_database(server):  # noqa: F811
    """Alive, not ready, and it says which; figures without the database's."""
    one = server(DATABASE_URL="postgres://cpe@127.0.0.1:1/none")
    assert one.get("/health/").status == 200
    answer = one.get("/ready/", Accept="application/json")
    assert answer.status == 503
    assert json.loads(answer.content) == {
        "ready": False,
        "database": "no answer",
        "migrations": "unknown",
        "queue": "unknown",
        "files": "ok",
    }
    assert figures(one.get("/metrics").content)["cpe_database_up"] == "0"
    assert "127.0.0.1:1" not in answer.content


def test_who_is_logged_in_gets_no_new_session_time(town):
    """A probe with somebody's cookie neither prolongs nor reads the session."""
    client = town.login(town.employer())
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_session SET seen_at = seen_at - interval '5 minutes' RETURNING seen_at"
        )
        before = cursor.fetchall()
        assert before
        for path in ADDRESSES:
            assert not client.get(path).cookies
        cursor.execute("SELECT seen_at FROM accounts_session")
        assert cursor.fetchall() == before

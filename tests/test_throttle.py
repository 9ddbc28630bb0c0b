"""Budgets against guessing: exact, on a stranger's cost, and never on an office's."""

import datetime
import threading

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts import throttle
from accounts.address import network_of
from accounts.models import AccountStatus, Role, Tally
from tests.race import at_once
from tests.test_login import MERGED, MESSAGE_1, MESSAGE_4, log_in, numbers, person, said, words
from tests.town import PASSWORD, synthetic_id

HERE = "127.0.0.1"


def later(**wait):
    """Let time pass for every counter."""
    wait = datetime.timedelta(**wait)
    Tally.objects.update(until=F("until") - wait, blocked_until=F("blocked_until") - wait)


def admitted(tries: int, account="a", place=HERE, **kwargs) -> int:
    count = 0
    for _ in range(tries):
        try:
            throttle.admit(account, place, **kwargs)
            count += 1
        except throttle.TooMany:
            pass
    return count


# --- exactness ---------------------------------------------------------------------------------------


def _read_then_write(key, per):
    """The control: a counter as one writes it without thinking of others."""
    now = timezone.now()
    row = Tally.objects.filter(key=key).first()
    together.wait(timeout=30)
    count = (row.count if row else 0) + 1
    Tally.objects.update_or_create(key=key, defaults={"count": count, "until": now + per})
    return count, now + per


together = threading.Barrier(50)


@pytest.mark.django_db(transaction=True)
def test_fifty_uses_at_once_are_fifty():
    outcomes = at_once(*[lambda: throttle.spend("x", limit=20, per=throttle.HOUR)] * 50)
    assert outcomes == ["TooMany"] * 30 + ["ok"] * 20
    assert Tally.objects.get().count == 50


@pytest.mark.django_db(transaction=True)
def test_a_counter_that_reads_first_loses_uses(monkeypatch):
    Tally.objects.create(key=throttle._key("x"), count=0, until=timezone.now() + throttle.HOUR)
    monkeypatch.setattr(throttle, "_count", _read_then_write)
    outcomes = at_once(*[lambda: throttle.spend("x", limit=20, per=throttle.HOUR)] * 50)
    assert outcomes.count("ok") == 50, "everybody found the budget untouched"
    assert Tally.objects.get().count == 1


@pytest.mark.django_db(transaction=True)
def test_fifty_wrong_passwords_at_once_are_five_tries(monkeypatch):
    """Through the form: the try is counted before the hash, so only five passwords were looked at."""
    number = synthetic_id(next(numbers))
    person(number, AccountStatus.ACTIVE)
    statuses = []

    def try_once():
        statuses.append(log_in(number, password="not-the-password").status_code)

    assert at_once(*[try_once] * 50) == ["ok"] * 50
    assert sorted(statuses) == [200] * 5 + [429] * 45


# --- per account and network -----------------------------------------------------------------------------


def test_five_failures_then_one_two_four_to_fifteen_minutes(db):
    assert admitted(9) == 5
    for minutes in (1, 2, 4, 8, 15, 15):
        later(minutes=minutes, seconds=-5)
        assert admitted(1) == 0
        later(seconds=5)
        assert admitted(3) == 1
        Tally.objects.filter(key=throttle._key("account", "a")).delete()


def test_the_wait_is_said_in_words_and_as_429(db):
    number = synthetic_id(next(numbers))
    person(number, AccountStatus.ACTIVE)
    for _ in range(5):
        assert said(log_in(number, password="not-the-password")) == [MESSAGE_4]
    response = log_in(number)
    assert response.status_code == 429
    assert "尝试次数太多，请在1分钟后再试" in words(response) or "请在60秒后再试" in words(response)
    assert f'value="{number}"' in response.content.decode(), "nothing typed is lost"
    later(seconds=61)
    assert log_in(number).status_code == 302


def test_unknown_numbers_wait_as_known_ones_do(db):
    number = synthetic_id(next(numbers))
    assert [log_in(number).status_code for _ in range(6)] == [200] * 5 + [429]


def test_success_starts_the_count_anew(db):
    number = synthetic_id(next(numbers))
    person(number, AccountStatus.ACTIVE)
    for _ in range(3):
        client = Client()
        for _ in range(4):
            log_in(number, password="not-the-password", client=client)
        assert log_in(number, client=client).status_code == 302


def test_other_networks_and_other_accounts_do_not_wait(db):
    assert admitted(9) == 5
    assert admitted(1, place="203.0.113.9") == 1
    assert admitted(1, account="b") == 1


def test_a_day_without_failures_forgets_them(db):
    assert admitted(9) == 5
    later(hours=25)
    assert admitted(9) == 5


# --- per account -----------------------------------------------------------------------------------------


def test_twenty_tries_an_hour_from_everywhere_then_nothing_is_said_and_the_owner_still_gets_in(db, settings):
    settings.TRUSTED_PROXIES = 1
    number = synthetic_id(next(numbers))
    user = person(number, AccountStatus.ACTIVE)
    owner = Client(headers={"x-forwarded-for": "198.51.100.1"})
    assert log_in(number, client=owner).status_code == 302
    owner.post("/logout/")
    for n in range(20):
        stranger = Client(headers={"x-forwarded-for": f"203.0.113.{n}"})
        assert said(log_in(number, password="not-the-password", client=stranger)) == [MESSAGE_4]
    stranger = Client(headers={"x-forwarded-for": "203.0.113.99"})
    assert said(log_in(number, password="not-the-password", client=stranger)) == [MERGED]
    assert said(log_in(number, password=PASSWORD, client=stranger)) == [MERGED], "not even the right one"
    assert log_in(number, client=owner).status_code == 302, "a browser that the owner used before"
    assert user.pk == owner.session["_auth_user_id"] or int(owner.session["_auth_user_id"]) == user.pk


# --- unknown ID numbers per network ----------------------------------------------------------------------


def test_the_sixth_unknown_number_learns_nothing_and_known_ones_say_no_more(db):
    known = synthetic_id(next(numbers))
    person(known, AccountStatus.ACTIVE)
    assert [said(log_in(synthetic_id(next(numbers)))) for _ in range(6)] == [[MESSAGE_1]] * 5 + [[MERGED]]
    assert said(log_in(known, password="not-the-password")) == [MERGED]
    page = log_in(synthetic_id(next(numbers))).content.decode()
    assert all(f'href="{link}"' in page for link in ("/register/", "/register/progress/", "/forgot/"))
    assert log_in(known).status_code == 302, "the right password is not metered"
    later(minutes=11)
    assert said(log_in(synthetic_id(next(numbers)))) == [MESSAGE_1]


def test_the_same_typing_error_again_costs_once(db):
    number = synthetic_id(next(numbers))
    for _ in range(4):
        assert said(log_in(number)) == [MESSAGE_1]
    assert throttle.is_spent(HERE) is False


def test_thirty_a_day(db):
    told = 0
    for n in range(60):
        told += throttle.may_know_unknown(f"x{n}", HERE)
        later(minutes=10)
    assert told == 30


def test_an_office_of_three_hundred_behind_one_address(db):
    """At 8:30 everybody logs in; nobody waits, and there is room for ten times the typing errors."""
    staff = [synthetic_id(next(numbers)) for _ in range(300)]
    for number in staff:
        person(number, AccountStatus.ACTIVE)
    wrong = staff[::20]
    for number in staff:
        client = Client()
        if number in wrong:
            assert said(log_in(number, password="not-the-password", client=client)) == [MESSAGE_4]
        assert log_in(number, client=client).status_code == 302
    for _ in range(50):
        assert said(log_in(synthetic_id(next(numbers)))) == [MESSAGE_1]
    assert said(log_in(synthetic_id(next(numbers)))) == [MERGED]


def test_one_person_alone_is_no_office(db):
    for _ in range(40):
        throttle.logged_in("a", HERE)
    assert throttle._factor(HERE) == 1
    for n in range(20):
        throttle.logged_in(f"b{n}", HERE)
    assert throttle._factor(HERE) == throttle.OFFICE_FACTOR
    assert throttle._factor("203.0.113.9") == 1


def test_the_breaker_against_many_networks(db):
    for n in range(200):
        assert throttle.may_know_unknown(f"x{n}", f"network {n}")
    assert not throttle.may_know_unknown("y", "one more network")
    assert throttle.is_spent("a quiet network")


# --- addresses and keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "network"),
    [
        (0, "192.0.2.1", "203.0.113.7", "192.0.2.1"),
        (1, "10.0.0.1", "203.0.113.7", "203.0.113.7"),
        (1, "10.0.0.1", "6.6.6.6, 203.0.113.7", "203.0.113.7"),
        (2, "10.0.0.1", "6.6.6.6, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        (2, "10.0.0.1", "203.0.113.7", "10.0.0.1"),
        (1, "10.0.0.1", "nonsense", "10.0.0.1"),
        (1, "10.0.0.1", "", "10.0.0.1"),
        (0, "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        (0, "::ffff:192.0.2.1", "", "192.0.2.1"),
        (0, "", "", "unknown"),
    ],
)
def test_the_network_is_what_a_trusted_proxy_saw(settings, proxies, remote, forwarded, network):
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded)
    assert network_of(request) == network


def test_the_counters_hold_neither_numbers_nor_addresses(db):
    number = synthetic_id(next(numbers))
    log_in(number, Role.EMPLOYER)
    with connection.cursor() as cursor:
        cursor.execute("select row_to_json(t)::text from accounts_tally t")
        rows = "".join(row for (row,) in cursor.fetchall())
    assert rows
    assert number not in rows
    assert HERE not in rows


def test_dead_counters_go(db, monkeypatch):
    Tally.objects.create(key="old", until=timezone.now() - datetime.timedelta(days=2))
    monkeypatch.setattr(throttle, "_key", lambda *parts: "f" * 62 + "00")
    throttle.spend("x", limit=1, per=throttle.HOUR)
    assert not Tally.objects.filter(key="old").exists()


@pytest.mark.parametrize(
    ("seconds", "said_as"),
    [
        (0.2, "1 秒"),
        (45, "45 秒"),
        (60, "1 分钟"),
        (200, "3 分 20 秒"),
        (3600, "1 小时"),
        (3890, "1 小时 5 分"),
    ],
)
def test_waits_in_words(seconds, said_as):
    assert throttle.wait_in_words(datetime.timedelta(seconds=seconds)) == said_as


@pytest.mark.django_db(transaction=True)
def test_without_its_counters_nobody_logs_in_and_who_is_in_goes_on(town):
    """F13 (trust.md 4.4): the table is gone. Right passwords are refused with a page that says when to come again."""
    member = town.practitioner(at=town.employer())
    inside = town.login(member)
    form = {"role": "practitioner", "id_number": member.user.id_number.reveal(), "password": PASSWORD}
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_tally RENAME TO accounts_tally_away")
    try:
        answer = Client(raise_request_exception=False).post("/login/", form)
        assert answer.status_code == 503
        assert answer["Retry-After"]
        assert "请" in answer.content.decode()
        assert inside.get("/").status_code == 200
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_tally_away RENAME TO accounts_tally")
    assert Client().post("/login/", form).status_code == 302

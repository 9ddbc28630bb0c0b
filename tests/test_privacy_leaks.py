"""No ID number where it does not belong (P3): addresses, logs, subjects of mails, caches, errors, the database's log."""

import logging
import re
import sys

import psycopg
import pytest
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import get_resolver

from accounts.id_number import IdNumber
from accounts.log_filter import without_numbers
from accounts.models import Message, User
from orgs.access import AccessEntry
from registration.models import IdentityCorrection
from tests.cluster import Cluster
from tests.test_credits import declare
from tests.town import PASSWORD, synthetic_id
from workflow import engine

REASON = "核对社保缴费记录"


class Everything(logging.Handler):
    """What loggers are told, before any filter."""

    def __init__(self):
        super().__init__()
        self.said = []

    def emit(self, record):
        self.said.append(self.format(record))


@pytest.fixture
def overheard():
    handler = Everything()
    before = logging.root.level
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    yield handler.said
    logging.root.removeHandler(handler)
    logging.root.setLevel(before)


@pytest.mark.django_db
def test_a_day_with_numbers_leaves_none_behind(town, overheard, django_capture_on_commit_callbacks, settings):
    """Log in, look up, look at, export, correct, reset, refuse: with the real number typed each time."""
    call_command("load_hours", verbosity=0)
    unit = town.employer()
    person = town.practitioner(at=unit, user=town.user(name="测试甲乙"))
    number, other = person.user.id_number.reveal(), synthetic_id(700)
    addresses = []

    class Browser(Client):
        def request(self, **sent):
            answer = super().request(**sent)
            addresses.extend(
                [sent.get("PATH_INFO", ""), sent.get("QUERY_STRING", ""), answer.get("Location", "")]
            )
            return answer

    def login(who):
        inside = Browser()
        inside.cookies = town.login(who).cookies
        return inside

    with django_capture_on_commit_callbacks(execute=True):
        Browser().post(
            "/login/", {"role": "practitioner", "id_number": number, "password": "wrong-password-1"}
        )
        Browser().post("/login/", {"role": "practitioner", "id_number": other, "password": PASSWORD})
        Browser().post("/register/progress/", {"id_number": number, "password": PASSWORD}, follow=True)
        Browser().post("/forgot/", {"id_number": number, "way": "mail"}, follow=True)
        admin = login(unit)
        admin.post("/people/", {"number": number}, follow=True)
        admin.post(f"/people/{person.pk}/number/", {"reason": f"{REASON} {number}"})
        admin.post(
            "/exports/new/people/", {"format": "csv", "detail": "whole", "reason": f"{REASON} {number}"}
        )
        declare(town, person)
        correction = IdentityCorrection(
            user=person.user, practitioner=person, new_name="测试甲丙", reason="写错"
        )
        correction.take_old(person.user)
        correction.set_new_number(IdNumber.parse(other))
        filed = engine.submit("identity-correction", correction, by=town.actor(person))
        operator = login(town.operator())
        operator.post(f"/corrections/{filed.pk}/numbers/")
        engine.approve(filed.steps.get().pk, by=town.actor(town.super_admin(town.platform)))
        admin.post(f"/people/{person.pk}/reset-password/", {}, follow=True)
        login(town.bureau).post("/search/", {"words": number}, follow=True)
    for one in (number, other):
        assert not [said for said in overheard if one in said]
        assert not [address for address in addresses if one in address]
        assert not [letter for letter in mail.outbox if one in letter.subject + letter.body]
        assert not Message.objects.filter(text__contains=one).exists()
        assert not [key for key in getattr(cache, "_cache", {}) if one in key]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            )
            for (table,) in cursor.fetchall():
                cursor.execute(
                    f"SELECT count(*) FROM {table} t WHERE to_jsonb(t)::text LIKE %s", [f"%{one}%"]
                )
                assert cursor.fetchone() == (0,), table
    # All of it really happened.
    assert set(AccessEntry.objects.values_list("what", flat=True)) == {"number", "export", "correction"}
    assert User.objects.by_id_number(IdNumber.parse(other)).get() == person.user
    assert addresses
    assert mail.outbox


def test_no_address_takes_a_number_and_no_cache_is_kept():
    """An address with a place for text is short, or names a token, a role or a list."""
    texts = set()

    def walk(patterns, before=""):
        for one in patterns:
            if hasattr(one, "url_patterns"):
                if getattr(one, "app_name", "") != "admin":
                    walk(one.url_patterns, before + str(one.pattern))
            else:
                texts.update(re.findall(r"<(?:str|slug|path):(\w+)>|<(\w+)>", before + str(one.pattern)))

    walk(get_resolver().url_patterns)
    assert {a or b for a, b in texts} <= {"token", "sheet", "key_id", "event_id", "code"}
    assert "cache" not in str(settings.MIDDLEWARE).lower()


@pytest.mark.django_db
@pytest.mark.parametrize("way", ["twice", "check", "long"])
def test_the_database_s_errors_hold_no_number(town, way):
    """Whatever constraint it is: the row in the error's detail has the number sealed."""
    user = town.user(name="测试甲乙")
    number, row = user.id_number.reveal(), User.objects.filter(pk=user.pk)
    mistake = {
        "twice": lambda: User.objects.create_user(user.id_number, PASSWORD, name="又一个"),
        "check": lambda: row.update(name=None),
        "long": lambda: row.update(name="长" * 60),
    }[way]
    with pytest.raises(DatabaseError) as error, transaction.atomic():
        mistake()
    said = str(error.value)
    assert number not in said
    assert number.encode().hex() not in said
    if way == "check":
        assert user.mobile.as_e164 in said  # what else it says is the log filter's to hide …
        assert user.mobile.as_e164 not in without_numbers(said)  # … and it does


SET_UP = "CREATE TABLE people (number text UNIQUE CHECK (length(number) = 18), born date)"
MISTAKES = [  # with the number in the statement, in a parameter, in a row
    ("INSERT INTO people VALUES ('{}')", ()),
    ("INSERT INTO people VALUES (%s)", ("{}",)),
    ("INSERT INTO people VALUES ('{}x')", ()),
    ("SELECT born FROM nothing WHERE number = '{}'", ()),
    ("INSERT INTO people VALUES (%s, %s)", ("x" * 18, "{}")),
]


def mistakes_at(server: Cluster) -> str:
    """Make them all; returns the server's log."""
    number = synthetic_id(7)
    server.sql(SET_UP)
    server.sql(f"INSERT INTO people VALUES ('{number}')")
    for statement, parameters in MISTAKES:
        with server.connect(autocommit=True) as one, pytest.raises(psycopg.Error):
            one.execute(statement.format(number), [text.format(number) for text in parameters] or None)
    server.stop()
    return server.log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="deploy's configuration is for Linux")
@pytest.mark.parametrize("production", [True, False])
def test_the_server_s_log_holds_no_number(tmp_path, production):
    """With the lines of deploy/postgresql/cpe.conf; without them the canary is seen."""
    conf = (settings.BASE_DIR / "deploy" / "postgresql" / "cpe.conf").read_text()
    lines = dict(re.findall(r"^(log_(?:min|parameter|error|statement|duration)\w*)\s*=\s*(\S+)", conf, re.M))
    assert len(lines) > 5
    server = Cluster(tmp_path / "pg", fsync="off", **(lines if production else {})).make().start()
    try:
        said = mistakes_at(server)
    finally:
        server.stop()
    assert (synthetic_id(7) in said) is not production

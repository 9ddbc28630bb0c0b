"""manage.py rotate_keys: every seal and every index under new keys, while people log in and register."""

import ast
import contextlib
import json
import re
import secrets
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection, transaction
from django.test import Client

from accounts import crypto, querysets, rotation, second_factor
from accounts.ciphered import all_columns
from accounts.consistency import all_invariants
from accounts.id_number import IdNumber
from accounts.models import Authenticator, IndexStep, User
from accounts.outbox import letter
from config import rotating
from credits.certificates import issue
from credits.intake.attaching import attach_people
from credits.models import IntakeRecord, Provider
from orgs.models import Practitioner
from registration.models import IdentityCorrection
from tests.race import at_once
from tests.test_api import HOURS, Partner, event
from tests.test_certificates import YEAR, reported
from tests.town import PASSWORD, synthetic_id
from workflow import engine

ROOT = Path(django_settings.BASE_DIR)
NAMES = ("FIELD_KEYS", "FIELD_KEY_CURRENT", "INDEX_LAYERS", "INDEX_CURRENT", "INDEX_SUITE", "CRYPTO_SUITE")


@pytest.fixture
def keys(settings, tmp_path, monkeypatch):
    """A keys' file of this test alone; the settings are put back afterwards."""
    path = tmp_path / "keys.json"
    for name in NAMES:  # what the command sets is undone with them
        setattr(settings, name, getattr(settings, name))
    kept = {
        "field_keys": dict(settings.FIELD_KEYS),
        "field_key_current": settings.FIELD_KEY_CURRENT,
        "index_key": settings.INDEX_KEY,
    }
    path.write_text(json.dumps(kept))
    monkeypatch.setenv("CPE_KEYS_FILE", str(path))
    return path


@pytest.fixture
def lived(town):
    """Something in every column of ciphertext and index."""
    unit = town.employer()
    people = [town.practitioner(at=unit) for _ in range(5)]
    first = people[0].user
    Authenticator.objects.create(
        user=first, key_sealed=crypto.seal(second_factor.new_key(), second_factor.PURPOSE)
    )
    second_factor._new_codes(first)
    correction = IdentityCorrection(
        user=first, practitioner=people[0], new_name=first.name, reason="写错一位"
    )
    correction.take_old(first)
    correction.set_new_number(IdNumber.parse(synthetic_id(700)))
    engine.submit("identity-correction", correction, by=town.actor(people[0]))
    provider = Provider.objects.create(code="test", name="示例学习平台", bureau=town.bureau)
    partner = Partner(town.login(town.bureau), provider)
    answer = partner.send(HOURS, event(people[1], "A-1"), event((synthetic_id(800), "等待者"), "A-2"))
    assert [one["state"] for one in answer.json()["results"]] == ["posted", "waiting"]
    town.people, town.partner, town.unit = people, partner, unit
    return town


def fresh(person: Practitioner) -> Practitioner:
    return Practitioner.objects.get(pk=person.pk)


def rotate() -> None:
    call_command("rotate_keys", new=True)
    call_command("rotate_keys")
    call_command("rotate_keys", finish=True)


def values() -> dict[str, list]:
    found = {}
    for column in all_columns():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {column.name} FROM {column.table} ORDER BY {column.key}")
            found[f"{column.table}.{column.name}"] = [
                bytes(v) if isinstance(v, memoryview) else v for (v,) in cursor
            ]
    return found


@pytest.mark.parametrize("suite", ["intl", "gm"])
@pytest.mark.django_db
def test_everything_is_rewritten_and_found_again(lived, keys, settings, suite):
    settings.CRYPTO_SUITE = suite
    numbers = {user.pk: user.id_number.reveal() for user in User.objects.all()}
    before = values()
    call_command("rotate_keys", new=True)
    town = lived
    assert town.login(fresh(town.people[1])).get("/").status_code == 200  # knows both, writes the old one
    call_command("rotate_keys")
    assert town.login(fresh(town.people[2])).get("/").status_code == 200
    call_command("rotate_keys", finish=True)
    after = values()
    for name, old in before.items():
        pairs = [(a, b) for a, b in zip(old, after[name], strict=True) if a]
        assert all(a != b for a, b in pairs), name
        assert pairs or name.startswith("credits_checkedrow"), name
    kept = json.loads(keys.read_text())
    assert list(kept["field_keys"]) == ["2"]
    assert kept["index_current"] == "2"
    assert not IndexStep.objects.exists()
    assert rotation.keys_used() == ({"2"}, {"2"})
    mark = crypto.SUITES[suite].mark
    assert {bytes(user.id_sealed)[:1] for user in User.objects.all()} == {mark}
    assert {user.pk: user.id_number.reveal() for user in User.objects.all()} == numbers
    correction = IdentityCorrection.objects.get()
    assert correction.new_number.reveal() == synthetic_id(700)
    assert second_factor._use_recovery_code(town.people[0].user, "0" * 12) is False
    assert town.partner.ask("A-1").status_code == 200  # the secret opens
    assert town.login(fresh(town.people[3])).get("/").status_code == 200
    assert [
        one for one in all_invariants(["open"]) if one.name in ("I13", "I21") and one.look(None).total
    ] == []
    assert run_checks(tags=[Tags.database], databases=["default"]) == []


@pytest.mark.django_db
def test_platforms_hours_find_their_person_at_every_step(lived, keys):
    """Same again: known. A correction: of the same person. Who waited: attached when they register."""
    town, person = lived, lived.people[1]

    def push():
        known = town.partner.send(
            HOURS, event(fresh(person), "A-1"), event((synthetic_id(800), "等待者"), "A-2")
        ).json()
        return [one["known"] for one in known["results"]]

    with_old_key = django_settings.INDEX_CURRENT
    call_command("rotate_keys", new=True)
    assert push() == [True, True]
    call_command("rotate_keys")
    assert push() == [True, True]
    django_settings.INDEX_CURRENT = with_old_key  # a process that was not restarted yet
    assert push() == [True, True]
    late = town.partner.send(
        HOURS, event(fresh(person), "B-1"), event((synthetic_id(800), "等待者"), "B-2")
    ).json()
    assert [one["state"] for one in late["results"]] == ["posted", "waiting"]
    fixed = town.partner.send("/api/v1/corrections", event(fresh(person), "B-3", 6, corrects="A-1"))
    assert fixed.json()["results"][0]["state"] == "posted"
    django_settings.INDEX_CURRENT = "2"
    assert set(IntakeRecord.objects.values_list("person_index", flat=True)) <= {
        *IdNumber.parse(synthetic_id(800)).indexes[:1], User.objects.get(pk=person.user_id).id_index,
    }  # fmt: skip
    call_command("rotate_keys", finish=True)
    assert push() == [True, True]
    user = User.objects.create_user(IdNumber.parse(synthetic_id(800)), PASSWORD, name="等待者")
    newcomer = town.practitioner(at=town.unit, user=user)
    assert attach_people([newcomer.pk]) == 2


@pytest.mark.django_db
def test_a_record_stays_closed_to_every_other_change(lived, keys):
    record = IntakeRecord.objects.get(event_id="A-2")
    for change in ({"person_index": "x"}, {"hours": 1}):
        with pytest.raises(Exception, match="append only"), transaction.atomic():
            IntakeRecord.objects.filter(pk=record.pk).update(**change)
    IndexStep.objects.create(before=record.person_index, after="2:x")
    with pytest.raises(Exception, match="append only"), transaction.atomic():
        IntakeRecord.objects.filter(pk=record.pk).update(person_index="2:x", hours=1)
    assert IntakeRecord.objects.filter(pk=record.pk).update(person_index="2:x") == 1


@pytest.mark.django_db
def test_it_may_be_stopped_and_run_again(lived, keys, monkeypatch):
    monkeypatch.setattr(rotation, "AT_ONCE", 2)
    call_command("rotate_keys", new=True)
    honest, parts = rotation._part, []

    def stops(*args):
        parts.append(1)
        if len(parts) == 3:
            raise KeyboardInterrupt
        return honest(*args)

    monkeypatch.setattr(rotation, "_part", stops)
    with pytest.raises(KeyboardInterrupt):
        call_command("rotate_keys")
    assert rotation.left()
    assert lived.login(fresh(lived.people[0])).get("/").status_code == 200
    with pytest.raises(CommandError, match="没有换完"):
        call_command("rotate_keys", finish=True)
    with pytest.raises(CommandError, match="没有做完"):
        call_command("rotate_keys", new=True)
    monkeypatch.setattr(rotation, "_part", honest)
    call_command("rotate_keys")
    call_command("rotate_keys", finish=True)
    assert not rotation.left()


@pytest.mark.django_db
def test_twice_in_a_row(lived, keys):
    """The second layer lies over the first; the number still leads to its row."""
    rotate()
    rotate()
    assert rotation.keys_used() == ({"3"}, {"3"})
    assert lived.login(fresh(lived.people[0])).get("/").status_code == 200


@pytest.mark.django_db
def test_a_key_that_a_letter_on_its_way_needs_stays(lived, keys, django_capture_on_commit_callbacks):
    old = django_settings.FIELD_KEY_CURRENT
    letter(lived.people[0].user, "测试", "测试", lasts=timedelta(hours=1))
    rotate()
    assert old in json.loads(keys.read_text())["field_keys"]


# --- nothing forgotten --------------------------------------------------------------------------------------

OTHERS = {  # bytes and 64-character columns that hold neither a seal nor an index that lasts
    "workflow_event.digest", "workflow_dayseal.digest", "credits_certificate.signature",
    "accounts_indexstep.before", "accounts_indexstep.after",  # the rotation's own
    "accounts_passwordreset.code", "accounts_passwordreset.token",  # over in three days at most
    "accounts_tally.key",  # by the index that no rotation changes
    "credits_checkedrow.corrects_event", "credits_checkedrow.digest", "credits_checkedrow.event_id",
    "credits_intakebatch.digest", "credits_intakerecord.digest", "credits_intakerecord.event_id",
    "credits_providernonce.nonce", "credits_sampledraw.digest", "credits_unitdeclaration.draft",
    "workflow_attachment.draft", "workflow_attachment.sha256",
}  # fmt: skip
# Who seals and indexes, and where it goes.
SEALING = {
    "accounts/id_number.py", "accounts/second_factor.py", "credits/api/keys.py",
    "accounts/rotation.py",
    "accounts/kept.py", "orgs/views.py",  # in sessions and forms: hours
    "accounts/outbox.py",  # in the queue: three days
    "accounts/password.py", "accounts/throttle.py",  # indexes that do not last
}  # fmt: skip


@pytest.mark.django_db
def test_no_column_was_forgotten():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND (data_type = 'bytea' OR character_maximum_length = 64) AND table_name !~ '^(procrastinate|django)_'"
        )
        found = {row[0] for row in cursor.fetchall()}
    known = {f"{one.table}.{one.name}" for one in all_columns()}
    assert found - OTHERS == known, "name it in the app's ciphers.py, or say here why not"


def test_nobody_else_seals_or_indexes():
    calls = {"seal", "blind_index", "base_index"}
    found = set()
    for path in ROOT.glob("*/**/*.py"):
        if path.parts[len(ROOT.parts)] not in ("tests", "bench", ".venv") and "crypto." in (
            text := path.read_text()
        ):
            for node in ast.walk(ast.parse(text)):
                if (
                    isinstance(node, ast.Attribute)
                    and node.attr in calls
                    and getattr(node.value, "id", "") == "crypto"
                ):
                    found.add(str(path.relative_to(ROOT)))
    assert found == SEALING


# --- the keys that the data needs ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_key_that_is_missing_is_named(lived, keys, settings):
    rotate()
    settings.FIELD_KEYS = {"9": secrets.token_hex(32)}
    settings.FIELD_KEY_CURRENT = "9"
    said = [one.msg for one in run_checks(tags=[Tags.database], databases=["default"])]
    assert "数据里用到的字段密钥 2 不在密钥文件的 field_keys 里。" in said
    settings.INDEX_LAYERS, settings.INDEX_CURRENT = [], ""
    said = [one.msg for one in run_checks(tags=[Tags.database], databases=["default"])]
    assert "数据里用到的索引密钥 2 不在密钥文件的 index_layers 里。" in said


@pytest.mark.django_db
def test_the_key_of_a_certificate_that_is_missing_is_named(town, settings):
    town.rules(total=90)
    person = town.practitioner(at=town.employer())
    reported([person])
    certificate = issue(person, YEAR, by=town.actor(person))
    settings.SIGNING_KEY, settings.VERIFYING_KEYS = secrets.token_hex(32), []
    said = [one.msg for one in run_checks(tags=[Tags.database], databases=["default"])]
    assert said == [f"数据里用到的证书签名密钥 {certificate.key_id} 不在密钥文件的 verifying_keys 里。"]


# --- while the site runs ----------------------------------------------------------------------------------------


@pytest.fixture
def crowd(town):
    unit = town.employer()
    return [town.practitioner(at=unit).user for _ in range(60)]


@pytest.mark.django_db(transaction=True)
def test_people_log_in_and_nobody_registers_twice_meanwhile(town, crowd, keys, monkeypatch):
    monkeypatch.setattr(rotation, "AT_ONCE", 3)
    call_command("rotate_keys", new=True)
    numbers = [user.id_number for user in crowd]
    over, wrong = threading.Event(), []

    def log_in():
        turn = 0
        while not over.is_set():
            number = numbers[turn % len(numbers)]
            answer = Client().post(
                "/login/", {"role": "practitioner", "id_number": number.reveal(), "password": PASSWORD}
            )
            wrong.extend([answer.status_code] if answer.status_code != 302 else [])
            turn += 7

    def register():
        turn = 0
        while not over.is_set():
            with contextlib.suppress(IntegrityError), transaction.atomic():
                User.objects.create_user(numbers[turn % len(numbers)], PASSWORD, name="再来一次")
                wrong.append("twice")
            turn += 11

    def run():
        try:
            call_command("rotate_keys")
        finally:
            over.set()

    assert at_once(log_in, register, run) == ["ok", "ok", "ok"]
    assert wrong == []
    call_command("rotate_keys", finish=True)
    assert not rotation.left()


def _with_layer(monkeypatch, layer: str):
    """One thread as a process that writes the index of this layer."""
    honest = crypto.blind_index

    def written(value, purpose):
        asked = getattr(threading.current_thread(), "layer", None)
        if asked is None:
            return honest(value, purpose)
        return crypto._to_layer(crypto.base_index(value, purpose), purpose, crypto._place(asked))

    monkeypatch.setattr(crypto, "blind_index", written)

    def make(number):
        threading.current_thread().layer = layer
        User.objects.create_user(number, PASSWORD, name="新人")

    return make


@pytest.mark.parametrize("locked", [True, False])
@pytest.mark.django_db(transaction=True)
def test_old_and_new_processes_register_one_number_once(town, keys, monkeypatch, locked):
    """Between two restarts one process writes the old index and another the new one: no constraint sees that."""
    call_command("rotate_keys", new=True)
    old, new = _with_layer(monkeypatch, ""), _with_layer(monkeypatch, "2")
    if not locked:
        monkeypatch.setattr(querysets, "keep_unique", lambda number: None)
    twice = 0
    for turn in range(10):
        number = IdNumber.parse(synthetic_id(2000 + turn))

        def click(make, number=number):
            def clicked():
                with transaction.atomic():
                    make(number)

            return clicked

        outcomes = at_once(click(old), click(new))
        twice += outcomes == ["ok", "ok"]
        assert "ok" in outcomes
    assert twice == (0 if locked else 10)


@pytest.mark.django_db(transaction=True)
def test_who_holds_a_row_is_waited_for_and_never_waits(town, crowd, keys):
    """A long transaction on one person: the rotation steps aside, tries again, and gets there."""
    call_command("rotate_keys", new=True)
    held, release = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            User.objects.select_for_update().get(pk=crowd[5].pk)
            held.set()
            release.wait(timeout=20)

    def run():
        held.wait(timeout=20)
        timer = threading.Timer(1.0, release.set)
        timer.start()
        rotating.use(keys)
        rotation.open_steps()
        done = rotation.rotate()
        assert done.retries >= 1

    assert at_once(hold, run) == ["ok", "ok"]
    assert not {name for name in rotation.left() if name.startswith("accounts_user")}
    rotating.settle(keys)
    call_command("rotate_keys", finish=True)


def test_words_of_the_command_name_no_key(keys, capsys, db):
    call_command("rotate_keys", new=True)
    said = capsys.readouterr()
    assert not re.search(r"[0-9a-f]{32}", said.out + said.err)

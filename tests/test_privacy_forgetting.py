"""manage.py forget: what is left of a person whose account ended long ago, looked for in every table there is."""

import datetime
import secrets

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.id_number import IdNumber
from accounts.models import Message, Session, User
from accounts.outbox import notify
from accounts.queue import forget_sessions
from config import forgetting
from orgs.models import Practitioner
from registration import leaving, notice
from registration.models import IdentityCorrection, PractitionerRegistration
from tests import registering
from tests.test_certificates import reported
from tests.test_credits import declare
from tests.town import PASSWORD, synthetic_id
from workflow import engine
from workflow.models import Attachment

pytestmark = pytest.mark.django_db
NAME, MOBILE, MAIL = "欧阳测试人", "13911112222", "ouyang.test@example.org"
LATER = datetime.timedelta(days=366)


@pytest.fixture
def unit(town):
    registering.load_lists()
    return town.employer(name="测试房产中心")


def register(unit, id_number=""):
    number = id_number or registering.an_id_number()
    person = {"name": NAME, "mobile": MOBILE, "email": MAIL, "id_number": number}
    return registering.register("practitioner", "staff", unit, **person), number


@pytest.fixture
def registered(town, unit):
    """Registered through the pages; the unit has not decided yet."""
    return register(unit)


def rows_that_say(*words: str) -> set[str]:
    """Tables and columns in which any of these words stands, whatever the column's type; bytes as hex and as text."""
    found = set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        )
        tables = [row[0] for row in cursor.fetchall()]
        assert len(tables) > 60
        for table in tables:
            cursor.execute(
                f"SELECT DISTINCT pair.key FROM {table} t, jsonb_each_text(to_jsonb(t)) AS pair"
                " WHERE pair.value LIKE ANY(%s)",
                [[f"%{word}%" for word in words]],
            )
            found |= {f"{table}.{row[0]}" for row in cursor.fetchall()}
    return found


def masks(number: str) -> list[str]:
    one = IdNumber.parse(number)
    return [number, one.masked, one.index]


def masks_of_others(words: list[str]) -> set[str]:
    """Two people may have the same mask; the one who is forgotten has none any more."""
    others = User.objects.filter(forgotten_at=None, id_masked__in=words)
    return {"accounts_user.id_masked"} if others.exists() else set()


def time_goes_by(monkeypatch, by=LATER):
    honest = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: honest() + by)


def test_of_who_never_learned_nothing_is_left(town, unit, registered, monkeypatch):
    application, number = registered
    person = Practitioner.objects.get(user__id_index=IdNumber.parse(number).index)
    engine.approve(application.steps.get().pk, by=town.actor(unit))
    person.refresh_from_db()
    correction = IdentityCorrection(
        user=person.user, practitioner=person, new_name=f"{NAME}改", reason=f"{NAME}写错"
    )
    correction.take_old(person.user)
    correction.set_new_number(IdNumber.parse(synthetic_id(700)))
    filed = engine.submit("identity-correction", correction, by=town.actor(person))
    engine.withdraw(filed.pk, by=town.actor(person))
    person.title, person._change_reason = "工程师", f"{NAME}的变更"
    person.save()
    notify(person.user, "测试", f"{NAME}，您好", key="x")
    # Whoever exported with the name as a filter.
    town.login(unit).post(f"/exports/new/people/?name={NAME[:2]}", {"format": "csv", "detail": "masked"})
    words = [NAME, MOBILE, MAIL, *masks(number), *masks(synthetic_id(700))]
    before = rows_that_say(*words)
    assert {"accounts_user.name", "accounts_user.mobile", "accounts_message.text", "accounts_user.id_index",
            "registration_practitionerregistration.person_name", "registration_identitycorrection.old_name",
            "orgs_historicalpractitioner.history_change_reason"} <= before  # fmt: skip
    leaving.close_account(person.user)
    call_command("forget")
    assert User.objects.get(pk=person.user_id).name == NAME  # not before its time
    time_goes_by(monkeypatch)
    call_command("forget")
    assert rows_that_say(*words) == masks_of_others(words)
    user = User.objects.get(pk=person.user_id)
    assert user.name == "已注销"
    assert user.id_number.masked == user.id_masked  # invariants hold: it opens, and fits its index
    assert not Practitioner.history.filter(id=person.pk).exists()
    call_command("forget")  # twice does no harm
    # The number is nobody's: it registers anew, as somebody else.
    User.objects.create_user(IdNumber.parse(number), PASSWORD, name="新人")


def test_of_a_refused_registration_nothing_is_left(town, unit, registered, monkeypatch):
    application, number = registered
    engine.reject(application.steps.get().pk, by=town.actor(unit), comment="不是本单位人员")
    time_goes_by(monkeypatch)
    call_command("forget")
    words = [NAME, MOBILE, MAIL, *masks(number)]
    assert rows_that_say(*words) == masks_of_others(words)


def test_of_who_learned_the_archive_keeps_its_name_and_nothing_else(town, unit, registered, monkeypatch):
    application, number = registered
    engine.approve(application.steps.get().pk, by=town.actor(unit))
    person = Practitioner.objects.get(user__id_index=IdNumber.parse(number).index)
    reported([person])
    leaving.close_account(person.user)
    time_goes_by(monkeypatch)
    call_command("forget")
    assert rows_that_say(MOBILE, MAIL) == set()
    assert rows_that_say(NAME) == {
        "accounts_user.name", "credits_intakerecord.person_name", "registration_practitionerregistration.person_name",
    }  # fmt: skip
    assert Practitioner.objects.get(pk=person.pk).title == "工程师"
    assert not Practitioner.history.filter(id=person.pk).exists()
    assert not Message.objects.filter(user=person.user).exists()


def test_proofs_of_who_left_are_gone_from_the_disk(
    town, unit, settings, monkeypatch, django_capture_on_commit_callbacks
):
    call_command("load_hours", verbosity=0)
    person = town.practitioner(at=unit)
    application = declare(town, person)
    Attachment.objects.create(
        application=application, file="aa/one.png", name=f"{person.user.name}.png", content_type="image/png",
        extension="png", size=3, sha256="a" * 64,
    )  # fmt: skip
    path = settings.MEDIA_ROOT / "aa" / "one.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    engine.withdraw(application.pk, by=town.actor(person))
    leaving.close_account(person.user)
    time_goes_by(monkeypatch)
    with django_capture_on_commit_callbacks(execute=True):
        call_command("forget")
    assert not Attachment.objects.exists()
    assert not path.exists()


def test_who_is_still_here_is_left_alone(town, unit, monkeypatch):
    person = town.practitioner(at=unit)
    time_goes_by(monkeypatch)
    call_command("forget")
    person.user.refresh_from_db()
    assert person.user.name.startswith("测试")
    assert not forgetting.forget(person.user)
    with pytest.raises(Exception, match="live role"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT forget_history(%s, %s)", [person.user_id, person.user.name])


def test_who_came_back_is_forgotten_again_when_they_left_again(town, unit, monkeypatch):
    person = town.practitioner(at=unit)
    reported([person])
    leaving.close_account(person.user)
    time_goes_by(monkeypatch)
    call_command("forget")
    number = person.user.id_number.reveal()
    application, _ = register(unit, id_number=number)
    engine.reject(application.steps.get().pk, by=town.actor(unit), comment="不是本单位人员")
    time_goes_by(monkeypatch)
    call_command("forget")
    assert rows_that_say(MOBILE, MAIL) == set()


def test_old_messages_and_sessions_go(town, unit, settings):
    person = town.practitioner(at=unit)
    for days in (1, 800):
        Message.objects.create(
            user=person.user, key=secrets.token_hex(4), subject="x", text="x",
            created_at=timezone.now() - datetime.timedelta(days=days),
        )  # fmt: skip
    call_command("forget")
    assert Message.objects.count() == 1
    # Sessions that are over are taken away by a job of every hour.
    Session.objects.create(session_key="x" * 32, session_data="", expire_date=timezone.now() - LATER)
    forget_sessions.func(0)
    assert not Session.objects.filter(session_key="x" * 32).exists()


# --- the notice ------------------------------------------------------------------------------------------------


def test_the_version_and_the_time_of_the_notice_stand_with_the_registration(registered):
    application, _ = registered
    payload = PractitionerRegistration.objects.get(pk=application.pk)
    assert payload.notice_version == notice.VERSION
    assert abs(payload.notice_at - application.submitted_at) < datetime.timedelta(seconds=5)


def test_the_notice_says_what_the_law_asks_for_and_the_periods_that_are_set(settings):
    settings.FORGET_PEOPLE_AFTER = datetime.timedelta(days=400)
    text = Client().get("/register/privacy/").content.decode()
    for words in (
        "谁在处理",
        "保存多久",
        "您的权利",
        "第十七条",
        "第三十五条",
        notice.VERSION,
        "400 天",
        "敏感个人信息",
    ):
        assert words in text
    assert "/register/privacy/" in Client().get("/register/").content.decode()
    assert "个人信息处理告知" in Client().get("/faq/").content.decode()

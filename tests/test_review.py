"""Gaps that a reading of the code found: each test failed before its mend."""

import contextlib
import datetime
import time
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import password as passwords
from accounts.id_number import IdNumber
from accounts.log_filter import without_numbers
from accounts.models import AccountStatus, PasswordReset, Role, RoleAccount, Session, User
from accounts.queue import forget_sessions
from orgs import appointment
from orgs.models import AdminRole, Duty
from registration.enrol import Person, _write_person
from registration.models import PractitionerRegistration
from tests.test_corrections import file_correction
from tests.test_engine import step_of, transfer
from tests.town import PASSWORD, synthetic_id
from workflow import engine
from workflow.models import Application
from workflow.uploads import Unacceptable, examine

OWN = "acceptable-horse-7"


# --- who sees which application -----------------------------------------------------------------------


@pytest.fixture
def move(town):
    old, new = town.employer(), town.employer()
    person = town.practitioner(at=old)
    return town, person, old, new, transfer(town, person, new)


@pytest.mark.parametrize("how", ["rejected", "withdrawn"])
def test_a_step_that_never_opened_shows_its_organisation_nothing(move, how):
    town, person, old, new, application = move
    if how == "rejected":
        engine.reject(step_of(application, "原单位审核").pk, by=town.actor(old), comment="测试")
    else:
        engine.withdraw(application.pk, by=town.actor(person))
    assert not Application.objects.visible_to(town.actor(new)).exists()
    assert town.login(new).get(reverse("workflow:detail", args=[application.pk])).status_code == 404


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_who_signs_later_is_told_nothing_yet(move, verb):
    town, _, _, new, application = move
    step = step_of(application, "新单位审核")
    answer = town.login(new).post(reverse(f"workflow:{verb}", args=[step.pk]), {"comment": "测试"})
    assert answer.status_code == 404
    assert "提交了这件申请" not in answer.content.decode()


@pytest.mark.parametrize(
    ("duties", "sees"),
    [((Duty.PROFILE,), False), ((Duty.HOURS,), False), ((Duty.TRANSFERS,), True), ((Duty.PEOPLE,), True)],
)
def test_an_admin_sees_what_the_role_grants(move, duties, sees):
    """F-77; 查询人员 is about people and what they filed."""
    town, _, old, _, application = move
    for unit in (old, town.bureau):
        account = town.admin(unit, duties=duties)
        found = Application.objects.visible_to(town.actor(account)).filter(pk=application.pk).exists()
        assert found == sees, unit


def test_what_is_confidential_is_seen_by_who_may_sign_it(town):
    town.operator()
    application = file_correction(town, town.practitioner(at=town.employer()))
    signs = town.admin(town.platform, duties=[Duty.CHANGES])
    for duties in ([Duty.REGISTRATIONS], [Duty.PEOPLE, Duty.PROFILE]):
        other = town.admin(town.platform, duties=duties)
        assert not Application.objects.visible_to(town.actor(other)).filter(pk=application.pk).exists()
    assert Application.objects.visible_to(town.actor(signs)).filter(pk=application.pk).exists()


def test_an_admin_still_sees_their_own_confidential_matter(town):
    town.operator()
    unit = town.employer()
    clerk = town.admin(unit, duties=[Duty.PROFILE])
    application = file_correction(town, clerk)
    assert list(Application.objects.visible_to(town.actor(clerk))) == [application]
    assert not Application.objects.visible_to(town.actor(unit)).exists()


def test_a_matter_begins_anew_by_who_may_file_it_alone(move):
    """The employer speaks for its people, but their forms open for themselves."""
    town, person, old, _, application = move
    engine.reject(step_of(application, "原单位审核").pk, by=town.actor(old), comment="测试")
    page = reverse("workflow:detail", args=[application.pk])
    assert "重新申请" in town.login(person).get(page).content.decode()
    assert "重新申请" not in town.login(old).get(page).content.decode()


# --- odd addresses and fields are no 500 -----------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "after=5~5",
        "after=2026-01-01T00:00:00%2B00:00~2026-01-01T00:00:00%2B00:00",
        "after=0001-01-01T00:00:00%2B08:00~1",
        "before=9999-12-31T23:59:59-14:00~1",
    ],
)
@pytest.mark.parametrize("page", ["workflow:inbox", "workflow:done"])
def test_a_place_that_does_not_read_is_the_first_page(town, page, query):
    assert town.login(town.bureau).get(f"{reverse(page)}?{query}").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/inbox/?name=%00",
        "/inbox/done/?name=a%00b",
        "/people/?name=%00",
        "/organizations/?q=%00",
        "/search/?q=%00",
    ],
)
def test_a_nul_in_the_address_is_a_bad_request(town, path):
    answer = town.login(town.bureau).get(path)
    assert answer.status_code == 400
    assert "待办审核" in answer.content.decode()


def test_a_field_that_no_page_sends(town):
    client = town.login(town.bureau)
    assert client.post(reverse("accounts:choose"), {"identity": "9" * 5000}).status_code == 404
    assert client.post(reverse("accounts:end_session"), {"handle": "\0"}).status_code == 302


@pytest.mark.parametrize("target", ["foo", "admin:index", "https:foo", "\\\\evil.example", "/inbox/\x01"])
def test_next_is_a_path_of_ours(town, target):
    """What has no slash is looked up as the name of a page, and was no page at all."""
    account = town.super_admin(town.bureau)
    answer = Client().post(
        "/login/?" + urlencode({"next": target}),
        {"role": account.role, "id_number": account.user.id_number.reveal(), "password": PASSWORD},
    )
    assert answer.status_code == 302
    assert answer.url.startswith("/")


# --- who registered in vain ---------------------------------------------------------------------------------


@pytest.fixture
def squatter(town) -> User:
    """Somebody who registers under a stranger's number, with a password and contacts of their own."""
    user = town.user()
    RoleAccount.objects.create(user=user, role=Role.EMPLOYER, status=AccountStatus.PENDING, place="测试")
    return user


def test_a_link_to_an_earlier_owner_does_not_open_an_admins_account(town, squatter):
    token, _ = passwords.start_reset(squatter, with_code=False)
    squatter.accounts.update(status=AccountStatus.CLOSED)
    role = AdminRole.objects.create(organization=town.bureau, name="测试", duties=[Duty.HOURS])
    entry = appointment.Entry(name="测试本人", email="own@example.org")
    appointment.appoint(
        squatter.id_number, role.pk, by=town.actor(town.bureau), link=lambda token: token, entry=entry
    )
    assert passwords.open_reset(token) is None


def test_an_old_invitation_does_not_open_what_is_registered_anew(town):
    """An admin who invites a stranger's number to an address of their own must not own that number for three days."""
    number = IdNumber.parse(synthetic_id(9000))
    invited = User.objects.create_user(number, None, name="测试", email="other@example.org")
    token, _ = passwords.start_reset(invited, with_code=False, lasts=appointment.INVITATION_LASTS)
    assert passwords.open_reset(token)
    _write_person(Person(number=number, name="测试本人", password=OWN), PractitionerRegistration())
    assert passwords.open_reset(token) is None
    assert not PasswordReset.objects.filter(user=invited, used_at=None).exists()


# --- what is over is forgotten ---------------------------------------------------------------------------------


def test_dead_sessions_go_and_living_ones_stay(town):
    client = town.login(town.bureau)
    dead = Session.objects.create(
        session_key="d" * 32, session_data="", expire_date=timezone.now() - datetime.timedelta(minutes=1)
    )
    forget_sessions(timestamp=0)
    assert not Session.objects.filter(pk=dead.pk).exists()
    assert client.get("/inbox/").status_code == 200


# --- logs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["+8613800000000", "8613800000000", "0086 13800000000", "手机13800000000。"])
def test_a_mobile_number_with_its_country_is_hidden_too(text):
    assert "138" not in without_numbers(text)


# --- uploads: the time that a file takes does not grow with its square -----------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"1 0 obj " + b"stream\n" * 400_000,
        b"1 0 obj /ObjStm /Fl stream\n\x78\x9c\x03\x00\x00\x00\x00\x01endstream " * 60_000,
        b"/OpenAction 7 0 R " * 100_000,
        b"/OpenAction 7 0 R " * 50 + b"7 0 obj " * 300_000,
    ],
    ids=["streams", "object streams", "actions", "writings of one action"],
)
def test_a_pdf_cannot_keep_the_server_busy(body):
    upload = SimpleUploadedFile("a.pdf", b"%PDF-1.7\n" + body + b"\n%%EOF\n")
    before = time.process_time()
    with contextlib.suppress(Unacceptable):
        examine(upload)
    # Half a second at most; minutes and hours where a part is read again for each part before it.
    assert time.process_time() - before < 30

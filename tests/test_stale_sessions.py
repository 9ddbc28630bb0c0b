"""Sessions from before a change of what their owner is: refused at once, and an open form waits (trust.md §3.8).

Each event is met by the next GET, by the next POST and by an open form that is sent and then looked for after the
login. Refused means: led to the login, and not a row of the database has changed. The control sends the same POST
without any event.
"""

from dataclasses import dataclass

import pytest
from django.apps import apps

from accounts import password as passwords
from accounts.id_number import IdNumber
from accounts.models import RoleAccount, User
from orgs import appointment, granting, succession
from orgs.models import AdminRole, Duty
from registration.models import IdentityCorrection
from tests.registering import an_id_number
from tests.test_transfers import complete, file_transfer
from tests.town import PASSWORD
from workflow import engine

NEW_PASSWORD = "hill-and-river-7"
TEXT = "写到一半的文字"
TRANSFER, PROFILE = "/moves/unit/", "/organization/profile/"


@dataclass
class Case:
    """Whose session it is, the page that is open in it, and how one gets in afterwards (None: no more)."""

    whose: RoleAccount
    page: str
    happen: object
    password: str | None = PASSWORD


# --- the events ---------------------------------------------------------------------------------------------


def transfer_completed(town, unit):
    person = town.practitioner(at=unit)
    application = file_transfer(town, person, town.employer())
    return Case(person.account, TRANSFER, lambda: complete(town, application))


def swapped(town, unit):
    successor = town.admin(unit, duties=[Duty.PROFILE])
    swap = succession.offer(successor.org_admin.pk, by=town.actor(unit))
    return successor, lambda: succession.accept(swap.pk, by=town.actor(successor))


def super_admin_replaced(town, unit):
    old = town.super_admin(unit)
    _, accept = swapped(town, unit)
    return Case(old, PROFILE, accept, password=None)


def super_admin_taken_over(town, unit):
    successor, accept = swapped(town, unit)
    return Case(successor, PROFILE, accept)


def admin_suspended(town, unit):
    admin = town.admin(unit, duties=[Duty.PROFILE])
    by = town.actor(unit)
    return Case(admin, PROFILE, lambda: appointment.suspend(admin.org_admin.pk, by=by), password=None)


def admin_removed(town, unit):
    admin = town.admin(unit, duties=[Duty.PROFILE])
    by = town.actor(unit)
    return Case(admin, PROFILE, lambda: appointment.remove(admin.org_admin.pk, by=by), password=None)


def holder_of(town, unit, role):
    admin = town.admin(unit, duties=role.duties)
    admin.org_admin.role = role
    admin.org_admin.save()
    return admin


def role_edited(town, unit):
    role = AdminRole.objects.create(organization=unit, name="甲", duties=["profile", "hours"])
    admin, by = holder_of(town, unit, role), town.actor(unit)
    return Case(admin, PROFILE, lambda: granting.save_role("甲", ["profile"], by=by, role_id=role.pk))


def another_role_given(town, unit):
    one, other = (
        AdminRole.objects.create(organization=unit, name=name, duties=duties)
        for name, duties in (("甲", ["profile", "hours"]), ("乙", ["profile"]))
    )
    admin, by = holder_of(town, unit, one), town.actor(unit)
    return Case(admin, PROFILE, lambda: granting.assign(admin.org_admin.pk, other.pk, by=by))


def identity_corrected(town, unit):
    """The login follows the number."""
    person, operator = town.practitioner(at=unit), town.operator()
    correction = IdentityCorrection(user=person.user, practitioner=person, new_name="测试改名", reason="写错")
    correction.set_new_number(IdNumber.parse(an_id_number()))
    correction.take_old(person.user)
    step = engine.submit("identity-correction", correction, by=town.actor(person)).steps.get()
    return Case(person.account, "/my/contacts/", lambda: engine.approve(step.pk, by=town.actor(operator)))


def closed_by_the_person(town, unit):
    person = town.practitioner(at=unit)

    def happen():
        answer = town.login(person).post("/my/leaving/", {"current_password": PASSWORD})
        assert answer.status_code == 302

    return Case(person.account, TRANSFER, happen, password=None)


def closed_by_the_unit(town, unit):
    person = town.practitioner(at=unit)

    def happen():
        answer = town.login(unit).post(f"/people/{person.pk}/leaving/", {"reason": "合同到期"})
        assert answer.status_code == 302

    return Case(person.account, TRANSFER, happen, password=None)


def password_reset_by_the_unit(town, unit):
    person = town.practitioner(at=unit)

    def happen():
        town.login(unit).post(f"/people/{person.pk}/reset-password/")

    return Case(person.account, TRANSFER, happen, password=person.user.id_number.reveal()[-6:])


def password_changed_elsewhere(town, unit):
    person = town.practitioner(at=unit)

    def happen():
        answer = town.login(person).post(
            "/password/",
            {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "new_password_again": NEW_PASSWORD},
        )
        assert answer.status_code == 302

    return Case(person.account, TRANSFER, happen, password=NEW_PASSWORD)


def password_forgotten_and_set_anew(town, unit):
    admin = town.admin(unit, duties=[Duty.PROFILE])

    def happen():
        token, _ = passwords.start_reset(admin.user, with_code=False)
        passwords.set_password_by_reset(passwords.open_reset(token), NEW_PASSWORD)

    return Case(admin, PROFILE, happen, password=NEW_PASSWORD)


EVENTS = [
    transfer_completed,
    super_admin_replaced,
    super_admin_taken_over,
    admin_suspended,
    admin_removed,
    role_edited,
    another_role_given,
    identity_corrected,
    closed_by_the_person,
    closed_by_the_unit,
    password_reset_by_the_unit,
    password_changed_elsewhere,
    password_forgotten_and_set_anew,
]


# --- the cells ----------------------------------------------------------------------------------------------


def answers(town, page: str) -> dict:
    """What would be accepted and change something."""
    if page == TRANSFER:
        new = town.employer(name="测试别的单位")
        return {"new_unit": new.name, "chosen": new.pk, "reason": TEXT, "do": "submit"}
    if page == PROFILE:
        return {"contact_name": TEXT, "phone": "0538-7654321", "office_hours": "工作日"}
    return {"mobile": "", "email": "xiedaoyiban@example.org", "current_password": PASSWORD}


def shown(page: str) -> str:
    return "xiedaoyiban@example.org" if page == "/my/contacts/" else TEXT


def world() -> dict:
    """Every row that a request of a person may change."""
    models = [User, RoleAccount]
    for app in ("orgs", "workflow", "registration", "transfers", "credits"):
        models += apps.get_app_config(app).get_models()
    return {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in models}


@pytest.mark.parametrize("page", [TRANSFER, PROFILE, "/my/contacts/"])
def test_without_an_event_the_same_post_changes_something(town, page):
    """The control: what is refused below is no POST that would have failed anyway."""
    unit = town.employer()
    client = town.login(unit if page == PROFILE else town.practitioner(at=unit))
    typed, before = answers(town, page), world()
    assert client.get(page).status_code == 200
    assert client.post(page, typed).status_code == 302
    assert world() != before


@pytest.mark.parametrize("way", ["get", "post", "form"])
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_the_next_request_is_refused_and_nothing_typed_is_lost(town, event, way):
    unit = town.employer()
    case = event(town, unit)
    typed, stale = answers(town, case.page), town.login(case.whose)
    assert stale.get(case.page).status_code == 200
    case.happen()
    before = world()
    answer = stale.get(case.page) if way == "get" else stale.post(case.page, typed)
    assert (answer.status_code, answer.url) == (302, f"/login/?next={case.page}")
    assert world() == before
    if way == "form":
        come_back(stale, case, answer.url)


def come_back(client, case, url) -> None:
    """After the login the form stands there as it was sent; where no login is left, nobody sees it."""
    whose = RoleAccount.objects.select_related("user").get(pk=case.whose.pk)
    fields = {
        "role": whose.role,
        "id_number": whose.user.id_number.reveal(),
        "password": case.password or PASSWORD,
    }
    answer = client.post(url, fields)
    if case.password is None:
        assert answer.status_code == 200
        assert client.get(case.page).status_code == 302
        return
    assert answer.status_code == 302
    if answer.url == "/set-password/":
        twice = {"new_password": NEW_PASSWORD, "new_password_again": NEW_PASSWORD}
        answer = client.post(answer.url, twice)
        assert answer.status_code == 302
    page = client.get(case.page).content.decode()
    assert shown(case.page) in page
    assert "登录前填写的内容已恢复" in page


@pytest.mark.parametrize("event", [admin_suspended, closed_by_the_unit], ids=lambda event: event.__name__)
def test_whoever_logs_in_next_does_not_see_it(town, event):
    unit = town.employer()
    case = event(town, unit)
    stale = town.login(case.whose)
    case.happen()
    stale.post(case.page, answers(town, case.page))
    other = town.super_admin(unit) if case.page == PROFILE else town.practitioner(at=unit).account
    fields = {"role": other.role, "id_number": other.user.id_number.reveal(), "password": PASSWORD}
    assert stale.post(f"/login/?next={case.page}", fields).status_code == 302
    assert TEXT not in stale.get(case.page).content.decode()

"""管理单位管理员, 角色管理, 新增管理员, 更换超级管理员 (F-72 … F-78), through the pages unless a rule is meant."""

import random
import re
import threading

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.db.models import F
from django.test import Client
from django.urls import reverse

from accounts.id_number import IdNumber
from accounts.models import AccountStatus, Role, RoleAccount, User
from accounts.refused import Refused
from orgs import appointment, granting, succession
from orgs.actor import actor_of, hold_right
from orgs.models import AdminRole, Duty, OrgAdmin, SuperSwap
from orgs.urls import urlpatterns
from tests.race import at_once
from tests.town import PASSWORD, Town, synthetic_id
from transfers.models import UnitTransfer
from workflow import engine

ADMINS, ADD, APPOINT = "/organization/admins/", "/organization/admins/add/", "/organization/admins/add/role/"
ROLES, SUCCESSION = "/organization/roles/", "/organization/succession/"
LOST = "/organization/second-factor/"
HOURS_ONLY = "学时审核员"


@pytest.fixture
def roles(town):
    granting.load_ready_made()
    return {role.name: role for role in AdminRole.objects.ready_made()}


def fresh_number(nth: int = 9000) -> str:
    return synthetic_id(nth)


def made_admin(town, unit, role=None, user=None) -> OrgAdmin:
    """An admin of the unit who holds this role."""
    account = town.admin(unit, user, duties=role.duties if role else [])
    one = account.org_admin
    one.role = role
    one.save()
    return one


class Walk:
    """A browser that follows the links and presses the buttons that are there (clicks: test_click_targets.py)."""

    def __init__(self, client: Client, start: str = "/"):
        self.client = client
        self.page = client.get(start)
        self.at = start

    def follow(self, url: str) -> "Walk":
        assert f'href="{url}"' in self.text, f"{self.at} has no link to {url}"
        self.page, self.at = self.client.get(url), url
        assert self.page.status_code == 200
        return self

    def press(self, button: str, action: str = "", **fields) -> "Walk":
        assert re.search(rf"<button[^>]*>{button}", self.text), f"{self.at} has no button {button}"
        hidden = dict(re.findall(r'<input type="hidden" name="(person)" value="([^"]*)"', self.text))
        self.page = self.client.post(action or self.at, hidden | fields, follow=True)
        if self.page.redirect_chain:
            self.at = self.page.redirect_chain[-1][0]
        return self

    @property
    def text(self) -> str:
        return self.page.content.decode()


# --- journeys ----------------------------------------------------------------------------------------


def test_a_new_person_becomes_admin(town, roles, django_capture_on_commit_callbacks):
    unit = town.employer()
    walk = Walk(town.login(unit))
    with django_capture_on_commit_callbacks(execute=True):
        walk.follow(ADMINS).follow(ADD).press("下一步", id_number=fresh_number().lower())
        assert "此人还没有在平台注册" in walk.text
        assert fresh_number() not in walk.text
        walk.press("添加管理员", name="测试新", email="new@example.org", mobile="", role=roles[HOURS_ONLY].pk)
    assert "管理员已添加，设置密码的邀请已发出。" in walk.text
    admin = unit.admins.get(user__name="测试新")
    assert (admin.role.name, admin.duties, admin.account.status) == (HOURS_ONLY, [Duty.HOURS], "active")
    # The invitation sets the first password and nothing else is needed to come in.
    (letter,) = mail.outbox
    assert letter.to == ["new@example.org"]
    assert fresh_number() not in letter.body
    link = re.search(r"http://testserver(/reset/\S+/)", letter.body).group(1)
    guest = Client()
    guest.get(link)
    answer = guest.post(
        "/set-password/", {"new_password": "hill-and-river-7", "new_password_again": "hill-and-river-7"}
    )
    assert answer.status_code == 302
    assert User.objects.get(pk=admin.user_id).check_password("hill-and-river-7")
    assert guest.get("/inbox/").status_code == 200


def test_a_person_of_the_platform_is_linked_and_only_named_masked(
    town, roles, django_capture_on_commit_callbacks
):
    unit, other = town.employer(), town.employer()
    person = town.practitioner(at=other, user=town.user("测试某人"))
    walk = Walk(town.login(unit))
    walk.follow(ADMINS).follow(ADD)
    walk.press("下一步", id_number=person.user.id_number.reveal())
    assert "测**人" in walk.text
    assert "测试某人" not in walk.text
    assert str(person.user.mobile) not in walk.text
    assert person.user.email not in walk.text
    with django_capture_on_commit_callbacks(execute=True):
        walk.press("添加管理员", role=roles["全部审核"].pk)
    assert User.objects.filter(name="测试某人").count() == 1
    assert set(person.user.accounts.active().values_list("role", flat=True)) == {"practitioner", "employer"}
    assert [letter.subject for letter in mail.outbox] == ["您已成为单位管理员"]
    # One password, both roles.
    assert town.login(unit.admins.get(user=person.user).account).get("/inbox/").status_code == 200


def test_one_of_the_own_people_becomes_admin(town, roles):
    unit = town.employer()
    person = town.practitioner(at=unit)
    town.practitioner(at=town.employer(), user=town.user("外人"))
    walk = Walk(town.login(unit)).follow(ADMINS).follow(ADD)
    assert person.user.id_masked in walk.text
    assert "外*" not in walk.text
    walk.press("选为管理员", person=person.pk).press("添加管理员", role=roles["人员管理员"].pk)
    assert unit.admins.get(user=person.user).role.name == "人员管理员"


def test_the_super_admin_changes_by_offer_and_answer(town, roles, django_capture_on_commit_callbacks):
    unit = town.employer()
    old = town.super_admin(unit)
    own_practice = town.practitioner(at=unit, user=old.user)
    heir = made_admin(town, unit, roles[HOURS_ONLY])
    walk, heirs = Walk(town.login(unit)), town.login(heir.account)
    with django_capture_on_commit_callbacks(execute=True):
        walk.follow(ADMINS).follow(SUCCESSION)
        assert "原超管账号不保留" in walk.text
        walk.press("提出更换", successor=heir.pk, password=PASSWORD)
    assert "等待" in walk.text
    assert {tuple(letter.to) for letter in mail.outbox} == {(heir.user.email,), (old.user.email,)}
    # Nothing changed yet.
    assert unit.admins.get(is_super=True).user == old.user

    (swap,) = SuperSwap.objects.waiting_for(heir.user)
    answer = Walk(heirs).follow(f"{SUCCESSION}{swap.pk}/")
    assert "接受并成为超级管理员" in answer.text
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        answer.press("接受并成为超级管理员", accept="1")
    assert answer.page.status_code == 200
    assert "您已成为超级管理员" in answer.text
    assert answer.at == ADMINS
    assert {tuple(letter.to) for letter in mail.outbox} == {(heir.user.email,), (old.user.email,)}
    new = unit.admins.get(is_super=True)
    assert (new.user, new.role, new.duties) == (heir.user, None, [])
    old.refresh_from_db()
    assert old.status == AccountStatus.CLOSED
    assert not unit.admins.filter(user=old.user).exists()
    # The other role of that person lives on, session, password and all.
    assert town.login(own_practice).get("/password/").status_code == 200
    # The old session is dead.
    assert walk.client.get(ADMINS).status_code == 302
    # History keeps both sides.
    assert OrgAdmin.history.filter(user=old.user, history_type="-").count() == 1


def added(unit, user, role, town) -> OrgAdmin:
    """Added again by whoever is super admin now; with no other role left the person is entered anew."""
    entry = (
        appointment.Entry(user.name, email="again@example.org") if not user.accounts.live().exists() else None
    )
    return appointment.appoint(
        user.id_number, role.pk, by=town.actor(unit), link=lambda token: token, entry=entry
    )


@pytest.mark.parametrize("has_another_role", [True, False])
def test_whoever_was_replaced_may_be_added_again(town, roles, has_another_role):
    unit = town.employer()
    old = town.super_admin(unit)
    if has_another_role:
        town.practitioner(at=unit, user=old.user)
    heir = made_admin(town, unit, roles[HOURS_ONLY])
    swap = succession.offer(heir.pk, by=town.actor(unit))
    succession.accept(swap.pk, by=actor_of(heir.account))
    again = added(unit, old.user, roles[HOURS_ONLY], town)
    assert again.account_id != old.pk
    old.user.refresh_from_db()
    # Nobody vouches any more for a password without a role: an invitation sets a new one.
    assert old.user.has_usable_password() == has_another_role
    appointment.remove(again.pk, by=town.actor(unit))
    added(unit, old.user, roles[HOURS_ONLY], town)
    assert old.user.accounts.filter(role="employer", status=AccountStatus.CLOSED).count() == 2


@pytest.mark.parametrize("kind", ["employer", "sub-unit", "authority", "bureau", "platform"])
def test_every_kind_of_organisation_manages_its_admins(town, roles, kind):
    """F-78."""
    unit = {
        "employer": lambda: town.employer(),
        "sub-unit": lambda: town.employer(under=town.employer()),
        "authority": lambda: town.authority(),
        "bureau": lambda: town.bureau,
        "platform": lambda: town.operator().org_admin.organization,
    }[kind]()
    boss = town.login(unit)
    for page in (ADMINS, ADD, ROLES, f"{ROLES}add/", SUCCESSION):
        assert boss.get(page).status_code == 200, page
    boss.post(ADD, {"id_number": fresh_number()})
    fields = {"name": "测试新", "mobile": "13800000000", "email": "", "role": roles["全部审核"].pk}
    assert boss.post(APPOINT, fields).status_code == 302
    admin = unit.admins.get(user__name="测试新")
    assert (admin.account.role, admin.account.place) == (unit.role, unit.name)


# --- who may open what ---------------------------------------------------------------------------------


def pages(admin, role, swap):
    """Every page of orgs: (method, address)."""
    one, of_role = f"{ADMINS}{admin.pk}/", f"{ROLES}{role.pk}/"
    both = [LOST, ADD, APPOINT, one, f"{one}remove/", f"{ROLES}add/", of_role, SUCCESSION]
    posts = [f"{one}suspend/", f"{one}restore/", f"{one}invite/", f"{of_role}delete/", f"{SUCCESSION}cancel/"]
    return (
        [("get", page) for page in (ADMINS, ROLES, *both, f"{SUCCESSION}{swap.pk}/")]
        + [("post", page) for page in (*both, *posts, f"{SUCCESSION}{swap.pk}/")]
    )  # fmt: skip


def without_token(answer) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", answer.content.decode())


def test_the_matrix_of_pages_is_whole(town, roles):
    unit = town.employer()
    admin, role = (
        made_admin(town, unit),
        AdminRole.objects.create(organization=unit, name="甲", duties=["hours"]),
    )
    swap = succession.offer(admin.pk, by=town.actor(unit))
    known = {page for _, page in pages(admin, role, swap)}
    wanted = {
        reverse(
            f"orgs:{one.name}",
            kwargs={
                key: {"admin_id": admin.pk, "role_id": role.pk, "swap_id": swap.pk}[key]
                for key in one.pattern.converters
            },
        )
        for one in urlpatterns
    }
    assert known == wanted


@pytest.mark.parametrize(
    ("who", "general", "objects"),
    [
        ("nobody", 302, 302),
        ("practitioner", 403, 403),
        ("admin with every duty", 403, 403),
        ("suspended admin", 302, 302),
        ("super admin of the superior", None, 404),
        ("super admin of another unit", None, 404),
        ("super admin of the sub-unit", None, 404),
    ],
)
def test_who_may_open_what(town, roles, who, general, objects):
    """Non-super admins are told who can grant it; foreign rows answer as missing ones do (trust.md §3.4)."""
    superior = town.authority()
    unit = town.employer(under=superior)
    admin = made_admin(town, unit, roles["全部业务"])
    other = made_admin(town, unit, roles["全部业务"])
    role = AdminRole.objects.create(organization=unit, name="甲", duties=["hours"])
    swap = succession.offer(admin.pk, by=town.actor(unit))
    client = {
        "nobody": Client,
        "practitioner": lambda: town.login(town.practitioner(at=unit)),
        "admin with every duty": lambda: town.login(other.account),
        "suspended admin": lambda: town.login(other.account),
        "super admin of the superior": lambda: town.login(superior),
        "super admin of another unit": lambda: town.login(town.employer()),
        "super admin of the sub-unit": lambda: town.login(town.employer(under=unit)),
    }[who]()
    if who == "suspended admin":
        appointment.suspend(other.pk, by=town.actor(unit))
    for method, page in pages(admin, role, swap):
        is_object = bool(re.search(r"/\d+/", page))
        expected = objects if is_object else general
        if expected is None:
            continue
        if page == f"{SUCCESSION}{swap.pk}/" and objects == 403:
            expected = 404  # open to every role; foreign offers are missing ones
        answer = getattr(client, method)(page)
        assert answer.status_code == expected, (method, page, answer.status_code)
        if expected == 404 and method == "get" and is_object:
            missing = client.get(re.sub(r"/\d+/", "/999999999/", page))
            assert without_token(answer) == without_token(missing)
    assert SuperSwap.objects.pending().count() == 1


def test_only_the_methods_that_are_meant(town, roles):
    unit = town.employer()
    admin, role = (
        made_admin(town, unit),
        AdminRole.objects.create(organization=unit, name="甲", duties=["hours"]),
    )
    swap = succession.offer(admin.pk, by=town.actor(unit))
    boss = town.login(unit)
    every = pages(admin, role, swap)
    for page in {page for _, page in every}:
        for method in ("get", "post", "put", "delete", "patch"):
            if (method, page) not in every:
                assert getattr(boss, method)(page).status_code == 405, (method, page)


def test_the_successor_with_another_identity_is_sent_to_the_right_one(town, roles):
    unit = town.employer()
    person = town.practitioner(at=unit)
    heir = made_admin(town, unit, roles[HOURS_ONLY], user=person.user)
    swap = succession.offer(heir.pk, by=town.actor(unit))
    client = town.login(person)
    page = client.get(f"{SUCCESSION}{swap.pk}/").content.decode()
    assert f"/identity/{heir.account_id}/" in page
    assert "接受并成为" not in page
    client.post(f"{SUCCESSION}{swap.pk}/", {"accept": "1"})
    assert SuperSwap.objects.pending().count() == 1
    client.post(f"/identity/{heir.account_id}/")
    client.post(f"{SUCCESSION}{swap.pk}/", {"accept": "1"})
    assert unit.admins.get(is_super=True).user == person.user


# --- rules: admins ---------------------------------------------------------------------------------------


def test_the_super_admin_and_oneself_are_out_of_reach(town, roles):
    unit = town.employer()
    boss = unit.admins.get(is_super=True)
    client = town.login(unit)
    for verb in ("suspend", "restore", "remove", "invite"):
        assert client.post(f"{ADMINS}{boss.pk}/{verb}/").status_code == 404
    for verb in (appointment.suspend, appointment.restore, appointment.remove, succession.offer):
        with pytest.raises(Refused, match="更换超级管理员"):
            verb(boss.pk, by=town.actor(unit))
    with pytest.raises(Refused, match="更换超级管理员"):
        granting.assign(boss.pk, roles["资料管理员"].pk, by=town.actor(unit))
    boss.refresh_from_db()
    assert boss.is_super
    assert boss.account.status == AccountStatus.ACTIVE


def test_suspended_restored_removed(town, roles, django_capture_on_commit_callbacks):
    unit = town.employer()
    admin = made_admin(town, unit, roles["全部审核"])
    client = town.login(unit)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{ADMINS}{admin.pk}/suspend/")
        assert "已经停用" in client.post(f"{ADMINS}{admin.pk}/suspend/", follow=True).content.decode()
    refused = Client().post(
        "/login/", {"role": "employer", "id_number": admin.user.id_number.reveal(), "password": PASSWORD}
    )
    assert refused.status_code == 200
    assert "已停用" in refused.content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{ADMINS}{admin.pk}/restore/")
    assert town.login(admin.account).get("/inbox/").status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        assert "办理记录保持不变" in client.get(f"{ADMINS}{admin.pk}/remove/").content.decode()
        client.post(f"{ADMINS}{admin.pk}/remove/")
    assert [letter.subject for letter in mail.outbox] == [
        "您的管理员身份已停用",
        "您的管理员身份已恢复",
        "您的管理员身份已移除",
    ]
    assert not OrgAdmin.objects.filter(pk=admin.pk).exists()
    assert RoleAccount.objects.get(pk=admin.account_id).status == AccountStatus.CLOSED
    last = OrgAdmin.history.filter(id=admin.pk).first()
    assert (last.history_type, last.history_user) == ("-", town.super_admin(unit).user)


def test_what_a_removed_admin_signed_stays(town, roles):
    old, new = town.employer(), town.employer()
    admin = made_admin(town, old, roles["全部审核"])
    person = town.practitioner(at=old)
    application = engine.submit(
        "unit-transfer",
        UnitTransfer(practitioner=person, old_employer=old, new_employer=new),
        by=town.actor(person),
    )
    step = application.steps.get(order=1)
    engine.approve(step.pk, by=actor_of(admin.account))
    appointment.remove(admin.pk, by=town.actor(old))
    step.refresh_from_db()
    assert step.decided_by == admin.user
    assert town.login(old).get(f"/applications/{application.pk}/").status_code == 200


def test_an_offer_ends_with_the_successors_right(town, roles):
    unit = town.employer()
    admin = made_admin(town, unit, roles["全部审核"])
    for verb in (appointment.suspend, appointment.remove):
        swap = succession.offer(admin.pk, by=town.actor(unit))
        by = actor_of(admin.account)
        verb(admin.pk, by=town.actor(unit))
        swap.refresh_from_db()
        assert swap.state == "cancelled"
        with pytest.raises(Refused, match="已经撤销"):
            succession.accept(swap.pk, by=by)
        if verb == appointment.suspend:
            with pytest.raises(Refused, match="已停用"):
                succession.offer(admin.pk, by=town.actor(unit))
            appointment.restore(admin.pk, by=town.actor(unit))


def test_an_invitation_can_be_sent_again_but_not_for_ever(town, roles, django_capture_on_commit_callbacks):
    unit = town.employer()
    with django_capture_on_commit_callbacks(execute=True):
        admin = appointment.appoint(
            IdNumber.parse(fresh_number()),
            roles[HOURS_ONLY].pk,
            by=town.actor(unit),
            link=lambda token: token,
            entry=appointment.Entry("测试新", email="new@example.org"),
        )
    mail.outbox.clear()
    client = town.login(unit)
    assert "尚未登录" in client.get(ADMINS).content.decode()
    assert "重新发送邀请" in client.get(f"{ADMINS}{admin.pk}/").content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(6):
            answer = client.post(f"{ADMINS}{admin.pk}/invite/", follow=True)
    assert len(mail.outbox) == 5
    assert "今天已多次发送邀请" in answer.content.decode()
    admin.user.set_password(PASSWORD)
    admin.user.save()
    assert "重新发送邀请" not in client.get(f"{ADMINS}{admin.pk}/").content.decode()


# --- whom one may add --------------------------------------------------------------------------------------


def test_the_same_person_twice_is_a_sentence(town, roles):
    unit = town.employer()
    admin = made_admin(town, unit, roles[HOURS_ONLY])
    number = admin.user.id_number.reveal()
    client = town.login(unit)

    def said():
        return client.post(ADD, {"id_number": number}).content.decode()

    assert "此人已是本机构的管理员，无需重复添加。" in said()
    appointment.suspend(admin.pk, by=town.actor(unit))
    assert "现在停用中" in said()
    boss = town.super_admin(unit).user.id_number.reveal()
    assert "此人已是本机构的管理员" in client.post(ADD, {"id_number": boss}).content.decode()
    with pytest.raises(Refused, match="已是本机构的管理员"):
        appointment.appoint(
            admin.user.id_number, roles[HOURS_ONLY].pk, by=town.actor(unit), link=lambda token: token
        )


def test_nobody_becomes_admin_on_an_unverified_registration(town, roles):
    """Who registered in vain, or waits for review, gave a number, a mailbox and a password that nobody checked."""
    unit = town.employer()
    stranger = town.user("冒名者")
    account = RoleAccount.objects.create(user=stranger, role=Role.PRACTITIONER, status=AccountStatus.PENDING)
    client = town.login(unit)
    number = stranger.id_number.reveal()
    assert "注册还在审核中" in client.post(ADD, {"id_number": number}).content.decode()
    account.status = AccountStatus.CLOSED
    account.save()
    page = client.post(ADD, {"id_number": number}, follow=True).content.decode()
    assert "此人还没有在平台注册" in page
    assert "冒" not in page
    fields = {"name": "测试真", "mobile": "13800000001", "email": "", "role": roles[HOURS_ONLY].pk}
    client.post(APPOINT, fields)
    stranger.refresh_from_db()
    assert (stranger.name, stranger.email) == ("测试真", "")
    assert not stranger.check_password(PASSWORD)
    stranger.is_active = False
    stranger.save()
    other = town.login(town.employer())
    assert "已被平台停用" in other.post(ADD, {"id_number": number}).content.decode()


def test_a_person_who_registered_between_the_two_pages_is_looked_at_first(town, roles):
    unit = town.employer()
    client = town.login(unit)
    number = IdNumber.parse(fresh_number())
    client.post(ADD, {"id_number": fresh_number()})
    user = User.objects.create_user(number, PASSWORD, name="测试抢先")
    town.practitioner(at=town.employer(), user=user)
    fields = {"name": "测试新", "mobile": "13800000001", "email": "", "role": roles[HOURS_ONLY].pk}
    page = client.post(APPOINT, fields).content.decode()
    assert "此人刚刚在平台上注册" in page
    assert "测**先" in page
    assert unit.admins.count() == 1
    client.post(APPOINT, {"role": roles[HOURS_ONLY].pk})
    assert unit.admins.filter(user=user).exists()


def test_looking_people_up_is_metered(town, roles):
    """Each answer tells whether an ID number is known: 30 in an hour."""
    client = town.login(town.employer())
    for nth in range(30):
        assert client.post(ADD, {"id_number": synthetic_id(12000 + nth)}).status_code == 302
    answer = client.post(ADD, {"id_number": synthetic_id(12100)})
    assert answer.status_code == 429
    assert "次数太多" in answer.content.decode()
    assert synthetic_id(12100) in answer.content.decode()  # what was typed stays


def test_people_of_other_units_cannot_be_picked(town, roles):
    client = town.login(town.employer())
    stranger = town.practitioner(at=town.employer())
    for picked in (stranger.pk, "0", "x", "9" * 30, "-1"):
        assert client.post(ADD, {"person": picked}).status_code == 404


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "请填写身份证号"),
        ({"id_number": "370902"}, "应为 18 位"),
        ({"id_number": "37090219600102000"}, "应为 18 位"),
        ({"id_number": "370902196001020000"}, "校验码不符"),
        ({"id_number": "110101190001010\x00"}, ""),
        ({"id_number": "<script>alert(1)</script>"}, "应为 18 位"),
        ({"id_number": "１" * 18}, ""),
        ({"id_number": "9" * 100_000}, ""),
    ],
)
def test_bad_id_numbers(town, roles, fields, sentence):
    answer = town.login(town.employer()).post(ADD, fields)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert "<script>alert" not in answer.content.decode()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": ""}, "请填写姓名"),
        ({"name": "长" * 51}, "姓名最多 50 个字"),
        ({"name": "a\x00b"}, ""),
        ({"mobile": "", "email": ""}, "请填写手机号或邮箱，至少一项。"),
        ({"mobile": "12345"}, "请填写 11 位的中国大陆手机号"),
        ({"mobile": "", "email": "nobody"}, "邮箱的样子不对"),
        ({"mobile": "", "email": "a@" + "b" * 300 + ".cn"}, "邮箱"),
        ({"role": ""}, "请选择角色。"),
        ({"role": "0"}, "所选角色已被删除"),
        ({"role": "x' or 1=1"}, "所选角色已被删除"),
        ({"role": "9" * 40}, "所选角色已被删除"),
    ],
)
def test_bad_data_of_a_new_person_stands_beside_its_field(town, roles, change, sentence):
    unit = town.employer()
    client = town.login(unit)
    client.post(ADD, {"id_number": fresh_number()})
    good = {"name": "测试新", "mobile": "13800000000", "email": "", "role": str(roles[HOURS_ONLY].pk)}
    answer = client.post(APPOINT, good | change)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    kept = {key: value for key, value in (good | change).items() if key in ("name", "mobile", "email")}
    for value in kept.values():
        if value and "\x00" not in value:
            assert value in answer.content.decode()
    assert unit.admins.count() == 1


def test_a_role_of_another_organisation_cannot_be_given(town, roles):
    unit, other = town.employer(), town.employer()
    foreign = AdminRole.objects.create(organization=other, name="甲", duties=["hours"])
    admin = made_admin(town, unit, roles[HOURS_ONLY])
    client = town.login(unit)
    assert "所选角色已被删除" in client.post(f"{ADMINS}{admin.pk}/", {"role": foreign.pk}).content.decode()
    with pytest.raises(Refused, match="已被删除"):
        granting.assign(admin.pk, foreign.pk, by=town.actor(unit))
    client.post(ADD, {"id_number": fresh_number()})
    client.post(APPOINT, {"name": "测试新", "mobile": "13800000000", "role": foreign.pk})
    assert unit.admins.count() == 2


# --- roles -----------------------------------------------------------------------------------------------------


def test_every_duty_is_said_in_plain_words():
    assert set(granting.CAN_DO) == set(Duty)
    assert {duty for duties in granting.READY_MADE.values() for duty in duties} == set(Duty)


def test_ready_made_roles_are_loaded_once_and_their_admins_follow(town, roles, monkeypatch):
    assert granting.load_ready_made() == (0, 0, len(granting.READY_MADE))
    admin = made_admin(town, town.employer(), roles[HOURS_ONLY])
    epoch = admin.account.epoch
    monkeypatch.setitem(granting.READY_MADE, HOURS_ONLY, [Duty.HOURS, Duty.CHANGES])
    assert granting.load_ready_made() == (0, 1, len(granting.READY_MADE) - 1)
    admin.refresh_from_db()
    admin.account.refresh_from_db()
    assert admin.duties == [Duty.HOURS, Duty.CHANGES]
    assert admin.account.epoch == epoch + 1


def test_a_role_is_made_changed_and_deleted(town, roles, django_capture_on_commit_callbacks):
    unit = town.employer()
    client = town.login(unit)
    page = client.post(
        f"{ROLES}add/", {"name": " 人事科  审核员 ", "duties": ["hours", "registrations"]}, follow=True
    )
    assert "角色“人事科 审核员”已保存。" in page.content.decode()
    role = AdminRole.objects.own(town.actor(unit)).get()
    assert role.duties == [Duty.REGISTRATIONS, Duty.HOURS]
    admin = made_admin(town, unit, role)
    theirs = town.login(admin.account)
    edit = f"{ROLES}{role.pk}/"
    shown = client.get(edit).content.decode()
    assert "正在使用的管理员" in shown
    assert "删除角色" not in shown
    with django_capture_on_commit_callbacks(execute=True):
        page = client.post(edit, {"name": role.name, "duties": ["hours"]}, follow=True).content.decode()
    assert "1 位管理员的权限已随之变更" in page
    admin.refresh_from_db()
    assert admin.duties == [Duty.HOURS]
    assert [letter.to for letter in mail.outbox] == [[admin.user.email]]
    assert theirs.get("/inbox/").status_code == 302
    # A new name alone takes nobody out of their work.
    theirs = town.login(admin.account)
    client.post(edit, {"name": "审核员", "duties": ["hours"]})
    assert theirs.get("/inbox/").status_code == 200
    assert "还有管理员在使用" in client.post(f"{edit}delete/", follow=True).content.decode()
    granting.assign(admin.pk, roles[HOURS_ONLY].pk, by=town.actor(unit))
    assert "已删除" in client.post(f"{edit}delete/", follow=True).content.decode()
    assert not AdminRole.objects.filter(pk=role.pk).exists()
    assert OrgAdmin.history.filter(id=admin.pk).count() >= 4


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "", "duties": ["hours"]}, "请填写角色名称"),
        ({"name": "甲"}, "请至少勾选一项权限。"),
        ({"name": "长" * 21, "duties": ["hours"]}, "角色名称最多 20 个字"),
        ({"name": HOURS_ONLY, "duties": ["hours"]}, "已有同名的角色"),
        ({"name": "已有", "duties": ["hours"]}, "已有同名的角色"),
        ({"name": "甲", "duties": ["is_super"]}, "不存在的权限"),
        ({"name": "甲", "duties": ["hours", "admins"]}, "不存在的权限"),
        ({"name": "甲\x00", "duties": ["hours"]}, ""),
    ],
)
def test_bad_roles(town, roles, fields, sentence):
    unit = town.employer()
    AdminRole.objects.create(organization=unit, name="已有", duties=["hours"])
    answer = town.login(unit).post(f"{ROLES}add/", fields)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert AdminRole.objects.own(town.actor(unit)).count() == 1


def test_hidden_fields_change_nothing(town, roles):
    """F-77, trust.md §3.7: what the form does not ask for is not read."""
    unit, other = town.employer(), town.employer()
    admin = made_admin(town, unit, roles[HOURS_ONLY])
    client = town.login(unit)
    more = {"is_super": "on", "organization": other.pk, "user": 1, "account": 1, "status": "active"}
    client.post(f"{ADMINS}{admin.pk}/", {"role": roles["资料管理员"].pk, "duties": list(Duty), **more})
    admin.refresh_from_db()
    assert (admin.is_super, admin.organization, admin.duties) == (False, unit, [Duty.PROFILE])
    client.post(f"{ROLES}add/", {"name": "甲", "duties": ["hours"], **more})
    role = AdminRole.objects.get(name="甲")
    assert (role.organization, role.duties) == (unit, ["hours"])


def test_roles_stay_within_what_the_database_allows(town, roles):
    unit = town.employer()
    boss = unit.admins.get(is_super=True)

    def broken(name, write):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            write()

    broken(
        "admin_role_allows_something",
        lambda: AdminRole.objects.create(organization=unit, name="甲", duties=[]),
    )
    broken(
        "admin_role_ready_made_name_once", lambda: AdminRole.objects.create(name=HOURS_ONLY, duties=["hours"])
    )
    AdminRole.objects.create(organization=unit, name="甲", duties=["hours"])
    broken(
        "admin_role_name_once",
        lambda: AdminRole.objects.create(organization=unit, name="甲", duties=["hours"]),
    )
    broken(
        "org_admin_super_has_no_role",
        lambda: OrgAdmin.objects.filter(pk=boss.pk).update(role=roles[HOURS_ONLY]),
    )
    heir = made_admin(town, unit)
    broken("org_admin_one_super", lambda: OrgAdmin.objects.filter(pk=heir.pk).update(is_super=True))
    broken("org_admin_person_once", lambda: town.admin(unit, heir.user))
    swap = succession.offer(heir.pk, by=town.actor(unit))
    broken(
        "super_swap_one_at_a_time",
        lambda: SuperSwap.objects.create(organization=unit, outgoing=boss.user, successor=heir.user),
    )
    broken(
        "super_swap_closed_at_tells_state",
        lambda: SuperSwap.objects.filter(pk=swap.pk).update(state="accepted"),
    )
    broken(
        "super_swap_is_between_two",
        lambda: SuperSwap.objects.create(
            organization=town.employer(), outgoing=boss.user, successor=boss.user
        ),
    )


def test_what_can_be_granted_is_a_subset_of_what_one_has(town):
    unit = town.employer()
    some = actor_of(town.admin(unit, duties=["hours", "people"]))
    assert granting.may_grant(some, ["hours"])
    assert granting.may_grant(some, [])
    assert not granting.may_grant(some, ["hours", "changes"])
    assert not granting.may_grant(some, ["no such duty"])
    assert granting.may_grant(town.actor(unit), list(Duty))
    assert not granting.may_grant(town.actor(unit), ["no such duty"])
    assert not granting.may_grant(town.actor(town.practitioner(at=unit)), [])


def test_no_right_exceeds_its_givers_over_a_thousand_random_edits(town, roles, monkeypatch):
    """trust.md §3.7. Everybody may manage here, so that the subset rule alone has to hold.

    After each edit: whoever holds more than before holds nothing that the editor does not hold; nobody of another
    organisation changed; nobody became super admin; duties are those of the role.
    """
    monkeypatch.setattr(granting, "may_manage", lambda actor: actor.organization is not None)
    monkeypatch.setattr(granting.admin_notices, "role_changed", lambda admin: None)
    monkeypatch.setattr(appointment.admin_notices, "added", lambda admin: None)
    chance = random.Random(20261124)
    units = [town.employer(), town.employer(), town.bureau]
    for unit in units:
        for _ in range(4):
            duties = chance.sample(Duty.values, chance.randint(1, 4))
            role = AdminRole.objects.create(
                organization=unit, name=f"角色{chance.random()}"[:20], duties=duties
            )
            made_admin(town, unit, role)
    every = [*Duty.values, "is_super", "admins", ""]
    done = {"ok": 0, "Refused": 0}

    def effective():
        rows = OrgAdmin.objects.values_list("user", "organization", "is_super", "duties")
        return {
            (user, place): (top, frozenset(Duty.values if top else duties))
            for user, place, top, duties in rows
        }

    after = effective()

    def one_of(rows):
        return chance.choice(list(rows.order_by("pk").values_list("pk", flat=True)) or [0])

    for _ in range(1000):
        before = after
        editor = chance.choice(
            list(OrgAdmin.objects.select_related("account", "organization").order_by("pk"))
        )
        by = actor_of(editor.account)
        admins = OrgAdmin.objects.all()
        near = admins.filter(organization=by.organization) if chance.random() < 0.8 else admins
        pool = sorted(by.duties) if chance.random() < 0.6 and by.duties else every
        picked = chance.sample(pool, chance.randint(1, len(pool)))
        verb = chance.choice(
            ["new", "edit", "edit", "edit", "assign", "assign", "delete", "foreign", "appoint"]
        )
        may = frozenset(Duty.values) if by.is_super else by.duties
        try:
            with transaction.atomic():
                if verb == "new":
                    granting.save_role(f"新{chance.random()}"[:20], picked, by=by)
                elif verb == "edit":
                    granting.save_role(
                        f"改{chance.random()}"[:20], picked, by=by, role_id=one_of(AdminRole.objects.own(by))
                    )
                elif verb == "foreign":
                    granting.save_role("外", picked, by=by, role_id=one_of(AdminRole.objects.all()))
                elif verb == "assign":
                    granting.assign(one_of(near), one_of(AdminRole.objects.offered_to(by)), by=by)
                elif verb == "delete":
                    granting.delete_role(one_of(AdminRole.objects.all()), by=by)
                else:
                    person, role_id = (
                        chance.choice(list(User.objects.order_by("pk"))),
                        one_of(AdminRole.objects.all()),
                    )
                    appointment.appoint(person.id_number, role_id, by=by, link=lambda token: token)
            done["ok"] += 1
        except Refused:
            done["Refused"] += 1
        after = effective()
        for holder, (top, duties) in after.items():
            was_top, had = before.get(holder, (False, frozenset()))
            assert top == was_top
            if duties != had:
                assert holder[1] == by.organization.pk
                assert holder[0] != by.user.pk
                assert duties <= may, (verb, holder, duties, may)
        assert not OrgAdmin.objects.filter(role__isnull=False).exclude(duties=F("role__duties")).exists()
    assert min(done.values()) > 150, done  # both outcomes were really tried


# --- swap ------------------------------------------------------------------------------------------------------------


def test_a_swap_asks_for_the_right_password_and_meters_wrong_ones(town, roles):
    unit = town.employer()
    heir = made_admin(town, unit, roles[HOURS_ONLY])
    client = town.login(unit)
    page = client.post(SUCCESSION, {"successor": heir.pk, "password": "wrong"}).content.decode()
    assert "密码不对，请重新填写。" in page
    assert f'value="{heir.pk}"' in page
    for _ in range(5):
        answer = client.post(SUCCESSION, {"successor": heir.pk, "password": "wrong"})
    assert answer.status_code == 429
    assert not SuperSwap.objects.exists()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "请选择接任人。"),
        ({"password": PASSWORD}, "请选择接任人。"),
        ({"successor": "0", "password": PASSWORD}, "请另选一位"),
        ({"successor": "own", "password": PASSWORD}, "请另选一位"),
        ({"successor": "suspended", "password": PASSWORD}, "请另选一位"),
        ({"successor": "foreign", "password": PASSWORD}, "请另选一位"),
        ({"successor": "heir", "password": ""}, "请填写您的登录密码"),
        ({"successor": "x\x00", "password": PASSWORD}, ""),
    ],
)
def test_bad_successors(town, roles, fields, sentence):
    unit, other = town.employer(), town.employer()
    suspended = made_admin(town, unit)
    appointment.suspend(suspended.pk, by=town.actor(unit))
    named = {
        "own": unit.admins.get(is_super=True).pk,
        "suspended": suspended.pk,
        "foreign": made_admin(town, other).pk,
        "heir": made_admin(town, unit).pk,
    }
    fields = {key: named.get(value, value) for key, value in fields.items()}
    answer = town.login(unit).post(SUCCESSION, fields)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not SuperSwap.objects.exists()


def test_an_offer_is_cancelled_or_declined(town, roles, django_capture_on_commit_callbacks):
    unit = town.employer()
    heir = made_admin(town, unit, roles[HOURS_ONLY])
    client, theirs = town.login(unit), town.login(heir.account)
    client.post(SUCCESSION, {"successor": heir.pk, "password": PASSWORD})
    assert "撤销更换" in client.get(SUCCESSION).content.decode()
    assert "正在更换超级管理员" in client.get(ADMINS).content.decode()
    answer = client.post(SUCCESSION, {"successor": heir.pk, "password": PASSWORD})
    assert answer.status_code == 409
    assert "撤销后才能另选接任人" in answer.content.decode()
    swap = SuperSwap.objects.get()
    client.post(f"{SUCCESSION}cancel/")
    assert "已经撤销或已经办结" in client.post(f"{SUCCESSION}cancel/", follow=True).content.decode()
    late = theirs.post(f"{SUCCESSION}{swap.pk}/", {"accept": "1"}, follow=True).content.decode()
    assert "已经撤销或已经办结" in late
    client.post(SUCCESSION, {"successor": heir.pk, "password": PASSWORD})
    swap = SuperSwap.objects.pending().get()
    with django_capture_on_commit_callbacks(execute=True):
        theirs.post(f"{SUCCESSION}{swap.pk}/", {"decline": "1"})
    swap.refresh_from_db()
    assert swap.state == "declined"
    assert mail.outbox[-1].subject == "接任人没有接受"
    assert unit.admins.get(is_super=True).account == town.super_admin(unit)
    assert client.get(ADMINS).status_code == 200
    # A POST that says neither changes nothing.
    client.post(SUCCESSION, {"successor": heir.pk, "password": PASSWORD})
    theirs.post(f"{SUCCESSION}{SuperSwap.objects.pending().get().pk}/", {})
    assert SuperSwap.objects.pending().exists()


# --- races -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def open_town(transactional_db) -> Town:
    granting.load_ready_made()
    return Town()


def all_look_first(monkeypatch, *targets):
    """The control's brake: each of two threads waits at its first write until both have read."""
    together, met = threading.Barrier(2), threading.local()

    def braked(write):
        def waiting(*args, **kwargs):
            if not getattr(met, "done", False):
                met.done = True
                together.wait(timeout=10)
            return write(*args, **kwargs)

        return waiting

    for owner, name in targets:
        monkeypatch.setattr(owner, name, braked(getattr(owner, name)))


def no_lock(monkeypatch):
    def unlocked():
        return OrgAdmin.objects.select_related("account", "user")

    monkeypatch.setattr(granting, "locked_admins", unlocked)
    monkeypatch.setattr(succession, "locked_admins", unlocked)


class TestOneOfferAnsweredTwice:
    def clicks(self, town, second):
        unit = town.employer()
        heir = made_admin(town, unit)
        swap = succession.offer(heir.pk, by=town.actor(unit))
        by, boss = actor_of(heir.account), town.actor(unit)
        other = {
            "accept": lambda: succession.accept(swap.pk, by=by),
            "decline": lambda: succession.decline(swap.pk, by=by),
            "cancel": lambda: succession.cancel(by=boss),
            "suspend": lambda: appointment.suspend(heir.pk, by=boss),
            "remove": lambda: appointment.remove(heir.pk, by=boss),
        }[second]
        return unit, lambda: succession.accept(swap.pk, by=by), other

    @pytest.mark.parametrize("second", ["accept", "decline", "cancel", "suspend", "remove"])
    def test_one_wins_and_there_is_one_super_admin(self, open_town, second):
        unit, first, other = self.clicks(open_town, second)
        assert at_once(first, other) == ["Refused", "ok"]
        boss = unit.admins.select_related("account").get(is_super=True)
        assert boss.account.status == AccountStatus.ACTIVE
        assert not unit.super_swaps.pending().exists()

    @pytest.mark.parametrize("second", ["accept", "decline", "cancel"])
    def test_without_the_lock_both_win(self, open_town, second, monkeypatch):
        """The control: swapped, and declined or cancelled as well."""
        _, first, other = self.clicks(open_town, second)
        no_lock(monkeypatch)
        all_look_first(monkeypatch, (succession, "close"), (succession, "_close"))
        assert at_once(first, other) == ["ok", "ok"]


class TestTwoOffers:
    def clicks(self, town):
        unit = town.employer()
        one, two = made_admin(town, unit), made_admin(town, unit)
        by = town.actor(unit)
        return unit, (lambda: succession.offer(one.pk, by=by)), (lambda: succession.offer(two.pk, by=by))

    def test_one_wins(self, open_town):
        unit, first, second = self.clicks(open_town)
        assert at_once(first, second) == ["Refused", "ok"]
        assert unit.super_swaps.pending().count() == 1

    def test_without_the_lock_only_the_constraint_is_left(self, open_town, monkeypatch):
        """The control: both pass the check, and the second breaks on super_swap_one_at_a_time."""
        unit, first, second = self.clicks(open_town)
        no_lock(monkeypatch)
        all_look_first(monkeypatch, (SuperSwap.objects, "create"))
        assert at_once(first, second) == ["IntegrityError", "ok"]
        assert unit.super_swaps.pending().count() == 1


def test_there_is_one_super_admin_at_every_moment(open_town):
    """Somebody who looks all the time never sees two, nor none."""
    unit = open_town.employer()
    made_admin(open_town, unit)
    seen, stop = set(), threading.Event()

    def look():
        while not stop.is_set():
            seen.add(OrgAdmin.objects.active().filter(organization=unit, is_super=True).count())

    def swap_back_and_forth():
        try:
            role = AdminRole.objects.ready_made().first()
            for _ in range(8):
                boss, other = unit.admins.get(is_super=True), unit.admins.get(is_super=False)
                swap = succession.offer(other.pk, by=actor_of(boss.account))
                succession.accept(swap.pk, by=actor_of(other.account))
                added(unit, boss.user, role, open_town)
        finally:
            stop.set()

    assert at_once(look, swap_back_and_forth) == ["ok", "ok"]
    assert seen == {1}


class TestTheSamePersonAddedTwice:
    def clicks(self, town):
        unit = town.employer()
        by, role = town.actor(unit), AdminRole.objects.ready_made().first()
        number, entry = IdNumber.parse(fresh_number()), appointment.Entry("测试新", mobile="+8613800000000")

        def click():
            appointment.appoint(number, role.pk, by=by, link=lambda token: token, entry=entry)

        return unit, click

    def test_one_wins(self, open_town):
        unit, click = self.clicks(open_town)
        assert at_once(click, click) == ["Refused", "ok"]
        assert unit.admins.count() == 2

    def test_without_the_lock_the_database_says_it(self, open_town, monkeypatch):
        """The control: both find nobody; user_id_number_once is the last line, and is turned into a sentence."""
        unit, click = self.clicks(open_town)
        no_lock(monkeypatch)
        all_look_first(monkeypatch, (appointment, "enter_person"))
        assert at_once(click, click) == ["Refused", "ok"]
        assert unit.admins.count() == 2


EVENTS = ["remove", "suspend", "assign", "edit role", "swap"]


class TestARightTakenAwayWhileActing:
    """An admin approves while the right is removed: whoever comes second sees the first."""

    def scene(self, town, event):
        old, new = town.employer(), town.employer()
        role = AdminRole.objects.create(organization=old, name="甲", duties=["transfers"])
        admin = made_admin(town, old, role)
        less = AdminRole.objects.ready_made().get(name="资料管理员")
        person = town.practitioner(at=old)
        application = engine.submit(
            "unit-transfer",
            UnitTransfer(practitioner=person, old_employer=old, new_employer=new),
            by=town.actor(person),
        )
        step, boss = application.steps.get(order=1), town.actor(old)
        acting = boss if event == "swap" else actor_of(admin.account)
        if event == "swap":
            swap = succession.offer(admin.pk, by=boss)
        take_away = {
            "remove": lambda: appointment.remove(admin.pk, by=boss),
            "suspend": lambda: appointment.suspend(admin.pk, by=boss),
            "assign": lambda: granting.assign(admin.pk, less.pk, by=boss),
            "edit role": lambda: granting.save_role("甲", ["people"], by=boss, role_id=role.pk),
            "swap": lambda: succession.accept(swap.pk, by=actor_of(admin.account)),
        }[event]
        taken_from = old.admins.get(is_super=True).pk if event == "swap" else admin.pk
        return step, taken_from, lambda: engine.approve(step.pk, by=acting), take_away

    def signed_after_the_end(self, step, taken_from) -> bool:
        step.refresh_from_db()
        taken_at = OrgAdmin.history.filter(id=taken_from).first().history_date
        return step.decided_at is not None and step.decided_at > taken_at

    @pytest.mark.parametrize("event", EVENTS)
    def test_taken_away_between_the_request_and_the_signature(self, open_town, event):
        step, _, approve, take_away = self.scene(open_town, event)
        take_away()
        with pytest.raises(Refused, match="权限刚刚变更"):
            approve()
        step.refresh_from_db()
        assert step.state == "open"

    @pytest.mark.parametrize("event", EVENTS)
    def test_nobody_signs_after_the_end(self, open_town, event):
        for _ in range(4):
            step, taken_from, approve, take_away = self.scene(open_town, event)
            outcomes = at_once(approve, take_away)
            assert outcomes in (["ok", "ok"], ["Refused", "ok"])
            assert not self.signed_after_the_end(step, taken_from)
            assert (step.state == "approved") == (outcomes == ["ok", "ok"])

    @pytest.mark.parametrize("event", EVENTS)
    def test_without_the_lock_a_right_outlives_its_end(self, open_town, event, monkeypatch):
        """The control: the signature falls after the right has gone."""
        step, taken_from, approve, take_away = self.scene(open_town, event)
        gone, honest = threading.Event(), engine._sign

        def sign_late(*args):
            assert gone.wait(timeout=10)
            return honest(*args)

        def take_and_tell():
            take_away()
            gone.set()

        monkeypatch.setattr(engine, "hold_right", lambda actor: None)
        monkeypatch.setattr(engine, "_sign", sign_late)
        assert at_once(approve, take_and_tell) == ["ok", "ok"]
        assert self.signed_after_the_end(step, taken_from)


def test_holding_a_right_asks_nothing_of_those_who_have_none(town):
    person = town.practitioner(at=town.employer())
    RoleAccount.objects.filter(pk=person.account_id).end_sessions()
    hold_right(town.actor(person))
    pending = town.super_admin(town.employer())
    RoleAccount.objects.filter(pk=pending.pk).update(status=AccountStatus.PENDING)
    hold_right(actor_of(pending))

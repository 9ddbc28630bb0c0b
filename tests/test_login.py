"""Login through the form: which of the FAQ's four messages is said when, and what never leaks."""

import html
import re
from itertools import count

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts import throttle
from accounts.browser import people_here
from accounts.id_number import IdNumber
from accounts.models import AccountStatus, Role, RoleAccount, Session, User
from accounts.password import issue_one_use_secret
from tests.town import PASSWORD, synthetic_id

MESSAGE_1 = "您的账号不存在，请核对是否输入有误!若未注册，可点此立即注册。"
MESSAGE_2 = "您选择的登录角色未注册，请选择正确的登录角色"
MESSAGE_3 = "您的账号正在审核中，可点击查询审核部门"
MESSAGE_4 = "密码错误请重新输入，若忘记登录密码，可点此找回密码。"
MERGED = "账号、角色或密码有误，或尝试次数太多。您可以立即注册、查询审核部门或找回密码。"
SUSPENDED = "您的账号已停用，如需恢复请联系测试单位的管理员或平台技术支持"
ALL = [MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4, MERGED, SUSPENDED]
numbers = count(5000)


def words(response) -> str:
    """What the page says, without tags and line ends."""
    return html.unescape(re.sub(r"<[^>]+>|\s+", "", response.content.decode()))


def said(response) -> list[str]:
    return [sentence for sentence in ALL if sentence.replace(" ", "") in words(response)]


def log_in(number: str, role=Role.PRACTITIONER, password=PASSWORD, client=None, path="/login/"):
    fields = {"role": role, "id_number": number, "password": password}
    return (client or Client()).post(path, fields)


def person(number: str, status=None, role=Role.PRACTITIONER, **fields) -> User:
    user = User.objects.create_user(IdNumber.parse(number), PASSWORD, name="测试甲", email="a@example.org")
    if status:
        RoleAccount.objects.create(user=user, role=role, status=status, place="测试单位", **fields)
    return user


def in_state(state: str, number: str) -> str:
    """Make the person; return the password that is right."""
    if state == "void":
        person(number, AccountStatus.CLOSED)
    elif state == "pending":
        since = timezone.now() - timezone.timedelta(days=3)
        person(
            number, AccountStatus.PENDING, reviewer="测试审核单位", reviewer_phone="0538-0000000",
            waiting_since=since,
        )  # fmt: skip
    elif state in ("active", "suspended"):
        person(number, state)
    elif state == "secret":
        issue_one_use_secret(
            person(number, AccountStatus.ACTIVE), person(synthetic_id(next(numbers))), "测试单位"
        )
        return number[-6:]
    return PASSWORD


def spend_unknown(place="127.0.0.1"):
    for n in range(5):
        throttle.may_know_unknown(f"stranger {n}", place)


IN, SET = "/", "/set-password/"
WRONG = {"left": MESSAGE_4, "spent": MERGED}
NOBODY = {"left": MESSAGE_1, "spent": MERGED}
ANY = ("right", "wrong")
# state, role, password -> budget -> what is said, or where it leads
TABLE = {
    **{(state, role, fits): NOBODY for state in ("none", "void") for role in ANY for fits in ANY},
    **{(state, role, "wrong"): WRONG for state in ("pending", "active", "suspended", "secret") for role in ANY},
    **{(state, "wrong", "right"): dict.fromkeys(WRONG, MESSAGE_2) for state in ("pending", "active", "suspended")},
    ("pending", "right", "right"): dict.fromkeys(WRONG, MESSAGE_3),
    ("active", "right", "right"): dict.fromkeys(WRONG, IN),
    ("suspended", "right", "right"): dict.fromkeys(WRONG, SUSPENDED),
    ("secret", "right", "right"): dict.fromkeys(WRONG, SET),
    ("secret", "wrong", "right"): dict.fromkeys(WRONG, SET),
}  # fmt: skip
CELLS = [(*cell, budget, expected[budget]) for cell, expected in TABLE.items() for budget in WRONG]


def test_the_table_is_whole():
    assert len(CELLS) == 6 * 2 * 2 * 2


@pytest.mark.parametrize(("state", "role", "fits", "budget", "expected"), CELLS)
def test_which_message(db, state, role, fits, budget, expected):
    number = synthetic_id(next(numbers))
    right = in_state(state, number)
    if budget == "spent":
        spend_unknown()
    response = log_in(
        number,
        Role.PRACTITIONER if role == "right" else Role.EMPLOYER,
        right if fits == "right" else "not-the-password",
    )
    if expected in (IN, SET):
        assert (response.status_code, response.url) == (302, expected)
    else:
        assert response.status_code == 200
        assert said(response) == [expected]
        assert "未能登录" in words(response)


@pytest.mark.parametrize(
    ("state", "role", "password", "link"),
    [
        ("none", Role.PRACTITIONER, PASSWORD, '<a href="/register/">立即注册</a>'),
        ("pending", Role.PRACTITIONER, PASSWORD, '<a href="/register/progress/">查询审核部门</a>'),
        ("active", Role.PRACTITIONER, "not-the-password", '<a href="/forgot/">点此找回密码</a>'),
    ],
)
def test_the_words_that_lead_on(db, state, role, password, link):
    number = synthetic_id(next(numbers))
    in_state(state, number)
    assert link in log_in(number, role, password).content.decode()


def test_under_review_one_reads_who_has_it_and_opens_the_progress_in_one_click(db):
    number = synthetic_id(next(numbers))
    in_state("pending", number)
    client = Client()
    page = words(log_in(number, client=client))
    assert "由测试审核单位审核，已等3天。电话0538-0000000" in page
    assert client.session["proof:registration"]["user"] == User.objects.get().pk
    assert client.get("/password/").status_code == 302, "a proof is no login"


def test_with_the_wrong_role_one_goes_on_in_the_right_one_with_one_click(town):
    account = town.super_admin(town.bureau)
    client = Client()
    response = log_in(account.user.id_number.reveal(), Role.AUTHORITY, client=client)
    assert said(response) == [MESSAGE_2]
    assert "您已注册的角色以人社部门泰安市人力资源和社会保障局登录" in words(response)
    assert f'action="/identity/{account.pk}/"' in response.content.decode()
    assert client.post(f"/identity/{account.pk}/").url == "/"
    assert client.session["account"] == account.pk


def test_under_review_or_suspended_in_one_role_one_may_go_on_in_another(town):
    account = town.super_admin(town.bureau)
    for status in (AccountStatus.PENDING, AccountStatus.SUSPENDED):
        other = RoleAccount.objects.create(user=account.user, role=Role.EMPLOYER, status=status)
        client = Client()
        page = log_in(account.user.id_number.reveal(), Role.EMPLOYER, client=client)
        assert "您可以先用其他角色登录" in words(page)
        assert client.post(f"/identity/{account.pk}/").url == "/"
        other.delete()


def test_a_closed_role_is_said_to_be_closed_and_whom_to_ask(town, settings):
    account = town.super_admin(town.bureau)
    RoleAccount.objects.create(
        user=account.user, role=Role.EMPLOYER, status=AccountStatus.CLOSED, place="测试单位"
    )
    page = log_in(account.user.id_number.reveal(), Role.EMPLOYER)
    assert said(page) == [MESSAGE_2]
    assert "“用人单位测试单位”已注销或注册未通过。如需恢复，请联系该单位或平台技术支持" in words(page)


def test_a_person_who_was_suspended_as_a_whole_reads_whom_to_ask(town, settings):
    account = town.super_admin(town.bureau)
    User.objects.filter(pk=account.user.pk).update(is_active=False)
    page = log_in(account.user.id_number.reveal(), account.role)
    assert f"您的账号已停用，如需恢复请联系平台技术支持（{settings.SITE['phone']}）。" in words(page)
    assert said(log_in(account.user.id_number.reveal(), account.role, "not-the-password")) == [MESSAGE_4]


def test_the_wrong_password_names_no_role_and_opens_no_identity(town):
    account = town.super_admin(town.bureau)
    client = Client()
    response = log_in(account.user.id_number.reveal(), Role.AUTHORITY, "not-the-password", client)
    assert "您已注册的角色" not in words(response)
    assert client.post(f"/identity/{account.pk}/").url == "/login/"


@pytest.mark.parametrize("typed", ["370902196001010002", "3709021960010100", "370902196013010001", "甲", ""])
def test_what_is_no_id_number_is_said_beside_the_field_and_costs_nothing(db, typed):
    response = log_in(typed)
    assert response.status_code == 200
    assert said(response) == []
    assert 'id="id_id_number_error"' in response.content.decode()
    assert not throttle.Tally.objects.exists()


def test_a_small_x_and_spaces_are_the_same_number(db):
    number = next(n for n in map(synthetic_id, range(400)) if n.endswith("X"))
    person(number, AccountStatus.ACTIVE)
    assert log_in(f" {number[:6]} {number[6:].lower()}").status_code == 302


@pytest.mark.parametrize("state", ["none", "void", "pending", "active", "suspended", "secret"])
@pytest.mark.parametrize("fits", ANY)
def test_one_hash_is_computed_whoever_it_is(db, monkeypatch, state, fits):
    number = synthetic_id(next(numbers))
    right = in_state(state, number)
    calls = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(
        MD5PasswordHasher, "encode", lambda *args, **kwargs: calls.append(1) or encode(*args, **kwargs)
    )
    log_in(number, password=right if fits == "right" else "not-the-password")
    assert len(calls) == 1


@pytest.mark.parametrize("state", ["void", "pending", "active", "suspended", "secret"])
def test_once_the_budget_is_spent_a_known_number_answers_as_an_unknown_one(db, monkeypatch, state):
    """trust.md 3.1: the same bytes after the same work, so that neither words nor time tell who is registered."""
    known, unknown = synthetic_id(next(numbers)), synthetic_id(next(numbers))
    in_state(state, known)
    spend_unknown()
    calls, encode = [], MD5PasswordHasher.encode
    monkeypatch.setattr(
        MD5PasswordHasher, "encode", lambda *args, **kwargs: calls.append(1) or encode(*args, **kwargs)
    )
    told = []
    for number in (known, unknown):
        answer = log_in(number, password="not-the-password")
        page = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", answer.content.decode())
        told.append((answer.status_code, page.replace(number, "…"), len(calls)))
        calls.clear()
    assert told[0] == told[1]
    assert told[0][2] == 1


def test_the_session_id_changes_at_login_and_at_a_change_of_role(town):
    employer = town.employer()
    admin = town.super_admin(employer)
    practitioner = town.practitioner(at=employer, user=admin.user)
    client = Client()
    log_in(synthetic_id(next(numbers)), client=client)
    client.session["x"] = 1
    before = client.session.session_key
    log_in(admin.user.id_number.reveal(), Role.EMPLOYER, client=client)
    after = client.session.session_key
    assert before != after
    assert client.post(f"/identity/{practitioner.account.pk}/").url == "/"
    assert client.session["account"] == practitioner.account.pk
    assert client.session.session_key != after
    assert not Session.objects.filter(session_key__in=[before, after]).exists()


def test_a_role_that_fits_several_organisations_is_chosen(town):
    one, two = town.employer(name="测试甲单位"), town.employer(name="测试乙单位")
    first = town.super_admin(one)
    second = town.admin(two, user=first.user)
    practitioner = town.practitioner(at=one, user=first.user)
    client = Client()
    response = log_in(
        first.user.id_number.reveal(), Role.EMPLOYER, client=client, path="/login/?next=/password/"
    )
    assert response.url == "/identity/"
    page = client.get("/identity/")
    assert "用人单位·测试甲单位" in words(page)
    assert "用人单位·测试乙单位" in words(page)
    assert f"/identity/{practitioner.account.pk}/" not in page.content.decode(), "another role was asked for"
    assert client.get("/password/").status_code == 302, "not in before the choice"
    assert client.post("/identity/", {"identity": second.pk}).url == "/password/"
    assert client.session["account"] == second.pk


@pytest.mark.parametrize("status", [AccountStatus.PENDING, AccountStatus.SUSPENDED, AccountStatus.CLOSED])
def test_only_own_active_roles_can_be_switched_to(town, status):
    employer = town.employer()
    mine = town.super_admin(employer)
    shut = RoleAccount.objects.create(user=mine.user, role=Role.AUTHORITY, status=status)
    strangers = town.super_admin(town.bureau)
    client = town.login(mine)
    for account in (shut, strangers):
        assert client.post(f"/identity/{account.pk}/").status_code == 404
        assert client.post("/identity/", {"identity": account.pk}).status_code == 404
    assert client.post("/identity/", {"identity": "x"}).status_code == 404
    assert client.get(f"/identity/{mine.pk}/").status_code == 405
    assert client.session["account"] == mine.pk


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/password/?a=1", "/password/?a=1"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("http:///evil.example", "/"),
        ("", "/"),
    ],
)
def test_next_stays_on_this_site(town, target, leads_to):
    account = town.super_admin(town.bureau)
    client = Client()
    fields = {"role": account.role, "id_number": account.user.id_number.reveal(), "password": PASSWORD}
    response = client.post("/login/", fields, query_params={"next": target})
    assert response.url == leads_to


def test_the_last_role_is_remembered_and_operators_are_offered_theirs_on_request(db):
    client = Client()
    log_in(synthetic_id(next(numbers)), Role.AUTHORITY, client=client)
    page = client.get("/login/").content.decode()
    assert re.search(r'value="authority"[^>]*checked', page)
    assert 'value="operator"' not in page
    assert re.search(r'value="operator"[^>]*checked', client.get("/login/?role=operator").content.decode())


def test_logging_out_takes_a_post_and_ends_the_session(town):
    client = town.login(town.bureau)
    assert client.get("/logout/").status_code == 405
    response = client.post("/logout/")
    assert response.url == "/login/"
    assert response["Clear-Site-Data"] == '"cache"'
    assert client.get("/password/").url.startswith("/login/")


def test_the_login_form_cannot_be_sent_from_another_site(town):
    client = Client(enforce_csrf_checks=True)
    account = town.super_admin(town.bureau)
    assert log_in(account.user.id_number.reveal(), account.role, client=client).status_code == 403
    inside = town.login(account)
    inside.handler.enforce_csrf_checks = True
    for path in (f"/identity/{account.pk}/", "/identity/", "/logout/"):
        assert inside.post(path).status_code == 403


def test_reference_data_is_for_operators_with_staff_rights_by_our_login(town):
    staff, plain = town.operator(), town.operator()
    User.objects.filter(pk=staff.user.pk).update(is_staff=True, is_superuser=True)
    nobody = Client()
    for path in ("/reference-data/", "/reference-data/login/?next=/reference-data/accounts/user/"):
        response = nobody.get(path, follow=True)
        assert response.redirect_chain[-1][0].startswith("/login/?next=/reference-data/")
        assert 'name="username"' not in response.content.decode()
        assert re.search(r'value="operator"[^>]*checked', response.content.decode())
    fields = {"username": staff.user.id_index, "password": PASSWORD}
    assert nobody.post("/reference-data/login/", fields).url.startswith("/login/")
    assert nobody.get("/reference-data/login/?next=//evil.example/").url == "/login/?next=/reference-data/"
    assert town.login(plain).get("/reference-data/", follow=True).status_code == 403
    client = town.login(staff)
    page = client.get("/reference-data/accounts/user/")
    assert page.status_code == 200
    assert plain.user.id_masked in page.content.decode()
    assert staff.user.id_index not in page.content.decode()
    assert client.get("/reference-data/auth/group/").status_code == 404
    assert plain.user.id_number.reveal() not in page.content.decode()
    detail = client.get(f"/reference-data/accounts/user/{plain.user.pk}/change/")
    assert detail.status_code == 200
    assert User.objects.get(pk=plain.user.pk).password not in detail.content.decode()
    assert plain.user.id_number.reveal() not in detail.content.decode()
    assert client.get("/reference-data/accounts/user/add/").status_code == 403
    assert client.get("/reference-data/password_change/").url == "/password/"


def test_staff_rights_open_the_reference_data_in_the_operators_role_alone(town):
    account = town.super_admin(town.bureau)
    User.objects.filter(pk=account.user.pk).update(is_staff=True, is_superuser=True)
    assert town.login(account).get("/reference-data/", follow=True).status_code == 403


def test_no_number_leaves_the_form_in_which_it_was_typed(town, caplog, capfd):
    account = town.super_admin(town.bureau)
    number = account.user.id_number.reveal()
    client = Client()
    for password in ("not-the-password", PASSWORD):
        response = log_in(number, account.role, password, client)
        page = response.content.decode()
        assert page.count(number) == page.count(f'value="{number}"'), "only as the person's own input"
        assert "not-the-password" not in page
        assert number not in response.headers.get("Location", "")
    assert all(number not in str(cookie) for cookie in client.cookies.values())
    assert number not in str(dict(client.session))
    assert number not in caplog.text + "".join(capfd.readouterr())


def test_the_browser_remembers_people_by_a_signed_cookie_that_opens_nothing(town):
    first, second = town.super_admin(town.bureau), town.super_admin(town.employer())
    client = town.login(first)
    client.post("/logout/")
    log_in(second.user.id_number.reveal(), second.role, client=client)
    cookie = client.cookies["worked_here"]
    assert cookie["httponly"]
    request = RequestFactory().get("/")
    request.COOKIES["worked_here"] = cookie.value
    assert people_here(request) == [second.user.pk, first.user.pk]
    request.COOKIES["worked_here"] = cookie.value.replace(str(first.user.pk), str(first.user.pk + 1))
    assert people_here(request) == []
    stranger = Client()
    stranger.cookies["worked_here"] = cookie.value
    assert stranger.get("/password/").status_code == 302

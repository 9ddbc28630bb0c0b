"""两步验证: set up, asked for at every way in, each code good once, and nothing else opens before where it is required.

The telephone of these tests reckons its codes itself (RFC 6238), not with the library that the pages use.
"""

import base64
import hmac
import re
import struct
import threading
from types import SimpleNamespace

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver

from accounts import crypto, second_factor
from accounts.models import Authenticator, PasswordReset, RecoveryCode, SecondFactorReset, Session, User
from accounts.password import issue_one_use_secret, start_reset
from accounts.second_factor import Verdict
from tests.race import at_once
from tests.test_login import log_in, words
from tests.town import PASSWORD

NEW = "a-brand-new-one-7"
TWICE = {"new_password": NEW, "new_password_again": NEW}
START = 1_800_000_000  # seconds since 1970: the first second of a step


class Phone:
    """An app that was given a key."""

    def __init__(self, key: str, clock):
        self.key, self.clock = base64.b32decode(key.replace(" ", "")), clock

    def code(self, steps: int = 0) -> str:
        """What it shows so many steps from now."""
        counter = struct.pack(">Q", int(self.clock.now) // 30 + steps)
        digest = hmac.new(self.key, counter, "sha1").digest()
        start = digest[-1] & 15
        number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
        return f"{number % 1_000_000:06d}"

    def wrong(self) -> str:
        """A code that fits no step near now."""
        near = {self.code(steps) for steps in range(-30, 30)}
        return next(code for code in (f"{n:06d}" for n in range(100)) if code not in near)


@pytest.fixture
def clock(monkeypatch):
    watch = SimpleNamespace(now=START)
    monkeypatch.setattr(second_factor, "time", SimpleNamespace(time=lambda: watch.now))
    return watch


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def owned(clock):
    """Gives a person a telephone, as if set up a while ago; returns it and the recovery codes."""

    def give(user: User):
        key = second_factor.new_key()
        phone = Phone(key, clock)
        codes = second_factor.set_up(user, key, phone.code(-1))
        return phone, codes

    return give


@pytest.fixture
def me(town):
    return town.super_admin(town.bureau)


def password_step(account, client=None, path="/login/", password=PASSWORD):
    """Through the login form; the browser."""
    client = client or Client()
    answer = log_in(account.user.id_number.reveal(), account.role, password, client, path)
    return client, answer


def is_in(client) -> bool:
    return client.get("/password/").status_code == 200


def give(client, code):
    return client.post("/second-factor/", {"code": code})


def key_shown(page) -> str:
    return re.search(r'<p class="code">([A-Z2-7 ]+)</p>', page.content.decode()).group(1)


def set_up(client, clock, password=PASSWORD):
    """Through the pages of 安全设置; the telephone, the recovery codes and the last answer."""
    answer = client.post("/security/second-factor/", {"current_password": password})
    assert answer.status_code == 302, words(answer)
    phone = Phone(key_shown(client.get(answer.url)), clock)
    answer = client.post("/security/second-factor/", {"code": phone.code()})
    assert answer.url == "/security/recovery-codes/", words(answer)
    page = client.get(answer.url)
    codes = re.findall(r'<li class="code">([\d ]+)</li>', page.content.decode())
    return phone, codes, client.post("/security/recovery-codes/")


# --- reckoning ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_the_published_codes(at, code, monkeypatch):
    """RFC 6238, appendix B, the last six of its eight digits."""
    monkeypatch.setattr(second_factor, "time", SimpleNamespace(time=lambda: at))
    assert second_factor._judge(b"12345678901234567890", -1, code) == (Verdict.RIGHT, at // 30)


# --- setting up ---------------------------------------------------------------------------------------------


def test_setting_up_through_the_pages(me, town, clock, commits):
    client, other = town.login(me), town.login(me)
    assert "未开启" in words(client.get("/security/"))
    with commits():
        _, codes, answer = set_up(client, clock)
    assert answer.url == "/security/"
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"\d{4} \d{4} \d{4}", code) for code in codes)
    page = words(client.get("/security/"))
    assert "已开启" in page
    assert "恢复码还剩10组" in page
    assert not is_in(other), "who came in without it stays no longer"
    assert is_in(client)
    assert "两步验证已开启" in mail.outbox[-1].body
    assert "登录中的设备设备身份" in page
    assert "退出其他所有设备" not in page


def test_the_picture_holds_the_key_and_comes_from_this_page(me, town, clock):
    client = town.login(me)
    client.post("/security/second-factor/", {"current_password": PASSWORD})
    page = client.get("/security/second-factor/")
    key = key_shown(page).replace(" ", "")
    assert second_factor.picture(me.user, key) in page.content.decode().replace("&#x27;", "'").replace(
        "&amp;", "&"
    )
    assert len(base64.b32decode(key)) == 20
    assert me.user.id_number.reveal() not in page.content.decode()


def test_without_the_password_no_key_is_shown(me, town):
    client = town.login(me)
    page = client.post("/security/second-factor/", {"current_password": "not-the-password"})
    assert "密码不对，请重新填写。" in words(page)
    assert "密钥" not in words(client.get("/security/second-factor/"))
    assert "请填写登录密码" in words(client.post("/security/second-factor/", {"code": "123456"}))
    assert not Authenticator.objects.exists()


def test_a_wrong_first_code_turns_nothing_on_and_the_key_stays(me, town, clock):
    client = town.login(me)
    client.post("/security/second-factor/", {"current_password": PASSWORD})
    key = key_shown(client.get("/security/second-factor/"))
    phone = Phone(key, clock)
    assert "验证码不对" in words(client.post("/security/second-factor/", {"code": phone.wrong()}))
    assert "请填写6位数字的验证码。" in words(client.post("/security/second-factor/", {"code": "12345"}))
    assert not Authenticator.objects.exists()
    assert key_shown(client.get("/security/second-factor/")) == key
    assert client.post("/security/second-factor/", {"code": phone.code()}).status_code == 302


def test_key_and_recovery_codes_are_not_readable_in_the_database(me, town, clock):
    client = town.login(me)
    phone, codes, _ = set_up(client, clock)
    key = base64.b32encode(phone.key).decode()
    row = Authenticator.objects.get()
    assert key.encode() not in bytes(row.key_sealed)
    assert crypto.open_sealed(row.key_sealed, second_factor.PURPOSE) == key
    stored = str(list(RecoveryCode.objects.values()))
    assert not any(code.replace(" ", "") in stored for code in codes)
    sessions = str([(s.session_data, s.get_decoded()) for s in Session.objects.all()])
    assert key not in sessions
    assert codes[0].replace(" ", "") not in sessions


def test_recovery_codes_are_shown_until_noted_down_and_never_again(me, town, clock, monkeypatch):
    client = town.login(me)
    set_up(client, clock)
    assert client.get("/security/recovery-codes/").url == "/security/"
    assert "恢复码只显示一次" in words(client.get("/security/"))


def test_recovery_codes_are_not_shown_after_ten_minutes(me, town, clock, monkeypatch):
    client = town.login(me)
    client.post("/security/second-factor/", {"current_password": PASSWORD})
    phone = Phone(key_shown(client.get("/security/second-factor/")), clock)
    client.post("/security/second-factor/", {"code": phone.code()})
    assert client.get("/security/recovery-codes/").status_code == 200
    monkeypatch.setattr("accounts.security.CODES_SHOWN", -1)
    assert client.get("/security/recovery-codes/").status_code == 302


# --- at the login -------------------------------------------------------------------------------------------


def test_after_the_password_the_code_and_only_then_the_role(me, owned):
    phone, _ = owned(me.user)
    client, answer = password_step(me, path="/login/?next=/security/")
    assert answer.url == "/second-factor/"
    page = client.get("/second-factor/")
    assert 'inputmode="numeric"' in page.content.decode()
    assert 'autocomplete="one-time-code"' in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert "泰安市人力资源和社会保障局" in words(page)
    assert not is_in(client)
    assert give(client, f" {phone.code()[:3]} {phone.code()[3:]} ").url == "/security/"
    assert is_in(client)


def test_half_way_in_nothing_opens(me, owned):
    owned(me.user)
    client, _ = password_step(me)
    nobody = Client()
    more = [path for path in _paths() if _opens(client, path) and not _opens(nobody, path)]
    assert more == ["/second-factor/"]
    for path in (f"/identity/{me.pk}/", "/security/sessions/end/", "/security/second-factor/"):
        assert client.post(path).url.startswith("/login/"), path


def _opens(client, path) -> bool:
    return client.get(path).status_code == 200


def _paths() -> list[str]:
    paths = []

    def walk(patterns, prefix):
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns, path)
            else:
                paths.append("/" + re.sub(r"<[^>]+>", "1", path))

    walk(get_resolver().url_patterns, "")
    return [path for path in paths if not re.search(r"[\\^$?]", path) and path != "/"]


def test_without_a_telephone_nothing_is_asked(me):
    assert password_step(me)[1].url == "/"


def test_switched_off_nothing_is_asked_and_nothing_offered(me, owned, settings):
    owned(me.user)
    settings.SECOND_FACTOR = "off"
    client, answer = password_step(me)
    assert answer.url == "/"
    assert "两步验证" not in words(client.get("/security/"))
    assert client.get("/security/second-factor/").status_code == 404


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_clocks_may_differ_by_a_step(me, owned, clock, steps):
    phone, _ = owned(me.user)
    clock.now += 300
    client, _ = password_step(me)
    assert give(client, phone.code(steps)).status_code == 302
    assert is_in(client)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (-2, "这组验证码已经过期"),
        (-20, "这组验证码已经过期"),
        (-21, "验证码不对"),
        (2, "验证码不对"),
        (10, "验证码不对"),
    ],
)
def test_more_than_a_step_is_too_much_and_the_sentence_says_why(me, owned, clock, steps, said):
    phone, _ = owned(me.user)
    clock.now += 3000
    client, _ = password_step(me)
    page = give(client, phone.code(steps))
    assert said in words(page)
    assert not is_in(client)


def test_the_clock_hint_stands_where_it_is_needed(me, owned):
    phone, _ = owned(me.user)
    client, _ = password_step(me)
    assert "把手机时间改为自动设置" in words(give(client, phone.wrong()))
    assert "请填写6位数字的验证码，或12位数字的恢复码。" in words(give(client, "12345a"))


def test_no_code_is_taken_twice_nor_an_older_one_after_it(me, owned, clock):
    phone, _ = owned(me.user)
    clock.now += 300
    first, _ = password_step(me)
    second, _ = password_step(me)
    assert give(first, phone.code()).status_code == 302
    for code in (phone.code(), phone.code(-1)):
        assert "这组验证码已经用过" in words(give(second, code))
    assert not is_in(second)
    clock.now += 30
    assert give(second, phone.code()).status_code == 302


def test_the_code_of_the_set_up_does_not_log_in(me, town, clock):
    phone, _, _ = set_up(town.login(me), clock)
    client, _ = password_step(me)
    assert "这组验证码已经用过" in words(give(client, phone.code()))
    clock.now += 30
    assert give(client, phone.code()).status_code == 302


def test_another_persons_code_is_wrong(town, me, owned):
    owned(me.user)
    other = town.super_admin(town.employer())
    phone, codes = owned(other.user)
    client, _ = password_step(me)
    assert "验证码不对" in words(give(client, phone.code()))
    assert "恢复码不对" in words(give(client, codes[0]))


def test_the_step_does_not_wait_for_ever(me, owned, monkeypatch):
    phone, _ = owned(me.user)
    client, _ = password_step(me)
    monkeypatch.setattr("accounts.proof.SECONDS", -1)
    answer = give(client, phone.code())
    assert answer.url == "/login/"
    assert "登录的步骤已经超时" in words(client.get("/login/"))


def test_a_new_password_ends_the_step(me, owned):
    phone, _ = owned(me.user)
    client, _ = password_step(me)
    me.user.set_password(NEW)
    me.user.save()
    assert give(client, phone.code()).url == "/login/"


def test_a_role_that_was_closed_meanwhile_does_not_open(me, owned):
    phone, _ = owned(me.user)
    client, _ = password_step(me)
    me.status = "suspended"
    me.save()
    assert give(client, phone.code()).url == "/login/"


def test_somebody_else_may_log_in_where_another_one_still_is(town, me, owned):
    phone, _ = owned(me.user)
    client = town.login(town.practitioner(at=town.employer()))
    password_step(me, client)
    assert give(client, phone.code()).url == "/"
    assert client.session["account"] == me.pk
    assert client.session[second_factor.PASSED] == me.user.pk


# --- recovery codes -----------------------------------------------------------------------------------------


def test_a_recovery_code_opens_once(me, owned, commits):
    _, codes = owned(me.user)
    client, _ = password_step(me)
    with commits():
        assert give(client, second_factor.in_groups(codes)[3].replace(" ", "-")).url == "/"
    assert "您用了一组恢复码，恢复码还剩9组。" in words(client.get("/"))
    assert "刚刚有人用恢复码通过了两步验证，恢复码还剩 9 组" in mail.outbox[-1].body
    again, _ = password_step(me)
    assert "恢复码不对，或者已经用过" in words(give(again, codes[3]))
    assert give(again, codes[4]).url == "/"


def test_new_codes_take_the_place_of_the_old_ones(me, town, clock):
    client = town.login(me)
    phone, old, _ = set_up(client, clock)
    clock.now += 30
    fields = {"current_password": PASSWORD, "code": phone.code()}
    assert client.post("/security/recovery-codes/renew/", fields).url == "/security/recovery-codes/"
    new = re.findall(
        r'<li class="code">([\d ]+)</li>', client.get("/security/recovery-codes/").content.decode()
    )
    assert len(new) == 10
    assert not set(new) & set(old)
    fresh, _ = password_step(me)
    assert "恢复码不对" in words(give(fresh, old[0]))
    assert give(fresh, new[0]).status_code == 302


# --- races ----------------------------------------------------------------------------------------------------


def spent_first(take, monkeypatch, parties):
    """The control: look first, mark afterwards, and everybody has looked before the first mark."""
    together = threading.Barrier(parties)

    def look_then_mark(rows, **mark):
        found = rows.exists()
        together.wait(timeout=10)
        if found:
            rows.model.objects.filter(pk__gt=0).update(**mark)
        return found

    monkeypatch.setattr(second_factor, "_take", look_then_mark)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("locked", [True, False])
@pytest.mark.parametrize("what", ["recovery", "code"])
def test_two_browsers_with_the_same_code(town, owned, clock, monkeypatch, what, locked):
    account = town.super_admin(town.bureau)
    phone, codes = owned(account.user)
    clock.now += 300
    code = codes[0] if what == "recovery" else phone.code()
    browsers = [password_step(account)[0] for _ in range(2)]
    if not locked:
        spent_first(second_factor._take, monkeypatch, 2)
    at_once(*(lambda client=client: give(client, code) for client in browsers))
    assert sum(is_in(client) for client in browsers) == (1 if locked else 2)


@pytest.mark.django_db(transaction=True)
def test_two_renewals_at_once_leave_one_set(town, owned):
    user = town.super_admin(town.bureau).user
    owned(user)
    assert at_once(*[lambda: second_factor.renew_codes(user)] * 2) == ["ok", "ok"]
    assert RecoveryCode.objects.filter(user=user).count() == 10


# --- guessing -------------------------------------------------------------------------------------------------


def test_guessing_is_budgeted_and_the_owner_is_told_once(me, owned, commits):
    phone, codes = owned(me.user)
    client, _ = password_step(me)
    for _ in range(5):
        assert give(client, phone.wrong()).status_code == 200
    for right in (phone.code(), codes[0]):
        with commits():
            page = give(client, right)
        assert page.status_code == 429
        assert "尝试次数太多，请在1分钟后再试。" in words(page)
    assert not is_in(client)
    told = [m.body for m in mail.outbox if "多次填错两步验证的验证码" in m.body]
    assert len(told) == 1


def test_strangers_with_the_password_cannot_lock_the_owner_out(me, owned, settings, clock):
    settings.TRUSTED_PROXIES = 1
    phone, _ = owned(me.user)
    mine = Client(headers={"x-forwarded-for": "198.51.100.1"})
    password_step(me, mine)
    clock.now += 60
    give(mine, phone.code())
    mine.post("/logout/")
    statuses = []
    for n in range(25):
        stranger = Client(headers={"x-forwarded-for": f"203.0.113.{n}"})
        password_step(me, stranger)
        statuses.append(give(stranger, phone.wrong()).status_code)
    assert statuses.count(200) == 20, "twenty tries an hour from everywhere together"
    clock.now += 60
    password_step(me, mine)
    assert give(mine, phone.code()).status_code == 302


def test_what_is_no_code_costs_no_try(me, owned):
    phone, _ = owned(me.user)
    client, _ = password_step(me)
    for _ in range(8):
        give(client, "1234")
    assert give(client, phone.code()).status_code == 302


# --- other ways in --------------------------------------------------------------------------------------------


def test_a_change_of_role_asks_who_has_not_passed_it(town, owned, clock):
    employer = town.employer()
    admin = town.super_admin(employer)
    practitioner = town.practitioner(at=employer, user=admin.user)
    client = town.login(practitioner)  # before the telephone
    phone, _ = owned(admin.user)
    assert client.post(f"/identity/{admin.pk}/").url == "/second-factor/"
    assert client.session["account"] == practitioner.account.pk
    assert "以用人单位测试单位" in words(client.get("/second-factor/"))
    clock.now += 60
    assert give(client, phone.code()).url == "/"
    assert client.session["account"] == admin.pk
    assert client.post(f"/identity/{practitioner.account.pk}/").url == "/", "passed in this session"
    assert client.post(f"/identity/{admin.pk}/").url == "/"


def test_the_choice_of_an_identity_asks(town, owned):
    first = town.super_admin(town.employer())
    second = town.admin(town.employer(), user=first.user)
    phone, _ = owned(first.user)
    client, answer = password_step(first, path="/login/?next=/security/")
    assert answer.url == "/identity/"
    assert client.post(f"/identity/{second.pk}/").url == "/second-factor/"
    assert not is_in(client)
    assert give(client, phone.code()).url == "/security/"
    assert client.session["account"] == second.pk


@pytest.mark.parametrize("way", ["mail", "mobile", "unit"])
def test_a_new_password_does_not_bypass_it(me, owned, town, way):
    phone, _ = owned(me.user)
    client = Client()
    if way == "unit":
        issue_one_use_secret(me.user, town.operator().user, "测试单位")
        password_step(me, client, password=me.user.id_number.last_six)
        answer = client.post("/set-password/", TWICE)
    elif way == "mail":
        token, _ = start_reset(me.user, with_code=False)
        client.get(f"/reset/{token}/")
        answer = client.post("/set-password/", TWICE)
    else:
        token, code = start_reset(me.user, with_code=True)
        client.get(f"/reset/{token}/")
        answer = client.post("/set-password/", {"code": code, **TWICE})
    assert answer.url == "/second-factor/"
    assert not PasswordReset.objects.filter(used_at=None).exists()
    assert not is_in(client)
    assert give(client, phone.code()).url == "/"
    assert is_in(client)


# --- turning off, another telephone -----------------------------------------------------------------------------


def test_turning_off_takes_password_and_code(me, town, clock, commits):
    client = town.login(me)
    phone, _, _ = set_up(client, clock)
    clock.now += 30
    page = client.post(
        "/security/second-factor/off/", {"current_password": "wrong-one", "code": phone.code()}
    )
    assert "密码不对" in words(page)
    page = client.post("/security/second-factor/off/", {"current_password": PASSWORD, "code": phone.wrong()})
    assert "验证码不对" in words(page)
    assert Authenticator.objects.exists()
    with commits():
        answer = client.post(
            "/security/second-factor/off/", {"current_password": PASSWORD, "code": phone.code()}
        )
    assert answer.url == "/security/"
    assert not Authenticator.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert "两步验证已关闭" in mail.outbox[-1].body
    assert password_step(me)[1].url == "/"
    for path in ("/security/second-factor/off/", "/security/recovery-codes/renew/"):
        assert client.get(path).status_code == 404


def test_another_telephone_takes_the_place_of_the_old_one(me, town, clock, commits):
    client = town.login(me)
    old, old_codes, _ = set_up(client, clock)
    clock.now += 30
    assert "密码" in words(client.get("/security/second-factor/"))
    page = client.post("/security/second-factor/", {"current_password": PASSWORD})
    assert "请填写6位数字的验证码，或12位数字的恢复码。" in words(page)
    fields = {"current_password": PASSWORD, "code": old_codes[0]}
    assert client.post("/security/second-factor/", fields).status_code == 302
    new = Phone(key_shown(client.get("/security/second-factor/")), clock)
    with commits():
        assert client.post("/security/second-factor/", {"code": new.code()}).status_code == 302
    assert "两步验证已换到新的手机" in mail.outbox[-1].body
    clock.now += 30
    fresh, _ = password_step(me)
    assert "验证码不对" in words(give(fresh, old.code()))
    assert "恢复码不对" in words(give(fresh, old_codes[1]))
    assert give(fresh, new.code()).status_code == 302


def test_a_set_up_begun_before_another_one_does_not_replace_it(me, town, clock):
    slow, quick = town.login(me), town.login(me)
    slow.post("/security/second-factor/", {"current_password": PASSWORD})
    late = Phone(key_shown(slow.get("/security/second-factor/")), clock)
    user = me.user
    key = second_factor.new_key()
    second_factor.set_up(user, key, Phone(key, clock).code())
    page = slow.post("/security/second-factor/", {"code": late.code()})
    assert "刚刚在别处变更过" in words(page)
    assert Authenticator.objects.get().pk == user.authenticator.pk
    assert is_in(quick)


# --- required ---------------------------------------------------------------------------------------------------


def everybody(town):
    employer = town.employer()
    authority = town.authority()
    return {
        "practitioner": town.practitioner(at=employer).account,
        "employer admin": town.admin(employer),
        "employer super admin": town.super_admin(employer),
        "authority admin": town.admin(authority),
        "authority super admin": town.super_admin(authority),
        "bureau admin": town.admin(town.bureau),
        "bureau super admin": town.super_admin(town.bureau),
        "operator": town.operator(),
    }


FREE = ("practitioner", "employer admin")
WHO = ("practitioner", "employer admin", "employer super admin", "authority admin", "authority super admin",
       "bureau admin", "bureau super admin", "operator")  # fmt: skip


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("mode", ["off", "optional", "required"])
@pytest.mark.parametrize("has_one", [True, False])
def test_who_is_led_where(town, owned, settings, who, mode, has_one):
    settings.SECOND_FACTOR = mode
    account = everybody(town)[who]
    phone = owned(account.user)[0] if has_one else None
    client, answer = password_step(account)
    if has_one and mode != "off":
        assert answer.url == "/second-factor/"
        answer = give(client, phone.code())
    assert answer.url == "/"
    home = client.get("/")
    if mode == "required" and not has_one and who not in FREE:
        assert home.url == "/security/second-factor/"
    else:
        assert home.status_code == 200


def test_led_to_the_set_up_nothing_else_opens_and_then_one_goes_on(town, settings, clock):
    settings.SECOND_FACTOR = "required"
    account = town.super_admin(town.bureau)
    client, answer = password_step(account, path="/login/?next=/people/")
    assert answer.url == "/people/"
    assert client.get("/people/").url == "/security/second-factor/"
    page = client.get("/security/second-factor/")
    assert "您的身份须使用两步验证，设置好以后才能办理业务" in words(page)
    opening = [path for path in _paths() if client.get(path).status_code == 200]
    assert sorted(opening) == ["/identity/", "/security/second-factor/"]
    client.get("/people/")
    _, _, answer = set_up(client, clock)
    assert answer.url == "/people/"
    assert client.get("/people/").status_code == 200
    assert "关闭两步验证" not in words(client.get("/security/"))
    fields = {"current_password": PASSWORD, "code": "123456"}
    assert "您的身份须使用两步验证，不能关闭。" in words(client.post("/security/second-factor/off/", fields))
    assert Authenticator.objects.exists()


def test_what_was_being_typed_when_it_became_required_comes_back(town, settings, clock):
    client = town.login(town.bureau)
    settings.SECOND_FACTOR = "required"
    answer = client.post("/organization/admins/add/", {"id_number": "写到一半"})
    assert answer.url == "/security/second-factor/"
    _, _, answer = set_up(client, clock)
    assert answer.url == "/organization/admins/add/"
    assert 'value="写到一半"' in client.get(answer.url).content.decode()


def test_an_open_session_gives_the_code_once_it_is_required(town, owned, settings, clock):
    account = town.super_admin(town.bureau)
    client = town.login(account)
    phone, _ = owned(account.user)
    assert is_in(client), "optional: asked at the next login"
    settings.SECOND_FACTOR = "required"
    assert client.get("/people/").url == "/second-factor/"
    clock.now += 60
    assert give(client, phone.code()).url == "/people/"
    assert client.get("/people/").status_code == 200


def test_from_a_free_role_into_one_that_needs_it(town, settings):
    settings.SECOND_FACTOR = "required"
    employer = town.employer()
    admin = town.super_admin(employer)
    practitioner = town.practitioner(at=employer, user=admin.user)
    client, _ = password_step(practitioner.account)
    assert client.get("/").status_code == 200
    client.post(f"/identity/{admin.pk}/")
    assert client.get("/").url == "/security/second-factor/"
    client.post(f"/identity/{practitioner.account.pk}/")
    assert client.get("/").status_code == 200, "and back"


def test_turned_off_in_a_free_role_it_is_due_again_in_the_other(town, settings, clock):
    settings.SECOND_FACTOR = "required"
    employer = town.employer()
    admin = town.super_admin(employer)
    practitioner = town.practitioner(at=employer, user=admin.user)
    client, _ = password_step(practitioner.account)
    phone, _, _ = set_up(client, clock)
    client.post(f"/identity/{admin.pk}/")
    assert client.get("/").status_code == 200
    client.post(f"/identity/{practitioner.account.pk}/")
    clock.now += 30
    client.post("/security/second-factor/off/", {"current_password": PASSWORD, "code": phone.code()})
    client.post(f"/identity/{admin.pk}/")
    assert client.get("/").url == "/security/second-factor/"


def test_the_reference_data_is_behind_it_too(town, settings):
    settings.SECOND_FACTOR = "required"
    account = town.operator()
    User.objects.filter(pk=account.user.pk).update(is_staff=True, is_superuser=True)
    client, _ = password_step(account)
    assert client.get("/reference-data/").url == "/security/second-factor/"


# --- cost ---------------------------------------------------------------------------------------------------------


def test_it_costs_a_request_nothing(town, settings, owned):
    counts = []
    account = town.super_admin(town.bureau)
    phone, _ = owned(account.user)
    for mode in ("off", "required"):
        settings.SECOND_FACTOR = mode
        client, _ = password_step(account)
        if mode == "required":
            give(client, phone.code())
        client.get("/inbox/")
        with CaptureQueriesContext(connection) as captured:
            client.get("/inbox/")
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_the_super_admin_sees_which_admins_have_it(town, owned):
    owned(town.admin(town.bureau).user)
    page = words(town.login(town.bureau).get("/organization/admins/"))
    assert page.count("已开启") == 1
    assert page.count("未开启") == 1


# --- the telephone is lost ------------------------------------------------------------------------------------


def lost(client, user, reason="手机丢失，已当面核对", password=PASSWORD):
    fields = {"id_number": user.id_number.reveal(), "reason": reason, "password": password}
    return client.post("/organization/second-factor/", fields)


def test_those_above_let_somebody_in_again(town, owned, commits):
    employer = town.employer(name="测试单位")
    person = town.practitioner(at=employer)
    inside = town.login(person)
    owned(person.user)
    with commits():
        answer = lost(town.login(employer), person.user)
    assert answer.url == "/organization/admins/"
    row = SecondFactorReset.objects.get()
    assert (row.user, row.by, row.organization) == (person.user, town.super_admin(employer).user, "测试单位")
    assert "测试单位的管理员关闭了您的两步验证，原因：手机丢失，已当面核对。" in mail.outbox[-1].body
    assert not is_in(inside)
    assert not RecoveryCode.objects.filter(user=person.user).exists()
    assert password_step(person.account)[1].url == "/"


REACH = {
    "own practitioner": True,
    "own plain admin": True,
    "practitioner below": True,
    "super admin below": True,
    "super admin above": False,
    "own practitioner who is admin above": False,
    "own practitioner who is admin elsewhere": False,
    "own practitioner under review elsewhere": False,
    "practitioner of a sibling": False,
    "oneself": False,
    "one without it": False,
}


@pytest.mark.parametrize(("who", "allowed"), REACH.items())
def test_whose_may_be_turned_off(town, owned, who, allowed):
    authority = town.authority()
    employer, sibling = town.employer(under=authority), town.employer(under=authority)
    below = town.employer(under=employer)
    person = town.practitioner(at=employer)
    if who == "own practitioner who is admin above":
        town.admin(authority, user=person.user)
    elif who == "own practitioner who is admin elsewhere":
        town.admin(sibling, user=person.user)
    elif who == "own practitioner under review elsewhere":
        town.admin(sibling, user=person.user)
        person.user.accounts.exclude(pk=person.account.pk).update(status="pending")
    user = {
        "own plain admin": lambda: town.admin(employer).user,
        "practitioner below": lambda: town.practitioner(at=below).user,
        "super admin below": lambda: town.super_admin(below).user,
        "super admin above": lambda: town.super_admin(authority).user,
        "practitioner of a sibling": lambda: town.practitioner(at=sibling).user,
        "oneself": lambda: town.super_admin(employer).user,
    }.get(who, lambda: person.user)()
    client = town.login(employer)
    if who != "one without it":
        owned(user)
    answer = lost(client, user)
    assert (answer.status_code == 302) is allowed, words(answer)
    assert SecondFactorReset.objects.exists() is allowed
    if not allowed:
        assert "没有可以办理的人。" in words(answer)
        assert Authenticator.objects.exists() is (who != "one without it")


def test_the_platform_may_for_everybody_else(town, owned):
    staff = town.operator()
    bureau = town.super_admin(town.bureau)
    owned(bureau.user)
    client = town.login(staff)
    assert lost(client, bureau.user).status_code == 302
    owned(staff.user)
    assert lost(client, staff.user).status_code == 200


def test_it_takes_the_super_admin_the_own_password_and_a_reason(town, owned):
    employer = town.employer()
    person = town.practitioner(at=employer)
    owned(person.user)
    assert lost(town.login(town.admin(employer)), person.user).status_code == 403
    assert lost(town.login(town.practitioner(at=employer)), person.user).status_code == 403
    client = town.login(employer)
    assert "密码不对" in words(lost(client, person.user, password="not-mine-at-all"))
    assert "请填写原因。" in words(lost(client, person.user, reason=""))
    assert Authenticator.objects.filter(user=person.user).exists()

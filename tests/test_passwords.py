"""Forgotten, reset and changed passwords: who may set one, how often, and what ends with the old one."""

import datetime
import html
import re
import threading

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import F
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from accounts import password as passwords
from accounts import sms
from accounts.models import AccountStatus, OneUseSecret, PasswordReset, Role, RoleAccount, User
from accounts.refused import Refused
from tests.race import at_once
from tests.test_login import MESSAGE_1, MESSAGE_4, log_in, numbers, person, said, words
from tests.town import PASSWORD, synthetic_id

NEW = "a-brand-new-one-7"
TWICE = {"new_password": NEW, "new_password_again": NEW}


class Phone:
    """A sender that keeps what it was given."""

    sent = []

    def send(self, mobile, text):
        self.sent.append((mobile, text))


class DeadLine:
    def send(self, mobile, text):
        raise OSError(f"no route to {mobile}")


@pytest.fixture(autouse=True)
def phone(settings):
    settings.SMS_SENDER = "tests.test_passwords.Phone"
    Phone.sent.clear()
    return Phone.sent


@pytest.fixture
def owner(town, django_capture_on_commit_callbacks):
    """A practitioner, whose messages are sent as if each request had committed."""
    return town.practitioner(at=town.employer(name="测试单位"))


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


def number_of(practitioner) -> str:
    return practitioner.user.id_number.reveal()


def ask(client, number, way):
    return client.post("/forgot/", {"way": way, "id_number": number})


def link_in_mail() -> str:
    return re.search(r"http://testserver(/reset/\S+)", mail.outbox[-1].body).group(1)


def code_in_sms() -> str:
    return re.search(r"验证码 (\d{6})", Phone.sent[-1][1]).group(1)


# --- forgotten (F-40) -------------------------------------------------------------------------------------


def test_by_mail_in_four_clicks(owner, commits):
    client = Client()
    assert 'href="/forgot/"' in client.get("/login/").content.decode()  # 1
    with commits():
        assert ask(client, number_of(owner), "email").url == "/forgot/sent/"  # 2
    assert "30分钟内有效" in words(client.get("/forgot/sent/"))
    assert client.get(link_in_mail()).url == "/set-password/"  # 3
    response = client.post("/set-password/", TWICE)  # 4
    assert response.url == "/"
    assert client.get("/password/").status_code == 200, "logged in"
    assert log_in(number_of(owner)).status_code == 200, "the old one is gone"
    assert log_in(number_of(owner), password=NEW).status_code == 302


def test_by_mobile_in_three_clicks(owner, commits):
    client = Client()
    with commits():
        assert ask(client, number_of(owner), "mobile").url == "/set-password/"
    assert Phone.sent[0][0] == owner.user.mobile.as_e164
    response = client.post("/set-password/", {"code": f" {code_in_sms()} ", **TWICE})
    assert response.url == "/"
    assert client.get("/password/").status_code == 200


def test_several_roles_are_chosen_from_after_the_reset(town, owner, commits):
    town.admin(town.employer(), user=owner.user)
    client = Client()
    with commits():
        ask(client, number_of(owner), "email")
    client.get(link_in_mail())
    assert client.post("/set-password/", TWICE).url == "/identity/"
    assert client.get("/password/").status_code == 302
    assert client.post(f"/identity/{owner.account.pk}/").url == "/"


def test_under_review_a_new_password_leads_to_the_progress(db, commits):
    number = synthetic_id(next(numbers))
    person(number, AccountStatus.PENDING)
    client = Client()
    with commits():
        ask(client, number, "email")
    client.get(link_in_mail())
    assert client.post("/set-password/", TWICE).url == "/register/progress/"
    assert client.get("/password/").status_code == 302


@pytest.mark.parametrize("status", [AccountStatus.SUSPENDED, None])
@pytest.mark.parametrize("active", [True, False])
def test_a_new_password_opens_no_suspended_account(owner, commits, status, active):
    RoleAccount.objects.filter(pk=owner.account.pk).update(status=status or AccountStatus.ACTIVE)
    client = Client()
    with commits():
        ask(client, number_of(owner), "email")
    client.get(link_in_mail())
    User.objects.filter(pk=owner.user.pk).update(is_active=active)
    client.post("/set-password/", TWICE)
    entered = client.get("/password/").status_code == 200
    assert entered is (status is None and active)


@pytest.mark.parametrize("way", ["email", "mobile"])
def test_the_answer_is_the_same_for_unknown_numbers(owner, commits, way):
    void = synthetic_id(next(numbers))
    person(void, AccountStatus.CLOSED)
    pages = []
    for number in (number_of(owner), synthetic_id(next(numbers)), void):
        client = Client()
        with commits():
            response = ask(client, number, way)
        page = client.get(response.url)
        form = client.post("/set-password/", {"code": "000000", **TWICE})
        pages.append((response.url, words(page), form.status_code, re.sub('value="[^"]+"', "", words(form))))
    assert pages[0] == pages[1] == pages[2]
    assert len(mail.outbox) == (way == "email")
    assert len(Phone.sent) == (way == "mobile")


def test_five_wrong_codes_end_the_reset_for_known_and_unknown(owner, commits):
    for number in (number_of(owner), synthetic_id(next(numbers))):
        client = Client()
        with commits():
            ask(client, number, "mobile")
        right = code_in_sms()
        wrong = "000001" if right == "000000" else "000000"
        for _ in range(5):
            page = client.post("/set-password/", {"code": wrong, **TWICE})
            assert "验证码不对" in words(page)
        assert client.post("/set-password/", {"code": right, **TWICE}).url == "/forgot/"
    assert log_in(number_of(owner)).status_code == 302


def test_a_code_is_of_use_in_its_own_browser_alone(owner, commits):
    mine, strangers = Client(), Client()
    with commits():
        ask(mine, number_of(owner), "mobile")
    code = code_in_sms()
    with commits():
        ask(strangers, number_of(owner), "mobile")
    assert "验证码不对" in words(strangers.post("/set-password/", {"code": code, **TWICE}))
    assert mine.post("/set-password/", {"code": code, **TWICE}).url == "/"


def test_a_refused_password_does_not_use_up_the_code(owner, commits):
    client = Client()
    with commits():
        ask(client, number_of(owner), "mobile")
    code, weak = code_in_sms(), f"a{number_of(owner)[8:16]}"
    for _ in range(7):
        page = client.post("/set-password/", {"code": code, "new_password": weak, "new_password_again": weak})
        assert "密码不能包含身份证号中连续的6位" in words(page)
        assert f'value="{code}"' in page.content.decode()
    assert client.post("/set-password/", {"code": code, **TWICE}).url == "/"


@pytest.mark.parametrize("what", ["used", "expired", "newer password", "invented"])
def test_a_dead_link_says_so_and_leads_to_a_new_one(owner, commits, what):
    client = Client()
    with commits():
        ask(client, number_of(owner), "email")
    link = link_in_mail()
    if what == "used":
        client.get(link)
        client.post("/set-password/", TWICE)
    elif what == "expired":
        PasswordReset.objects.update(expires_at=timezone.now())
    elif what == "newer password":
        passwords.replace_password(owner.user, "another-one-5")
    else:
        link = "/reset/invented/"
    response = Client().get(link, follow=True)
    assert response.redirect_chain == [("/forgot/", 302)]
    assert "链接已经用过或已过期，请重新获取。" in words(response)


def test_opening_the_link_uses_nothing_up(owner, commits):
    with commits():
        ask(Client(), number_of(owner), "email")
    for _ in range(3):
        client = Client()
        assert client.get(link_in_mail()).url == "/set-password/"
        assert client.head(link_in_mail()).status_code == 302
    assert client.post("/set-password/", TWICE).url == "/"


def test_without_a_reset_the_page_is_shut(db):
    for method in (Client().get, Client().post):
        assert method("/set-password/").url == "/forgot/"


def test_requests_for_a_new_password_are_budgeted(owner):
    statuses = [ask(Client(), number_of(owner), "mobile").status_code for _ in range(4)]
    assert statuses == [302, 302, 302, 429]
    page = ask(Client(), number_of(owner), "email")
    assert re.search(r"找回密码的次数太多，请在(60分钟|1小时|59分\d+秒)后再试", words(page))
    assert [ask(Client(), synthetic_id(next(numbers)), "email").status_code for _ in range(6)][-1] == 429


def test_neither_token_nor_code_is_stored(owner, commits):
    client = Client()
    with commits():
        ask(client, number_of(owner), "mobile")
    stored = str(PasswordReset.objects.values().get())
    assert code_in_sms() not in stored
    assert client.session["reset"] not in stored


def test_messages_carry_no_number_and_a_dead_provider_does_no_harm(owner, commits, settings, caplog):
    settings.SMS_SENDER = "tests.test_passwords.DeadLine"
    settings.EMAIL_BACKEND = "tests.test_passwords.NoSuchBackend"
    for way in ("mobile", "email"):
        with commits():
            assert ask(Client(), number_of(owner), way).status_code == 302
    assert "OSError" in caplog.text
    assert owner.user.mobile.as_e164[3:] not in caplog.text


def test_the_console_sender_hides_the_number(capsys, settings):
    settings.SMS_SENDER = "accounts.sms.ConsoleSender"
    sms.send("+8613800001234", "验证码 123456")
    assert capsys.readouterr().out == "短信 +86138****1234：验证码 123456\n"


# --- reset by the unit (F-41 … F-43, decision 7) -----------------------------------------------------------


@pytest.fixture
def secret(owner, commits):
    admin = owner.employer.admins.get().user
    with commits():
        return passwords.issue_one_use_secret(owner.user, admin, owner.employer.name)


def test_the_last_six_lead_to_a_new_password_and_in(owner, secret):
    client = Client()
    assert log_in(number_of(owner), password=number_of(owner)[-6:], client=client).url == "/set-password/"
    page = client.get("/set-password/")
    assert "短信验证码" not in words(page)
    assert client.post("/set-password/", TWICE).url == "/"
    assert client.get("/password/").status_code == 200
    assert said(log_in(number_of(owner), password=number_of(owner)[-6:])) == [MESSAGE_4]
    assert log_in(number_of(owner), password=NEW).status_code == 302


def test_a_small_x_is_taken(town, commits):
    number = next(n for n in map(synthetic_id, range(900, 1300)) if n.endswith("X"))
    user = person(number, AccountStatus.ACTIVE)
    passwords.issue_one_use_secret(user, user, "测试单位")
    assert log_in(number, password=number[-6:].lower()).url == "/set-password/"


def test_who_did_it_is_on_record_and_the_owner_is_told(owner, secret):
    row = OneUseSecret.objects.get()
    assert (row.by, row.organization) == (owner.employer.admins.get().user, "测试单位")
    assert row.expires_at - row.at == pytest.approx(
        datetime.timedelta(hours=24), abs=datetime.timedelta(seconds=5)
    )
    assert mail.outbox[-1].subject == "登录密码已由单位重置"
    assert "测试单位" in mail.outbox[-1].body
    assert "测试单位" in Phone.sent[-1][1]
    everything = str([(m.subject, m.body) for m in mail.outbox]) + str(Phone.sent)
    assert number_of(owner) not in everything
    assert number_of(owner)[-6:] not in everything


def test_the_secret_opens_no_page_but_one(owner, secret):
    client = Client()
    log_in(number_of(owner), password=number_of(owner)[-6:], client=client)
    assert "account" not in client.session
    nobody = Client()
    more = [path for path in _paths() if _opens(client, path) and not _opens(nobody, path)]
    assert more == ["/set-password/"], "all else is what anybody may read"
    assert client.get("/password/").status_code == 302
    assert client.get("/identity/").url == "/login/"
    assert client.post(f"/identity/{owner.account.pk}/").url == "/login/"


def _opens(client, path) -> bool:
    return client.get(path).status_code == 200


def _paths() -> list[str]:
    """Every address of the site, with 1 for every number."""
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


def test_the_secret_is_no_password_elsewhere(owner, secret, rf):
    user = User.objects.get(pk=owner.user.pk)
    assert not user.has_usable_password()
    assert not user.check_password(number_of(owner)[-6:])


@pytest.mark.parametrize("typed", ["000000", "wrong-password"])
def test_five_wrong_tries_end_the_secret(owner, secret, typed, settings):
    settings.TRUSTED_PROXIES = 1
    for n in range(5):
        stranger = Client(headers={"x-forwarded-for": f"203.0.113.{n}"})
        assert said(log_in(number_of(owner), password=typed, client=stranger)) == [MESSAGE_4]
    assert said(log_in(number_of(owner), password=number_of(owner)[-6:])) == [MESSAGE_4]


def test_right_tries_do_not_count(owner, secret):
    for _ in range(7):
        assert log_in(number_of(owner), password=number_of(owner)[-6:]).url == "/set-password/"


@pytest.mark.django_db(transaction=True)
def test_many_wrong_tries_at_once_are_five(town):
    user = town.practitioner(at=town.employer()).user
    issued = passwords.issue_one_use_secret(user, user, "测试单位")

    def guess():
        assert not passwords.secret_fits(issued, "000000")

    assert at_once(*[guess] * 20) == ["ok"] * 20
    issued.refresh_from_db()
    assert issued.tries == 5
    with pytest.raises(IntegrityError, match="one_use_secret_few_tries"):
        OneUseSecret.objects.update(tries=F("tries") + 1)


def test_the_secret_lasts_a_day(owner, secret):
    client = Client()
    log_in(number_of(owner), password=number_of(owner)[-6:], client=client)
    OneUseSecret.objects.update(expires_at=timezone.now())
    assert client.post("/set-password/", TWICE).url == "/forgot/"
    assert said(log_in(number_of(owner), password=number_of(owner)[-6:])) == [MESSAGE_4]


def test_a_second_reset_replaces_the_first(owner, secret):
    first = Client()
    log_in(number_of(owner), password=number_of(owner)[-6:], client=first)
    passwords.issue_one_use_secret(owner.user, owner.employer.admins.get().user, "测试单位")
    assert OneUseSecret.objects.filter(closed_at=None).count() == 1
    assert first.get("/set-password/").url == "/forgot/", "what the first one proved is void"


def test_sessions_and_resets_from_before_are_dead(town, owner, commits):
    inside, resetting = town.login(owner), Client()
    with commits():
        ask(resetting, number_of(owner), "email")
    resetting.get(link_in_mail())
    passwords.issue_one_use_secret(owner.user, owner.employer.admins.get().user, "测试单位")
    assert inside.get("/password/").status_code == 302
    assert resetting.post("/set-password/", TWICE).url == "/forgot/"
    assert said(log_in(number_of(owner))) == [MESSAGE_4]


# --- once ----------------------------------------------------------------------------------------------------


def _look_then_mark(parties):
    """The control: whether the row is free is read first, and both read before either writes."""
    together = threading.Barrier(parties)

    def take(rows, **mark):
        free = rows.exists()
        together.wait(timeout=10)
        rows.model.objects.filter(pk__in=rows.model.objects.values("pk")).update(**mark)
        return free

    return take


def _one_use_of_each(user):
    token, _ = passwords.start_reset(user, with_code=False)
    reset = passwords.open_reset(token)
    yield lambda new: passwords.set_password_by_reset(reset, new)
    issued = passwords.issue_one_use_secret(user, user, "测试单位")
    yield lambda new: passwords.set_password_by_secret(issued, new)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("which", [0, 1], ids=["reset", "secret"])
def test_two_who_use_it_at_once_one_wins(town, which):
    user = town.practitioner(at=town.employer()).user
    use = list(_one_use_of_each(user))[which] if which else next(_one_use_of_each(user))
    assert at_once(lambda: use("first-one-77"), lambda: use("second-one-77")) == ["Refused", "ok"]
    with pytest.raises(Refused, match="已经用过"):
        use("third-one-77")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("which", [0, 1], ids=["reset", "secret"])
def test_without_the_one_statement_both_would_win(town, monkeypatch, which):
    user = town.practitioner(at=town.employer()).user
    use = list(_one_use_of_each(user))[which] if which else next(_one_use_of_each(user))
    monkeypatch.setattr(passwords, "_take", _look_then_mark(2))
    assert at_once(lambda: use("first-one-77"), lambda: use("second-one-77")) == ["ok", "ok"]


# --- own password ----------------------------------------------------------------------------------------------


def test_changing_it_ends_the_other_sessions_and_tells_the_owner(town, owner, commits):
    here, elsewhere = town.login(owner), town.login(owner)
    with commits():
        assert here.post("/password/", {"current_password": PASSWORD, **TWICE}).url == "/"
    assert here.get("/password/").status_code == 200
    assert elsewhere.get("/password/").status_code == 302
    assert mail.outbox[-1].subject == "登录密码已修改"
    assert "已修改" in Phone.sent[-1][1]
    assert log_in(number_of(owner), password=NEW).status_code == 302


def test_the_current_password_is_needed_and_guessing_it_is_slow(town, owner):
    client = town.login(owner)
    for _ in range(5):
        page = client.post("/password/", {"current_password": "not-it", **TWICE})
        assert "当前密码不对" in words(page)
    assert client.post("/password/", {"current_password": PASSWORD, **TWICE}).status_code == 429
    assert User.objects.get(pk=owner.user.pk).check_password(PASSWORD)


@pytest.mark.parametrize(
    ("again", "field", "sentence"),
    [("other-one-77", "new_password_again", "两次填写的新密码不一致"), ("", "new_password_again", "请填写")],
)
def test_both_must_agree(town, owner, again, field, sentence):
    page = town.login(owner).post(
        "/password/", {"current_password": PASSWORD, "new_password": NEW, "new_password_again": again}
    )
    assert sentence in words(page)
    assert f'id="id_{field}_error"' in page.content.decode()
    assert NEW not in page.content.decode()


def test_the_rules_stand_before_the_field(town, owner):
    page = html.unescape(town.login(owner).get("/password/").content.decode())
    assert page.index(passwords.RULES) < page.index('name="new_password"')


@pytest.mark.parametrize(
    ("password", "refused"),
    [
        ("short-1", True),
        ("password123", True),
        ("7391826450", True),
        ("x370902x-yz", True),
        ("x19600201yz", True),
        ("x1960-02-01yz", True),
        ("x1960年02月01日yz", True),
        ("600201-yzab", True),
        ("call13800001234", True),
        ("call138-0000-1234", True),
        ("０１２３-ab-３８００００", True),
        ("correct-horse-9", False),
        ("x37090-yz-ab", False),
        ("四个汉字和更多的汉字", False),
        (" spaces count ", False),
    ],
)
def test_the_rules(db, password, refused):
    user = _born_on_the_first_of_february()
    if refused:
        with pytest.raises(ValidationError) as caught:
            validate_password(password, user)
        assert all(re.search("[一-鿿]", message) for message in caught.value.messages)
    else:
        validate_password(password, user)


def _born_on_the_first_of_february() -> User:
    number = next(n for n in map(synthetic_id, range(60)) if n[6:14] == "19600201")
    user = person(number)
    user.mobile = "+8613800001234"
    return user


def test_void_people_get_no_reset(db, commits):
    number = synthetic_id(next(numbers))
    person(number, AccountStatus.CLOSED, Role.PRACTITIONER)
    with commits():
        ask(Client(), number, "email")
    assert not mail.outbox
    assert said(log_in(number)) == [MESSAGE_1]

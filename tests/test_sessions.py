"""登录设备: what their owner sees and ends, how long a session lasts, and what is left in caches afterwards."""

import datetime
import re
from types import SimpleNamespace

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import kept, sessions
from accounts.entrance import ACCOUNT
from accounts.models import Role, Session
from tests.test_login import log_in, words
from tests.town import PASSWORD

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
MINUTE = datetime.timedelta(minutes=1)


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


def row_of(client) -> Session:
    return Session.objects.get(pk=client.session.session_key)


def pause(client, minutes: float) -> None:
    """Nothing has happened in this browser for so long."""
    rows = Session.objects.filter(pk=client.session.session_key)
    rows.update(seen_at=timezone.now() - minutes * MINUTE)


def grow_old(client, hours: float) -> None:
    """This login was so long ago, and the browser was used ever since."""
    session = client.session
    at = timezone.now() - datetime.timedelta(hours=hours)
    session[sessions.OPENED] = session[sessions.OPENED] | {"at": at.isoformat()}
    session.save()


def is_in(client) -> bool:
    return client.get("/password/").status_code == 200


def end(client, handle=""):
    return client.post("/security/sessions/end/", {"handle": handle} if handle else {}, follow=True)


# --- the list -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (CHROME, "Chrome，Windows"),
        (CHROME + " Edg/130.0.0.0", "Edge，Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Mobile/15E148 Safari/604.1", "Safari，iPhone"),
        ("Mozilla/5.0 (Linux; Android 14; x) Chrome/116.0.0.0 Mobile Safari/537.36 MicroMessenger/8.0.47", "微信，安卓手机"),
        ("Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 Chrome/114.0 Safari/537.36 ArkWeb/4.1 Mobile", "华为浏览器，鸿蒙"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox，Linux"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.0 Safari/605.1.15", "Safari，Mac"),
        ("<script>curl</script>", "未知设备"),
        ("", "未知设备"),
    ],
)  # fmt: skip
def test_a_device_in_words(agent, said):
    assert sessions.device_words(agent) == said


@pytest.mark.parametrize(
    ("place", "said"),
    [("203.0.113.7", "203.0.113.*"), ("2001:db8:1:2::/64", "2001:db8:*"), ("unknown", "")],
)
def test_an_address_is_shortened(place, said):
    assert sessions.shortened(place) == said


def test_one_sees_ones_own_sessions_and_nobody_elses(town):
    mine, strangers = town.practitioner(at=town.employer()), town.practitioner(at=town.employer())
    here = Client(headers={"user-agent": CHROME})
    log_in(mine.user.id_number.reveal(), client=here)
    town.login(mine)
    town.login(strangers)
    page = here.get("/security/")
    assert words(page).count("专业技术人员127.0.0.*") == 2
    assert "Chrome，Windows（当前）" in words(page)
    assert "未知设备" in words(page)
    keys = Session.objects.values_list("session_key", flat=True)
    assert not any(key in page.content.decode() for key in keys), "the key is a secret"
    handles = set(re.findall(r'name="handle" value="([^"]+)"', page.content.decode()))
    others = set(mine.user.sessions.values_list("handle", flat=True)) - {row_of(here).handle}
    assert handles == others


def test_one_session_is_ended_and_the_owner_is_told(town, commits):
    me = town.practitioner(at=town.employer())
    here, there, third = (town.login(me) for _ in range(3))
    with commits():
        page = end(here, row_of(there).handle)
    assert "这台设备已退出登录。" in words(page)
    assert (is_in(here), is_in(there), is_in(third)) == (True, False, True)
    assert "一台设备上的登录已被您在“安全设置”中退出" in mail.outbox[-1].body
    with commits():
        assert "这台设备已经不在登录中。" in words(end(here, "no-such-handle"))
    assert len(mail.outbox) == 1


def test_all_others_are_ended(town, commits):
    me = town.practitioner(at=town.employer())
    stranger = town.login(town.practitioner(at=town.employer()))
    here, *others = (town.login(me) for _ in range(3))
    with commits():
        assert "其他2台设备已退出登录。" in words(end(here))
    assert is_in(here)
    assert not any(is_in(other) for other in others)
    assert is_in(stranger)
    assert "其他 2 台设备" in mail.outbox[-1].body
    assert "没有其他设备在登录中。" in words(end(here))


def test_neither_a_strangers_session_nor_the_own_one_is_ended(town):
    me, stranger = (town.login(town.practitioner(at=town.employer())) for _ in range(2))
    end(me, row_of(stranger).handle)
    assert is_in(stranger)
    assert "请用页面上方的“退出”" in words(end(me, row_of(me).handle))
    assert is_in(me)
    assert me.get("/security/sessions/end/").status_code == 405


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_ended_session_is_dead_at_its_next_request(town, method):
    me = town.practitioner(at=town.employer())
    here, there = town.login(me), town.login(me)
    old_cookie = there.cookies["sessionid"].value
    end(here)
    answer = getattr(there, method)("/password/")
    assert answer.url.startswith("/login/")
    assert not Session.objects.filter(pk=old_cookie).exists(), "nothing brings it back"


def test_a_request_under_way_does_not_bring_an_ended_session_back(town, monkeypatch):
    me = town.practitioner(at=town.employer())
    here, there = town.login(me), town.login(me)
    key = there.session.session_key
    note = sessions.LimitsMiddleware._look_at_the_clock

    def ended_meanwhile(self, request):
        note(self, request)
        if request.session.session_key == key:
            sessions.end_others(me.user)
            request.session["written"] = "late"

    monkeypatch.setattr(sessions.LimitsMiddleware, "_look_at_the_clock", ended_meanwhile)
    assert there.get("/password/").status_code == 400
    monkeypatch.undo()
    assert not is_in(there)
    assert not is_in(here)


def test_a_change_of_role_keeps_the_session_and_its_age(town):
    employer = town.employer()
    admin = town.super_admin(employer)
    practitioner = town.practitioner(at=employer, user=admin.user)
    client = town.login(practitioner)
    before = row_of(client)
    assert before.role == Role.PRACTITIONER
    client.post(f"/identity/{admin.pk}/")
    after = row_of(client)
    assert (after.role, after.handle, after.opened_at) == (Role.EMPLOYER, before.handle, before.opened_at)
    assert admin.user.sessions.count() == 1


def test_another_person_in_the_same_browser_gets_a_session_of_their_own(town):
    first, second = (town.practitioner(at=town.employer()) for _ in range(2))
    client = town.login(first)
    handle = row_of(client).handle
    log_in(second.user.id_number.reveal(), client=client)
    assert row_of(client).user == second.user
    assert row_of(client).handle != handle
    assert not first.user.sessions.exists()


def test_nobodys_sessions_have_no_owner(db):
    client = Client()
    client.get("/register/")
    client.post("/login/", {"role": "practitioner", "id_number": "x", "password": "y"})
    assert not Session.objects.filter(user__isnull=False).exists()


# --- how long ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "minutes", "hours", "lives"),
    [
        ("practitioner", 29, 0, True),
        ("practitioner", 31, 0, False),
        ("practitioner", 0, 11.9, True),
        ("practitioner", 0, 12.1, False),
        ("admin", 14, 0, True),
        ("admin", 16, 0, False),
        ("admin", 0, 7.9, True),
        ("admin", 0, 8.1, False),
        ("operator", 16, 0, False),
    ],
)
def test_how_long_a_session_lasts(town, who, minutes, hours, lives):
    account = {
        "practitioner": lambda: town.practitioner(at=town.employer()),
        "admin": lambda: town.bureau,
        "operator": town.operator,
    }[who]()
    client = town.login(account)
    if hours:
        grow_old(client, hours)
    pause(client, minutes)
    answer = client.get("/password/", follow=True)
    assert (answer.redirect_chain == []) is lives
    if not lives:
        said = "没有操作，为了安全已退出登录" if minutes else "小时，为了安全请重新登录"
        assert said in words(answer)
        assert not Session.objects.filter(
            user__isnull=False, handle=client.session.get("handle", "")
        ).exists()


def test_the_limits_are_settings(town, settings):
    settings.SESSION_IDLE = 5 * MINUTE
    client = town.login(town.practitioner(at=town.employer()))
    assert "5分钟没有操作会自动退出" in words(client.get("/security/"))
    pause(client, 6)
    assert not is_in(client)


def test_a_session_that_goes_to_sleep_does_not_stand_in_the_list(town):
    me = town.practitioner(at=town.employer())
    here, there = town.login(me), town.login(me)
    pause(there, 31)
    assert len(sessions.open_sessions(me.user)) == 1
    assert is_in(here)


def test_a_change_of_role_does_not_lengthen_a_session(town):
    employer = town.employer()
    admin = town.super_admin(employer)
    practitioner = town.practitioner(at=employer, user=admin.user)
    client = town.login(practitioner)
    grow_old(client, 7.9)
    client.post(f"/identity/{admin.pk}/")
    assert is_in(client)
    grow_old(client, 8.1)
    assert not is_in(client)


def test_a_form_sent_after_the_pause_comes_back_filled_in(town):
    admin = town.super_admin(town.bureau)
    client = town.login(admin)
    pause(client, 16)
    answer = client.post("/organization/admins/add/", {"id_number": "写到一半"})
    assert answer.url == "/login/?next=/organization/admins/add/"
    assert "您已超过15分钟没有操作" in words(client.get(answer.url))
    answer = log_in(admin.user.id_number.reveal(), admin.role, PASSWORD, client, answer.url)
    page = client.get(answer.url)
    assert 'value="写到一半"' in page.content.decode()
    assert "登录前填写的内容已恢复" in words(page)


def test_what_one_was_in_the_middle_of_waits_for_its_owner_alone(town, rf):
    me, stranger = (town.practitioner(at=town.employer()) for _ in range(2))
    outcomes = {}
    for name, next_one in (("me", me), ("stranger", stranger)):
        client = town.login(me)
        session = client.session
        request = SimpleNamespace(session=session, user=me.user)
        kept.keep(request, "check-page", {"text": "写了很久"})
        session.save()
        pause(client, 31)
        client.get("/password/")
        asleep = SimpleNamespace(session=client.session, user=SimpleNamespace(is_authenticated=False))
        assert kept.kept(asleep, "check-page") is None, "nobody is in"
        log_in(next_one.user.id_number.reveal(), client=client)
        found = kept.kept(SimpleNamespace(session=client.session, user=next_one.user), "check-page")
        outcomes[name] = found and found["text"]
    assert outcomes == {"me": "写了很久", "stranger": None}


def test_a_login_that_opened_no_role_has_no_age_and_ends(town):
    client = Client()
    client.force_login(town.practitioner(at=town.employer()).user)
    assert client.get("/password/").url.startswith("/login/")
    assert ACCOUNT not in client.session


# --- cost --------------------------------------------------------------------------------------------------------


def test_a_request_costs_no_query_more_and_one_update_a_minute(town):
    client = town.login(town.practitioner(at=town.employer()))
    client.get("/password/")
    queries = []
    for minutes in (0, 2):
        pause(client, minutes)
        for _ in range(2):
            with CaptureQueriesContext(connection) as captured:
                client.get("/password/")
            queries.append([query["sql"] for query in captured])
    first, second, after_a_pause, then = (len(asked) for asked in queries)
    assert first == second == then
    assert after_a_pause == first + 1
    about_sessions = [sql for sql in queries[0] if "accounts_session" in sql]
    assert len(about_sessions) == 1, "the one that loads it"


# --- caches --------------------------------------------------------------------------------------------------------


def test_pages_of_a_logged_in_person_are_never_stored(town):
    client = town.login(town.bureau)
    for path in ("/", "/inbox/", "/people/", "/security/", "/no-such-page/"):
        answer = client.get(path)
        assert "no-store" in answer["Cache-Control"], path
        assert "private" in answer["Cache-Control"], path


def test_public_pages_and_style_sheets_may_be_stored(town):
    assert "no-store" not in Client().get("/").headers.get("Cache-Control", "")
    answer = town.login(town.bureau).get("/static/cpe.css")
    assert answer.status_code == 200
    assert "no-store" not in answer.headers.get("Cache-Control", "")

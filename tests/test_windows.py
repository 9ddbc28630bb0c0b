"""时间窗口: kept through their pages, said in words, closed at the very moment (R24)."""

import datetime
import threading
import time
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from credits import window_keeping
from credits.deadlines import deadline_in, declaring_until, review_closed
from credits.flows import HoursDeclaration
from credits.models import LedgerEntry, Window, WindowKind
from credits.window_words import closing, in_words, last_day, whose
from credits.windows import check_open
from credits.years import current_year
from tests.race import at_once
from tests.test_credits import declaration, declare
from workflow import engine
from workflow.flow import Refused
from workflow.models import Application

YEAR = current_year()
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> datetime.datetime:
    """A moment of Shanghai."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def window(
    bureau=None, kind=WindowKind.DECLARE, opens="01-01T00:00", closes="12-31T00:00", year=YEAR, **fields
):
    first, last = (text if text[:2] == "20" else f"{year}-{text}" for text in (opens, closes))
    return Window.objects.create(
        bureau=bureau, kind=kind, year=year, opens_at=at(first), closes_at=at(last), **fields
    )


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


@pytest.fixture
def office(town):
    return town.login(town.bureau)


@pytest.fixture
def clock(monkeypatch):
    """Set the platform's clock."""

    def tick(text: str) -> None:
        monkeypatch.setattr("django.utils.timezone.now", lambda: at(text))

    return tick


def answers(**changes) -> dict:
    return {
        "year": YEAR,
        "kind": "declare",
        "opens_on": f"{YEAR}-01-01",
        "opens_time": "00:00",
        "closes_on": f"{YEAR}-12-31",
        "closes_time": "24:00",
        "note": "",
        **changes,
    }


def text(answer) -> str:
    return answer.content.decode()


# --- the pages --------------------------------------------------------------------------------------------------


def test_a_window_is_added_said_in_words_changed_and_removed(town, office):
    assert "没有设窗口" in text(office.get("/hours/windows/"))
    answer = office.post("/hours/windows/add/", answers(), follow=True)
    assert f"{YEAR} 年度申报：{YEAR}-01-01 00:00 开始，{YEAR}-12-31 24:00 截止（本局规定）。" in text(answer)
    one = Window.objects.get()
    assert (one.bureau, one.opens_at, one.closes_at) == (
        town.bureau,
        at(f"{YEAR}-01-01T00:00"),
        at(f"{YEAR + 1}-01-01T00:00"),
    )
    form = office.get(reverse("credits:window", args=[one.pk])).context["form"]
    assert [form[name].value() for name in ("closes_on", "closes_time")] == [f"{YEAR}-12-31", "24:00"]
    office.post(
        reverse("credits:window", args=[one.pk]),
        answers(closes_on=f"{YEAR}年11月30日", closes_time="１７：３０"),
    )
    one.refresh_from_db()
    assert one.closes_at == at(f"{YEAR}-11-30T17:30")
    removing = office.get(reverse("credits:remove_window", args=[one.pk]))
    assert f"{YEAR} 年度申报没有窗口：年度开始后一直可以申报" in text(removing)
    office.post(reverse("credits:remove_window", args=[one.pk]))
    assert not Window.objects.exists()


def test_a_late_window_is_one_more_and_may_not_overlap(town, office):
    office.post("/hours/windows/add/", answers(closes_on=f"{YEAR}-11-30"))
    assert (
        office.post(
            "/hours/windows/add/",
            answers(opens_on=f"{YEAR + 1}-03-01", closes_on=f"{YEAR + 1}-03-31", note="补报"),
        ).status_code
        == 302
    )
    assert Window.objects.count() == 2
    shown_page = text(office.get("/hours/windows/"))
    assert "补报" in shown_page
    for changes in (
        {"opens_on": f"{YEAR}-11-30", "opens_time": "23:00"},
        {"opens_on": f"{YEAR}-06-01", "closes_on": f"{YEAR}-06-30"},
        {"opens_on": f"{YEAR}-01-01", "closes_on": f"{YEAR + 1}-12-31"},
    ):
        answer = office.post("/hours/windows/add/", answers(**changes))
        assert f"与已有的窗口（{YEAR}-01-01 00:00 到 {YEAR}-11-30 24:00）重叠" in text(answer), changes
    # One that begins where another ends shares no moment with it; another kind is another matter.
    assert (
        office.post(
            "/hours/windows/add/", answers(opens_on=f"{YEAR}-12-01", closes_on=f"{YEAR}-12-31")
        ).status_code
        == 302
    )
    assert office.post("/hours/windows/add/", answers(kind="review")).status_code == 302
    # One may be changed where it stands.
    first = Window.objects.order_by("pk").first()
    assert (
        office.post(
            reverse("credits:window", args=[first.pk]), answers(closes_on=f"{YEAR}-11-29")
        ).status_code
        == 302
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"opens_on": f"{YEAR}-12-31", "closes_on": f"{YEAR}-01-01"}, "截止要晚于开始"),
        ({"opens_time": "24:00", "closes_on": f"{YEAR}-01-02", "closes_time": "00:00"}, "截止要晚于开始"),
        ({"opens_on": f"{YEAR - 1}-12-31"}, f"开始日期不能早于 {YEAR}-01-01"),
        ({"closes_time": "25:00"}, "截止时间请按 08:30 的样子填写"),
        ({"closes_time": "24:01"}, "截止时间请按 08:30 的样子填写"),
        ({"opens_time": "noon"}, "开始时间请按 08:30 的样子填写"),
        ({"opens_on": "tomorrow"}, "开始日期请按 2026-11-08 的样子填写"),
        ({"kind": ""}, "请选择事项"),
        ({"year": "1999"}, "请从列出的选项中选择年度"),
    ],
)
def test_what_is_wrong_is_said(office, changes, sentence):
    answer = office.post("/hours/windows/add/", answers(**changes))
    assert sentence in text(answer)
    assert not Window.objects.exists()


@pytest.mark.parametrize("written", ["24:00", "23:59", "２３：５９", "23时59分"])
def test_the_end_of_a_day(office, written):
    office.post("/hours/windows/add/", answers(closes_time=written))
    assert Window.objects.get().closes_at == at(f"{YEAR + 1}-01-01T00:00")


def test_windows_above_are_shown_and_give_way(town, office):
    province = window(closes=f"{YEAR + 1}-04-30T00:00")
    shown_page = text(office.get("/hours/windows/"))
    assert f"{in_words(province)}（全省规定）" in shown_page
    assert reverse("credits:window", args=[province.pk]) not in shown_page
    assert office.get(reverse("credits:window", args=[province.pk])).status_code == 404
    assert office.post(reverse("credits:remove_window", args=[province.pk])).status_code == 404
    own = window(town.bureau)
    shown_page = text(office.get("/hours/windows/"))
    assert in_words(own) in shown_page
    assert in_words(province) not in shown_page
    assert in_words(province) in text(office.get(reverse("credits:remove_window", args=[own.pk])))
    county = town.login(town.bureau_under(town.bureau))
    assert f"{in_words(own)}（{town.bureau.name}规定）" in text(county.get("/hours/windows/"))


def test_the_platform_sets_the_province_s(town):
    platform = town.login(town.operator())
    platform.post("/hours/windows/add/", answers())
    one = Window.objects.get()
    assert one.bureau is None
    assert whose(one, None) == "全省规定"
    own = window(town.bureau, kind=WindowKind.REVIEW)
    assert platform.get(reverse("credits:window", args=[own.pk])).status_code == 200


def test_rights_are_looked_at_in_the_verb(town):
    own = window(town.bureau)
    stranger = town.actor(town.bureau_under(town.platform))
    for verb in (window_keeping.save, window_keeping.remove):
        with pytest.raises(PermissionDenied):
            verb(own, by=stranger)
    clerk = town.actor(town.admin(town.bureau, duties=["hours"]))
    with pytest.raises(PermissionDenied):
        window_keeping.save(
            Window(year=YEAR, kind="declare", opens_at=timezone.now(), closes_at=timezone.now()), by=clerk
        )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("locked", [True, False])
def test_two_overlapping_windows_at_once(town, monkeypatch, locked):
    """One wins, the other reads which window there is; without the lock both would go through."""
    actor, together = town.actor(town.bureau), threading.Barrier(2)
    if not locked:
        monkeypatch.setattr(window_keeping, "_hold", lambda by: None)
        looked = window_keeping.overlapping

        def look_and_wait(one):
            found = looked(one)
            together.wait(timeout=10)
            return found

        monkeypatch.setattr(window_keeping, "overlapping", look_and_wait)

    def add():
        one = Window(
            year=YEAR, kind="declare", opens_at=at(f"{YEAR}-01-01T00:00"), closes_at=at(f"{YEAR}-12-31T00:00")
        )
        window_keeping.save(one, by=actor)

    assert at_once(add, add) == (["Refused", "ok"] if locked else ["ok", "ok"])
    assert Window.objects.count() == (1 if locked else 2)


# --- the very moment --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "opened"),
    [
        (f"{YEAR}-12-31T23:59:59.999999", True),
        (f"{YEAR + 1}-01-01T00:00:00", False),
        (f"{YEAR + 1}-01-01T00:00:00.000001", False),
    ],
)
def test_a_window_ends_with_the_year(town, office, clock, moment, opened):
    office.post("/hours/windows/add/", answers())
    person = town.practitioner(at=town.employer())
    clock(moment)
    if opened:
        declare(town, person)
    else:
        with pytest.raises(Refused, match=r"的申报已于 .* 截止"):
            declare(town, person)


@pytest.mark.parametrize(
    ("moment", "opened"), [(f"{YEAR}-03-01T07:59:59.999999", False), (f"{YEAR}-03-01T08:00:00", True)]
)
def test_a_window_begins_to_the_minute(town, office, clock, moment, opened):
    office.post("/hours/windows/add/", answers(opens_on=f"{YEAR}-03-01", opens_time="8:00"))
    person = town.practitioner(at=town.employer())
    clock(moment)
    if opened:
        check_open(person, YEAR, WindowKind.DECLARE)
    else:
        with pytest.raises(Refused, match=f"从 {YEAR}-03-01 08:00 开始"):
            check_open(person, YEAR, WindowKind.DECLARE)


@pytest.mark.parametrize(
    ("moment", "words", "left", "state"),
    [
        ("11-24T12:00:00", f"申报 {YEAR}-12-31 24:00 截止，还有 37 天", 37, "open"),
        ("12-31T23:59:59.999999", f"申报 {YEAR}-12-31 24:00 截止，今天是最后一天", 0, "open"),
    ],
)
def test_without_a_window_the_year_is_the_deadline(town, clock, moment, words, left, state):
    clock(f"{YEAR}-{moment}")
    found = declaring_until(town.practitioner(at=town.employer()).path, YEAR)
    assert (found.sentence, found.days_left, found.state) == (words, left, state)
    assert found.last_day == datetime.date(YEAR, 12, 31)


def test_the_deadline_is_the_window_s(town, clock):
    windows = [
        window(town.bureau, opens="03-01T08:00", closes="11-30T17:30"),
        window(town.bureau, opens="12-10T00:00", closes="12-21T00:00", note="补报"),
    ]
    for moment, words in (
        (f"{YEAR}-02-01T00:00", f"申报从 {YEAR}-03-01 08:00 开始，{YEAR}-11-30 17:30 截止"),
        (f"{YEAR}-11-30T17:29:59", f"申报 {YEAR}-11-30 17:30 截止，今天是最后一天"),
        (f"{YEAR}-11-30T17:30", f"申报从 {YEAR}-12-10 00:00 开始，{YEAR}-12-20 24:00 截止"),
        (f"{YEAR}-12-19T09:00", f"申报 {YEAR}-12-20 24:00 截止，还有 1 天"),
        (f"{YEAR}-12-21T00:00", f"申报已于 {YEAR}-12-20 24:00 截止"),
    ):
        clock(moment)
        assert deadline_in(windows, YEAR).sentence == words, moment


def test_a_closing_minute_in_words():
    assert closing(at("2026-12-31T00:00")) == "2026-12-30 24:00"
    assert closing(at("2026-12-31T00:01")) == "2026-12-31 00:01"
    assert last_day(at("2026-12-31T00:00")) == datetime.date(2026, 12, 30)
    assert last_day(at("2026-12-31T00:01")) == datetime.date(2026, 12, 31)


def test_the_home_page_counts_down_to_the_window(town):
    person = town.practitioner(at=town.employer())
    browser = town.login(person)
    assert f"{YEAR}-12-31" in text(browser.get("/"))
    end = timezone.localdate() + datetime.timedelta(days=5)
    window(town.bureau, closes=f"{end + datetime.timedelta(days=1)}T00:00")
    home = text(browser.get("/"))
    assert str(end) in home
    assert "还有 5 天" in home


def test_reviewers_are_told_what_is_closed(town, clock):
    employer = town.employer()
    window(town.bureau, WindowKind.REVIEW, closes="11-30T00:00")
    actor = town.actor(employer)
    clock(f"{YEAR}-11-29T12:00")
    assert review_closed(actor) == []
    clock(f"{YEAR}-11-30T00:00")
    assert review_closed(actor) == [
        f"{YEAR} 年度的审核审验已于 {YEAR}-11-29 24:00 截止，现在不能通过或驳回。"
    ]
    window(town.bureau, WindowKind.REVIEW, opens="12-05T08:00", closes="12-10T00:00")
    assert review_closed(actor) == [
        f"{YEAR} 年度的审核审验从 {YEAR}-12-05 08:00 开始，{YEAR}-12-09 24:00 截止。"
    ]


# --- R24: closed while the decision waits -----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("locked", [True, False])
def test_a_decision_that_waits_past_the_last_second(town, clock, monkeypatch, locked):
    """Clicked at 23:59:59, it waits for another decision's lock until after midnight: then it is too late.

    The control looks at the window before the lock, when the click came: it signs after the close.
    """
    window(town.bureau, WindowKind.REVIEW, closes=f"{YEAR + 1}-01-01T00:00")
    clock(f"{YEAR}-12-30T12:00:00")
    employer = town.employer()
    person = town.practitioner(at=employer)
    filed = declare(town, person)
    engine.approve(filed.steps.get(state="open").pk, by=town.actor(employer))
    step, bureau = filed.steps.get(state="open"), town.actor(town.bureau)
    held, released, outcome = threading.Event(), threading.Event(), []
    if not locked:
        monkeypatch.setattr(HoursDeclaration, "check_decision", lambda *args: None)

    def hold():
        with transaction.atomic():
            engine.lock(Application(pk=filed.pk))
            held.set()
            released.wait(timeout=10)
        connection.close()

    def sign():
        if not locked:
            check_open(person, YEAR, WindowKind.REVIEW)
        try:
            engine.approve(step.pk, by=bureau)
            outcome.append("ok")
        except Refused as refusal:
            outcome.append(str(refusal))
        connection.close()

    clock(f"{YEAR}-12-31T23:59:59.999999")
    threads = [threading.Thread(target=hold), threading.Thread(target=sign)]
    threads[0].start()
    assert held.wait(timeout=10)
    threads[1].start()
    _until_somebody_waits()
    clock(f"{YEAR + 1}-01-01T00:00:00")
    released.set()
    for thread in threads:
        thread.join(timeout=20)
    if locked:
        assert "审核审验已于" in outcome[0]
        assert not LedgerEntry.objects.exists()
        assert filed.steps.get(pk=step.pk).state == "open"
    else:
        assert outcome == ["ok"]
        assert LedgerEntry.objects.exists()


def _until_somebody_waits() -> None:
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError("nobody waits")


def test_a_decision_in_the_last_second_counts(town, clock):
    window(town.bureau, WindowKind.REVIEW, closes=f"{YEAR + 1}-01-01T00:00")
    employer = town.employer()
    person = town.practitioner(at=employer)
    filed = engine.submit("hours-declaration", declaration(person), by=town.actor(person))
    clock(f"{YEAR}-12-31T23:59:59.999999")
    engine.approve(filed.steps.get(state="open").pk, by=town.actor(employer))
    engine.approve(filed.steps.get(state="open").pk, by=town.actor(town.bureau))
    assert LedgerEntry.objects.get().hours == 20

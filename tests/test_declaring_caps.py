"""Caps, the lock, and time: two declarations never share the last room, and what was shown is what is filed."""

import datetime
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.utils import timezone

from credits import packs
from credits.ledger import revoke
from credits.models import Declaration, LedgerEntry, RulePack, Window
from tests import declaring as walk
from tests.declaring import CHECK, DECLARE, YEAR, answers, errors_of, fill_in, hidden, text
from tests.race import at_once, without_lock
from tests.test_credits import sign
from tests.town import Town
from workflow import engine
from workflow.models import Application

FORUMS = """
[activity.forum]
name = "论坛"
subjects = ["professional"]
cap = 30
rates = [{{ hours = {hours} }}]
"""


def forums(bureau, hours=20, code="test"):
    return walk.put(FORUMS.format(hours=hours), bureau, code)


@pytest.fixture
def person(town):
    forums(town.bureau)
    return town.practitioner(at=town.employer())


@pytest.fixture
def browser(town, person):
    return town.login(person)


def test_the_cap_bites_and_says_what_it_leaves(browser):
    first = walk.submit(browser, answers("forum", title="第一个论坛"))
    assert first.declaration.hours == 20
    page = fill_in(browser, answers("forum", title="第二个论坛"))
    assert walk.shown_hours(page) == 10
    assert "本年度“论坛”最多计 30 学时，已计 20 学时，只计 10 学时" in text(page)
    assert "已到上限" in text(page)
    second = walk.send(browser, page).declaration
    assert second.reckoning["cap"].startswith("本年度“论坛”最多计 30 学时")
    answer = browser.post(DECLARE, answers("forum", title="第三个论坛"))
    assert errors_of(answer) == {"year": ["本年度“论坛”最多计 30 学时，已计 30 学时，不能再计。"]}


def test_a_rejection_a_withdrawal_and_a_reversal_free_the_room_again(town, person, browser):
    filed = [walk.submit(browser, answers("forum", title=f"论坛{name}")) for name in "甲乙"]
    engine.reject(filed[0].steps.first().pk, by=town.actor(person.employer), comment="不符")
    assert walk.shown_hours(fill_in(browser, answers("forum", title="论坛丙"))) == 20
    engine.withdraw(filed[1].pk, by=town.actor(person))
    granted = sign(town, walk.submit(browser, answers("forum", title="论坛丁")))
    assert walk.shown_hours(fill_in(browser, answers("forum", title="论坛戊"))) == 10
    revoke(granted.declaration, by=town.actor(town.bureau), reason="证书系伪造")
    assert walk.shown_hours(fill_in(browser, answers("forum", title="论坛戊"))) == 20


def test_what_a_reviewer_lowered_counts_as_lowered(town, person, browser):
    filed = walk.submit(browser, answers("forum", title="论坛甲"))
    step = filed.steps.first()
    engine.approve(step.pk, by=town.actor(person.employer), comment="只到半天", hours=Decimal("5"))
    assert walk.shown_hours(fill_in(browser, answers("forum", title="论坛乙"))) == 20


def test_a_signature_applies_no_cap_again(town, person, browser):
    """Both were within the cap when filed; a stricter pack afterwards takes nothing from them."""
    filed = [walk.submit(browser, answers("forum", title=f"论坛{name}")) for name in "甲乙"]
    packs.publish(packs.draft(text_of("test").replace("cap = 30", "cap = 5"), bureau=town.bureau))
    for one in filed:
        sign(town, one)
    assert list(LedgerEntry.objects.order_by("pk").values_list("hours", flat=True)) == [20, 10]


def text_of(code: str) -> str:
    return RulePack.objects.get(code=code, state="published").text


# --- between the check page and the button -------------------------------------------------------------------


def test_rules_that_changed_meanwhile_are_reckoned_and_said_before_anything_is_filed(town, person, browser):
    page = fill_in(browser, answers("forum"))
    packs.publish(packs.draft(text_of("test").replace("hours = 20", "hours = 12"), bureau=town.bureau))
    answer = browser.post(CHECK, hidden(page), follow=True)
    assert not Application.objects.exists()
    assert "已重新计算（20.0 学时变为 12.0 学时），请再核对一次" in text(answer)
    assert walk.shown_hours(answer) == 12
    assert walk.send(browser, answer).declaration.hours == 12


def test_a_second_window_that_filed_meanwhile_is_noticed(town, person, browser):
    page = fill_in(browser, answers("forum", title="论坛甲"))
    elsewhere = town.login(person)
    walk.submit(elsewhere, answers("forum", title="论坛乙"))
    answer = browser.post(CHECK, hidden(page), follow=True)
    assert Application.objects.count() == 1
    assert walk.shown_hours(answer) == 10
    assert walk.send(browser, answer).declaration.hours == 10


def test_room_that_is_gone_leads_back_to_the_form_with_the_sentence(town, person, browser):
    page = fill_in(browser, answers("forum", title="论坛甲"))
    elsewhere = town.login(person)
    for name in "乙丙":
        walk.submit(elsewhere, answers("forum", title=f"论坛{name}"))
    answer = browser.post(CHECK, hidden(page), follow=True)
    assert answer.redirect_chain[-1][0] == f"{DECLARE}?kind=forum"
    assert text(answer).count("本年度“论坛”最多计 30 学时，已计 30 学时，不能再计。") == 1
    assert "论坛甲" in text(answer)
    assert Application.objects.count() == 2


@pytest.mark.parametrize("seen", ["", "x", "20.0", "999-0123456789abcdef", "\x00"])
def test_a_forged_account_files_nothing(browser, seen):
    page = hidden(fill_in(browser, answers("forum")))
    answer = browser.post(CHECK, {**page, "seen": seen})
    assert answer.status_code in (302, 400)
    assert not Application.objects.exists()


def test_a_later_pack_changes_nothing_of_what_was_filed(town, person, browser):
    filed = walk.submit(browser, answers("forum"))
    before = Declaration.objects.values("hours", "pack", "reckoning").get(pk=filed.pk)
    newer = text_of("test").replace("hours = 20", "hours = 3").replace('name = "论坛"', 'name = "别的名称"')
    version = packs.publish(packs.draft(newer, bureau=town.bureau))
    assert version.version == 2
    detail = text(town.login(person.employer).get(f"/applications/{filed.pk}/"))
    assert "论坛：20 学时" in detail
    assert "测试标准 第 1 版" in detail
    assert "申报形式</dt><dd>论坛" in detail
    assert "每项 20 学时；每年最多计 30 学时。（测试标准 第 1 版）" in detail
    sign(town, filed)
    assert Declaration.objects.values("hours", "pack", "reckoning").get(pk=filed.pk) == before
    assert LedgerEntry.objects.get().hours == 20


def test_a_closed_window_is_said_before_the_form_is_filled_in(town, browser):
    ago = timezone.now() - datetime.timedelta(days=9)
    Window.objects.create(year=YEAR, kind="declare", opens_at=ago, closes_at=ago + datetime.timedelta(days=1))
    for address in (DECLARE, f"{DECLARE}?kind=forum"):
        assert f"{YEAR} 年度的申报已于" in text(browser.get(address))
    page = fill_in(browser, answers("forum"))
    answer = browser.post(CHECK, hidden(page), follow=True)
    assert "需要补办请联系当地人社部门" in text(answer)
    assert not Application.objects.exists()


# --- the race ------------------------------------------------------------------------------------------------


@pytest.fixture
def last_room(transactional_db):
    town = Town()
    forums(town.bureau, hours=30)
    person = town.practitioner(at=town.employer())
    made = [
        Declaration(
            practitioner=person, year=YEAR, subject="professional", title=f"论坛{name}", organiser="学会",
            kind=walk.kind_of("forum"), started_on=walk.DAY, ended_on=walk.DAY,
        )
        for name in "甲乙"
    ]  # fmt: skip
    return [lambda one=one: engine.submit("hours-declaration", one, by=town.actor(person)) for one in made]


def test_two_at_once_do_not_share_the_last_room(last_room):
    assert at_once(*last_room) == ["Refused", "ok"]
    assert sum(Declaration.objects.values_list("hours", flat=True)) == 30


def test_without_the_lock_they_would(last_room, monkeypatch):
    with without_lock(monkeypatch):
        assert at_once(*last_room) == ["ok", "ok"]
    assert sum(Declaration.objects.values_list("hours", flat=True)) == 60


def test_platforms_hours_fill_the_caps_that_know_them(town, person, browser):
    """A cap on a subject counts platforms' hours too, a cap on what people declare does not."""
    call_command("load_hours", verbosity=0)
    walk.reported(town, person, hours=25)
    walk.put(
        FORUMS.format(hours=20) + '[[cap]]\nper = "subject"\nname = "professional"\nhours = 40',
        town.bureau,
        "test",
    )
    page = fill_in(browser, answers("forum"))
    assert walk.shown_hours(page) == 15
    assert "本年度“专业科目”最多计 40 学时，已计 25 学时" in text(page)
    walk.put(
        FORUMS.format(hours=20) + '[[cap]]\nper = "source"\nname = "declaration"\nhours = 40',
        town.bureau,
        "test",
    )
    assert walk.shown_hours(fill_in(browser, answers("forum"))) == 20

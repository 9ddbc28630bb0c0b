"""Reviewing in headless Chromium on the demo town: by keys alone, with the evidence in sight beside the decision."""

import pytest
from playwright.sync_api import expect

from orgs.actor import actor_of
from orgs.models import Practitioner
from tests.declaring import proof
from tests.test_browser import at, chromium, demo, private_files  # noqa: F401  fixtures
from tests.test_credits import declaration
from workflow import engine
from workflow.attachments import attach

pytestmark = [pytest.mark.browser, pytest.mark.django_db]


def tab_to(page, most: int, *, words: str = "", css: str = "", back: bool = False) -> int:
    """Press Tab until the focus is there; how often it took. Every stop on the way shows where it is."""
    for count in range(1, most + 1):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        here = page.evaluate(
            """() => { const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
            return {words: (one.innerText || '').trim(), outline: style.outlineStyle, tag: one.tagName,
                    wide: box.width, left: box.left} }"""
        )
        assert here["outline"] != "none" or here["tag"] in ("IFRAME", "BODY"), here
        if (words and here["words"] == words) or (
            css and page.evaluate("css => document.activeElement.matches(css)", css)
        ):
            return count
    raise AssertionError(f"not in {most} stops: {words or css}; the last was {here}")


def skip(page, *names):
    for name in names:
        tab_to(page, 1, words=name)
        page.keyboard.press("Enter")


def press(person, key="Enter"):
    with person.page.expect_navigation():
        person.page.keyboard.press(key)
    person.look()


@pytest.fixture
def reviewer(demo, at):  # noqa: F811
    me = at()
    me.login("employer", 12, "用人单位")
    return me


def test_the_whole_review_by_keys_alone(reviewer):
    page = reviewer.page
    reviewer.open("/inbox/?duty=hours")
    skip(page, "跳到主要内容")
    tab_to(page, 30, css="main table a")
    press(reviewer)

    first = page.url
    skip(page, "跳到主要内容", "跳到审核意见")
    assert tab_to(page, 4, words="通过并看下一件") <= 4
    press(reviewer)
    expect(page.get_by_role("status").first).to_contain_text("已通过")
    assert page.url != first, "the next one"

    skip(page, "跳到主要内容", "跳到审核意见")
    tab_to(page, 9, css="input[name=reason]")
    page.keyboard.press("Space")
    assert page.locator("input[name=reason]:checked").count() == 1
    tab_to(page, 2, css="#reject textarea")
    page.keyboard.type("请补充参会证明")
    tab_to(page, 1, words="驳回")
    press(reviewer)
    expect(page.get_by_text("已驳回").first).to_be_visible()

    reviewer.open("/inbox/")
    skip(page, "跳到主要内容")
    tab_to(page, 40, css="input[name=step]")
    page.keyboard.press("Space")
    tab_to(page, 6, words="核对所选", back=True)
    press(reviewer)
    expect(page.get_by_role("heading", level=1)).to_have_text("核对所选 1 件")
    skip(page, "跳到主要内容")
    tab_to(page, 9, words="全不选")
    press(reviewer)
    assert page.locator("input[name=step]:checked").count() == 0
    skip(page, "跳到主要内容")
    tab_to(page, 9, css="input[name=step]")
    page.keyboard.press("Space")
    tab_to(page, 4, words="通过勾选的事项", back=True)
    press(reviewer)
    expect(page.get_by_role("heading", level=1)).to_have_text("已通过 1 件")


@pytest.fixture(scope="module")
def with_evidence(demo, django_db_blocker):  # noqa: F811
    """A declaration that waits, with so much to look at that it does not fit the window."""
    with django_db_blocker.unblock():
        people = Practitioner.objects.filter(employer__name="泰安市保障性住房管理服务中心", status="active")
        person = people.exclude(user__name="保障一").select_related("account").first()
        made = declaration(person, hours=3, title="一场有许多材料的论坛")
        filed = engine.submit("hours-declaration", made, by=actor_of(person.account))
        for number in range(2):
            attach(filed, proof(f"证书{number}.pdf"))
    return f"/applications/{filed.pk}/"


def open_evidence(person, path):
    person.page.goto(person.url + path)
    person.page.wait_for_load_state("load")
    person.look()


def test_evidence_and_decision_are_seen_together_on_a_desk(reviewer, with_evidence):
    page = reviewer.page
    open_evidence(reviewer, with_evidence)
    button = page.get_by_role("button", name="通过并看下一件")
    for evidence in page.locator("iframe.pdf").all():
        evidence.scroll_into_view_if_needed()
        expect(button).to_be_in_viewport(ratio=1)
        expect(evidence).to_be_in_viewport()
        assert button.bounding_box()["x"] >= evidence.bounding_box()["x"] + evidence.bounding_box()["width"]
    page.keyboard.press("End")
    reject = page.locator("#reject").get_by_role("button", name="驳回")
    reject.scroll_into_view_if_needed()
    expect(reject).to_be_in_viewport(ratio=1)


def test_on_a_phone_facts_come_first_and_the_buttons_stay(with_evidence, at):  # noqa: F811
    me = at(width=360)
    me.login("employer", 12, "用人单位")
    page = me.page
    open_evidence(me, with_evidence)
    button = page.get_by_role("button", name="通过并看下一件")
    expect(button).to_be_in_viewport(ratio=1)
    tops = [
        page.locator(css).first.evaluate("one => one.getBoundingClientRect().top")
        for css in ("main h2", "iframe.pdf", "#decide", "#reject")
    ]
    assert tops == sorted(tops)
    assert page.evaluate("document.documentElement.scrollHeight") > 2_000

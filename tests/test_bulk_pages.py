"""待办审核 as a workbench: choose many, check them, decide them; every item with its result."""

import re
from html import unescape

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orgs.models import Duty
from tests.test_credits import declare
from workflow import engine
from workflow.models import Application, Step


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def text(answer) -> str:
    return unescape(answer.content.decode())


def boxes(page: str) -> dict[int, bool]:
    """The boxes of a page, and whether each is ticked."""
    found = re.findall(
        r'<input class="form-check-input" type="checkbox" name="step" value="(\d+)"[^>]*?( checked)?>', page
    )
    return {int(step): bool(ticked) for step, ticked in found}


def warned(application, sentence="可能重复：已有同一编号的申报"):
    application.declaration.reckoning = {"signals": [sentence]}
    application.declaration.save()


def test_all_of_a_page_can_be_ticked_without_a_script(town):
    unit = town.employer()
    for _ in range(3):
        declare(town, town.practitioner(at=unit))
    client = town.login(unit)
    assert set(boxes(text(client.get("/inbox/"))).values()) == {False}
    page = text(client.get("/inbox/?duty=hours&all=1"))
    assert set(boxes(page).values()) == {True}
    assert 'href="/inbox/?duty=hours"' in page


def test_the_chosen_are_approved_and_each_result_is_listed(town):
    unit = town.employer()
    filed = [declare(town, town.practitioner(at=unit), title=f"培训{number}") for number in range(3)]
    client = town.login(unit)
    steps = [one.steps.get(order=1).pk for one in filed[:2]]
    page = text(client.post("/inbox/check/", {"step": steps}))
    assert "核对所选 2 件" in page
    assert boxes(page) == dict.fromkeys(steps, True)
    assert Step.objects.filter(state="approved").count() == 0
    page = text(client.post("/inbox/decide/", {"step": steps, "verdict": "approve", "comment": "属实"}))
    assert "已通过 2 件" in page
    assert "培训0" in page
    assert "培训2" not in page
    assert set(Step.objects.filter(pk__in=steps).values_list("state", "comment")) == {("approved", "属实")}
    again = text(client.post("/inbox/decide/", {"step": steps, "verdict": "approve"}))
    assert "已通过 0 件，2 件没有处理" in again
    assert "您不用再处理" in again


def test_what_should_be_looked_at_first_is_not_ticked(town):
    unit = town.employer()
    fine, odd = (declare(town, town.practitioner(at=unit)) for _ in range(2))
    warned(odd)
    client = town.login(unit)
    page = text(client.post("/inbox/check/", {"everything": "1"}))
    assert "1 件有需要先看的提示" in page
    assert "可能重复：已有同一编号的申报" in page
    assert boxes(page) == {odd.steps.get(order=1).pk: False, fine.steps.get(order=1).pk: True}


def test_many_are_rejected_with_one_reason(town):
    unit = town.employer()
    filed = [declare(town, town.practitioner(at=unit)) for _ in range(2)]
    client = town.login(unit)
    steps = [one.steps.get(order=1).pk for one in filed]
    page = text(client.post("/inbox/decide/", {"step": steps, "verdict": "reject"}))
    assert "请选择一条常用理由" in page
    assert Application.objects.pending().count() == 2
    page = text(
        client.post("/inbox/decide/", {"step": steps, "verdict": "reject", "reason": "不符合学时认定标准"})
    )
    assert "已驳回 2 件" in page
    assert set(Application.objects.values_list("state", flat=True)) == {"rejected"}


def test_others_matters_and_ones_own_are_never_decided_in_bulk(town):
    unit, other = town.employer(), town.employer()
    admin = town.super_admin(unit)
    town.admin(unit, duties=[Duty.HOURS])
    own = declare(town, town.practitioner(at=unit, user=admin.user)).steps.get(order=1)
    foreign = declare(town, town.practitioner(at=other)).steps.get(order=1)
    client = town.login(unit)
    for path in ("/inbox/check/", "/inbox/decide/"):
        answer = client.post(path, {"step": [own.pk, foreign.pk], "verdict": "approve"})
        if answer.status_code == 302:
            assert answer.url == "/inbox/"
        else:
            assert "本人" in text(answer)
            assert str(foreign.application_id) not in re.findall(r"/applications/(\d+)/", text(answer))
    assert not Step.objects.filter(state="approved").exists()


def test_the_check_page_costs_the_same_for_two_and_for_twenty(town):
    unit = town.employer()
    client = town.login(unit)
    counts = []
    for number in (2, 18):
        for _ in range(number):
            declare(town, town.practitioner(at=unit))
        with CaptureQueriesContext(connection) as caught:
            assert client.post("/inbox/check/", {"everything": "1"}).status_code == 200
        counts.append(len(caught))
    assert counts[0] == counts[1] <= 12


def test_two_admins_at_the_same_time_are_told_who_was_first(town):
    unit = town.employer()
    filed = declare(town, town.practitioner(at=unit))
    step = filed.steps.get(order=1).pk
    client = town.login(town.admin(unit, duties=[Duty.HOURS]))
    client.post("/inbox/check/", {"step": [step]})
    engine.approve(step, by=town.actor(unit))
    page = text(client.post("/inbox/decide/", {"step": [step], "verdict": "approve"}))
    assert re.search(r"测\*\S* 已于 .* 通过了这件申请", page)


@pytest.mark.parametrize("value", ["x", "１２", "9" * 30, "", "-1"])
def test_odd_numbers_choose_nothing(town, value):
    unit = town.employer()
    declare(town, town.practitioner(at=unit))
    client = town.login(unit)
    for path in ("/inbox/check/", "/inbox/decide/"):
        assert client.post(path, {"step": [value], "verdict": "approve"}).url == "/inbox/"

"""待办审核 as a workbench: choose many, check them, decide them; every item with its result."""

import re
from decimal import Decimal
from html import unescape

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.doubts import doubts_of
from credits.models import Declaration, UnitDeclaration
from credits.reckoning import account_of
from orgs.models import Duty
from tests import declaring as walk
from tests import registering
from tests.clicks import Visitor
from tests.declaring import proof, proved
from tests.registering import register
from tests.test_attachments import pdf
from tests.test_credits import declare as bare
from workflow import engine
from workflow.attachments import attach
from workflow.models import Application, Step


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def declare(town, person, **fields):
    """With all its proofs: nothing to warn of."""
    return proved(bare(town, person, **fields))


def text(answer) -> str:
    return unescape(answer.content.decode())


def boxes(page: str) -> dict[int, bool]:
    """The boxes of a page, and whether each is ticked."""
    found = re.findall(
        r'<input class="form-check-input" type="checkbox" name="step" value="(\d+)"[^>]*?( checked)?>', page
    )
    return {int(step): bool(ticked) for step, ticked in found}


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


NUMBER = "TA-2026-00123"


def test_what_should_be_looked_at_first_is_not_ticked(town):
    """Nothing was odd about the first when it was filed: the second made it so."""
    unit = town.employer()
    first = declare(town, town.practitioner(at=unit), certificate_number=NUMBER)
    fine = declare(town, town.practitioner(at=unit))
    same = pdf()
    attach(first, proof("一.pdf", same))
    second = declare(town, town.practitioner(at=unit), certificate_number=NUMBER)
    attach(second, proof("二.pdf", same))
    assert first.declaration.reckoning["signals"] == []
    client = town.login(unit)
    review = text(client.get(f"/applications/{first.pk}/"))
    page = text(client.post("/inbox/check/", {"everything": "1"}))
    assert "2 件有需要先看的提示" in page
    for words in ("用完全相同的文件申报", "用同一编号申报"):
        assert words in review
        assert page.count(words) == 2
    open_step = {one.steps.get(order=1).pk: one == fine for one in (first, second, fine)}
    assert boxes(page) == open_step


CAPPED = """
[activity.academic-forum]
name = "参加学术论坛"
subjects = ["professional"]
cap = {cap}
evidence = ["会议通知", "参会证明"]
"""


def test_over_a_cap_and_without_its_proofs_is_not_ticked(town):
    walk.put(CAPPED.format(cap=30), town.bureau)
    unit = town.employer()
    person = town.practitioner(at=unit)
    poor = proved(bare(town, town.practitioner(at=unit)), short=1)
    first = declare(town, person, hours=20)
    cut = declare(town, person, hours=20, title="另一个论坛", day=walk.DAY)
    assert cut.declaration.hours == 10
    client = town.login(unit)
    page = text(client.post("/inbox/check/", {"everything": "1"}))
    assert boxes(page) == {one.steps.get(order=1).pk: one == first for one in (poor, first, cut)}
    assert "只上传了 1 个文件，少于 2 项应附材料。" in page
    assert "已到上限：本年度“参加学术论坛”最多计 30 学时，已计 20 学时，只计 10 学时。" in page
    walk.put(CAPPED.format(cap=25), town.bureau)
    page = text(client.post("/inbox/check/", {"everything": "1"}))
    assert boxes(page)[first.steps.get(order=1).pk] is False
    assert "最多计 25 学时，其他申报已计 10 学时，本件 20 学时超过上限。" in page


def test_a_registration_under_a_name_that_exists_is_not_ticked(town):
    registering.load_lists()
    authority = town.authority()
    town.employer(name="测试环卫中心")
    odd, fine = (
        register("employer", "with_authority", authority, unit_name=name)
        for name in ("测试环卫中心", "测试园林中心")
    )
    page = text(town.login(authority).post("/inbox/check/", {"everything": "1"}))
    assert "平台上已有同名的机构，请核对是否重复注册。" in page
    assert boxes(page) == {odd.steps.get().pk: False, fine.steps.get().pk: True}


def test_doubts_about_registrations_cost_the_same_for_two_and_for_six(town):
    registering.load_lists()
    authority = town.authority()
    client = town.login(authority)
    counts = []
    for names in ("甲乙", "丙丁戊己"):
        for name in names:
            register("employer", "with_authority", authority, unit_name=f"测试{name}中心")
        with CaptureQueriesContext(connection) as caught:
            assert client.post("/inbox/check/", {"everything": "1"}).status_code == 200
        counts.append(len(caught))
    assert counts[0] == counts[1] <= 12


@pytest.mark.parametrize("end", ["withdrawn", "rejected"])
def test_what_came_to_nothing_holds_nobody_back(town, end):
    unit = town.employer()
    other = town.practitioner(at=unit)
    first = declare(town, other, certificate_number=NUMBER)
    second = declare(town, town.practitioner(at=unit), certificate_number=NUMBER)
    assert second.declaration.reckoning["signals"] != []
    if end == "withdrawn":
        engine.withdraw(first.pk, by=town.actor(other))
    else:
        engine.reject(first.steps.get(order=1).pk, by=town.actor(unit), comment="不符")
    page = text(town.login(unit).post("/inbox/check/", {"everything": "1"}))
    assert boxes(page) == {second.steps.get(order=1).pk: True}


def test_the_bulk_check_warns_of_what_the_review_page_warns_of(town):
    """Every rule at once, one's own and others': what is looked up for many is what is looked up for one."""
    unit = town.employer()
    person, other = town.practitioner(at=unit), town.practitioner(at=unit)
    filed = [
        declare(town, who, day=walk.DAY, certificate_number=number, title=title)
        for who in (person, other)
        for number, title in ((NUMBER, "建筑节能论坛"), (NUMBER, "装配式论坛"), ("", "建筑节能论坛"))
    ]
    walk.reported(town, person, title="建筑节能论坛", hours=3)
    same = pdf()
    for one in filed[:4]:
        attach(one, proof("同一份.pdf", same))
    live = doubts_of(one.declaration for one in filed)
    for one in filed:
        one.declaration.digests = tuple(one.attachments.values_list("sha256", flat=True))
        alone = account_of(one.declaration, without=one.pk).signals
        told = list(dict.fromkeys(signal.text for signal in alone))
        assert live[one.pk][: len(told)] == told
    rules = {signal.rule for signal in account_of(filed[0].declaration, without=filed[0].pk).signals}
    assert rules == {"file", "number", "name", "time", "import"}


def test_what_a_unit_filed_for_its_people_is_no_duplicate_in_bulk(town):
    unit = town.employer()
    people = [town.practitioner(at=unit) for _ in range(3)]
    facts = {
        "year": walk.YEAR, "subject": "public", "kind": walk.kind_of("filed-training"), "title": "公需培训",
        "organiser": "中心", "started_on": walk.DAY, "ended_on": walk.DAY, "certificate_number": NUMBER,
    }  # fmt: skip
    filing = UnitDeclaration.objects.create(
        organization=unit,
        by=town.super_admin(unit).user,
        hours=Decimal(4),
        stated_hours=Decimal(4),
        number_key="TA202600123",
        **facts,
    )
    filed = [
        engine.submit(
            "hours-declaration",
            Declaration(practitioner=one, unit_declaration=filing, hours=Decimal(4), **facts),
            by=town.actor(one),
        )
        for one in people
    ]
    same = pdf()
    for one in filed:
        attach(one, proof("公需.pdf", same))
    assert duplicates_among(filed) == set()
    stranger = declare(town, town.practitioner(at=town.employer()), certificate_number=NUMBER)
    assert duplicates_among([*filed, stranger]) == {one.pk for one in [*filed, stranger]}


def duplicates_among(filed) -> set[int]:
    found = doubts_of(one.declaration for one in filed)
    return {
        pk
        for pk, sentences in found.items()
        if any("同一编号" in one or "相同的文件" in one for one in sentences)
    }


def test_many_are_rejected_with_one_reason(town):
    unit = town.employer()
    filed = [declare(town, town.practitioner(at=unit)) for _ in range(2)]
    client = town.login(unit)
    steps = [one.steps.get(order=1).pk for one in filed]
    page = text(client.post("/inbox/decide/", {"step": steps, "verdict": "reject"}))
    assert "请选择一条常用理由" in page
    assert Application.objects.pending().count() == 2
    page = text(
        client.post(
            "/inbox/decide/", {"step": steps, "verdict": "reject", "reject-reason": "不符合学时认定标准"}
        )
    )
    assert "已驳回 2 件" in page
    assert set(Application.objects.values_list("state", flat=True)) == {"rejected"}


def test_many_are_rejected_in_one_s_own_words(town):
    """The page offers a box for them, and an error leads to it."""
    unit = town.employer()
    filed = [declare(town, town.practitioner(at=unit)) for _ in range(2)]
    visitor = Visitor(town.login(unit), "/inbox/?all=1")
    visitor.press("核对所选")
    visitor.type("comment", "属实")
    visitor.press("驳回勾选的事项")
    assert "请选择一条常用理由，或写明驳回理由。" in visitor.text
    (link,) = re.findall(r'<a href="#([^"]+)">请选择一条常用理由', visitor.html)
    assert re.search(rf'<textarea[^>]* id="{link}"', visitor.html)
    visitor.type("reject-comment", "证书上没有盖章")
    visitor.press("驳回勾选的事项")
    assert "已驳回 2 件" in visitor.text
    assert {one.steps.get(order=1).comment for one in filed} == {"证书上没有盖章"}


def test_results_say_whose_they_are(town):
    unit = town.employer(name="测试中心")
    filed = [
        declare(town, town.practitioner(at=unit, user=town.user(name)), title=f"{name}的论坛")
        for name in ("测试甲乙", "测试丙丁")
    ]
    for one in filed:
        engine.approve(one.steps.get(order=1).pk, by=town.actor(unit))
    steps = [one.steps.get(order=2).pk for one in filed]
    engine.reject(steps[1], by=town.actor(town.bureau), comment="不符")
    page = text(
        town.login(town.bureau).post("/inbox/decide/", {"step": steps, "verdict": "approve", "comment": ""})
    )
    undone, done = page.split("已通过的</h2>")[0], page.split("已通过的</h2>")[1]
    for part, who, other in ((undone, "测**丁", "测**乙"), (done, "测**乙", "测**丁")):
        assert who in part
        assert other not in part
        assert "测试中心" in part
    assert "测试甲乙<" not in page


def test_more_than_one_go_takes_is_said_and_can_be_gone_on_with(town, monkeypatch):
    monkeypatch.setattr("workflow.views.bulk.MOST", 3)
    monkeypatch.setattr("workflow.views.bulk.SHOWN", 2)
    unit = town.employer()
    person = town.user("测试甲")
    filed = [
        declare(town, town.practitioner(at=unit, user=user))
        for user in (person, *(town.user() for _ in range(4)))
    ]
    visitor = Visitor(town.login(unit), "/inbox/")
    visitor._show(visitor.client.post("/inbox/check/", {"everything": "1", "duty": "hours"}), "/inbox/check/")
    assert "核对所选 3 件" in visitor.text
    assert "还有更多未列出，办完这批后可继续" in visitor.text
    assert "另有 1 件没有提示，不逐件列出，一并处理" in visitor.text
    visitor.press("通过勾选的事项")
    assert "已通过 3 件" in visitor.text
    assert "只列出前 2 件" in visitor.text
    visitor.press("继续核对其余的")
    assert "核对所选 2 件" in visitor.text
    assert "还有更多" not in visitor.text
    visitor.press("通过勾选的事项")
    assert "已通过 2 件" in visitor.text
    assert "继续核对其余的" not in visitor.text
    assert {one.steps.get(order=1).state for one in filed} == {"approved"}


def test_who_loses_the_right_on_the_way_reads_what_was_done(town, monkeypatch):
    """Each transaction takes one; the database itself ends the session with the first signature."""
    monkeypatch.setattr("workflow.bulk.AT_ONCE", 1)
    unit = town.employer()
    steps = [declare(town, town.practitioner(at=unit)).steps.get(order=1).pk for _ in range(3)]
    client = town.login(unit)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE accounts_roleaccount SET epoch = epoch + 1 WHERE id = {town.super_admin(unit).pk}; RETURN NULL; END $$;
            CREATE TRIGGER lose AFTER INSERT ON workflow_event FOR EACH STATEMENT EXECUTE FUNCTION lose()"""
        )
    answer = client.post("/inbox/decide/", {"step": steps, "verdict": "approve"})
    page = text(answer)
    assert answer.status_code == 200
    assert "已通过 1 件，2 件没有处理" in page
    assert page.count("刚刚变更") == 2
    assert Step.objects.filter(pk__in=steps, state="approved").count() == 1


def test_all_and_none_without_a_script(town, monkeypatch):
    """What has a warning is ticked by hand alone; what was written stays."""
    monkeypatch.setattr("workflow.views.bulk.SHOWN", 2)
    unit = town.employer()
    odd = proved(bare(town, town.practitioner(at=unit)), short=1)
    fine = [declare(town, town.practitioner(at=unit)) for _ in range(2)]
    odd, first, second = (one.steps.get(order=1).pk for one in (odd, *fine))
    visitor = Visitor(town.login(unit), "/inbox/?all=1")
    visitor.press("核对所选")
    assert boxes(visitor.html) == {odd: False, first: True}
    visitor.type("comment", "属实")
    visitor.press("全不选")
    assert boxes(visitor.html) == {odd: False, first: False}
    assert not re.search(r'name="unlisted"[^>]* checked', visitor.html)
    assert ">\n属实</textarea>" in visitor.html
    visitor.press("全选没有提示的")
    assert boxes(visitor.html) == {odd: False, first: True}
    assert re.search(r'name="unlisted"[^>]* checked', visitor.html)
    visitor.tick("step", odd)
    visitor.tick("step", first)
    visitor.tick("unlisted", second)
    visitor.press("通过勾选的事项")
    assert "已通过 1 件" in visitor.text
    assert set(Step.objects.filter(state="approved").values_list("pk", "comment")) == {(odd, "属实")}


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

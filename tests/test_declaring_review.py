"""The reviewer's page of a declaration: the same account, what is missing, what caps leave, fewer hours with a reason."""

import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from credits.models import Declaration, LedgerEntry, Lowering
from tests import declaring as walk
from tests.declaring import DAY, YEAR, answers, fill_in, text
from tests.test_credits import sign
from workflow import engine
from workflow.flow import Refused

RULES = """
[activity.training]
name = "培训"
subjects = ["public", "professional"]
evidence = ["培训通知", "结业证书"]
cap = 30
variants = { full = "脱产", part = "半脱产" }
rates = [{ variant = "full", hours = 6, per = "day" }, { variant = "part", hours = 3, per = "day" }]
[activity.talk]
name = "讲座"
subjects = ["public"]
rates = [{ hours = 0.3 }]
[[minimum]]
hours = 60
"""


@pytest.fixture
def person(town):
    walk.put(RULES, town.bureau)
    return town.practitioner(at=town.employer(under=town.authority(name="市住建局"), name="测试中心"))


@pytest.fixture
def browser(town, person):
    return town.login(person)


def training(**changed) -> dict:
    """Three full days: 18 hours."""
    usual = {"variant": "full", "quantity": "3", "ended_on": str(DAY.replace(day=4))}
    return answers("training", **(usual | changed))


def detail(application) -> str:
    return reverse("workflow:detail", args=[application.pk])


def approve(town, application, **filled):
    step = application.steps.get(state="open")
    return town.login(step.approver).post(reverse("workflow:approve", args=[step.pk]), filled)


def account_in(page: str) -> str:
    """The steps of the account as they stand on a page."""
    return re.sub(r"\s+", " ", re.search(r'<span class="big">.*?</(?:ol|ul)>', page, re.S)[0])


def test_the_reviewer_reads_the_account_the_person_read(town, person, browser):
    page = fill_in(browser, training())
    filed = walk.send(browser, page)
    theirs = text(town.login(person.employer).get(detail(filed)))
    assert account_in(theirs) == account_in(text(page))
    for words in ("脱产：每天 6 学时，3 天：18 学时", "测试标准 第 1 版", "依据：测试文号", "谁审核谁负责"):
        assert words in theirs
    assert "脱产</dd>" in theirs
    assert "3 天</dd>" in theirs


def test_missing_papers_and_what_the_cap_leaves_are_said(town, person, browser):
    first = walk.submit(browser, training(title="甲"))
    second = walk.submit(
        browser, training(title="乙", files=[walk.proof("通知.pdf"), walk.proof("证书.pdf")])
    )
    few, enough = (text(town.login(person.employer).get(detail(one))) for one in (first, second))
    assert "只上传了 1 个文件，少于 2 项" in few
    assert "已上传 2 个文件" in enough
    assert "少于" not in enough
    assert "本年度“培训”最多计 30 学时，其他申报已计 18 学时，本件之外还可计 12 学时。" in enough
    assert "其他申报已计 12 学时，本件之外还可计 18 学时" in few


def test_fewer_hours_need_a_reason_and_keep_it(town, person, browser):
    filed = walk.submit(browser, training())
    answer = approve(town, filed, hours="12")
    assert "调低学时请写明理由" in text(answer)
    assert not Lowering.objects.exists()
    assert approve(town, filed, hours="12 学时", comment="第三天没有签到").status_code == 302
    lowered = Lowering.objects.get()
    assert (lowered.before, lowered.after, lowered.reason) == (18, 12, "第三天没有签到")
    assert lowered.by == town.super_admin(person.employer).user
    for reader in (browser, town.login(person.employer.superior)):
        page = text(reader.get(detail(filed)))
        assert "由 18 学时认定为 12 学时" in page
        assert f"测试中心，{timezone.localdate(lowered.at)}：第三天没有签到" in page
        assert '<span class="big">12 <' in page
        assert "申报 18 学时" in page
        assert "脱产：每天 6 学时，3 天：18 学时" in page, "the account stays as it was"
    approve(town, filed, hours="11.5", comment="按签到表再减半小时")
    approve(town, filed, hours="11.5")
    assert LedgerEntry.objects.get().hours == Decimal("11.5")
    page = text(browser.get(detail(filed)))
    assert "由 12 学时认定为 11.5 学时" in page
    assert "由 18 学时认定为 12 学时" in page
    kept = Declaration.objects.get()
    assert (kept.hours, kept.lowered_to) == (18, Decimal("11.5"))


@pytest.mark.parametrize(
    ("hours", "sentence"),
    [
        ("19", "不能高于 18 学时"),
        ("0", "认定学时请填 0.1 到"),
        ("x", "认定学时请填 0.1 到"),
        ("12.34", "最多一位小数"),
    ],
)
def test_hours_are_never_raised_and_never_nothing(town, person, browser, hours, sentence):
    filed = walk.submit(browser, training())
    assert sentence in text(approve(town, filed, hours=hours, comment="理由"))
    assert filed.steps.filter(state="approved").count() == 0
    step = filed.steps.get(state="open")
    with pytest.raises(Refused, match="认定学时请填"):
        engine.approve(step.pk, by=town.actor(person.employer), comment="理由", hours=Decimal(19))


def test_the_same_number_lowers_nothing(town, person, browser):
    filed = walk.submit(browser, training())
    approve(town, filed, hours="18.0")
    approve(town, filed)
    assert not Lowering.objects.exists()
    assert Declaration.objects.get().lowered_to is None


def test_less_than_half_an_hour_can_be_signed(town, person, browser):
    """Caps and rates may leave 0.3: the form that asks for the hours must let it pass."""
    filed = walk.submit(browser, answers("talk", subject="public"))
    assert filed.declaration.hours == Decimal("0.3")
    for _ in range(3):
        page = text(town.login(filed.steps.get(state="open").approver).get(detail(filed)))
        shown = re.search(r'name="hours" value="([\d.]+)"', page)[1]
        assert approve(town, filed, hours=shown).status_code == 302
    assert LedgerEntry.objects.get().hours == Decimal("0.3")


def test_usual_reasons_to_reject_hours(town, person, browser):
    filed = walk.submit(browser, training())
    admin = town.login(person.employer)
    page = text(admin.get(detail(filed)))
    for reason in ("与已申报的学时重复", "已由学习平台导入，不用申报", "应附材料不齐，请按申报形式补齐"):
        assert reason in page
    step = filed.steps.get(state="open")
    admin.post(reverse("workflow:reject", args=[step.pk]), {"reason": "应附材料不齐，请按申报形式补齐"})
    mine = text(browser.get(detail(filed)))
    assert "应附材料不齐，请按申报形式补齐" in mine
    again = browser.get(f"/hours/declare/?again={filed.pk}")
    form = again.context["form"]
    given = {name: form[name].value() for name in ("variant", "quantity", "title", "subject")}
    assert given == {
        "variant": "full",
        "quantity": "3",
        "title": "测试活动 training",
        "subject": "professional",
    }


def test_the_page_of_a_declaration_without_an_account_still_opens(town, person, browser):
    """Rows that were written by the million (config/province) carry none."""
    filed = walk.submit(browser, training())
    Declaration.objects.update(reckoning={}, pack=None)
    page = text(town.login(person.employer).get(detail(filed)))
    assert '<span class="big">18 <' in page
    assert "依据：测试文号" in page
    sign(town, filed)
    assert "已审验" in text(browser.get(detail(filed)))


def test_a_reviewer_s_page_costs_the_same_with_a_long_past(town, person, browser):
    filed = walk.submit(browser, training(certificate_number="TA-2026-00001"))
    admin = town.login(person.employer)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(detail(filed)).status_code == 200
        return len(queries)

    alone = cost()
    for number in range(8):
        walk.submit(
            browser,
            answers("talk", subject="public", title=f"讲座{number}", certificate_number="TA-2026-00001"),
        )
        walk.reported(town, person, title=f"测试活动 training {number}")
    assert cost() == alone
    assert f"{YEAR} 年度" in text(admin.get(detail(filed)))

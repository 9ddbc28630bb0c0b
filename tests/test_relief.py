"""学时减免 through its pages: asked for, signed, and a year that demands less; what cannot be counted twice."""

import datetime
import re
from decimal import Decimal
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse
from PIL import Image

from credits import certificates, packs
from credits.models import ReliefRequest, RulePack, Standing, Window
from credits.recheck import recheck
from credits.rules.months import months_in_year
from credits.standing import standing_of
from credits.years import current_year
from tests.test_credits import sign
from workflow import engine
from workflow.flow import Refused
from workflow.models import Application

YEAR = current_year()


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


@pytest.fixture
def rules(town):
    """Reductions of the bureau, over the province's requirement of 30 + 60."""
    example = RulePack.objects.get(code="relief-example")
    words = example.text.replace('code = "relief-example"', f'code = "b{town.bureau.pk}-relief"')
    words = words.replace("year_from = 2026", "year_from = 2021")
    words += '\n[relief.half]\nname = "长期病休"\neffect = "fraction"\nvalue = 0.5\n'
    return packs.publish(packs.draft(words, bureau=town.bureau))


@pytest.fixture
def person(town):
    return town.practitioner(at=town.employer(under=town.authority()))


def picture(name="产假证明.png"):
    content = BytesIO()
    Image.new("RGB", (8, 8), "white").save(content, "png")
    return SimpleUploadedFile(name, content.getvalue())


def answers(**changes) -> dict:
    return {
        "code": "maternity",
        "year": YEAR,
        "started_on": f"{YEAR}-03-01",
        "ended_on": f"{YEAR}-08-31",
        "reason": "",
        "files": picture(),
        **changes,
    }


def ask(browser, **changes):
    """Fill in and check; returns the check page."""
    answer = browser.post("/hours/relief/", answers(**changes), follow=True)
    assert answer.redirect_chain, answer.content.decode()
    return answer


def submit(browser, **changes) -> Application:
    page = ask(browser, **changes)
    data = {bound.name: bound.value() for bound in page.context["answers"] if bound.value() is not None}
    data["files_keep"] = [str(one.pk) for one in page.context["files"]]
    answer = browser.post("/hours/relief/check/", data, follow=True)
    assert "已提交减免申请" in answer.content.decode(), answer.content.decode()
    return Application.objects.filter(kind="hours-relief").latest("pk")


def text(answer) -> str:
    return answer.content.decode()


def request_for(person, **fields) -> ReliefRequest:
    request = ReliefRequest(
        **{
            "practitioner": person,
            "year": YEAR,
            "code": "maternity",
            "name": "产假",
            "started_on": datetime.date(YEAR, 3, 1),
            "ended_on": datetime.date(YEAR, 8, 31),
            **fields,
        }
    )
    if "months" not in fields:
        request.months = months_in_year(request.started_on, request.ended_on, request.year)
    return request


def granted(town, person, **fields) -> Application:
    filed = engine.submit("hours-relief", request_for(person, **fields), by=town.actor(person))
    return sign(town, filed)


# --- months -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "months"),
    [
        ("2026-01-01", "2026-12-31", 12),
        ("2026-03-01", "2026-08-31", 6),
        ("2026-03-10", "2026-06-09", 3),
        ("2026-03-10", "2026-06-08", 3),  # two months and 30 days
        ("2026-03-10", "2026-05-23", 2),  # 14 days left over
        ("2026-03-10", "2026-05-24", 3),  # 15 days left over
        ("2026-01-31", "2026-02-27", 1),
        ("2026-01-31", "2026-02-13", 0),
        ("2026-02-01", "2026-02-14", 0),
        ("2026-02-01", "2026-02-15", 1),
        ("2026-11-20", "2027-05-10", 1),  # of this year alone
        ("2025-06-01", "2026-02-28", 2),
        ("2020-01-01", "2030-12-31", 12),
        ("2025-01-01", "2025-12-31", 0),
        ("2024-02-29", "2024-02-29", 0),
    ],
)
def test_months_within_the_year(first, last, months):
    days = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    assert months_in_year(*days, 2026) == months


@pytest.mark.parametrize("year", range(2020, 2030))
def test_months_never_shrink_with_a_longer_absence(year):
    first = datetime.date(year, 1, 31)
    found = [months_in_year(first, first + datetime.timedelta(days), year) for days in range(400)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, 11)


# --- from asking to a smaller requirement -----------------------------------------------------------------------


def test_from_the_form_to_the_year(town, rules, person):
    browser = town.login(person)
    assert "申请学时减免" in text(browser.get("/"))
    page = ask(browser)
    assert "产假 6 个月，本年度要求减为 45 学时。" in text(page)
    assert re.search(r"公需科目.*?30.*?<strong>15</strong>", text(page), re.S)
    filed = submit(browser)
    assert filed.summary == f"{YEAR} 年度学时减免：产假，6 个月"
    assert [step.title for step in filed.steps.order_by("order")] == [
        "用人单位审核",
        "主管部门审验",
        "人社部门审验",
    ]
    assert filed.attachments.count() == 1
    assert standing_of(person).total_required == 90
    reviewer = town.login(person.employer)
    shown = text(reviewer.get(reverse("workflow:detail", args=[filed.pk])))
    assert "按减免月数占全年的比例减少各项学时要求" in shown
    assert f"通过后的 {YEAR} 年度要求" in shown
    sign(town, filed)
    year = standing_of(person)
    assert (year.total_required, [row.required for row in year.rows]) == (45, [15, 30])
    assert year.relief_sentence == "产假 6 个月，本年度要求减为 45 学时"
    done = text(browser.get(reverse("workflow:detail", args=[filed.pk])))
    assert "已审验" in done


def test_a_year_becomes_complete_and_stays_so(town, rules, person):
    town.stands(person, public=15, professional=30)
    assert not Standing.objects.get(practitioner=person).complete
    granted(town, person)
    standing = Standing.objects.get(practitioner=person)
    assert standing.complete
    assert standing.relief == [{"code": "maternity", "name": "产假", "months": 6}]
    assert (standing.total, standing.hours) == (45, {"public": 15, "professional": 30})
    recheck()
    assert Standing.objects.get(practitioner=person).complete


def test_a_person_without_hours_who_is_away_all_year(town, rules, person):
    granted(town, person, code="leave", name="全年离岗", months=None)
    assert Standing.objects.get(practitioner=person).complete
    assert standing_of(person).relief_sentence == "全年离岗，本年度不作要求"


def test_a_rejected_request_is_made_anew_with_everything_in_it(town, rules, person):
    browser = town.login(person)
    filed = submit(browser, reason="剖宫产")
    engine.reject(filed.steps.get(state="open").pk, by=town.actor(person.employer), comment="证明不清楚")
    detail = text(browser.get(reverse("workflow:detail", args=[filed.pk])))
    again = re.search(r'href="(/hours/relief/\?again=\d+)"', detail)[1]
    form = browser.get(again).context["form"]
    assert [form[name].value() for name in ("code", "year", "reason")] == ["maternity", YEAR, "剖宫产"]
    assert [one.name for one in form.fields["files"].kept_files] == ["产假证明.png"]
    data = {bound.name: bound.value() for bound in form if bound.value() and bound.name != "files"}
    data["files_keep"] = [str(one.pk) for one in form.fields["files"].kept_files]
    page = browser.post("/hours/relief/", data, follow=True)
    data = {bound.name: bound.value() for bound in page.context["answers"] if bound.value() is not None}
    data["files_keep"] = [str(one.pk) for one in page.context["files"]]
    browser.post("/hours/relief/check/", data)
    second = Application.objects.filter(kind="hours-relief").latest("pk")
    assert second.again_of_id == filed.pk
    assert second.attachments.count() == 1


def test_nobody_asks_anew_for_somebody_else(town, rules, person):
    filed = submit(town.login(person))
    engine.reject(filed.steps.get(state="open").pk, by=town.actor(person.employer), comment="证明不清楚")
    other = town.login(town.practitioner(at=person.employer))
    assert other.get(f"/hours/relief/?again={filed.pk}").status_code == 404
    assert other.get("/hours/relief/?again=999999999999999999999").status_code == 404


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"code": ""}, "请选择减免类别"),
        ({"ended_on": f"{YEAR}-02-01"}, "结束日期不能早于开始日期"),
        ({"started_on": f"{YEAR - 2}-01-01", "ended_on": f"{YEAR - 2}-06-01"}, f"起止日期不在 {YEAR} 年"),
        ({"ended_on": f"{YEAR}-03-10"}, f"{YEAR} 年内不足半个月"),
        ({"files": ""}, "请上传证明材料"),
        ({"started_on": "春天"}, "开始日期请按 2026-11-08 的样子填写"),
    ],
)
def test_what_is_wrong_is_said(town, rules, person, changes, sentence):
    answer = town.login(person).post("/hours/relief/", answers(**changes))
    assert sentence in text(answer)
    assert not ReliefRequest.objects.exists()


# --- what the rules say -----------------------------------------------------------------------------------------


def test_without_reductions_the_page_says_whom_to_ask(town, person):
    browser = town.login(person)
    page = text(browser.get("/hours/relief/"))
    assert "没有规定学时减免" in page
    assert person.employer.phone in page
    assert town.bureau.name in page
    assert "申请学时减免" not in text(browser.get("/"))
    assert "没有这一类减免" in str(refusal(town, request_for(person)))


def refusal(town, request) -> Refused:
    with pytest.raises(Refused) as caught:
        engine.submit("hours-relief", request, by=town.actor(request.practitioner))
    return caught.value


def test_the_database_and_the_flow_agree_on_months(town, rules, person):
    assert "减免月数与起止日期不符" in str(refusal(town, request_for(person, months=12)))
    assert "不足半个月" in str(
        refusal(town, request_for(person, ended_on=datetime.date(YEAR, 3, 5), months=None))
    )
    assert "起止日期不在" in str(refusal(town, request_for(person, year=YEAR - 2, months=1)))


def test_two_absences_of_a_year_add_up(town, rules, person):
    granted(town, person, ended_on=datetime.date(YEAR, 5, 31))
    granted(
        town, person, code="illness", name="病假",
        started_on=datetime.date(YEAR, 6, 1), ended_on=datetime.date(YEAR, 8, 31),
    )  # fmt: skip
    granted(town, person, started_on=datetime.date(YEAR, 10, 1), ended_on=datetime.date(YEAR, 12, 31))
    year = standing_of(person)
    assert [one["months"] for one in year.relief] == [3, 3, 3]
    assert year.total_required == Decimal("22.5")


def test_more_than_twelve_months_ask_for_nothing_and_never_for_less(town, rules, person):
    """Rounded up one by one, absences may come to thirteen months."""
    for first, last in (((1, 1), (2, 15)), ((2, 16), (3, 31)), ((4, 1), (12, 31))):
        granted(town, person, started_on=datetime.date(YEAR, *first), ended_on=datetime.date(YEAR, *last))
    year = standing_of(person)
    assert sum(one["months"] for one in year.relief) > 12
    assert year.total_required == 0
    assert year.done


def test_the_same_days_count_once(town, rules, person):
    granted(town, person)
    overlapping = request_for(
        person,
        code="illness",
        name="病假",
        started_on=datetime.date(YEAR, 8, 31),
        ended_on=datetime.date(YEAR, 10, 31),
    )
    assert f"与已批准的“产假”（{YEAR}-03-01 ～ {YEAR}-08-31）日期重叠" in str(refusal(town, overlapping))


def test_what_is_no_matter_of_months_counts_once(town, rules, person):
    half = {"code": "half", "name": "长期病休", "months": None}
    granted(town, person, **half, ended_on=datetime.date(YEAR, 4, 1))
    again = request_for(
        person, **half, started_on=datetime.date(YEAR, 9, 1), ended_on=datetime.date(YEAR, 10, 1)
    )
    assert "已经按“长期病休”减免过了" in str(refusal(town, again))
    assert standing_of(person).total_required == 45


def test_after_a_whole_year_nothing_is_left_to_ask_for(town, rules, person):
    granted(town, person, code="leave", name="全年离岗", months=None)
    assert "全部免除" in str(refusal(town, request_for(person)))


def test_one_is_decided_before_the_next_is_asked_for(town, rules, person):
    engine.submit("hours-relief", request_for(person), by=town.actor(person))
    other = request_for(
        person,
        code="illness",
        name="病假",
        started_on=datetime.date(YEAR, 10, 1),
        ended_on=datetime.date(YEAR, 11, 30),
    )
    assert "在审核中" in str(refusal(town, other))


def test_a_certified_year_is_not_relieved(town, rules, person):
    town.stands(person, public=30, professional=60)
    certificates.issue(person, YEAR, by=town.actor(person))
    assert "证书已经签发，不用再减免" in str(refusal(town, request_for(person)))


def test_a_year_certified_meanwhile_is_not_relieved_either(town, rules, person):
    """The last reviewer reads why; nothing happened, and a rejection is still possible."""
    filed = engine.submit("hours-relief", request_for(person), by=town.actor(person))
    sign(town, filed, times=2)
    town.stands(person, public=30, professional=60)
    certificates.issue(person, YEAR, by=town.actor(person))
    step = filed.steps.get(state="open")
    with pytest.raises(Refused, match="证书已经签发"):
        engine.approve(step.pk, by=town.actor(town.bureau))
    assert Standing.objects.get(practitioner=person).relief == []
    assert filed.steps.get(pk=step.pk).state == "open"
    engine.reject(step.pk, by=town.actor(town.bureau), comment="本年度已签发证书")


def test_a_closed_window_closes_reductions_too(town, rules, person):
    ago = datetime.datetime(YEAR, 1, 2, tzinfo=datetime.UTC)
    Window.objects.create(year=YEAR, kind="declare", opens_at=ago, closes_at=ago + datetime.timedelta(1))
    assert "的申报已于" in str(refusal(town, request_for(person)))


def test_a_published_reduction_that_goes_counts_no_more(town, rules, person):
    town.stands(person, public=15, professional=30)
    granted(town, person)
    packs.retire(rules)
    assert standing_of(person).total_required == 90
    recheck()
    assert not Standing.objects.get(practitioner=person).complete

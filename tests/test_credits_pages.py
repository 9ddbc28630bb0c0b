"""The practitioner's pages: from home to a submitted declaration, and back again after a rejection."""

import datetime
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from credits.models import Declaration, LedgerEntry
from tests.test_attachments import pdf
from tests.test_credits import THIS_YEAR, declare, sign
from workflow import engine
from workflow.models import Application, Attachment

DECLARE, CHECK, MINE, YEARS = "/hours/declare/", "/hours/declare/check/", "/hours/", "/hours/years/"
FORUM = f"{DECLARE}?kind=academic-forum"


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


@pytest.fixture
def person(town):
    authority = town.authority(name="市住建局")
    return town.practitioner(at=town.employer(under=authority, name="市保障性住房管理服务中心"))


@pytest.fixture
def browser(town, person):
    return town.login(person)


def answers(**changed) -> dict:
    return {
        "kind": "academic-forum",
        "subject": "professional",
        "title": "山东省建筑节能学术论坛",
        "organiser": "测试学会",
        "started_on": f"{THIS_YEAR}-01-08",
        "ended_on": "",
        "year": THIS_YEAR,
        "stated_hours": "20",
        "files": [proof()],
        **changed,
    }


def proof(name="论坛证书.pdf", content=None):
    return SimpleUploadedFile(name, pdf() if content is None else content)


def text(answer) -> str:
    return answer.content.decode()


def errors_of(answer) -> dict:
    return {name: list(sentences) for name, sentences in answer.context["form"].errors.items()}


def fill_in(browser, **changed):
    """Fill in the form and press 下一步; returns the check page."""
    answer = browser.post(DECLARE, answers(**changed))
    assert answer.status_code == 302, errors_of(answer)
    return browser.get(answer.url)


def submit(browser, **changed) -> Application:
    page = fill_in(browser, **changed)
    answer = browser.post(CHECK, hidden(page))
    assert answer.status_code == 302
    return Application.objects.get(pk=re.search(r"/(\d+)/$", answer.url)[1])


def hidden(page) -> dict:
    """What the page's form would send: its hidden inputs and hidden text areas."""
    inputs = re.findall(r'<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?', text(page))
    return {name: value for name, value in inputs if name != "csrfmiddlewaretoken"}


# --- the whole chain through the pages -------------------------------------------------------------------


def test_from_the_form_to_verified_hours(town, person, browser):
    page = fill_in(browser)
    assert "核对并提交" in text(page)
    assert "论坛证书.pdf" in text(page)
    assert "真实有效" in text(page)
    answer = browser.post(CHECK, hidden(page), follow=True)
    application = Application.objects.get()
    assert application.receipt in text(answer)
    assert "现在由“市保障性住房管理服务中心”审核" in text(answer)
    assert person.employer.phone in text(answer)
    for organization in (person.employer, person.employer.superior, town.bureau):
        admin = town.login(organization)
        step = application.steps.get(state="open")
        inbox = admin.get(reverse("workflow:inbox"))
        assert application.summary in text(inbox)
        detail = admin.get(reverse("workflow:detail", args=[application.pk]))
        assert "山东省建筑节能学术论坛" in text(detail)
        assert "论坛证书.pdf" in text(detail)
        assert "鲁人社字〔2021〕167号" in text(detail)
        assert f"通过后的 {THIS_YEAR} 年度学时" in text(detail)
        assert admin.post(reverse("workflow:approve", args=[step.pk])).status_code == 302
    (entry,) = LedgerEntry.objects.all()
    assert entry.declaration_id == application.pk
    assert "已通过" in text(browser.get(MINE))
    year = text(browser.get(YEARS))
    assert "参加学术论坛：山东省建筑节能学术论坛" in year
    assert "泰安市人力资源和社会保障局" in year


def test_the_form_names_who_will_sign_and_the_basis(browser):
    page = text(browser.get(FORUM))
    assert "用人单位审核：市保障性住房管理服务中心" in page
    assert "主管部门审验：市住建局" in page
    assert "鲁人社字〔2021〕167号" in page
    assert "鲁人社发〔2016〕10号" in page


# --- input ---------------------------------------------------------------------------------------------------

HOURS = "学时请填 0.5 到 90 之间的数，最多一位小数"
TODAY = timezone.localdate()
TOMORROW = TODAY + datetime.timedelta(days=1)

BAD = [
    ({"stated_hours": "200"}, {"stated_hours": [HOURS]}),
    ({"stated_hours": "0"}, {"stated_hours": [HOURS]}),
    ({"stated_hours": "0.4"}, {"stated_hours": [HOURS]}),
    ({"stated_hours": "90.1"}, {"stated_hours": [HOURS]}),
    ({"stated_hours": "12.55"}, {"stated_hours": [HOURS]}),
    ({"stated_hours": "-5"}, {"stated_hours": [HOURS]}),
    ({"stated_hours": "1e1"}, {"stated_hours": [HOURS]}),
    ({"stated_hours": "NaN"}, {"stated_hours": [HOURS]}),
    ({"stated_hours": "二十"}, {"stated_hours": [HOURS]}),
    ({"ended_on": str(TOMORROW)}, {"ended_on": [f"结束日期不能晚于今天（{TODAY}）"]}),
    ({"started_on": str(TOMORROW)}, {"started_on": [f"开始日期不能晚于今天（{TODAY}）"]}),
    (
        {"started_on": f"{THIS_YEAR}-01-08", "ended_on": f"{THIS_YEAR}-01-07"},
        {"ended_on": [f"结束日期不能早于开始日期（{THIS_YEAR}-01-08）"]},
    ),
    ({"started_on": "2026-02-30"}, {"started_on": ["没有 2026-02-30 这一天，请核对"]}),
    ({"started_on": "2020-05-01"}, {"started_on": ["2021 年以前的学时由平台统一导入，不用申报"]}),
    (
        {"started_on": "2023-05-01"},
        {"year": [f"活动不在 {THIS_YEAR} 年，计入年度请选 2023"]},
    ),
    (
        {"started_on": "2022-05-01", "ended_on": "2023-06-01"},
        {"year": [f"活动不在 {THIS_YEAR} 年，计入年度请选 2022 到 2023 之间的一年"]},
    ),
    ({"files": []}, {"files": ["请上传证明材料"]}),
    ({"files": [proof("x.exe", b"MZ")]}, {"files": ["文件“x.exe”不是 PDF、JPG 或 PNG，请换一个文件。"]}),
    ({"files": [proof("空.pdf", b"")]}, {"files": ["文件“空.pdf”是空文件，请重新选择。"]}),
]


@pytest.mark.parametrize(("changed", "sentences"), BAD)
def test_bad_input_gets_a_sentence_beside_its_field(browser, changed, sentences):
    answer = browser.post(DECLARE, answers(**changed))
    assert answer.status_code == 200
    assert errors_of(answer) == sentences
    for sentence in next(iter(sentences.values())):
        assert text(answer).count(sentence) == 2, "in the summary and beside the field"
    assert "错误：" in text(answer)


@pytest.mark.parametrize("field", ["subject", "title", "organiser", "started_on", "year", "stated_hours"])
def test_an_empty_starred_field_says_so(browser, field):
    answer = browser.post(DECLARE, answers(**{field: ""}))
    assert list(errors_of(answer)) == [field]
    assert re.search(r"请(填写|选择)", text(answer))


@pytest.mark.parametrize(
    "hostile",
    [
        {"kind": "999"}, {"kind": "x"}, {"kind": "9" * 40}, {"kind": "a\x00b"}, {"subject": "elective"}, {"year": "1999"}, {"year": "x"},
        {"title": "长" * 121}, {"title": "a\x00b"}, {"stated_hours": "9" * 400}, {"started_on": "0000-00-00"},
        {"started_on": "9" * 50}, {"ended_on": "昨天"}, {"level": "moon"}, {"draft": "\x00"}, {"draft": "x" * 70},
        {"files_shown": "1,2,x"}, {"files_keep": "x"}, {"note": "长" * 301},
    ],
)  # fmt: skip
def test_hostile_input_is_never_an_error_of_ours(browser, hostile):
    assert browser.post(DECLARE, answers(**hostile)).status_code in (200, 302)
    # A NUL in an address is a bad request on every page (config.errors.NoNulMiddleware).
    assert browser.get(DECLARE, hostile).status_code == (400 if "\x00" in "".join(hostile.values()) else 200)
    assert browser.post(CHECK, hostile).status_code == 302


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-08",
        "2026年1月8日",
        "20260108",
        "2026/1/8",
        "2026.1.8",
        "２０２６－０１－０８",
        " 2026 - 1 - 8 ",
    ],
)
def test_a_day_may_be_written_as_people_write_it(browser, written):
    fill_in(browser, started_on=written, year=2026)
    assert browser.post(CHECK, hidden(browser.get(CHECK))).status_code == 302
    assert Declaration.objects.get().started_on == datetime.date(2026, 1, 8)


@pytest.mark.parametrize(
    ("written", "hours"), [("１２．５", "12.5"), ("20学时", "20.0"), (" 8.0 ", "8.0"), ("0.5", "0.5")]
)
def test_hours_may_be_written_as_people_write_them(browser, written, hours):
    submit(browser, stated_hours=written)
    assert str(Declaration.objects.get().hours) == hours


def test_nothing_typed_or_uploaded_is_lost_on_an_error(browser):
    answer = browser.post(DECLARE, answers(stated_hours="200", note="保留我"))
    page = text(answer)
    assert 'value="200"' in page
    assert "保留我" in page
    assert "论坛证书.pdf" in page
    assert "已上传的 1 个文件都已保留" in page
    form = answer.context["form"]
    again = answers(
        stated_hours="20", files=[], draft=form.draft_token, files_shown=form.data["files_shown"],
        files_keep=[one.key for one in form.fields["files"].kept_files],
    )  # fmt: skip
    assert browser.post(DECLARE, again).status_code == 302


def test_going_back_from_the_check_page_finds_everything(browser):
    fill_in(browser, note="保留我")
    page = text(browser.get(FORUM))
    for kept in ("山东省建筑节能学术论坛", "保留我", "论坛证书.pdf", "清空重填"):
        assert kept in page
    cards = text(browser.get(DECLARE))
    assert "“山东省建筑节能学术论坛”还没有提交" in cards
    other = text(browser.get(f"{DECLARE}?kind=paper"))
    assert "山东省建筑节能学术论坛" in other, "another kind keeps what both ask for"
    assert "山东省建筑节能学术论坛" not in text(browser.get(FORUM + "&new=1"))
    assert "还没有提交" not in text(browser.get(DECLARE))


def test_the_check_page_without_answers_leads_to_the_form(browser):
    assert browser.get(CHECK).url == DECLARE
    assert browser.post(CHECK, {}).url == DECLARE


def test_a_session_that_ended_at_the_check_page_loses_nothing(town, person, browser):
    page = fill_in(browser)
    browser.session.flush()
    answer = browser.post(CHECK, hidden(page))
    assert "/login/" in answer.url
    login = {
        "role": "practitioner",
        "id_number": person.user.id_number.reveal(),
        "password": "correct-horse-9",
    }
    answer = browser.post(answer.url, login)
    page = browser.get(answer.url)
    assert "山东省建筑节能学术论坛" in text(page)
    assert "论坛证书.pdf" in text(page)
    assert browser.post(CHECK, hidden(page)).status_code == 302
    assert Declaration.objects.count() == 1


def test_a_double_click_files_once(browser):
    page = hidden(fill_in(browser))
    browser.post(CHECK, page)
    answer = browser.post(CHECK, page, follow=True)
    assert Application.objects.count() == 1
    assert "请上传证明材料" in text(answer) or "还没有填完" in text(answer)


# --- declaring anew ---------------------------------------------------------------------------------------------


def test_a_rejected_declaration_is_filed_anew_with_its_files(town, person, browser):
    first = submit(
        browser, kind="paper", rank="2", people="3", level="national", certificate_number="10.1000/X1"
    )
    engine.reject(first.steps.first().pk, by=town.actor(person.employer), comment="证书看不清")
    detail = text(browser.get(reverse("workflow:detail", args=[first.pk])))
    again = f"{DECLARE}?again={first.pk}"
    assert again in detail
    page = browser.get(again)
    form = page.context["form"]
    for kept in ("山东省建筑节能学术论坛", "10.1000/X1", "论坛证书.pdf"):
        assert kept in text(page)
    assert {name: form[name].value() for name in ("rank", "people", "level", "stated_hours", "year")} == {
        "rank": 2, "people": 3, "level": "national", "stated_hours": "20", "year": THIS_YEAR,
    }  # fmt: skip
    answer = browser.post(
        again,
        answers(
            kind=form["kind"].value(), rank="2", stated_hours="18", files=[], draft=form.draft_token,
            files_shown=form.initial["files_shown"],
            files_keep=[one.key for one in form.fields["files"].kept_files], again=form["again"].value(),
        ),
    )  # fmt: skip
    assert "请处理" in text(browser.get("/"))
    browser.post(CHECK, hidden(browser.get(answer.url)))
    second = Application.objects.latest("pk")
    assert second.pk != first.pk
    assert second.again_of == first
    assert second.declaration.hours == 18
    assert second.declaration.reckoning["signals"] == [], "what was rejected is no duplicate"
    assert "请处理" not in text(browser.get("/"))
    assert [one.attachments.count() for one in (first, second)] == [1, 1]


@pytest.mark.parametrize("whose", ["a stranger's", "one's own that is pending", "no"])
def test_only_own_closed_declarations_are_filed_anew(town, person, browser, whose):
    stranger = town.practitioner(at=person.employer)
    pk = {
        "a stranger's": lambda: declare(town, stranger).pk,
        "one's own that is pending": lambda: declare(town, person).pk,
        "no": lambda: 10**15,
    }[whose]()
    if whose == "a stranger's":
        engine.withdraw(pk, by=town.actor(stranger))
    assert browser.get(f"{DECLARE}?again={pk}").status_code == 404
    submit(browser, again=str(pk))
    assert Application.objects.latest("pk").again_of is None
    Attachment.objects.all().delete()
    assert browser.get(f"{DECLARE}?again={pk}").status_code == 404
    assert not Attachment.objects.exists()


# --- lists --------------------------------------------------------------------------------------------------------


def test_my_declarations_say_who_has_each(town, person, browser):
    declare(town, person)
    page = text(browser.get(MINE))
    assert "待用人单位审核" in page
    assert person.employer.phone in page
    assert "今天到达" in page


def test_lists_cost_the_same_for_one_and_for_many(town, person, browser):
    def cost(address):
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(address).status_code == 200
        return len(queries)

    sign(town, declare(town, person))
    declare(town, person)
    pages = (MINE, YEARS, DECLARE, FORUM)
    one = [cost(page) for page in pages]
    for _ in range(25):
        declare(town, person, hours=1)
    for _ in range(3):
        sign(town, declare(town, person, hours=1))
    assert [cost(page) for page in pages] == one
    assert max(one) <= 12


def test_the_list_goes_on_page_by_page(town, person, browser):
    for number in range(23):
        declare(town, person, title=f"活动{number:02}")
    first = browser.get(MINE)
    assert text(first).count("活动") == 20
    second = browser.get(MINE + first.context["page"].older)
    assert text(second).count("活动") == 3
    assert "活动00" in text(second)


def test_the_list_by_year_and_state(town, person, browser):
    declare(town, person, title="今年的")
    old = declare(town, person, title="前年的", day=datetime.date(THIS_YEAR - 2, 5, 1))
    engine.withdraw(old.pk, by=town.actor(person))
    assert "前年的" not in text(browser.get(MINE, {"year": THIS_YEAR}))
    page = text(browser.get(MINE, {"year": THIS_YEAR - 2, "state": "withdrawn"}))
    assert "前年的" in page
    assert "今年的" not in page
    assert "没有符合条件的申报" in text(browser.get(MINE, {"state": "rejected"}))
    for nonsense in ({"year": "x"}, {"state": "x"}, {"after": "x~y"}, {"before": "9" * 40}):
        assert browser.get(MINE, nonsense).status_code == 200


def test_empty_pages_say_what_to_do(browser):
    assert "您还没有申报过学时" in text(browser.get(MINE))
    assert "这一年还没有计入的学时" in text(browser.get(YEARS))


def test_a_year_lists_its_own_sources(town, person, browser):
    sign(town, declare(town, person, title="今年的"))
    sign(town, declare(town, person, title="去年的", day=datetime.date(THIS_YEAR - 1, 5, 1)))
    page = text(browser.get(YEARS, {"year": THIS_YEAR - 1}))
    assert "去年的" in page
    assert "今年的" not in page
    for nonsense in ("x", "9999", "1" * 40, "２０２６"):
        assert browser.get(YEARS, {"year": nonsense}).status_code == 200


# --- who may open what -------------------------------------------------------------------------------------------


def test_these_pages_are_for_practitioners(town, person):
    admin = town.login(person.employer)
    for address in (DECLARE, CHECK, MINE, YEARS, reverse("credits:done", args=[1])):
        assert admin.get(address).status_code == 403


def test_the_confirmation_is_one_s_own_and_leads_on_when_decided(town, person, browser):
    filed = declare(town, town.practitioner(at=person.employer))
    assert browser.get(reverse("credits:done", args=[filed.pk])).status_code == 404
    own = declare(town, person)
    address = reverse("credits:done", args=[own.pk])
    assert browser.get(address).status_code == 200
    sign(town, own)
    assert browser.get(address).url == reverse("workflow:detail", args=[own.pk])

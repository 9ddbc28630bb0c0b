"""FAQ 2 (提示三), 9, 10, 15: 注册审核进度查询, 撤回申请, rejection, 重新注册 (F-44 … F-53, trust.md §3.3)."""

import re

import pytest
from django.test import Client

from accounts.id_number import IdNumber
from accounts.models import User
from accounts.outbox import notify
from orgs.models import Status
from tests import registering
from tests.registering import PASSWORD, an_id_number, errors, register
from workflow import engine
from workflow.models import Application

QUERY = "/register/progress/"


@pytest.fixture(autouse=True)
def _lists(db):
    registering.load_lists()


@pytest.fixture
def employer(town):
    return town.employer(name="测试中心", contact_name="人事科", phone="0538-7654321")


def ask(client=None, **fields):
    client = client or Client()
    return client.post(QUERY, {"id_number": "", "password": "", "receipt": "", "tail": "", **fields})


def reject(town, application, comment="单位选错了"):
    step = application.steps.get()
    engine.reject(step.pk, by=town.actor(step.approver), comment=comment)


def test_the_progress_shows_who_reviews_since_when_and_the_phone(town, employer):
    number = an_id_number()
    application = register("practitioner", "staff", employer, id_number=number)
    browser = Client()
    answer = ask(browser, id_number=number, password=PASSWORD)
    assert answer.status_code == 302
    answer = browser.get(QUERY)
    page = answer.content.decode()
    for words in (
        "待审核",
        "测试中心",
        "0538-7654321",
        "人事科",
        "今天到达",
        application.receipt,
        "撤回申请",
    ):
        assert words in page
    assert "测*甲" in page
    assert f"3709**********{number[-4:]}" in page
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Robots-Tag"] == "noindex"


def test_nobody_else_sees_anything_and_no_page_shows_a_full_number(town, employer):
    number = an_id_number()
    browser = Client()
    application = register("practitioner", "staff", employer, browser, id_number=number)
    pages = [browser.get(path).content.decode() for path in (QUERY, f"/register/done/{application.pk}/")]
    pages += [
        browser.get(f"/register/progress/withdraw/?application={application.pk}").content.decode(),
    ]
    assert not any(number in page or re.search(r"\d{17}[\dX]", page) for page in pages)
    stranger = Client()
    for path in (
        f"/register/done/{application.pk}/",
        "/register/done/999999/",
        f"/register/progress/withdraw/?application={application.pk}",
    ):
        answer = stranger.get(path)
        assert (answer.status_code, answer.url) == (302, QUERY)
    assert stranger.post("/register/progress/again/", {"application": application.pk}).url == QUERY
    assert 'name="id_number"' in stranger.get(QUERY).content.decode()


def test_none_and_wrong_get_the_same_answer(town, employer):
    number = an_id_number()
    application = register("practitioner", "staff", employer, id_number=number)
    tries = [
        {"id_number": number, "password": "wrong-one-1"},
        {"id_number": an_id_number(), "password": PASSWORD},
        {"id_number": number, "receipt": application.receipt, "tail": "9999"},
        {"id_number": number, "receipt": "20260101-000000", "tail": "0000"},
        {"id_number": an_id_number(), "receipt": application.receipt, "tail": "0000"},
        {"id_number": number, "receipt": "nonsense", "tail": "0000"},
        {"id_number": number, "receipt": "-" + "9" * 30, "tail": "0000"},
    ]
    said = set()
    for fields in tries:
        answer = ask(**fields)
        assert answer.status_code == 200
        said.add(tuple(errors(answer)["__all__"]))
    assert len(said) == 1
    # an admin of the platform who never registered is "none", too
    somebody = town.super_admin(employer).user
    answer = ask(id_number=somebody.id_number.reveal(), password="correct-horse-9")
    assert tuple(errors(answer)["__all__"]) in said


def test_the_receipt_and_the_end_of_the_mobile_open_one_registration_without_its_powers(town, employer):
    number = an_id_number()
    application = register("practitioner", "staff", employer, id_number=number)
    browser = Client()
    ask(browser, id_number=number, receipt=application.receipt, tail="0000")
    assert application.receipt in browser.get(QUERY).content.decode()
    reject(town, application)
    page = browser.get(QUERY).content.decode()
    assert "单位选错了" in page
    assert "修改后重新注册" not in page
    page = browser.get(f"/register/done/{application.pk}/").content.decode()
    assert "已驳回" in page
    assert "13800000000" not in page
    assert browser.post("/register/progress/again/", {"application": application.pk}).url == QUERY


@pytest.mark.parametrize(
    "fields",
    [{"password": ""}, {"receipt": "20260101-000001"}, {"tail": "0000"}],
)
def test_an_incomplete_query_says_what_is_missing(db, fields):
    answer = ask(id_number=an_id_number(), **fields)
    assert "请填写注册时的密码，或填写受理号和手机号后四位" in errors(answer)["password"][0]


def test_queries_have_a_budget(town, employer):
    number = an_id_number()
    application = register("practitioner", "staff", employer, id_number=number)
    answers = [ask(id_number=number, password="wrong-one-1") for _ in range(8)]
    assert answers[-1].status_code == 429
    assert "查询次数太多" in str(errors(answers[-1]))
    answers = [ask(id_number=number, receipt=application.receipt, tail=f"{tail:04d}") for tail in range(1, 8)]
    assert answers[-1].status_code == 429
    # and the right end does not help once the budget is spent
    assert ask(id_number=number, receipt=application.receipt, tail="0000").status_code == 429


def test_from_a_refused_login_the_progress_opens_in_one_click(town, employer):
    number = an_id_number()
    application = register("practitioner", "staff", employer, id_number=number)
    browser = Client()
    answer = browser.post("/login/", {"role": "practitioner", "id_number": number, "password": PASSWORD})
    page = answer.content.decode()
    assert "您的账号正在审核中，可点击查询审核部门" in re.sub("<[^>]+>", "", page)
    assert QUERY in page
    assert application.receipt in browser.get(QUERY).content.decode()


# --- FAQ 10: withdrawing ------------------------------------------------------------------------------


def test_withdrawing_with_the_registration_password_frees_the_number(town, employer):
    other = town.employer(name="正确的中心")
    number = an_id_number()
    application = register("practitioner", "staff", employer, id_number=number)
    browser = Client()
    ask(browser, id_number=number, password=PASSWORD)
    address = "/register/progress/withdraw/"
    answer = browser.post(address, {"application": application.pk, "password": "wrong-one-1"})
    assert errors(answer)["password"] == ["密码不对，没有撤回。请重新输入注册时的密码。"]
    assert Application.objects.get().state == "pending"
    answer = browser.post(address, {"application": application.pk, "password": PASSWORD}, follow=True)
    assert "已撤回" in answer.content.decode()
    application.refresh_from_db()
    assert application.state == "withdrawn"
    user = User.objects.by_id_number(IdNumber.parse(number)).get()
    assert user.practitioner.status == Status.VOID
    assert [one.status for one in user.accounts.all()] == ["closed"]
    # the login knows the number no more (F-53), and anybody may register it anew
    second = register("practitioner", "staff", other, id_number=number)
    assert second.practitioner.employer == other


def test_only_a_pending_registration_can_be_withdrawn(town, employer):
    number = an_id_number()
    browser = Client()
    application = register("practitioner", "staff", employer, browser, id_number=number)
    step = application.steps.get()
    engine.approve(step.pk, by=town.actor(employer))
    page = browser.get(f"/register/progress/withdraw/?application={application.pk}").content.decode()
    assert "不用撤回" in page
    answer = browser.post(
        "/register/progress/withdraw/", {"application": application.pk, "password": PASSWORD}, follow=True
    )
    assert "通过了这件申请" in answer.content.decode()
    application.refresh_from_db()
    assert application.state == "approved"


def test_withdrawal_guesses_are_throttled(town, employer):
    number = an_id_number()
    browser = Client()
    application = register("practitioner", "staff", employer, browser, id_number=number)
    for _ in range(8):
        answer = browser.post(
            "/register/progress/withdraw/", {"application": application.pk, "password": "wrong-one-1"}
        )
    assert answer.status_code == 429


# --- F-51 … F-53: rejection and registering anew ------------------------------------------------------


def test_a_rejection_shows_its_reason_and_the_new_form_is_filled_in(town, employer):
    number = an_id_number()
    application = register("practitioner", "freelancer", employer, id_number=number, title="工程师")
    reject(town, application, "请选择户籍所在地的社区")
    browser = Client()
    ask(browser, id_number=number, password=PASSWORD)
    page = browser.get(QUERY).content.decode()
    assert "已驳回" in page
    assert "请选择户籍所在地的社区" in page
    answer = browser.post("/register/progress/again/", {"application": application.pk})
    form = browser.get(answer.url).context["form"]
    assert form["title"].value() == "工程师"
    assert form["name"].value() == "测试甲"
    assert "id_number" not in form.fields
    assert "password" not in form.fields
    data = {name: form[name].value() or "" for name in form.fields}
    data["name"] = "测试乙"
    answer = browser.post(answer.url, data)
    assert answer.status_code == 302, errors(answer)
    browser.post(answer.url)
    second = Application.objects.get(state="pending")
    user = User.objects.by_id_number(IdNumber.parse(number)).get()
    assert (second.submitted_by, user.name, user.check_password(PASSWORD)) == (user, "测试乙", True)
    # Both stay visible to the person who proved both.
    page = browser.get(QUERY).content.decode()
    assert application.receipt in page
    assert second.receipt in page


def test_a_rejected_unit_registers_anew_with_its_files(town):
    number = an_id_number()
    application = register("employer", "backstop", town.bureau, id_number=number, unit_name="测试研究院")
    reject(town, application)
    browser = Client()
    ask(browser, id_number=number, password=PASSWORD)
    answer = browser.post("/register/progress/again/", {"application": application.pk})
    form = browser.get(answer.url).context["form"]
    assert [one.name for one in form.fields["files"].kept_files] == ["certificate.png"]
    data = {name: form[name].value() or "" for name in form.fields if name != "files"}
    data["files_keep"] = data["files_shown"].split(",")
    answer = browser.post(answer.url, {**data, "unit_name": "测试研究院（本部）"})
    assert answer.status_code == 302, errors(answer)
    assert browser.post(answer.url).status_code == 302
    second = Application.objects.get(state="pending")
    assert second.organization.name == "测试研究院（本部）"
    assert second.attachments.count() == 1
    assert application.attachments.count() == 1


def test_whoever_takes_a_free_number_does_not_see_who_had_it_before(town, employer):
    """A stranger can register a number that holds no role; what was filed before stays hidden from them."""
    number = an_id_number()
    first = register("practitioner", "staff", employer, id_number=number)
    reject(town, first)
    stranger = Client()
    second = register(
        "practitioner",
        "staff",
        employer,
        stranger,
        id_number=number,
        password="Other-field-28",
        password2="Other-field-28",
    )
    page = stranger.get(QUERY).content.decode()
    assert second.receipt in page
    assert first.receipt not in page
    assert stranger.get(f"/register/done/{first.pk}/").url == QUERY


def test_a_new_password_ends_the_proof(town, employer):
    browser = Client()
    register("practitioner", "staff", employer, browser)
    user = Application.objects.get().submitted_by
    assert "撤回申请" in browser.get(QUERY).content.decode()
    user.set_password("Third-field-29")
    user.save()
    assert "撤回申请</a>" not in browser.get(QUERY).content.decode()


def test_the_receipt_page_is_bookmarkable_and_shows_the_current_state(town, employer):
    browser = Client()
    application = register("practitioner", "staff", employer, browser)
    address = f"/register/done/{application.pk}/"
    page = browser.get(address).content.decode()
    for words in ("注册已提交", application.receipt, "测试中心", "0538-7654321"):
        assert words in page
    reject(town, application)
    page = browser.get(address).content.decode()
    assert "已驳回" in page
    assert "注册已提交" not in page


def test_whoever_registers_a_free_number_anew_reads_no_message_of_the_earlier(town, employer):
    """What was written to whoever registered the number before is not the newcomer's to read."""
    number = an_id_number()
    register("practitioner", "staff", employer, id_number=number)
    earlier = User.objects.by_id_number(IdNumber.parse(number)).get()
    reject(town, Application.objects.get(person=earlier))
    notify(earlier, "注册已驳回", "单位选错了", url="/")
    register("practitioner", "staff", employer, id_number=number)
    assert Application.objects.pending().get().person == earlier
    assert earlier.messages.filter(subject="注册已驳回").count() == 0

"""临时代码 (F-92 … F-94): asked for in the registration, issued by the platform, revoked, replaced by the real code."""

import threading

import pytest
from django.db import IntegrityError
from django.db.models import QuerySet
from django.test import Client

from accounts.models import RoleAccount, User
from orgs import uscc
from orgs.models import Division, Duty, Organization
from registration import temporary_code
from registration.models import CodeReplacement, TemporaryCode
from tests import registering
from tests.clicks import Visitor
from tests.race import at_once
from tests.registering import PASSWORD, a_certificate, a_code, fill_in, load_lists, register
from workflow import engine
from workflow.models import Application


@pytest.fixture
def county(town):
    load_lists()
    return town.bureau_under(town.bureau, name="测试区人社局")


@pytest.fixture
def operator(town):
    return town.operator()


ASK = {"no_code": "on", "uscc": "", "files": ""}


def asked(county, client=None, **changes) -> Application:
    """A village committee without a code registers."""
    return register(
        "employer", "community", county, client=client, **{"unit_name": "测试村村民委员会", **ASK, **changes}
    )


def sign(town, application, by) -> Application:
    engine.approve(application.steps.get(state="open").pk, by=town.actor(by))
    application.refresh_from_db()
    return application


# --- asked for in the form (J19) ---------------------------------------------------------------------------


def test_it_costs_no_click_beyond_the_registration_itself(town, county, operator):
    """J19: a box in the form instead of the code and the certificate."""
    browser = Client()
    check = browser.get(
        fill_in("employer", "community", county, client=browser, unit_name="测试村村民委员会", **ASK).url
    )
    text = check.content.decode()
    assert "先由平台核发临时代码，再由上级审核" in text
    assert "没有，申请临时代码（平台核发后填入）" in text
    application = asked(county, id_number=registering.an_id_number())
    steps = list(application.steps.values_list("title", "approver__name", "state"))
    assert steps == [
        ("平台核发临时代码", town.platform.name, "open"),
        ("人社部门审核", county.name, "waiting"),
    ]
    assert application.organization.uscc == ""
    account = RoleAccount.objects.get(user=application.submitted_by)
    assert account.reviewer == town.platform.name


def test_ticked_what_stands_in_the_code_does_not_count(town, county):
    application = asked(county, uscc="not a code at all")
    assert application.organization.uscc == ""


def test_without_the_tick_the_code_is_needed_as_before(town, county):
    answer = fill_in("employer", "community", county, uscc="", unit_name="测试村村民委员会")
    assert registering.errors(answer)["uscc"] == ["请填写统一社会信用代码。"]


def test_a_bureaus_section_has_its_bureaus_code(town, county):
    """FAQ 20 ①: it is not offered there."""
    answer = fill_in(
        "employer", "bureau_section", county, unit_name="测试区人社局人事科", no_code="on", uscc=""
    )
    assert "uscc" in registering.errors(answer)
    assert "no_code" not in answer.context["form"].fields


# --- issued by the platform's signature (F-92, F-93) ---------------------------------------------------------


def test_the_platforms_signature_issues_it_before_the_superior_reviews(town, county, operator):
    browser = Client()
    application = sign(town, asked(county, client=browser), operator)
    code = TemporaryCode.objects.get()
    assert uscc.is_temporary(code.code)
    assert code.code.startswith("LS370902000000001")
    assert (code.name, code.issued_by, code.organization) == (
        "测试村村民委员会",
        operator.user,
        application.organization,
    )
    assert Organization.objects.get(pk=application.organization_id).uscc == code.code
    assert application.state == "pending"
    assert application.steps.get(state="open").approver == county
    account = RoleAccount.objects.get(user=application.submitted_by)
    assert (account.reviewer, account.status) == (county.name, "pending")
    # The unit cannot log in yet: code and document are on the progress page.
    progress = browser.get("/register/progress/").content.decode()
    assert code.code in progress
    document = browser.get(f"/codes/{code.pk}/").content.decode()
    for words in ("临时代码证明", code.code, "测试村村民委员会", "泰山区"):
        assert words in document
    # The reviewer has it one click away.
    reviewer = Visitor(town.login(county), f"/applications/{application.pk}/")
    assert code.code in reviewer.text
    assert f'href="/codes/{code.pk}/"' in reviewer.html
    sign(town, application, county)
    assert RoleAccount.objects.get(user=application.submitted_by).status == "active"
    login = Client().post(
        "/login/",
        {"role": "employer", "id_number": application.submitted_by.id_number.reveal(), "password": PASSWORD},
    )
    assert login.status_code == 302


def test_numbers_run_on_within_a_division(town, county, operator):
    for name, division in (("测试甲村", "370902"), ("测试乙村", "370902"), ("测试丙村", "370911")):
        sign(town, asked(county, unit_name=name, division=division), operator)
    assert list(TemporaryCode.objects.order_by("pk").values_list("division_id", "serial")) == [
        ("370902", 1), ("370902", 2), ("370911", 1),
    ]  # fmt: skip


def test_a_superiors_own_code_free_registration_is_untouched(town, county):
    application = register("employer", "private", county, unit_name="测试甲公司")
    assert application.steps.count() == 1
    assert not application.employerregistration.wants_code


def test_refused_by_the_platform_no_code_is_given_and_it_starts_anew(town, county, operator):
    browser = Client()
    application = asked(county, client=browser)
    engine.reject(application.steps.get(state="open").pk, by=town.actor(operator), comment="请写全称")
    assert not TemporaryCode.objects.exists()
    answer = browser.post("/register/progress/again/", {"application": application.pk})
    form = browser.get(answer.url).context["form"]
    assert form["no_code"].value()


def test_refused_by_the_superior_the_code_stays_the_units(town, county, operator):
    """Registering again takes the code along: the platform need not sign twice."""
    browser = Client()
    application = sign(town, asked(county, client=browser), operator)
    code = TemporaryCode.objects.get()
    engine.reject(application.steps.get(state="open").pk, by=town.actor(county), comment="不属于本区")
    answer = browser.post("/register/progress/again/", {"application": application.pk})
    form = browser.get(answer.url).context["form"]
    assert form["uscc"].value() == code.code
    assert not form["no_code"].value()
    data = {name: form[name].value() or "" for name in form.fields}
    answer = browser.post(answer.url, data)
    assert answer.status_code == 302, registering.errors(answer)
    filed = browser.post(answer.url)
    again = Application.objects.get(pk=int(filed.url.strip("/").rsplit("/", 1)[1]))
    assert [step.approver for step in again.steps.all()] == [county]
    sign(town, again, county)
    code.refresh_from_db()
    assert code.organization == again.organization
    assert TemporaryCode.objects.count() == 1


@pytest.mark.parametrize("what", ["unknown", "revoked", "replaced", "another name", "a slip"])
def test_a_code_that_is_typed_must_be_the_units_own(town, county, operator, what):
    sign(town, asked(county), operator)
    code = TemporaryCode.objects.get()
    typed, name = code.code, "测试村村民委员会"
    Organization.objects.filter(uscc=code.code).update(status="void")
    if what == "unknown":
        typed = uscc.make_temporary("370902", 77)
    elif what == "revoked":
        temporary_code.revoke(code.pk, "重复领取", by=town.actor(operator))
    elif what == "replaced":
        TemporaryCode.objects.update(replaced_by=a_code(), replaced_at=code.issued_at)
    elif what == "another name":
        name = "测试别村村民委员会"
    else:
        typed = code.code[:-1] + ("0" if code.code[-1] != "0" else "1")
    answer = fill_in("employer", "community", county, uscc=typed, unit_name=name, files="")
    assert answer.status_code == 200
    assert "uscc" in registering.errors(answer)


# --- the platform's pages (B7) ------------------------------------------------------------------------------


def test_the_list_shows_requests_with_namesakes_and_every_code(town, county, operator):
    first = sign(town, asked(county), operator)
    second = asked(county)
    client = town.login(operator)
    answer = client.get("/codes/")
    (request,) = answer.context["requests"]
    assert request["url"] == f"/applications/{second.pk}/"
    assert request["namesake"]
    code = TemporaryCode.objects.get()
    assert code.code in answer.content.decode()
    detail = client.get(f"/applications/{second.pk}/").content.decode()
    assert f"领取临时代码 {code.code}，请核对是否重复申请" in detail
    assert client.get("/codes/?q=测试村").context["rows"]
    assert not client.get("/codes/?q=没有这个").context["rows"]
    assert client.get(f"/codes/?q={code.code.lower()}").context["rows"]
    assert first.organization_id == code.organization_id


def test_revoking_needs_a_reason_and_the_unit_is_told(
    town, county, operator, django_capture_on_commit_callbacks
):
    application = sign(town, sign(town, asked(county, email="u@example.org"), operator), county)
    code = TemporaryCode.objects.get()
    visitor = Visitor(town.login(operator), f"/codes/{code.pk}/")
    visitor.click("撤销这个代码")
    visitor.click("撤销临时代码")
    assert "请写明原因" in visitor.text
    visitor.type("reason", "重复领取")
    visitor.click("撤销临时代码")
    code.refresh_from_db()
    assert (code.revoked_by, code.revoke_reason) == (operator.user, "重复领取")
    assert "已撤销" in visitor.text
    said = application.submitted_by.messages.latest("pk")
    assert "重复领取" in said.text
    assert "已撤销" in town.login(operator).get(f"/codes/{code.pk}/").content.decode()
    answer = town.login(operator).post(f"/codes/{code.pk}/revoke/", {"reason": "再来"}, follow=True)
    assert "已经撤销" in answer.content.decode()


def test_who_may_see_the_document(town, county, operator):
    sign(town, sign(town, asked(county), operator), county)
    url = f"/codes/{TemporaryCode.objects.get().pk}/"
    assert town.login(operator).get(url).status_code == 200
    assert town.login(county).get(url).status_code == 200
    assert town.login(town.bureau).get(url).status_code == 200
    assert town.login(town.employer(under=county)).get(url).status_code == 404
    assert town.login(town.practitioner(at=town.employer())).get(url).status_code == 404
    assert Client().get(url).url == Client().get("/codes/99999999/").url == "/register/progress/"


def test_the_lists_are_the_platforms(town, county, operator):
    for who in (county, town.practitioner(at=town.employer())):
        assert town.login(who).get("/codes/").status_code == 403
    clerk = town.login(town.admin(town.platform, duties=[Duty.CHANGES]))
    assert clerk.get("/codes/").status_code == 403


# --- the real code (F-94) ------------------------------------------------------------------------------------


@pytest.fixture
def village(town, county, operator):
    """An approved unit with a temporary code, its admin with the town's password."""
    application = sign(town, sign(town, asked(county), operator), county)
    user = application.submitted_by
    user.set_password("correct-horse-9")
    user.save()
    return Organization.objects.get(pk=application.organization_id)


def test_the_real_code_takes_its_place(town, county, operator, village):
    old, new = village.uscc, a_code("54370902")
    visitor = Visitor(town.login(village), "/organization/profile/")
    assert old in visitor.text
    visitor.click("更换为统一社会信用代码")
    client = visitor.client
    answer = client.post("/organization/code/", {"new_code": new.lower(), "files": a_certificate()})
    assert answer.status_code == 302, registering.errors(answer)
    application = CodeReplacement.objects.get().application
    assert application.steps.get().approver == county
    assert "正在审核" in client.get("/organization/code/").content.decode()
    sign(town, application, county)
    village.refresh_from_db()
    assert village.uscc == new
    code = TemporaryCode.objects.get()
    assert (code.replaced_by, code.tag) == (new, ("draft", "已更换"))
    assert village.history.latest().history_change_reason == application.receipt
    assert client.get("/organization/code/").url == "/organization/profile/"


@pytest.mark.parametrize("what", ["empty", "temporary", "check", "taken", "no file"])
def test_a_wrong_new_code_is_refused_beside_its_field(town, county, operator, village, what):
    new = {"empty": "", "temporary": village.uscc, "check": "1237090049500001X3"}.get(what) or a_code()
    if what == "empty":
        new = ""
    if what == "taken":
        town.employer(under=county, uscc=new)
    data = {"new_code": new} | ({} if what == "no file" else {"files": a_certificate()})
    answer = town.login(village).post("/organization/code/", data)
    assert ("files" if what == "no file" else "new_code") in registering.errors(answer)
    assert not CodeReplacement.objects.exists()


def test_taken_while_it_was_under_review_the_superior_reads_why(town, county, operator, village):
    new = a_code()
    town.login(village).post("/organization/code/", {"new_code": new, "files": a_certificate()})
    town.employer(under=county, uscc=new)
    step = CodeReplacement.objects.get().application.steps.get()
    answer = town.login(county).post(f"/steps/{step.pk}/approve/")
    assert answer.status_code == 409
    assert "已注册为用人单位" in answer.content.decode()
    assert not TemporaryCode.objects.get().replaced_by


def test_only_the_super_admin_and_only_instead_of_a_temporary_code(town, county, operator, village):
    assert town.login(town.admin(village, duties=list(Duty))).get("/organization/code/").status_code == 403
    assert town.login(county).get("/organization/code/").url == "/organization/profile/"


def test_after_a_rejection_it_starts_anew_with_code_and_file(town, county, operator, village):
    new = a_code()
    town.login(village).post("/organization/code/", {"new_code": new, "files": a_certificate()})
    application = CodeReplacement.objects.get().application
    engine.reject(application.steps.get().pk, by=town.actor(county), comment="证书不清晰")
    visitor = Visitor(town.login(village), f"/applications/{application.pk}/")
    visitor.click("重新申请")
    assert new in visitor.html
    assert "certificate.png" in visitor.html
    visitor.click("提交更换申请")
    assert Application.objects.pending().filter(kind="code-replacement").count() == 1


# --- one code is given once (trust.md §3.17) -------------------------------------------------------------------


def two_units(town):
    if not Division.objects.exists():
        load_lists()
    units = [town.employer(name=f"测试{name}村") for name in "甲乙"]
    by = User.objects.get(pk=town.operator().user_id)
    return [lambda unit=unit: temporary_code.issue(unit, unit.name, "370902", by=by) for unit in units]


@pytest.mark.django_db(transaction=True)
def test_two_codes_at_once_are_two(town):
    assert at_once(*two_units(town)) == ["ok", "ok"]
    assert sorted(TemporaryCode.objects.values_list("serial", flat=True)) == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_the_constraint_stops_the_second(town, monkeypatch):
    """The control: both read the same last number."""
    issue, together = two_units(town), threading.Barrier(2)
    real = TemporaryCode.objects.create

    def after_both_have_read(**fields):
        together.wait(timeout=10)
        return real(**fields)

    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **kwargs: rows)
    monkeypatch.setattr(TemporaryCode.objects, "create", after_both_have_read)
    assert at_once(*issue) == [IntegrityError.__name__, "ok"]
    assert TemporaryCode.objects.count() == 1

"""单位申报: one training declared by a unit for many people; each confirms it or objects, and nobody else can."""

import datetime
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Message
from credits import packs, unit_declaring
from credits.models import (
    ActivityKind,
    Answer,
    Declaration,
    LedgerEntry,
    UnitDeclaration,
    UnitDeclarationPerson,
)
from credits.unit_files import files_of, keep_files
from credits.years import current_year
from orgs.models import Practitioner, TitleLevel
from tests.clicks import Visitor
from tests.race import at_once, without_lock
from tests.test_matrix import PIXEL
from tests.town import Town
from transfers.models import UnitTransfer
from workflow import engine
from workflow.flow import Refused
from workflow.models import Attachment

YEAR = current_year()
DAY = datetime.date(YEAR, 1, 8)
RULES = """
code = "test-conversions"
name = "测试折算"
basis = "测试文号"
origin = "测试"
mark = "unverified"
year_from = 2021
[subjects]
public = "公需科目"
professional = "专业科目"
[activity.class]
name = "集中培训"
subjects = ["professional"]
evidence = ["培训通知"]
rates = [{ hours = 6, per = "day" }]
cap = 20
[activity.thesis]
name = "论文"
subjects = ["professional"]
member = "作者"
rates = [{ alone = 30, first = 30, others = 10 }]
"""
FORUM = """[activity.forum]
name = "论坛"
subjects = ["professional"]
rates = [{ hours = 8, level = "national" }, { hours = 4, level = "city" }]
[activity.thesis]"""


@pytest.fixture
def town(town) -> Town:
    call_command("load_hours", verbosity=0)
    packs.publish(packs.draft(RULES))
    return town


class Files:
    """A valid form's files, as credits.unit_files takes them."""

    def __init__(self, name="培训通知.png"):
        self.cleaned_data = {
            "files": [
                Attachment.objects.create(
                    draft="a" * 64,
                    file="aa/stored.png",
                    name=name,
                    content_type="image/png",
                    extension="png",
                    size=3,
                    sha256="ab" * 32,
                )
            ]
        }


def training(days=1, **fields) -> UnitDeclaration:
    return UnitDeclaration(
        **{
            "year": YEAR,
            "subject": "professional",
            "kind": ActivityKind.objects.get(code="class"),
            "title": "继续教育集中培训",
            "organiser": "测试中心",
            "started_on": DAY,
            "ended_on": DAY + datetime.timedelta(days=days - 1),
            "quantity": Decimal(days),
            "hours": Decimal(6 * days),
            **fields,
        }
    )


def filed(town, unit, people, by=None, **fields) -> UnitDeclaration:
    made = training(**fields)
    actor = town.actor(by or unit)
    unit_declaring.file(made, {one.pk for one in people}, Files(), by=actor)
    return made


def declared(town, person, first: int, last: int) -> None:
    """By the person alone: other days of January."""
    days = {"started_on": DAY.replace(day=first), "ended_on": DAY.replace(day=last)}
    made = unit_declaring.declaration_for(person, training(last - first + 1, title=f"自己的{first}", **days))
    made.unit_declaration = None
    engine.submit("hours-declaration", made, by=town.actor(person))


def row_of(declaration, person) -> UnitDeclarationPerson:
    return declaration.persons.get(practitioner=person)


def fresh(person) -> Practitioner:
    return Practitioner.objects.get(pk=person.pk)


# --- filing -------------------------------------------------------------------------------------------------


def test_each_person_is_asked_once_and_told_their_own_hours(town):
    unit = town.employer(name="市测绘院")
    fresh_one, full = town.practitioner(at=unit), town.practitioner(at=unit)
    for day in (20, 25):
        declared(town, full, first=day, last=day)
    declaration = filed(town, unit, [fresh_one, full], days=3)
    texts = {one.user_id: one.text for one in Message.objects.filter(key__startswith="unit-declaration:")}
    assert "专业科目 18 学时" in texts[fresh_one.user_id]
    assert "专业科目 8 学时" in texts[full.user_id]  # 20 a year, 12 under review
    assert set(declaration.persons.values_list("answer", flat=True)) == {Answer.WAITING}
    assert not Declaration.objects.filter(unit_declaration=declaration).exists()


def test_who_cannot_get_hours_is_left_out(town):
    unit = town.employer()
    person, full = town.practitioner(at=unit), town.practitioner(at=unit)
    declared(town, full, first=20, last=23)
    declaration = filed(town, unit, [person, full])
    assert [one.practitioner for one in declaration.persons.all()] == [person]


def test_people_of_other_units_fall_out(town):
    unit = town.employer()
    person, stranger = town.practitioner(at=unit), town.practitioner(at=town.employer())
    declaration = filed(town, unit, [person, stranger])
    assert [one.practitioner for one in declaration.persons.all()] == [person]


def test_only_employers_with_the_duty_declare(town):
    authority = town.authority()
    unit = town.employer(under=authority)
    person = town.practitioner(at=unit)
    clerk = town.admin(unit, duties=["people"])
    for who in (authority, clerk):
        with pytest.raises(PermissionDenied):
            filed(town, unit, [person], by=who)


def test_one_form_is_filed_once(town):
    unit = town.employer()
    person, form = town.practitioner(at=unit), Files()
    unit_declaring.file(training(), {person.pk}, form, by=town.actor(unit))
    with pytest.raises(Refused, match="已经提交过了"):
        unit_declaring.file(training(), {person.pk}, form, by=town.actor(unit))
    assert UnitDeclaration.objects.count() == 1


def test_judging_five_hundred_costs_as_many_queries_as_judging_two(town):
    unit = town.employer()
    people = [town.practitioner(at=unit) for _ in range(2)]

    def cost():
        with CaptureQueriesContext(connection) as found:
            going, _staying = unit_declaring.judged(training(), unit_declaring.people_of(town.actor(unit)))
        return len(found), len(going)

    few = cost()
    people += [town.practitioner(at=unit) for _ in range(20)]
    many = cost()
    assert (few[1], many[1]) == (2, 22)
    assert few[0] == many[0]


# --- confirming -----------------------------------------------------------------------------------------------


def test_a_confirmation_is_a_declaration_that_the_unit_has_signed(town):
    authority = town.authority(name="市住建局")
    unit = town.employer(under=authority)
    person = town.practitioner(at=unit)
    filer = town.super_admin(unit).user
    declaration = filed(town, unit, [person], days=2)
    application = unit_declaring.confirm(row_of(declaration, person).pk, by=town.actor(person))
    first, second, third = application.steps.all()
    assert (first.state, first.decided_by, first.approver) == ("approved", filer, unit)
    assert (second.state, second.approver, third.state) == ("open", authority, "waiting")
    assert application.submitted_by == person.user
    own = application.declaration
    assert (own.hours, own.title, own.unit_declaration) == (Decimal(12), declaration.title, declaration)
    row = row_of(declaration, person)
    assert (row.answer, row.declaration_id) == (Answer.CONFIRMED, own.pk)


def test_the_hours_count_after_the_other_signatures(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    declaration = filed(town, unit, [person])
    application = unit_declaring.confirm(row_of(declaration, person).pk, by=town.actor(person))
    engine.approve(application.steps.get(state="open").pk, by=town.actor(town.bureau))
    assert LedgerEntry.objects.get().hours == Decimal(6)


def test_files_are_shared_not_copied(town):
    unit = town.employer()
    people = [town.practitioner(at=unit) for _ in range(2)]
    declaration = filed(town, unit, people)
    (kept,) = files_of(declaration)
    for person in people:
        application = unit_declaring.confirm(row_of(declaration, person).pk, by=town.actor(person))
        (own,) = application.attachments.all()
        assert (own.file.name, own.sha256, own.size, own.name) == (
            kept.file.name,
            kept.sha256,
            kept.size,
            kept.name,
        )
    assert files_of(declaration).count() == 1


def test_caps_are_those_of_the_moment_of_confirming(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    one, two = (filed(town, unit, [person], days=2, title=f"培训{n}") for n in "一二")
    for declaration, hours in ((one, 12), (two, 8)):
        application = unit_declaring.confirm(row_of(declaration, person).pk, by=town.actor(person))
        assert application.declaration.hours == hours


def test_other_hours_than_were_shown_are_shown_again_first(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    one, two = (filed(town, unit, [person], days=2, title=f"培训{n}") for n in "一二")
    unit_declaring.confirm(row_of(one, person).pk, by=town.actor(person), seen="12")
    with pytest.raises(Refused, match="12 学时变为 8 学时"):
        unit_declaring.confirm(row_of(two, person).pk, by=town.actor(person), seen="12")
    assert row_of(two, person).answer == Answer.WAITING
    assert Declaration.objects.count() == 1


def test_who_filed_it_does_not_sign_their_own(town):
    unit = town.employer(under=town.authority(name="市住建局"))
    admin = town.super_admin(unit)
    person = town.practitioner(at=unit, user=admin.user)
    declaration = filed(town, unit, [person])
    application = unit_declaring.confirm(row_of(declaration, person).pk, by=town.actor(person))
    first = application.steps.first()
    assert (first.state, first.decided_by, first.approver.name) == ("open", None, "市住建局")


def test_who_filed_it_is_signed_by_a_colleague(town):
    unit = town.employer()
    admin, colleague = town.super_admin(unit), town.admin(unit, duties=["hours"])
    person = town.practitioner(at=unit, user=admin.user)
    declaration = filed(town, unit, [person])
    application = unit_declaring.confirm(row_of(declaration, person).pk, by=town.actor(person))
    first = application.steps.first()
    assert (first.state, first.approver) == ("open", unit)
    engine.approve(first.pk, by=town.actor(colleague))


def test_nobody_confirms_for_somebody_else(town):
    unit = town.employer()
    person, colleague = town.practitioner(at=unit), town.practitioner(at=unit)
    declaration = filed(town, unit, [person])
    for who in (colleague, unit):
        with pytest.raises(PermissionDenied):
            unit_declaring.confirm(row_of(declaration, person).pk, by=town.actor(who))


def test_who_left_the_unit_cannot_confirm(town):
    old, new = town.employer(name="旧单位"), town.employer()
    person = town.practitioner(at=old)
    declaration = filed(town, old, [person])
    move(person, new)
    with pytest.raises(Refused, match="您已不在旧单位"):
        unit_declaring.confirm(row_of(declaration, person).pk, by=town.actor(fresh(person)))
    assert not unit_declaring.offers_to(fresh(person))
    assert not Declaration.objects.exists()


def move(person, to):
    person = fresh(person)
    person.employer, person.path = to, to.path
    person.save()


def test_confirming_all_files_each_and_stops_at_none(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    rows = [row_of(filed(town, unit, [person], days=days, title=f"培训{days}"), person) for days in (2, 3, 1)]
    outcomes = unit_declaring.confirm_all({one.pk: "" for one in rows}, by=town.actor(person))
    assert [bool(one.application) for one in outcomes] == [True, True, False]  # 12, 8, nothing left of 20
    assert "最多计 20 学时" in outcomes[2].sentence


def test_the_files_wait_longer_than_a_forms_draft(town):
    unit = town.employer()
    declaration = filed(town, unit, [town.practitioner(at=unit)])
    long_ago = timezone.now() - datetime.timedelta(days=30)
    files_of(declaration).update(uploaded_at=long_ago)
    Files("留下的.png").cleaned_data["files"][0].save()
    Attachment.objects.filter(name="留下的.png").update(uploaded_at=long_ago)
    call_command("purge_drafts", verbosity=0)
    assert [one.name for one in Attachment.objects.all()] == ["培训通知.png"]


# --- objecting, cancelling, reminding -----------------------------------------------------------------------


def test_an_objection_is_kept_and_told_to_who_filed_it(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    declaration = filed(town, unit, [person])
    row = row_of(declaration, person)
    with pytest.raises(Refused, match="请写明"):
        unit_declaring.object_to(row.pk, by=town.actor(person), reason="  ")
    unit_declaring.object_to(row.pk, by=town.actor(person), reason="我没有参加")
    row.refresh_from_db()
    assert (row.answer, row.objection) == (Answer.OBJECTED, "我没有参加")
    told = Message.objects.get(user=town.super_admin(unit).user, key=f"unit-objection:{row.pk}")
    assert "我没有参加" in told.text
    for again in (
        lambda: unit_declaring.confirm(row.pk, by=town.actor(person)),
        lambda: unit_declaring.object_to(row.pk, by=town.actor(person), reason="又"),
    ):
        with pytest.raises(Refused, match="已经答复过"):
            again()


def test_cancelling_tells_those_who_have_not_answered_and_leaves_the_others(town):
    unit = town.employer()
    done, waiting = town.practitioner(at=unit), town.practitioner(at=unit)
    declaration = filed(town, unit, [done, waiting])
    application = unit_declaring.confirm(row_of(declaration, done).pk, by=town.actor(done))
    assert unit_declaring.cancel(declaration, by=town.actor(unit)) == 1
    told = Message.objects.filter(key__startswith="unit-cancelled:").values_list("user", flat=True)
    assert list(told) == [waiting.user_id]
    with pytest.raises(Refused, match="单位已经撤销"):
        unit_declaring.confirm(row_of(declaration, waiting).pk, by=town.actor(waiting))
    application.refresh_from_db()
    assert application.state == "pending"
    assert not unit_declaring.offers_to(waiting)
    with pytest.raises(Refused, match="已经撤销过"):
        unit_declaring.cancel(declaration, by=town.actor(unit))


def test_only_the_unit_itself_cancels_and_reminds(town):
    authority = town.authority()
    unit = town.employer(under=authority)
    sub_unit = town.employer(under=unit)
    declaration = filed(town, sub_unit, [town.practitioner(at=sub_unit)])
    for who in (authority, unit, town.admin(sub_unit, duties=["people"])):
        for act in (unit_declaring.cancel, unit_declaring.remind):
            with pytest.raises(PermissionDenied):
                act(declaration, by=town.actor(who))


def test_reminding_once_a_day_and_only_those_who_have_not_answered(town, monkeypatch):
    unit = town.employer()
    done, waiting, gone = (town.practitioner(at=unit) for _ in range(3))
    declaration = filed(town, unit, [done, waiting, gone])
    unit_declaring.confirm(row_of(declaration, done).pk, by=town.actor(done))
    move(gone, town.employer())
    assert unit_declaring.remind(declaration, by=town.actor(unit)) == 1
    assert list(Message.objects.filter(key__startswith="unit-reminder").values_list("user", flat=True)) == [
        waiting.user_id
    ]
    with pytest.raises(Refused, match="今天已经提醒过"):
        unit_declaring.remind(declaration, by=town.actor(unit))
    tomorrow = timezone.localdate() + datetime.timedelta(days=1)
    monkeypatch.setattr(unit_declaring.timezone, "localdate", lambda: tomorrow)
    assert unit_declaring.remind(declaration, by=town.actor(unit)) == 1


def test_nobody_is_left_to_remind(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    declaration = filed(town, unit, [person])
    unit_declaring.confirm(row_of(declaration, person).pk, by=town.actor(person))
    with pytest.raises(Refused, match="都已经答复"):
        unit_declaring.remind(declaration, by=town.actor(unit))
    with pytest.raises(Refused, match="都已经答复"):
        unit_declaring.cancel(declaration, by=town.actor(unit))


# --- the pages ----------------------------------------------------------------------------------------------


FORM = {
    "kind": "class",
    "title": "继续教育集中培训",
    "organiser": "测试中心",
    "started_on": DAY.isoformat(),
    "ended_on": (DAY + datetime.timedelta(days=1)).isoformat(),
    "year": str(YEAR),
    "quantity": "2 天",
}


def begin(browser, **answers):
    answer = browser.post(
        "/hours/unit/new/?kind=class", {**FORM, **answers, "files": SimpleUploadedFile("通知.png", PIXEL)}
    )
    assert answer.status_code == 302, answer.content.decode()
    assert answer.url == "/hours/unit/new/people/"


def test_from_the_form_to_everybodys_answer(town):
    unit = town.employer(name="市测绘院")
    people = [town.practitioner(at=unit) for _ in range(3)]
    browser = town.login(unit)
    begin(browser)
    page = browser.post("/hours/unit/new/people/", {"do": "all"}).content.decode()
    assert "已选 3 人" in page
    # One is unticked again.
    ids = [str(one.pk) for one in people]
    answer = browser.post(
        "/hours/unit/new/people/",
        {"do": "check", "picked": ",".join(ids), "shown": ",".join(ids), "person": ids[:2]},
    )
    assert answer.url == "/hours/unit/new/check/"
    page = browser.get("/hours/unit/new/check/").content.decode()
    assert "核对并提交：2 人" in page
    assert "12 学时：2 人" in page
    answer = browser.post("/hours/unit/new/check/")
    declaration = UnitDeclaration.objects.get()
    assert answer.url == f"/hours/unit/{declaration.pk}/"
    assert set(declaration.persons.values_list("practitioner", flat=True)) == {people[0].pk, people[1].pk}
    # The second click of a double click.
    browser.post("/hours/unit/new/check/")
    assert UnitDeclaration.objects.count() == 1

    mine = town.login(people[0])
    home = mine.get("/").content.decode()
    row = row_of(declaration, people[0])
    assert f"/hours/unit/mine/{row.pk}/" in home
    page = mine.get(f"/hours/unit/mine/{row.pk}/").content.decode()
    assert "市测绘院" in page
    assert "通知.png" in page
    file = files_of(declaration).get()
    assert b"".join(mine.get(f"/hours/unit/files/{file.pk}/").streaming_content).startswith(b"\x89PNG")
    assert town.login(people[2]).get(f"/hours/unit/files/{file.pk}/").status_code == 404
    answer = mine.post(f"/hours/unit/mine/{row.pk}/", {"do": "confirm", "seen": "12"})
    application = row_of(declaration, people[0]).declaration.application
    assert answer.url == f"/applications/{application.pk}/"
    attachment = application.attachments.get()
    assert b"".join(mine.get(f"/attachments/{attachment.pk}/").streaming_content).startswith(b"\x89PNG")

    other = town.login(people[1])
    row = row_of(declaration, people[1])
    page = other.post(f"/hours/unit/mine/{row.pk}/", {"do": "object", "reason": ""})
    assert "请写明有什么异议" in page.content.decode()
    other.post(f"/hours/unit/mine/{row.pk}/", {"do": "object", "reason": "当天请假"})
    page = browser.get(f"/hours/unit/{declaration.pk}/?answer=objected").content.decode()
    assert "当天请假" in page
    assert "已确认 1" in page


def test_a_repeated_page_of_people_keeps_the_choice_across_pages_and_searches(town):
    unit = town.employer()
    people = [town.practitioner(at=unit, title_level="") for _ in range(55)]
    browser = town.login(unit)
    begin(browser)
    first = browser.post("/hours/unit/new/people/", {"person": [str(people[0].pk)], "do": "find", "q": ""})
    page = first.context["picking"]
    assert page.picked == {people[0].pk}
    assert page.older
    assert len(page.rows) == 50
    second = browser.post(
        "/hours/unit/new/people/",
        {"picked": page.as_text, "shown": page.shown, "person": [str(people[0].pk)], "go": page.older},
    ).context["picking"]
    assert len(second.rows) == 5
    assert second.picked == {people[0].pk}
    everybody = browser.post(
        "/hours/unit/new/people/", {"picked": second.as_text, "shown": second.shown, "do": "all"}
    ).context["picking"]
    assert len(everybody.picked) == 55
    # Kept for who comes back from the check page.
    assert len(browser.get("/hours/unit/new/people/").context["picking"].picked) == 55


def test_pasted_names(town):
    unit = town.employer()
    one = town.practitioner(at=unit, user=town.user(name="王晓妮"))
    for _ in range(2):
        town.practitioner(at=unit, user=town.user(name="张伟"))
    stranger = town.practitioner(at=town.employer(), user=town.user(name="赵六"))
    browser = town.login(unit)
    begin(browser)
    picking = browser.post(
        "/hours/unit/new/people/", {"do": "names", "names": "王晓妮、张伟\n赵六,　王晓妮"}
    ).context["picking"]
    assert picking.picked == {one.pk}
    assert (picking.unknown, picking.several) == (["赵六"], ["张伟"])
    assert stranger.pk not in picking.picked


def test_choosing_by_title_level(town):
    from orgs.models import TitleSeries

    unit = town.employer()
    series = TitleSeries.objects.create(code="t", name="工程")
    titled = town.practitioner(
        at=unit,
        title_series=series,
        title_level=TitleLevel.MIDDLE,
        title="工程师",
        title_mode="evaluation",
        title_awarded_on=datetime.date(2020, 1, 1),
    )
    untitled = town.practitioner(at=unit)
    browser = town.login(unit)
    begin(browser)

    def all_of(level):
        return (
            browser.post("/hours/unit/new/people/", {"do": "all", "title_level": level})
            .context["picking"]
            .picked
        )

    assert all_of("middle") == {titled.pk}
    assert all_of("none") == {untitled.pk}


def test_the_level_of_the_activity_survives_a_search_for_people(town):
    """Both lists stand in one form: the title level of people is another field than the level of what they did."""
    unit = town.employer()
    person = town.practitioner(at=unit)
    browser = town.login(unit)
    packs.publish(
        packs.draft(
            RULES.replace("[activity.thesis]", FORUM).replace("test-conversions", "test-levels"),
            bureau=town.bureau,
        )
    )
    begin(browser, kind="forum", level="national")
    visitor = Visitor(browser, "/hours/unit/new/people/")
    visitor.press("查找")
    assert visitor.url == "/hours/unit/new/people/", visitor.text
    visitor.tick("person", person.pk)
    visitor.press("下一步：核对")
    visitor.press("同意声明并为 1 人提交")
    assert UnitDeclaration.objects.get().level == "national"


def test_nobody_chosen_is_said(town):
    unit = town.employer()
    town.practitioner(at=unit)
    browser = town.login(unit)
    begin(browser)
    answer = browser.post("/hours/unit/new/people/", {"do": "check"})
    assert answer.status_code == 422
    assert "请勾选参加培训的人员" in answer.content.decode()


def test_a_work_of_persons_is_no_training_of_a_unit(town):
    browser = town.login(town.employer())
    assert browser.get("/hours/unit/new/?kind=thesis").status_code == 302
    assert "kind=class" in browser.get("/hours/unit/new/").content.decode()
    assert "kind=thesis" not in browser.get("/hours/unit/new/").content.decode()


def test_several_offers_are_one_row_at_home_and_confirmed_together(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    rows = [row_of(filed(town, unit, [person], title=f"培训{n}"), person) for n in "一二"]
    mine = town.login(person)
    assert "单位为您申报的学时 2 件" in mine.get("/").content.decode()
    page = mine.get("/hours/unit/mine/").content.decode()
    assert "全部确认（2 件）" in page
    mine.post(
        "/hours/unit/mine/",
        {"rows": ",".join(str(one.pk) for one in rows), **{f"seen_{one.pk}": "6" for one in rows}},
    )
    assert set(UnitDeclarationPerson.objects.values_list("answer", flat=True)) == {Answer.CONFIRMED}


def test_lists_cost_the_same_at_one_row_and_at_thirty(town):
    unit = town.employer()
    people = [town.practitioner(at=unit)]
    browser, mine = town.login(unit), town.login(people[0])
    declaration = filed(town, unit, people)

    def costs():
        found = []
        for client, url in (
            (browser, "/hours/unit/"),
            (browser, f"/hours/unit/{declaration.pk}/"),
            (mine, "/hours/unit/mine/"),
        ):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(url).status_code == 200
            found.append(len(queries))
        return found

    few = costs()
    people += [town.practitioner(at=unit) for _ in range(30)]
    for n in range(15):
        filed(town, unit, people[:1], title=f"培训{n}")
    UnitDeclarationPerson.objects.bulk_create(
        UnitDeclarationPerson(unit_declaration=declaration, practitioner=one) for one in people[1:]
    )
    many = costs()
    assert few == many
    assert max(many) <= 12


# --- at the same moment ---------------------------------------------------------------------------------------


@pytest.fixture
def offered(transactional_db):
    """(town, unit, person, row): one that waits, in committed rows."""
    call_command("load_hours", verbosity=0)
    packs.publish(packs.draft(RULES))
    town = Town()
    unit = town.employer()
    person = town.practitioner(at=unit)
    return town, unit, person, row_of(filed(town, unit, [person]), person)


def unlocked(monkeypatch):
    monkeypatch.setattr(unit_declaring, "_locked", lambda rows: rows.order_by("pk"))


def test_confirming_twice_at_once_files_once(offered):
    town, _, person, row = offered
    actors = [town.actor(person) for _ in range(2)]
    outcomes = at_once(*(lambda actor=actor: unit_declaring.confirm(row.pk, by=actor) for actor in actors))
    assert outcomes == ["Refused", "ok"]
    assert Declaration.objects.count() == 1


def test_without_the_locks_both_are_filed(offered, monkeypatch):
    town, _, person, row = offered
    actors = [town.actor(person) for _ in range(2)]
    unlocked(monkeypatch)
    with without_lock(monkeypatch):
        at_once(*(lambda actor=actor: unit_declaring.confirm(row.pk, by=actor) for actor in actors))
    assert Declaration.objects.count() == 2


def test_confirming_and_cancelling_at_once_one_comes_first(offered):
    town, unit, person, row = offered
    mine, theirs = town.actor(person), town.actor(unit)
    outcomes = at_once(
        lambda: unit_declaring.confirm(row.pk, by=mine),
        lambda: unit_declaring.cancel(row.unit_declaration, by=theirs),
    )
    assert outcomes == ["Refused", "ok"]
    cancelled = UnitDeclaration.objects.get().cancelled_at is not None
    assert cancelled != Declaration.objects.exists()


def test_without_the_locks_it_is_cancelled_and_confirmed(offered, monkeypatch):
    import threading

    town, unit, person, row = offered
    mine, theirs = town.actor(person), town.actor(unit)
    unlocked(monkeypatch)
    meet, files = threading.Barrier(2), unit_declaring.files_of
    named = unit_declaring._named

    def when_both_have_looked(function):
        def waiting(*args):
            meet.wait(timeout=10)
            return function(*args)

        return waiting

    monkeypatch.setattr(unit_declaring, "files_of", when_both_have_looked(files))
    monkeypatch.setattr(unit_declaring, "_named", when_both_have_looked(named))
    outcomes = at_once(
        lambda: unit_declaring.confirm(row.pk, by=mine),
        lambda: unit_declaring.cancel(row.unit_declaration, by=theirs),
    )
    assert outcomes == ["ok", "ok"]
    assert UnitDeclaration.objects.get().cancelled_at
    assert Declaration.objects.exists()


def transferred(town, person, to):
    """A transfer that needs one more signature; the click that gives it."""
    payload = UnitTransfer(practitioner=person, old_employer=person.employer, new_employer=to, reason="测试")
    application = engine.submit("unit-transfer", payload, by=town.actor(person))
    engine.approve(application.steps.get(order=1).pk, by=town.actor(person.employer))
    last, receiver = application.steps.get(order=2).pk, town.actor(to)
    return lambda: engine.approve(last, by=receiver)


def test_confirming_while_a_transfer_completes_files_nothing(offered):
    """Whichever is first: an open transfer excludes everything else, a completed one leaves the unit."""
    town, unit, person, row = offered
    click, mine = transferred(town, person, town.employer()), town.actor(person)
    outcomes = at_once(click, lambda: unit_declaring.confirm(row.pk, by=mine))
    assert outcomes == ["Refused", "ok"]
    assert not Declaration.objects.exists()
    assert fresh(person).employer != unit


def test_without_the_persons_lock_it_is_filed_after_they_left(offered, monkeypatch):
    """The control: who is not read again under the lock still looks like one of the unit."""
    town, unit, person, row = offered
    mine = town.actor(person)
    transferred(town, person, town.employer())()
    monkeypatch.setattr(engine, "lock", lambda one: one)
    application = unit_declaring.confirm(row.pk, by=mine)
    assert application.steps.first().approver == unit
    assert fresh(person).employer != unit


def test_confirming_and_filing_a_transfer_at_once_one_is_filed(offered):
    town, _, person, row = offered
    to, mine, again = town.employer(), town.actor(person), town.actor(person)
    payload = UnitTransfer(practitioner=person, old_employer=person.employer, new_employer=to, reason="测试")
    outcomes = at_once(
        lambda: unit_declaring.confirm(row.pk, by=mine),
        lambda: engine.submit("unit-transfer", payload, by=again),
    )
    assert outcomes == ["Refused", "ok"]


def test_filing_one_form_twice_at_once_files_once(offered):
    town, unit, person, _ = offered
    form, actors = Files(), [town.actor(unit) for _ in range(2)]
    outcomes = at_once(
        *(
            lambda actor=actor: unit_declaring.file(training(title="另一"), {person.pk}, form, by=actor)
            for actor in actors
        )
    )
    assert outcomes == ["Refused", "ok"]
    assert UnitDeclaration.objects.filter(title="另一").count() == 1


def test_without_taking_the_files_it_is_filed_twice(offered, monkeypatch):
    town, unit, person, _ = offered
    form, actors = Files(), [town.actor(unit) for _ in range(2)]
    assert keep_files(Files("另外.png"))
    monkeypatch.setattr(unit_declaring, "keep_files", lambda form: "unit:x")
    at_once(
        *(
            lambda actor=actor: unit_declaring.file(training(title="另一"), {person.pk}, form, by=actor)
            for actor in actors
        )
    )
    assert UnitDeclaration.objects.filter(title="另一").count() == 2

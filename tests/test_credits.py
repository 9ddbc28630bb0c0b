"""Declared hours through the engine and the database: who signs, what is granted, what the database refuses."""

import datetime
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from credits import years
from credits.ledger import revoke
from credits.models import ActivityKind, Declaration, LedgerEntry, RulePack, Standing, Subject
from credits.required import rules_of
from credits.standing import standing_of, standings_of
from tests.race import at_once, without_lock
from workflow import engine
from workflow.flow import Refused

THIS_YEAR = years.current_year()


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def declaration(person, hours=20, **fields) -> Declaration:
    day = fields.pop("day", datetime.date(THIS_YEAR, 1, 8))
    return Declaration(
        **{
            "practitioner": person,
            "year": day.year,
            "subject": Subject.PROFESSIONAL,
            "kind": ActivityKind.objects.get(code="academic-forum"),
            "title": "山东省建筑节能学术论坛",
            "organiser": "测试学会",
            "started_on": day,
            "ended_on": day,
            "hours": Decimal(str(hours)),
            **fields,
        }
    )


def declare(town, person, hours=20, **fields):
    return engine.submit("hours-declaration", declaration(person, hours, **fields), by=town.actor(person))


def sign(town, application, times=9):
    """Approve step after step, each by the super admin of its approver."""
    for _ in range(times):
        step = application.steps.filter(state="open").first()
        if step is None:
            break
        application = engine.approve(step.pk, by=town.actor(step.approver))
    return application


def route(application) -> list[tuple]:
    return list(application.steps.values_list("title", "approver__name"))


def hours_of(person, year=THIS_YEAR) -> tuple:
    found = Standing.objects.filter(practitioner=person, year=year)
    return tuple((one.hours.get("public", 0), one.hours.get("professional", 0)) for one in found)


# --- who signs (decision 3) ---------------------------------------------------------------------------


def test_employer_then_authority_then_bureau(town):
    authority = town.authority(name="市住建局")
    employer = town.employer(under=authority, name="市房产管理服务中心")
    filed = declare(town, town.practitioner(at=employer))
    assert route(filed) == [
        ("用人单位审核", "市房产管理服务中心"),
        ("主管部门审验", "市住建局"),
        ("人社部门审验", "泰安市人力资源和社会保障局"),
    ]
    assert list(filed.steps.values_list("state", flat=True)) == ["open", "waiting", "waiting"]


def test_hours_of_a_private_firm_go_straight_to_the_bureau(town):
    filed = declare(town, town.practitioner(at=town.employer()))
    assert [title for title, _ in route(filed)] == ["用人单位审核", "人社部门审验"]


def test_a_parent_employer_does_not_sign_for_its_sub_unit(town):
    authority = town.authority(name="市住建局")
    parent = town.employer(under=authority, name="市房产管理服务中心")
    sub_unit = town.employer(under=parent, name="市保障性住房管理服务中心")
    filed = declare(town, town.practitioner(at=sub_unit))
    assert [name for _, name in route(filed)] == [
        "市保障性住房管理服务中心",
        "市住建局",
        "泰安市人力资源和社会保障局",
    ]


def test_a_county_employer_ends_at_its_county_bureau(town):
    county = town.bureau_under(town.bureau, name="泰安市泰山区人力资源和社会保障局")
    filed = declare(town, town.practitioner(at=town.employer(under=county)))
    assert [name for _, name in route(filed)][1:] == ["泰安市泰山区人力资源和社会保障局"]


def test_the_only_admin_of_a_unit_declares_and_the_superior_signs_instead(town):
    employer = town.employer(under=town.authority(name="市住建局"))
    admin = town.super_admin(employer)
    filed = declare(town, town.practitioner(at=employer, user=admin.user))
    first = filed.steps.first()
    assert (first.approver.name, first.on_behalf_of) == ("市住建局", employer)
    with pytest.raises(PermissionDenied):
        engine.approve(first.pk, by=town.actor(admin))


def test_nobody_signs_their_own_hours_while_a_colleague_can(town):
    employer = town.employer()
    admin = town.super_admin(employer)
    colleague = town.admin(employer, duties=["hours"])
    filed = declare(town, town.practitioner(at=employer, user=admin.user))
    step = filed.steps.first()
    with pytest.raises(Refused, match="您本人的申请"):
        engine.approve(step.pk, by=town.actor(admin))
    engine.approve(step.pk, by=town.actor(colleague))


def test_an_admin_without_the_duty_may_not_sign(town):
    employer = town.employer()
    clerk = town.admin(employer, duties=["people"])
    filed = declare(town, town.practitioner(at=employer))
    with pytest.raises(PermissionDenied):
        engine.approve(filed.steps.first().pk, by=town.actor(clerk))


# --- when it may be filed -----------------------------------------------------------------------------


def test_years_before_the_reform_are_imported_not_declared(town):
    person = town.practitioner(at=town.employer())
    with pytest.raises(Refused, match="2021 年以前的学时由平台统一导入，不用申报。"):
        declare(town, person, day=datetime.date(2020, 12, 31))


def test_a_year_to_come_is_refused(town):
    person = town.practitioner(at=town.employer())
    with pytest.raises(Refused, match="还没有开始"):
        declare(town, person, day=datetime.date(THIS_YEAR + 1, 1, 1))


def test_several_may_be_under_review_at_once(town):
    person = town.practitioner(at=town.employer())
    declare(town, person)
    declare(town, person, hours=5)
    assert Declaration.objects.pending().count() == 2


def test_an_open_transfer_waits_for_declarations_and_the_other_way_round(town):
    from tests.test_engine import transfer

    person = town.practitioner(at=town.employer())
    filed = declare(town, person)
    with pytest.raises(Refused, match="参加学术论坛"):
        transfer(town, person, town.employer())
    engine.withdraw(filed.pk, by=town.actor(person))
    transfer(town, person, town.employer())
    with pytest.raises(Refused, match="单位调转"):
        declare(town, person)


def test_nobody_declares_for_a_stranger(town):
    person, stranger = (town.practitioner(at=town.employer()) for _ in range(2))
    with pytest.raises(PermissionDenied):
        engine.submit("hours-declaration", declaration(person), by=town.actor(stranger))


def test_the_line_in_lists_says_what_it_is(town):
    filed = declare(town, town.practitioner(at=town.employer()), hours="12.5", subject=Subject.PUBLIC)
    assert filed.summary == "参加学术论坛：山东省建筑节能学术论坛（公需 12.5 学时）"
    filed = declare(town, town.practitioner(at=town.employer()), title="长" * 120)
    assert filed.summary.endswith("（专业 20 学时）")


# --- what approval causes -------------------------------------------------------------------------------


def test_hours_count_after_the_last_signature_and_not_before(town):
    person = town.practitioner(at=town.employer(under=town.authority()))
    filed = declare(town, person)
    sign(town, filed, times=2)
    assert not LedgerEntry.objects.exists()
    assert hours_of(person) == ()
    sign(town, filed)
    (entry,) = LedgerEntry.objects.all()
    assert (entry.hours, entry.year, entry.subject) == (Decimal("20.0"), THIS_YEAR, "professional")
    assert (entry.verb, entry.source, entry.declaration_id) == ("granted", "declaration", filed.pk)
    assert entry.step == filed.steps.last()
    assert entry.decided_by == town.super_admin(town.bureau).user
    assert hours_of(person) == ((Decimal(0), Decimal(20)),)


def test_rejected_and_withdrawn_hours_never_count(town):
    person = town.practitioner(at=town.employer())
    refused, taken_back = declare(town, person), declare(town, person)
    engine.reject(refused.steps.first().pk, by=town.actor(person.employer), comment="材料不全")
    engine.withdraw(taken_back.pk, by=town.actor(person))
    assert not LedgerEntry.objects.exists()


def test_the_last_approval_costs_at_most_ten_queries(town):
    person = town.practitioner(at=town.employer(under=town.authority()))
    filed = sign(town, declare(town, person), times=2)
    step, by = filed.steps.get(state="open"), town.actor(town.bureau)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        engine.approve(step.pk, by=by)
    real = [one["sql"] for one in queries if "SAVEPOINT" not in one["sql"]]
    assert len(real) <= 10, "\n".join(real)


def test_three_hundred_tenths_are_thirty(town):
    person = town.practitioner(at=town.employer())
    for _ in range(30):
        sign(town, declare(town, person, hours="0.1", subject=Subject.PUBLIC))
    assert hours_of(person) == ((Decimal("3.0"), Decimal("0.0")),)
    assert LedgerEntry.objects.aggregate(all=Sum("hours"))["all"] == Decimal("3.0")


def test_hours_belong_to_the_year_of_the_activity(town):
    person = town.practitioner(at=town.employer())
    sign(town, declare(town, person, day=datetime.date(THIS_YEAR - 1, 12, 31)))
    sign(town, declare(town, person, hours=3, day=datetime.date(THIS_YEAR, 1, 1)))
    assert hours_of(person, THIS_YEAR - 1) == ((Decimal(0), Decimal(20)),)
    assert hours_of(person, THIS_YEAR) == ((Decimal(0), Decimal(3)),)


def test_the_year_turns_at_midnight_in_shanghai(monkeypatch):
    def at(text):
        moment = datetime.datetime.fromisoformat(text)
        monkeypatch.setattr("django.utils.timezone.now", lambda: moment)
        return years.current_year()

    assert at("2026-12-31T15:59:59.999+00:00") == 2026
    assert at("2026-12-31T16:00:00+00:00") == 2027


# --- races ------------------------------------------------------------------------------------------------


@pytest.fixture
def last_step(transactional_db):
    from tests.town import Town

    town = Town()
    call_command("load_hours", verbosity=0)
    person = town.practitioner(at=town.employer())
    filed = sign(town, declare(town, person), times=1)
    second = town.admin(town.bureau, duties=["hours"])
    step = filed.steps.get(state="open")
    actors = [town.actor(town.bureau), town.actor(second)]
    return person, [lambda by=by: engine.approve(step.pk, by=by) for by in actors]


def test_two_last_approvals_at_once_grant_once(last_step):
    person, clicks = last_step
    assert at_once(*clicks) == ["AlreadyDecided", "ok"]
    assert LedgerEntry.objects.count() == 1
    assert hours_of(person) == ((Decimal(0), Decimal(20)),)


def test_without_the_lock_only_the_constraint_is_left(last_step, monkeypatch):
    person, clicks = last_step
    with without_lock(monkeypatch):
        assert at_once(*clicks) == ["IntegrityError", "ok"]
    assert LedgerEntry.objects.count() == 1
    assert hours_of(person) == ((Decimal(0), Decimal(20)),)


# --- the database's last line -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"hours": Decimal(0)}, "declaration_hours_in_range"),
        ({"hours": Decimal(-1)}, "declaration_hours_in_range"),
        ({"hours": Decimal("200.1")}, "declaration_hours_in_range"),
        (
            {"started_on": datetime.date(2026, 3, 2), "ended_on": datetime.date(2026, 3, 1), "year": 2026},
            "declaration_dates_in_order",
        ),
        (
            {"started_on": datetime.date(2025, 3, 1), "ended_on": datetime.date(2025, 3, 1), "year": 2024},
            "declaration_year_not_before_the_activity",
        ),
    ],
)
def test_a_declaration_out_of_shape_is_no_row(town, fields, constraint):
    person = town.practitioner(at=town.employer())
    filed = declare(town, person)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Declaration.objects.filter(pk=filed.pk).update(**fields)


def test_an_activity_over_new_year_may_count_for_either_year(town):
    person = town.practitioner(at=town.employer())
    for year in (2024, 2025):
        declare(
            town,
            person,
            year=year,
            started_on=datetime.date(2024, 12, 30),
            ended_on=datetime.date(2025, 1, 2),
        )


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"hours": -1}, "ledger_sign_tells_verb"),
        ({"verb": "reversed", "reason": "x"}, "ledger_sign_tells_verb"),
        ({"verb": "reversed", "hours": -1}, "ledger_reversal_has_reason"),
        ({"source": "declaration"}, "ledger_source_is_named"),
    ],
)
def test_an_entry_out_of_shape_is_no_row(town, fields, constraint):
    person = town.practitioner(at=town.employer())
    entry = {
        "practitioner": person,
        "year": 2026,
        "subject": "public",
        "hours": 1,
        "verb": "granted",
        "source": "import",
    }
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        LedgerEntry.objects.create(**{**entry, **fields})


def test_a_declaration_is_granted_once(town):
    person = town.practitioner(at=town.employer())
    sign(town, declare(town, person))
    entry = LedgerEntry.objects.get()
    entry.pk = None
    with (
        pytest.raises(IntegrityError, match="ledger_one_grant_and_reversal_per_declaration"),
        transaction.atomic(),
    ):
        entry.save(force_insert=True)


@pytest.mark.parametrize("change", [lambda rows: rows.update(hours=90), lambda rows: rows.delete()])
def test_the_ledger_is_append_only(town, change):
    sign(town, declare(town, town.practitioner(at=town.employer())))
    with pytest.raises(IntegrityError, match="append only"), transaction.atomic():
        change(LedgerEntry.objects.all())


def test_one_standing_per_person_and_year_and_never_below_zero(town):
    person = town.practitioner(at=town.employer())
    Standing.objects.create(practitioner=person, year=2026)
    with pytest.raises(IntegrityError, match="standing_once_per_year"), transaction.atomic():
        Standing.objects.create(practitioner=person, year=2026)
    with pytest.raises(IntegrityError, match="standing_not_negative"), transaction.atomic():
        Standing.objects.update(total=-1)


# --- revoking (decision 11) -----------------------------------------------------------------------------------


def test_a_verifier_takes_hours_back_by_an_entry_of_the_opposite_sign(town):
    person = town.practitioner(at=town.employer())
    filed = sign(town, declare(town, person))
    revoke(filed.declaration, by=town.actor(town.bureau), reason="证书系伪造")
    entry = LedgerEntry.objects.latest("pk")
    assert (entry.hours, entry.verb, entry.reason) == (Decimal(-20), "reversed", "证书系伪造")
    assert LedgerEntry.objects.count() == 2
    assert hours_of(person) == ((Decimal(0), Decimal(0)),)
    with pytest.raises(Refused, match="已经撤销过了"):
        revoke(filed.declaration, by=town.actor(town.bureau), reason="再撤")


def test_who_may_not_revoke(town):
    person = town.practitioner(at=town.employer())
    filed = declare(town, person)
    with pytest.raises(PermissionDenied):
        revoke(filed.declaration, by=town.actor(town.bureau), reason="尚未经手")
    sign(town, filed)
    for stranger in (town.employer(), town.admin(town.bureau, duties=["people"])):
        with pytest.raises(PermissionDenied):
            revoke(filed.declaration, by=town.actor(stranger), reason="无关")
    with pytest.raises(Refused, match="请填写撤销理由"):
        revoke(filed.declaration, by=town.actor(town.bureau), reason=" ")


# --- where the year stands --------------------------------------------------------------------------------------


def test_a_year_in_numbers_and_in_one_sentence(town):
    person = town.practitioner(at=town.employer(), user=town.user(name="王晓妮"))
    sign(town, declare(town, person, hours=30, subject=Subject.PUBLIC))
    sign(town, declare(town, person, hours=38))
    declare(town, person, hours=20)
    with CaptureQueriesContext(connection) as queries:
        year = standing_of(person)
    assert len(queries) <= 3
    assert year.headline == f"王晓妮，还差 22 学时完成 {THIS_YEAR} 年度继续教育"
    assert year.pending_sentence == "审核中的 20 学时通过后，还差 2 学时。"
    assert (year.total_earned, year.total_required) == (68, 90)
    assert [
        (one.label, one.earned, one.pending, one.required, one.missing, one.done) for one in year.rows
    ] == [
        ("公需科目", 30, 0, 30, 0, True),
        ("专业科目", 38, 20, 60, 22, False),
    ]
    assert year.public_fraction == 1
    assert year.professional_fraction == pytest.approx(38 / 60)


def test_all_three_conditions_must_be_met(town):
    person = town.practitioner(at=town.employer(), user=town.user(name="测试"))
    sign(town, declare(town, person, hours=90))
    assert standing_of(person).missing == 30, "ninety professional hours leave the public ones"
    sign(town, declare(town, person, hours=30, subject=Subject.PUBLIC))
    assert standing_of(person).headline == f"测试，您已完成 {THIS_YEAR} 年度继续教育"


def test_a_year_without_a_rule_asks_for_nothing(town):
    person = town.practitioner(at=town.employer())
    old = standing_of(person, 2019)
    assert (old.total_required, old.missing) == (0, 0)
    assert "已登记 0 学时" in old.headline


def test_several_years_cost_the_same_three_queries(town):
    person = town.practitioner(at=town.employer())
    for year in (2023, 2024):
        sign(town, declare(town, person, day=datetime.date(year, 5, 1)))
    with CaptureQueriesContext(connection) as queries:
        found = standings_of(person, [THIS_YEAR])
    assert len(queries) == 3
    assert list(found) == [THIS_YEAR, 2024, 2023]


def test_requirements_are_dated_and_inherited_down_the_tree(town):
    county = town.bureau_under(town.bureau)
    here, there = (town.practitioner(at=town.employer(under=one)) for one in (county, town.bureau))
    town.rules(county, year_from=2025, total=72, public=18, professional=42)
    mine, theirs = (rules_of(one, [2020, 2024, 2025, 2026]) for one in (here, there))

    def totals(rules):
        return [next((one.hours for one in rules[year].minimums), 0) for year in (2020, 2024, 2025, 2026)]

    assert totals(mine) == [0, 90, 72, 72]
    assert totals(theirs) == [0, 90, 90, 90]
    assert mine[2026].basis.startswith("测试文号")
    # 18 + 42 do not make 72: the sum is a condition of its own.
    assert [row.label for row in standing_of(here, 2026).rows] == ["合计", "公需科目", "专业科目"]
    assert standing_of(here, 2026).missing == 72


def test_loading_again_keeps_what_is_there(town):
    ActivityKind.objects.filter(code="paper").update(name="发表学术论文")
    before = list(RulePack.objects.values_list("code", "version", "state"))
    call_command("load_hours", verbosity=0)
    assert ActivityKind.objects.get(code="paper").name == "发表学术论文"
    assert list(RulePack.objects.values_list("code", "version", "state")) == before
    assert [code for code, _, state in before if state == "published"] == ["shandong"]

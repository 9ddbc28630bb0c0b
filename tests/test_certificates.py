"""Certificates through the database: who gets one, its number, what becomes of it when hours are taken back."""

import datetime
import re
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Message
from credits import ledger, packs, posting
from credits.certificates import current, hours_changed, issue, issue_many, replace, revoke, state_of
from credits.models import Certificate, CertificateEvent, IntakeRecord, LedgerEntry, Provider, Standing
from credits.paper.content import canonical, restored
from credits.paper.signing import Signature, public_keys, verify
from credits.years import current_year
from orgs.models import Division, Duty, Practitioner
from tests.test_credits import declare, sign
from tests.test_paper_signing import KEY
from workflow.flow import Refused

YEAR = current_year()


@pytest.fixture(autouse=True)
def signing_key(settings):
    settings.SIGNING_KEY, settings.VERIFYING_KEYS = KEY, []


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    town.bureau.division = Division.objects.create(code="370900", name="泰安市")
    town.bureau.save()
    return town


@pytest.fixture
def unit(town):
    return town.employer(name="测试单位甲")


def complete(town, at, name="", **hours):
    person = town.practitioner(at=at, user=town.user(name))
    town.stands(person, **({"public": 30, "professional": 62} | hours))
    return person


def reported(people, public=30, professional=62, year=YEAR) -> None:
    """Hours that a platform reported, with ledger and all: what is looked at after a race (tests/race.py) is whole."""
    provider, _ = Provider.objects.get_or_create(code="test", name="测试平台")
    people = list(people)
    rows = [
        IntakeRecord(
            provider=provider, event_id=f"{one.pk}-{year}-{subject}", digest="0" * 64, person_index=one.user.id_index,
            person_name=one.user.name, year=year, subject=subject, hours=Decimal(str(hours)), title="测试课程",
            completed_on=datetime.date(year, 1, 8),
        )
        for one in people
        for subject, hours in (("public", public), ("professional", professional))
    ]  # fmt: skip
    with transaction.atomic():
        IntakeRecord.objects.bulk_create(rows)
        ids = sorted(one.pk for one in people)
        list(
            Practitioner.objects.filter(pk__in=ids)
            .order_by("pk")
            .select_for_update(of=("self",), no_key=True)
        )
        assert posting.attach(ids) == len(rows)


def verified(town, person, hours, subject="professional"):
    """Declared and signed by everybody: the ledger holds it."""
    return sign(town, declare(town, person, hours, subject=subject))


def take_back(town, application, reason="证书系伪造"):
    ledger.revoke(application.declaration, by=town.actor(town.bureau), reason=reason)


def states(certificate) -> list[str]:
    return list(certificate.events.order_by("pk").values_list("state", flat=True))


def valid(person, year=YEAR) -> list[str]:
    found = Certificate.objects.filter(practitioner=person, year=year).in_state("valid")
    return list(found.values_list("number", flat=True))


def is_signed(certificate) -> bool:
    signature = Signature(certificate.key_id, bytes(certificate.signature))
    return verify(canonical(restored(certificate.content)), signature, public_keys())


def gaps() -> list[tuple]:
    """I12: (year, division, how many, highest) wherever the numbers of a division are not 1, 2, 3 …"""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT year, division, count(*), max(serial) FROM credits_certificate GROUP BY year, division"
            " HAVING count(*) <> max(serial) OR min(serial) <> 1 OR count(DISTINCT number) <> count(*)"
        )
        return cursor.fetchall()


# --- issuing ------------------------------------------------------------------------------------------------


def test_who_completed_the_year_issues_it_and_what_it_says(town, unit):
    person = complete(town, unit, "王晓妮", professional="62.5")
    one = issue(person, YEAR, by=town.actor(person))
    one.refresh_from_db()
    assert one.number == f"SD-{YEAR}-370900-0000001"
    assert (one.division, one.serial, one.organization, one.issued_by) == (
        "370900", 1, town.bureau, person.user,
    )  # fmt: skip
    said = restored(one.content)
    assert (said.name, said.id_number_masked, said.unit) == ("王晓妮", person.user.id_masked, "测试单位甲")
    assert said.lines == (
        ("公需科目", "30", "30"),
        ("专业科目", "62.5", "60"),
        ("合计", "92.5", "90"),
    )
    assert "鲁人社" in said.basis
    assert (said.relief, said.issuer) == ("", town.bureau.name)
    assert one.measured["hours"] == {"public": "30.0", "professional": "62.5"}
    assert one.measured["packs"] == [["shandong", 1]]
    assert is_signed(one)
    assert re.fullmatch("[2-9A-HJ-NP-Z]{12}", one.code)
    assert states(one) == ["valid"]
    assert not Message.objects.exists()  # nobody is told of their own act


def test_asked_again_it_is_the_same_one(town, unit):
    person = complete(town, unit)
    assert issue(person, YEAR, by=town.actor(person)) == issue(person, YEAR, by=town.actor(town.bureau))
    assert Certificate.objects.count() == 1


def test_an_incomplete_year_is_refused_with_what_is_missing_whatever_the_stored_flag_says(town, unit):
    person = complete(town, unit, professional=58)
    Standing.objects.filter(practitioner=person).update(complete=True)
    with pytest.raises(Refused, match="还差 2 学时"):
        issue(person, YEAR, by=town.actor(person))
    assert issue_many([person.pk], YEAR, by=person.user).left == {
        person.pk: f"{YEAR} 年度还差 2 学时，完成后才能签发证书。"
    }
    # And the other way round: a flag that was not looked at again yet withholds nothing.
    other = complete(town, unit)
    Standing.objects.filter(practitioner=other).update(complete=False)
    assert issue(other, YEAR, by=town.actor(other))


def test_a_year_without_rules_or_hours_is_refused(town, unit):
    person = town.practitioner(at=unit)
    with pytest.raises(Refused, match="没有学时要求"):
        issue(person, 1999, by=town.actor(person))
    with pytest.raises(Refused, match="还差 90 学时"):
        issue(person, YEAR, by=town.actor(person))


def test_the_rules_of_the_moment_count_and_their_versions_are_kept(town, unit):
    town.rules(town.bureau, code="city", public=30, professional=60, total=100)
    person = complete(town, unit)
    with pytest.raises(Refused, match="还差 8 学时"):
        issue(person, YEAR, by=town.actor(person))
    Standing.objects.filter(practitioner=person).update(
        hours={"public": Decimal(30), "professional": Decimal(70)}
    )
    one = issue(person, YEAR, by=town.actor(person))
    assert one.measured["packs"] == [["city", 1], ["shandong", 1]]
    assert restored(one.content).lines[-1] == ("合计", "100", "100")
    # Later rules change nothing about it.
    assert "测试文号" in restored(one.content).basis
    assert hours_changed([person.pk], YEAR) == 0


RELIEF = """
code = "relief"
name = "测试减免"
basis = "测试文号"
origin = "测试"
mark = "unverified"
year_from = 2021
[subjects]
public = "公需科目"
professional = "专业科目"
[relief.maternity]
name = "产假"
effect = "months"
evidence = ["证明"]
"""


def test_a_relief_is_measured_and_named(town, unit):
    packs.publish(packs.draft(RELIEF, bureau=town.bureau))
    person = complete(town, unit, public=15, professional=30)
    with pytest.raises(Refused, match="还差 45 学时"):
        issue(person, YEAR, by=town.actor(person))
    relief = [{"code": "maternity", "name": "产假", "months": 6}]
    Standing.objects.filter(practitioner=person).update(relief=relief)
    one = issue(person, YEAR, by=town.actor(person))
    assert restored(one.content).relief == "产假 6 个月，本年度要求减为 45 学时"
    assert restored(one.content).lines == (
        ("公需科目", "15", "15"),
        ("专业科目", "30", "30"),
        ("合计", "45", "45"),
    )
    assert one.measured["relief"] == relief


def test_a_person_without_a_bureau_or_division_has_a_certificate_of_the_platform(town):
    person = complete(town, town.employer(under=town.platform))
    one = issue(person, YEAR, by=town.actor(person))
    assert one.number == f"SD-{YEAR}-000000-0000001"
    assert one.organization == town.platform


def test_the_nearest_bureau_issues_and_each_division_counts_by_itself(town, unit):
    county = town.bureau_under(town.bureau, "泰山区人社局")
    county.division = Division.objects.create(code="370902", name="泰山区")
    county.save()
    zone = town.bureau_under(town.bureau, "功能区人力资源部")  # without a division of its own
    at = [unit, town.employer(under=county), town.employer(under=zone), town.employer(under=county)]
    people = [complete(town, one) for one in at]
    issue_many([one.pk for one in people], YEAR, by=town.super_admin(town.bureau).user)
    rows = Certificate.objects.order_by("practitioner").values_list("number", "organization")
    assert list(rows) == [
        (f"SD-{YEAR}-370900-0000001", town.bureau.pk),
        (f"SD-{YEAR}-370902-0000001", county.pk),
        (f"SD-{YEAR}-370900-0000002", zone.pk),
        (f"SD-{YEAR}-370902-0000002", county.pk),
    ]
    assert gaps() == []


def test_who_may_issue(town, unit):
    person, other = complete(town, unit), complete(town, unit)
    county = town.bureau_under(town.bureau)
    strangers = [
        other, unit, town.authority(), county, town.bureau_under(town.platform), town.operator(),
        town.admin(town.bureau, duties=[Duty.PEOPLE]),
    ]  # fmt: skip
    for stranger in strangers:
        with pytest.raises(PermissionDenied):
            issue(person, YEAR, by=town.actor(stranger))
    assert issue(person, YEAR, by=town.actor(town.admin(town.bureau, duties=[Duty.HOURS])))
    told = Message.objects.get(user=person.user)
    assert "已签发" in told.subject


def test_who_left_is_not_issued_to(town, unit):
    person = complete(town, unit)
    type(person).objects.filter(pk=person.pk).update(status="closed")
    outcome = issue_many([person.pk], YEAR, by=town.super_admin(town.bureau).user)
    assert (outcome.certificates, list(outcome.left)) == ([], [person.pk])


def test_a_name_that_fits_on_no_sheet_keeps_nobody_else_waiting(town, unit):
    town.rules(town.bureau, code="long", public=1)
    people = [complete(town, unit), complete(town, unit)]
    with pytest.MonkeyPatch.context() as patch:
        from credits.paper import content

        patch.setitem(content.LIMITS, "name", len(people[1].user.name) - 1)
        people[0].user.name = "甲"
        people[0].user.save()
        outcome = issue_many([one.pk for one in people], YEAR, by=town.super_admin(town.bureau).user)
    assert [one.practitioner_id for one in outcome.certificates] == [people[0].pk]
    assert "写不下" in outcome.left[people[1].pk]


# --- taken back ---------------------------------------------------------------------------------------------


def test_revoked_hours_change_the_certificate_in_the_same_transaction(town, unit):
    person = complete(town, unit, professional=40)
    application = verified(town, person, 20)
    one = issue(person, YEAR, by=town.actor(person))
    with transaction.atomic():
        take_back(town, application)
        assert states(one) == ["valid", "changed"]
        transaction.set_rollback(True)
    assert states(one) == ["valid"]
    take_back(town, application)
    assert states(one) == ["valid", "changed"]
    last = one.events.get(state="changed")
    assert "90 学时" in last.reason
    assert "70 学时" in last.reason
    assert last.at.date() == LedgerEntry.objects.get(verb="reversed").at.date()
    assert "学时已变更" in Message.objects.filter(user=person.user).order_by("-pk").first().subject
    with pytest.raises(Refused, match="还差 20 学时"):
        issue(person, YEAR, by=town.actor(person))


def test_still_complete_but_other_hours_is_changed_too_and_may_be_issued_anew(town, unit):
    person = complete(town, unit, professional=62)
    application = verified(town, person, 10)
    one = issue(person, YEAR, by=town.actor(person))
    take_back(town, application)
    assert states(one) == ["valid", "changed"]
    two = issue(person, YEAR, by=town.actor(person))
    assert states(one) == ["valid", "changed", "replaced"]
    assert one.events.get(state="replaced").reason == f"换发为 {two.number}"
    assert two.serial == one.serial + 1
    assert valid(person) == [two.number]
    assert restored(two.content).lines[-1] == ("合计", "92", "90")


def test_hours_that_the_certificate_never_counted_do_not_touch_it(town, unit):
    person = complete(town, unit)
    one = issue(person, YEAR, by=town.actor(person))
    application = verified(town, person, 10)
    assert states(one) == ["valid"]  # more hours take nothing away
    take_back(town, application)
    assert states(one) == ["valid"]
    assert hours_changed([person.pk], YEAR) == 0
    assert hours_changed([person.pk], YEAR - 1) == 0


def test_what_a_reversal_costs(town, unit):
    """One statement more where there is no certificate, five more where there is one."""
    costs = []
    for with_certificate in (False, True):
        person = complete(town, unit, professional=62)
        application = verified(town, person, 10)
        if with_certificate:
            issue(person, YEAR, by=town.actor(person))
        by, declaration = town.actor(town.bureau), application.declaration
        with CaptureQueriesContext(connection) as queries:
            ledger.revoke(declaration, by=by, reason="证书系伪造")
        costs.append(len([one for one in queries if "SAVEPOINT" not in one["sql"]]))
    assert costs[1] - costs[0] <= 4
    assert costs[0] <= 10


def test_a_certificate_may_be_had_anew_when_more_hours_or_another_name_are_true(town, unit):
    person = complete(town, unit, "王小妮")
    one = issue(person, YEAR, by=town.actor(person))
    with pytest.raises(Refused, match="没有变化"):
        replace(one, by=town.actor(person))
    verified(town, person, 10)
    two = replace(one, by=town.actor(person))
    assert restored(two.content).lines[-1] == ("合计", "102", "90")
    person.user.name = "王晓妮"
    person.user.save()
    assert issue(person, YEAR, by=town.actor(person)) == two  # valid as of its day
    three = replace(two, by=town.actor(person))
    assert restored(three.content).name == "王晓妮"
    assert restored(two.content).name == "王小妮"
    assert states(two) == ["valid", "replaced"]
    assert valid(person) == [three.number]
    assert [one.serial for one in (one, two, three)] == [1, 2, 3]


# --- revoked by the bureau ----------------------------------------------------------------------------------


def test_a_bureau_revokes_with_a_reason_and_only_it_issues_anew(town, unit):
    person = complete(town, unit)
    one = issue(person, YEAR, by=town.actor(person))
    office = town.actor(town.bureau)
    with pytest.raises(Refused, match="填写撤销理由"):
        revoke(one, by=office, reason=" ")
    revoke(one, by=office, reason="冒用他人材料")
    assert (state_of(one), current(person, YEAR).reason) == ("revoked", "冒用他人材料")
    assert "冒用他人材料" in Message.objects.filter(user=person.user).order_by("-pk").first().text
    with pytest.raises(Refused, match="不在有效状态"):
        revoke(one, by=office, reason="再撤")
    with pytest.raises(Refused, match="已被撤销（冒用他人材料）"):
        issue(person, YEAR, by=town.actor(person))
    assert issue_many([person.pk], YEAR, by=office.user).certificates == []  # a batch passes over it
    two = issue(person, YEAR, by=office)
    assert states(one) == ["valid", "revoked"]
    assert (two.serial, valid(person)) == (2, [two.number])
    assert gaps() == []


def test_who_may_revoke(town, unit):
    person = complete(town, unit)
    one = issue(person, YEAR, by=town.actor(person))
    county = town.bureau_under(town.bureau)
    for stranger in (person, unit, county, town.admin(town.bureau, duties=[Duty.PEOPLE])):
        with pytest.raises(PermissionDenied):
            revoke(one, by=town.actor(stranger), reason="无关")
    own = town.admin(town.bureau, user=person.user, duties=[Duty.HOURS])
    with pytest.raises(Refused, match="您本人的证书"):
        revoke(one, by=town.actor(own), reason="本人")
    revoke(one, by=town.actor(town.bureau), reason="材料不实")
    with pytest.raises(Refused, match="您本人的证书"):
        issue(person, YEAR, by=town.actor(own))


def test_a_right_that_was_taken_meanwhile_issues_and_revokes_nothing(town, unit):
    person = complete(town, unit)
    account = town.admin(town.bureau, duties=[Duty.HOURS])
    actor = town.actor(account)
    one = issue(person, YEAR, by=actor)
    account.end_sessions()
    with pytest.raises(Refused, match="权限刚刚变更"):
        revoke(one, by=actor, reason="材料不实")
    with pytest.raises(Refused, match="权限刚刚变更"):
        issue(complete(town, unit), YEAR, by=actor)


# --- what the database itself refuses -----------------------------------------------------------------------


def test_the_database_changes_and_deletes_no_certificate_and_no_event(town, unit):
    one = issue(complete(town, unit), YEAR, by=town.actor(town.bureau))
    for change in (
        lambda: Certificate.objects.filter(pk=one.pk).update(code="X" * 12),
        lambda: Certificate.objects.filter(pk=one.pk)._raw_delete("default"),
        lambda: CertificateEvent.objects.update(state="revoked", reason="x"),
        lambda: CertificateEvent.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(Exception, match="append only"), transaction.atomic():
            change()
    with pytest.raises(IntegrityError, match="certificate_end_has_reason"), transaction.atomic():
        CertificateEvent.objects.create(certificate=one, state="revoked", reason="")
    fields = {
        name: getattr(one, name)
        for name in ("year", "division", "serial", "practitioner", "organization", "content", "code", "key_id", "signature")
    }  # fmt: skip
    with pytest.raises(IntegrityError, match="certificate_serial_once"), transaction.atomic():
        Certificate.objects.create(**fields, number="SD-2026-370900-9999999")


def test_a_number_of_a_transaction_that_was_rolled_back_is_given_again(town, unit):
    people = [complete(town, unit) for _ in range(3)]
    issue(people[0], YEAR, by=town.actor(people[0]))
    with transaction.atomic():
        assert issue(people[1], YEAR, by=town.actor(people[1])).serial == 2
        transaction.set_rollback(True)
    assert issue(people[2], YEAR, by=town.actor(people[2])).serial == 2
    assert gaps() == []


def test_a_batch_costs_as_many_statements_for_forty_as_for_two(town, unit):
    people = [complete(town, unit).pk for _ in range(42)]
    by = town.super_admin(town.bureau).user
    costs = []
    for some in (people[:2], people[2:]):
        with CaptureQueriesContext(connection) as queries:
            outcome = issue_many(some, YEAR, by=by)
        assert len(outcome.certificates) == len(some)
        costs.append(len([one for one in queries if "SAVEPOINT" not in one["sql"]]))
    assert costs[0] == costs[1] <= 12
    assert all(is_signed(one) for one in Certificate.objects.all())
    assert gaps() == []

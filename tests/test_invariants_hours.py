"""The invariants of hours: clean on a lived-in town; each thing broken behind the product's back is named, and alone."""

import ast
import datetime
import pathlib
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import override_settings

import credits.invariants
from accounts.consistency import all_invariants
from credits import certificates, ledger, posting, tallies, unit_declaring
from credits.models import Declaration, IntakeRecord, Provider, Recheck, UnitDeclaration
from credits.years import current_year
from orgs.models import Division, Practitioner
from tests.test_credits import declare, sign
from tests.test_paper_signing import KEY
from tests.test_unit_declarations import Files
from tests.town import Town
from workflow import engine
from workflow.models import Step

pytestmark = pytest.mark.django_db

YEAR = current_year()
FOLDER = pathlib.Path(credits.invariants.__file__).parent


def sentences() -> set[str]:
    """Every invariant of hours, as its file says it."""
    found = set()
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("invariant", "counted"):
                found.add(node.args[1].value)
    return found


def broken(options=()) -> dict[str, list[str]]:
    """The sentences that do not hold now, with what is shown of their exceptions."""
    mine = sentences()
    looks = {one.sentence: one.look(None) for one in all_invariants(options) if one.sentence in mine}
    return {sentence: found.shown for sentence, found in looks.items() if found.total}


class Lived:
    """A town in which everything that the invariants speak of has happened once."""

    def __init__(self, town):
        call_command("load_hours", verbosity=0)
        town.bureau.division = Division.objects.create(code="370900", name="泰安市")
        town.bureau.save()
        self.town, self.unit = town, town.employer()
        self.met, self.lowered, self.revoked, self.learner, self.asked, self.objects = (
            town.practitioner(at=self.unit) for _ in range(6)
        )
        sign(town, declare(town, self.met, 30, subject="public", title="公需培训"))
        sign(town, declare(town, self.met, 60, title="专业培训"))
        self.certificate = certificates.issue(self.met, YEAR, by=town.actor(self.met))
        self.pending = declare(town, self.revoked, 5, title="等审核")
        engine.reject(
            declare(town, self.revoked, 6, title="被驳回").steps.first().pk,
            by=town.actor(self.unit),
            comment="理由",
        )
        self._lower()
        self.taken_back = sign(town, declare(town, self.revoked, 20, title="被撤销"))
        ledger.revoke(self.taken_back.declaration, by=town.actor(town.bureau), reason="伪造")
        self._records()
        self._unit_declaration()
        tallies.fold()
        sign(town, declare(town, self.learner, 4, title="还没有汇总"))
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def _lower(self):
        town = self.town
        self.granted_less = declare(town, self.lowered, 20, title="调低后通过")
        for hours in (15, 12):
            step = self.granted_less.steps.get(state="open")
            engine.approve(step.pk, by=town.actor(step.approver), comment="证明不足", hours=Decimal(hours))
        self.waits_lower = declare(town, self.lowered, 10, title="调低后等审验")
        step = self.waits_lower.steps.get(state="open")
        engine.approve(step.pk, by=town.actor(self.unit), comment="证明不足", hours=Decimal(8))

    def _records(self):
        provider = Provider.objects.create(code="test", name="测试平台")

        def record(event, user, **fields):
            return IntakeRecord.objects.create(
                **{
                    "provider": provider,
                    "event_id": event,
                    "digest": event,
                    "person_index": user.id_index if user else "nobody",
                    "person_name": user.name if user else "",
                    "year": YEAR,
                    "subject": "public",
                    "hours": Decimal(6),
                    "title": "课程",
                    "completed_on": datetime.date(YEAR, 1, 5),
                    **fields,
                }
            )

        user = self.learner.user
        self.record, self.corrected = record("1", user), record("2", user)
        Practitioner.objects.select_for_update().get(pk=self.learner.pk)
        assert posting.attach([self.learner.pk]) == 2
        self.correction = record(
            "3", user, practitioner=self.learner, corrects=self.corrected, hours=Decimal(4)
        )
        posting._post([self.correction.pk])
        self.waiting = record("4", None)

    def _unit_declaration(self):
        kind = self.pending.declaration.kind
        day = datetime.date(YEAR, 1, 9)
        self.unit_declaration = UnitDeclaration(
            year=YEAR,
            subject="professional",
            kind=kind,
            title="集中培训",
            organiser="测试中心",
            started_on=day,
            ended_on=day,
            stated_hours=Decimal(8),
            hours=Decimal(8),
        )
        people = {self.asked.pk, self.objects.pk, self.learner.pk}
        unit_declaring.file(self.unit_declaration, people, Files(), by=self.town.actor(self.unit))
        rows = {one.practitioner_id: one.pk for one in self.unit_declaration.persons.all()}
        self.confirmed = unit_declaring.confirm(rows[self.asked.pk], by=self.town.actor(self.asked))
        unit_declaring.object_to(rows[self.objects.pk], by=self.town.actor(self.objects), reason="没有参加")


@pytest.fixture(scope="module")
def lived(django_db_setup, django_db_blocker):
    """Built once; what a test breaks is whole again after it."""
    keys = override_settings(SIGNING_KEY=KEY, VERIFYING_KEYS=[])
    with django_db_blocker.unblock(), keys, transaction.atomic():
        yield Lived(Town())
        transaction.set_rollback(True)


def quietly(sql: str, *params) -> None:
    """Behind the product's back: no trigger, no foreign key."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, params)
        assert cursor.rowcount > 0
        cursor.execute("SET session_replication_role = origin")


def openly(sql: str, *params) -> None:
    """With the triggers that count."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        assert cursor.rowcount > 0


def without(table: str, constraint: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")


# --- each broken once -----------------------------------------------------------------------------------------


def ledger_and_standing(t):
    openly(
        """UPDATE credits_standing SET hours = '{"professional": "11.0", "public": "1.0"}' WHERE practitioner_id = %s""",
        t.lowered.pk,
    )
    return "年度学时等于学时账各科目之和"


def imported_part(t):
    openly(
        """UPDATE credits_standing SET imported = '{"public": "9.0"}' WHERE practitioner_id = %s""",
        t.learner.pk,
    )
    return "年度学时中平台对接的部分等于学时账中平台对接的之和"


def total(t):
    quietly("UPDATE credits_standing SET total = total + 1 WHERE practitioner_id = %s", t.lowered.pk)
    return "年度学时的合计等于各科目之和"


def reversal(t):
    quietly(
        "UPDATE credits_ledgerentry SET declaration_id = %s WHERE verb = 'reversed' AND declaration_id = %s",
        t.granted_less.pk,
        t.taken_back.pk,
    )
    return "撤销的学时不超过计入的，年度、科目、人员相同"


def range_of_hours(t):
    without("credits_declaration", "declaration_hours_in_range")
    quietly("UPDATE credits_declaration SET hours = 250 WHERE application_id = %s", t.pending.pk)
    return "学时在范围内，最多一位小数"


def complete(t):
    openly("UPDATE credits_standing SET complete = true WHERE practitioner_id = %s", t.lowered.pk)
    return "是否达标与按现行规则重新计算的结果一致（等待重算的除外）"


def rolled_up(t):
    quietly(
        "UPDATE credits_tally SET people = people + 1 WHERE organization_id = %s AND year = 0 AND series = '*'",
        t.unit.pk,
    )
    return "各机构的汇总计数等于其人员和年度学时"


def waiting_change(t):
    quietly("DELETE FROM credits_tallydelta WHERE hours <> '{}'")
    return "各机构的汇总计数等于其人员和年度学时"


def posted(t):
    quietly(
        """UPDATE credits_tally SET posted = credits_hours_add(posted, '{"03": "2.5"}')"""
        " WHERE organization_id = %s AND year = %s AND series = '*'",
        t.town.platform.pk,
        YEAR,
    )
    return "根机构逐月计入的学时合计等于学时账（开始计数以前的和曾经离册的人员除外）"


def grant_missing(t):
    quietly(
        "UPDATE workflow_application SET state = 'approved', closed_at = now() WHERE id = %s", t.pending.pk
    )
    return "每件通过的申报恰好计入一次，没有通过的没有计入"


def grant_too_many(t):
    quietly("UPDATE workflow_application SET state = 'rejected' WHERE id = %s", t.granted_less.pk)
    return "每件通过的申报恰好计入一次，没有通过的没有计入"


def grant_differs(t):
    quietly("UPDATE credits_declaration SET subject = 'public' WHERE application_id = %s", t.granted_less.pk)
    return "计入的学时、年度、科目、人员与申报和最后的签字一致"


def grant_signed_by_another(t):
    quietly(
        'UPDATE workflow_step SET decided_by_id = %s WHERE application_id = %s AND "order" = 2',
        t.met.user_id,
        t.taken_back.pk,
    )
    return "计入的学时、年度、科目、人员与申报和最后的签字一致"


def about_another(t):
    quietly(
        "UPDATE credits_declaration SET practitioner_id = %s WHERE application_id = %s",
        t.met.pk,
        t.pending.pk,
    )
    return "申报人就是申请所关于的人"


def lowering(t):
    quietly("UPDATE credits_lowering SET before = before + 1 WHERE declaration_id = %s", t.waits_lower.pk)
    return "认定学时与调低的记录一致，一次比一次低"


def lowered_without_record(t):
    quietly("UPDATE credits_declaration SET lowered_to = 3 WHERE application_id = %s", t.pending.pk)
    return "认定学时与调低的记录一致，一次比一次低"


def year_too_early(t):
    without("credits_declaration", "declaration_year_not_before_the_activity")
    quietly(
        "UPDATE credits_declaration SET started_on = %s, ended_on = %s WHERE application_id = %s",
        datetime.date(YEAR + 1, 1, 1),
        datetime.date(YEAR + 1, 1, 2),
        t.pending.pk,
    )
    return "申报和单位申报计入的年度不早于活动开始"


def year_too_late(t):
    quietly("UPDATE credits_declaration SET year = year + 1 WHERE application_id = %s", t.pending.pk)
    return "活动结束以后的年度只计可以延后计入的形式"


def unit_and_own_differ(t):
    quietly("UPDATE credits_unitdeclaration SET title = '另一项' WHERE id = %s", t.unit_declaration.pk)
    return "单位申报：已确认的恰好对应本人的一件申报，内容相同"


def own_without_answer(t):
    quietly(
        "UPDATE credits_declaration SET unit_declaration_id = NULL WHERE application_id = %s", t.confirmed.pk
    )
    # The files and the signature are no longer judged: it says nothing of a unit any more.
    return "单位申报：已确认的恰好对应本人的一件申报，内容相同"


def answered_after_the_end(t):
    quietly("UPDATE credits_unitdeclaration SET cancelled_at = at WHERE id = %s", t.unit_declaration.pk)
    return "单位申报：答复完整，撤销以后没有人再答复"


def signed_by_another(t):
    quietly(
        'UPDATE workflow_step SET decided_by_id = %s WHERE application_id = %s AND "order" = 1',
        t.met.user_id,
        t.confirmed.pk,
    )
    return "单位申报：单位的签字由提交人给出，不是本人"


def files_gone(t):
    quietly("DELETE FROM workflow_attachment WHERE application_id = %s", t.confirmed.pk)
    return "单位申报的证明材料都在，已确认的申报都附有同样的文件"


def record_not_entered(t):
    quietly("UPDATE credits_intakerecord SET practitioner_id = %s WHERE id = %s", t.learner.pk, t.waiting.pk)
    return "平台记录：等待注册的没有计入，已对应到人的恰好计入一次"


def record_taken_back_by_nothing(t):
    quietly("UPDATE credits_intakerecord SET corrects_id = NULL WHERE id = %s", t.correction.pk)
    return "平台记录：被更正的已撤销一次，没有被更正的没有撤销"


def record_differs(t):
    quietly("UPDATE credits_intakerecord SET subject = 'professional' WHERE id = %s", t.record.pk)
    return "平台记录：学时账中的年度、科目、人员、学时与记录相同"


def record_completed_too_early(t):
    quietly(
        "UPDATE credits_intakerecord SET completed_on = %s WHERE id = %s",
        datetime.date(YEAR - 1, 1, 1),
        t.record.pk,
    )
    return "平台记录：完成日期不早于计入的年度，更正的是同一平台同一人的记录"


def certified_too_little(t):
    quietly(
        "UPDATE credits_certificate SET content = jsonb_set(content, '{lines,0,1}', '\"1\"') WHERE id = %s",
        t.certificate.pk,
    )
    return "证书：签发时每一项要求都已达到"


def certified_other_hours(t):
    quietly(
        "UPDATE credits_certificate SET measured = jsonb_set(measured, '{hours,public}', '\"29.0\"') WHERE id = %s",
        t.certificate.pk,
    )
    return "证书：所载合计等于核定依据中各科目之和"


def certified_hours_gone(t):
    quietly(
        "UPDATE credits_certificate SET measured = measured || %s WHERE id = %s",
        '{"hours": {"public": "31.0", "professional": "59.0"}}',
        t.certificate.pk,
    )
    return "证书：有效的每人每年最多一张，所载学时没有被收回"


def certificate_without_a_beginning(t):
    quietly("DELETE FROM credits_certificateevent WHERE certificate_id = %s", t.certificate.pk)
    return "证书：每张都有记录，第一条是签发，撤销和换发以后没有别的"


def gap_in_numbers(t):
    quietly("UPDATE credits_certificate SET serial = 2 WHERE id = %s", t.certificate.pk)
    return "证书：每个年度和区划的编号从 1 起连续"


def forged(t):
    quietly(
        "UPDATE credits_certificate SET content = jsonb_set(content, '{name}', '\"别人\"') WHERE id = %s",
        t.certificate.pk,
    )
    return "证书：编号与年度、区划、流水号一致，所载内容与签名一致"


BREAKS = [
    ledger_and_standing,
    imported_part,
    total,
    reversal,
    range_of_hours,
    complete,
    rolled_up,
    waiting_change,
    posted,
    grant_missing,
    grant_too_many,
    grant_differs,
    grant_signed_by_another,
    about_another,
    lowering,
    lowered_without_record,
    year_too_early,
    year_too_late,
    unit_and_own_differ,
    own_without_answer,
    answered_after_the_end,
    signed_by_another,
    files_gone,
    record_not_entered,
    record_taken_back_by_nothing,
    record_differs,
    record_completed_too_early,
    certified_too_little,
    certified_other_hours,
    certified_hours_gone,
    certificate_without_a_beginning,
    gap_in_numbers,
]


def test_a_lived_in_town_is_clean(lived):
    assert broken(["signatures"]) == {}
    # Nothing is held to be clean for want of rows.
    assert Declaration.objects.filter(lowered_to__isnull=False).count() == 2
    assert IntakeRecord.objects.filter(practitioner=None).count() == 1
    assert lived.certificate.events.count() == 1


@pytest.mark.parametrize("breaking", BREAKS, ids=[one.__name__ for one in BREAKS])
def test_what_is_broken_is_named_and_alone(lived, breaking):
    assert list(broken()) == []
    sentence = breaking(lived)
    assert list(broken()) == [sentence]


def test_a_forged_certificate_is_named_when_signatures_are_asked_for(lived):
    sentence = forged(lived)
    assert broken() == {}
    assert broken(["signatures"]) == {sentence: [f"certificate {lived.certificate.pk}"]}


def test_every_invariant_is_broken_by_some_test(lived):
    source = pathlib.Path(__file__).read_text("utf-8")
    assert {one for one in sentences() if f'return "{one}"' not in source} == set()


def test_who_waits_to_be_measured_again_is_no_exception(lived):
    complete(lived)
    Recheck.objects.create(practitioner=lived.lowered)
    assert broken() == {}


def test_hours_taken_back_after_somebody_left_prove_nothing_of_what_was_posted(lived):
    person = Practitioner.objects.get(pk=lived.lowered.pk)
    person.status = "closed"
    person.save()
    ledger.revoke(lived.granted_less.declaration, by=lived.town.actor(lived.town.bureau), reason="伪造")
    assert broken() == {}


def test_exceptions_name_ids_and_nothing_personal(lived):
    ledger_and_standing(lived)
    (shown,) = broken().values()
    assert len(shown) == 2  # one line for each subject
    assert f"practitioner {lived.lowered.pk}，year {YEAR}" in shown[0]
    assert lived.lowered.user.name not in "".join(shown)


def test_the_signature_of_the_filer_as_the_person_concerned_is_an_exception(lived):
    """The database forbids it; what a dump brought in is named all the same."""
    step = Step.objects.get(application=lived.confirmed, order=1)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE workflow_step DROP CONSTRAINT step_nobody_signs_their_own_matter")
    quietly("UPDATE workflow_step SET decided_by_id = person_id WHERE id = %s", step.pk)
    assert list(broken()) == ["单位申报：单位的签字由提交人给出，不是本人"]

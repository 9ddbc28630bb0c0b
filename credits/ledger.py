"""The ledger and the sums it feeds: every entry and its effect on the person's year in one transaction.

With credits/posting.py, which does the same for a whole batch of platforms' records, the only module that writes
LedgerEntry or Standing. Whoever comes here holds the practitioner's row lock: what is read below is then true until
the transaction ends, so the sums are written as numbers, not as additions.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models import Subquery, Value
from django.utils import timezone
from psycopg.types.json import Jsonb

from credits.certificates import hours_changed
from credits.entering import enter_many
from credits.hours_field import ZERO, added, as_hours, as_text
from credits.models import Declaration, LedgerEntry, ReliefRequest, Source, Standing, Verb
from credits.required import is_met, packs_at, rules_among
from credits.rules.shapes import Pack
from orgs.actor import Actor, hold_right
from orgs.models import Duty, Practitioner
from workflow import engine
from workflow.flow import Refused
from workflow.models import Step, StepState


@dataclass(frozen=True)
class Year:
    """One person's year as the ledger has it, with the rules that hold for it."""

    rules: Pack
    hours: dict[str, Decimal] = field(default_factory=dict)
    imported: dict[str, Decimal] = field(default_factory=dict)
    relief: list[dict] = field(default_factory=list)


def year_of(practitioner: Practitioner, year: int) -> Year:
    """Read both in one query: an approval has a budget of ten."""
    standing = Standing.objects.filter(practitioner=Value(practitioner.pk), year=year)
    found = list(
        packs_at(practitioner.path).annotate(
            **{name: Subquery(standing.values(name)[:1]) for name in ("hours", "imported", "relief")}
        )
    )
    rules = rules_among(found, practitioner.path, practitioner.title_series_id, year)
    row = found[0] if found else standing.first()
    if row is None:
        return Year(rules)
    return Year(rules, as_hours(row.hours), as_hours(row.imported), row.relief or [])


def grant(declaration: Declaration) -> None:
    """Enter the hours of an approved declaration. Called by the flow, inside the transaction of the last signature."""
    _enter(
        LedgerEntry(
            practitioner=declaration.application.practitioner,
            year=declaration.year,
            subject=declaration.subject,
            hours=declaration.recognised,
            verb=Verb.GRANTED,
            source=Source.DECLARATION,
            declaration=declaration,
        )
    )


def grant_many(declarations: list[Declaration]) -> None:
    """`grant` for many, whose practitioners are locked (workflow/bulk.py). Five statements, whatever their number."""
    last = {}
    steps = Step.objects.filter(application__in=[one.pk for one in declarations], state=StepState.APPROVED)
    for step in steps.order_by("decided_at", "pk"):
        last[step.application_id] = step
    at = timezone.now()
    enter_many(
        (
            LedgerEntry(
                practitioner_id=one.practitioner_id,
                year=one.year,
                subject=one.subject,
                hours=one.recognised,
                verb=Verb.GRANTED,
                source=Source.DECLARATION,
                declaration=one,
                step=last[one.pk],
                decided_by_id=last[one.pk].decided_by_id,
                organization_id=last[one.pk].approver_id,
                at=at,
            )
            for one in declarations
        ),
        {one.practitioner_id: one.application.practitioner for one in declarations},
    )


@transaction.atomic
def revoke(declaration: Declaration, *, by: Actor, reason: str) -> None:
    """Take granted hours back with a reason (decision 11): an entry with the opposite sign, never a change.

    For admins of an organisation that signed the declaration and with the duty for hours; PermissionDenied
    otherwise. Refused without a reason, in one's own matter, and when nothing is there to take back.
    """
    hold_right(by)
    practitioner = engine.lock(declaration.practitioner)
    if not may_revoke(declaration, by):
        raise PermissionDenied
    if by.user.pk == practitioner.user_id:
        raise Refused("这是您本人的学时，请由其他管理员撤销。")
    if not reason.strip():
        raise Refused("请填写撤销理由。")
    entries = {entry.verb: entry for entry in declaration.ledger.all()}
    if Verb.GRANTED not in entries:
        raise Refused("这件申报还没有计入学时，不用撤销。")
    if Verb.REVERSED in entries:
        raise Refused("这件申报的学时已经撤销过了。")
    granted = entries[Verb.GRANTED]
    _enter(
        LedgerEntry(
            practitioner=practitioner,
            year=granted.year,
            subject=granted.subject,
            hours=-granted.hours,
            verb=Verb.REVERSED,
            source=granted.source,
            declaration=declaration,
            step=granted.step,
            decided_by=by.user,
            organization=by.organization,
            reason=reason.strip(),
        )
    )


def may_revoke(declaration: Declaration, by: Actor) -> bool:
    """Whether this admin answers for the declaration: the duty for hours, at an organisation that signed it."""
    signed = declaration.application.steps.filter(state=StepState.APPROVED, approver=by.organization)
    return by.can(Duty.HOURS) and signed.exists()


def relieve(request: ReliefRequest) -> None:
    """Copy an approved reduction into the person's year. Called by its flow, in the last signature's transaction."""
    practitioner = request.application.practitioner
    now = year_of(practitioner, request.year)
    relief = [*now.relief, {"code": request.code, "name": request.name, "months": request.months}]
    Standing.objects.bulk_create(
        [
            Standing(
                practitioner=practitioner,
                year=request.year,
                hours=now.hours,
                imported=now.imported,
                total=sum(now.hours.values(), ZERO),
                complete=_is_complete(now, now.hours, now.imported, relief, practitioner),
                relief=relief,
            )
        ],
        update_conflicts=True,
        unique_fields=["practitioner", "year"],
        update_fields=["relief", "complete"],
    )


def _is_complete(now: Year, hours: dict, imported: dict, relief: list, practitioner: Practitioner) -> bool:
    return is_met(now.rules, hours, imported, relief, practitioner.title_level)


def _enter(entry: LedgerEntry) -> None:
    person = entry.practitioner
    now = year_of(person, entry.year)
    more = {entry.subject: entry.hours}
    hours = added(now.hours, more)
    imported = added(now.imported, more) if entry.source == Source.IMPORT else now.imported
    with connection.cursor() as cursor:
        cursor.execute(
            _ENTER,
            {
                "practitioner": person.pk,
                "year": entry.year,
                "subject": entry.subject,
                "entered": entry.hours,
                "verb": entry.verb,
                "source": entry.source,
                "declaration": entry.declaration_id,
                "record": entry.record_id,
                "step": entry.step_id,
                "decided_by": entry.decided_by_id,
                "organization": entry.organization_id,
                "reason": entry.reason,
                "at": timezone.now(),
                "hours": Jsonb(as_text(hours)),
                "imported": Jsonb(as_text(imported)),
                "total": sum(hours.values(), ZERO),
                "complete": _is_complete(now, hours, imported, now.relief, person),
            },
        )
    if entry.verb == Verb.REVERSED:
        hours_changed([person.pk], entry.year)


# One statement: entry and sum are never apart. A grant is signed by the last signature of its declaration.
_ENTER = """
WITH signature AS (
    SELECT id, decided_by_id, approver_id FROM workflow_step
     WHERE application_id = %(declaration)s AND state = 'approved' ORDER BY decided_at DESC, id DESC LIMIT 1
), entry AS (
    INSERT INTO credits_ledgerentry (practitioner_id, year, subject, hours, verb, source, declaration_id, record_id,
                                     step_id, decided_by_id, organization_id, reason, at)
    VALUES (%(practitioner)s, %(year)s, %(subject)s, %(entered)s, %(verb)s, %(source)s, %(declaration)s, %(record)s,
            coalesce(%(step)s, (SELECT id FROM signature)),
            coalesce(%(decided_by)s, (SELECT decided_by_id FROM signature)),
            coalesce(%(organization)s, (SELECT approver_id FROM signature)), %(reason)s, %(at)s)
)
INSERT INTO credits_standing (practitioner_id, year, hours, imported, total, complete, relief)
VALUES (%(practitioner)s, %(year)s, %(hours)s, %(imported)s, %(total)s, %(complete)s, '[]')
ON CONFLICT (practitioner_id, year) DO UPDATE
   SET hours = EXCLUDED.hours, imported = EXCLUDED.imported, total = EXCLUDED.total, complete = EXCLUDED.complete
"""

"""The ledger and the sums it feeds: every entry and its effect on the person's year in one transaction.

The only module that writes LedgerEntry or Standing.
"""

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models import F, Subquery

from credits.models import Declaration, LedgerEntry, Source, Standing, Subject, Verb
from orgs.actor import Actor, hold_right
from orgs.models import Duty
from workflow import engine
from workflow.flow import Refused
from workflow.models import StepState

_COLUMN = {Subject.PUBLIC: "public_hours", Subject.PROFESSIONAL: "professional_hours"}


def grant(declaration: Declaration) -> None:
    """Enter the hours of an approved declaration. Called by the flow, inside the transaction of the last signature."""
    last = declaration.application.steps.filter(state=StepState.APPROVED).order_by("-decided_at", "-pk")
    _enter(
        LedgerEntry(
            practitioner_id=declaration.practitioner_id,
            year=declaration.year,
            subject=declaration.subject,
            hours=declaration.hours,
            verb=Verb.GRANTED,
            source=Source.DECLARATION,
            declaration=declaration,
            # Read by the statement that enters them: an approval has a budget of ten queries.
            step_id=Subquery(last.values("pk")[:1]),
            decided_by_id=Subquery(last.values("decided_by")[:1]),
            organization_id=Subquery(last.values("approver")[:1]),
        )
    )


@transaction.atomic
def revoke(declaration: Declaration, *, by: Actor, reason: str) -> LedgerEntry:
    """Take granted hours back with a reason (decision 11): an entry with the opposite sign, never a change.

    For admins of an organisation that signed the declaration and with the duty for hours; PermissionDenied
    otherwise. Refused without a reason, in one's own matter, and when nothing is there to take back.
    """
    hold_right(by)
    engine.lock(declaration.practitioner)
    signed = declaration.application.steps.filter(state=StepState.APPROVED, approver=by.organization)
    if not by.can(Duty.HOURS) or not signed.exists():
        raise PermissionDenied
    if by.user.pk == declaration.practitioner.user_id:
        raise Refused("这是您本人的学时，请由其他管理员撤销。")
    if not reason.strip():
        raise Refused("请填写撤销理由。")
    entries = {entry.verb: entry for entry in declaration.ledger.all()}
    if Verb.GRANTED not in entries:
        raise Refused("这件申报还没有计入学时，不用撤销。")
    if Verb.REVERSED in entries:
        raise Refused("这件申报的学时已经撤销过了。")
    granted = entries[Verb.GRANTED]
    return _enter(
        LedgerEntry(
            practitioner_id=granted.practitioner_id,
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


def _enter(entry: LedgerEntry) -> LedgerEntry:
    entry.save(force_insert=True)
    column = _COLUMN[Subject(entry.subject)]
    if entry.hours > 0:
        more = {one: entry.hours if one == column else 0 for one in _COLUMN.values()}
        with connection.cursor() as cursor:
            cursor.execute(_ADD, {"practitioner": entry.practitioner_id, "year": entry.year, **more})
    else:
        # Not by the same statement: a row proposed for insertion must itself not be negative.
        Standing.objects.filter(practitioner=entry.practitioner_id, year=entry.year).update(
            **{column: F(column) + entry.hours}
        )
    return entry


_ADD = """
INSERT INTO credits_standing (practitioner_id, year, public_hours, professional_hours)
VALUES (%(practitioner)s, %(year)s, %(public_hours)s, %(professional_hours)s)
ON CONFLICT (practitioner_id, year) DO UPDATE
   SET public_hours = credits_standing.public_hours + EXCLUDED.public_hours,
       professional_hours = credits_standing.professional_hours + EXCLUDED.professional_hours
"""

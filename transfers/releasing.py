"""人员调出: one action for many people, one result for each (F-60 … F-62).

The record is written first, then person after person is filed in a transaction of its own: what one cannot do
stops nobody else, and what an interruption left open is carried on later.
"""

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from orgs.actor import Actor
from orgs.models import Organization, Practitioner
from transfers.models import Release, ReleaseRow, UnitTransfer
from workflow import engine
from workflow.flow import Refused
from workflow.models import Application

LEFT = "已不在本单位。"


def releasable(actor: Actor):
    """The people whom this admin may release: those employed at the admin's own unit."""
    return Practitioner.objects.visible_to(actor).active().filter(employer=actor.organization)


def blocked(people) -> dict[int, str]:
    """Practitioner id -> why that person cannot move now (F-54, F-62). One query, whatever their number."""
    pending = Application.objects.pending().filter(practitioner__in=people).order_by("-pk")
    return {
        pk: f"还有“{summary}”在审核中，办结或撤回后才能调出。"
        for pk, summary in pending.values_list("practitioner_id", "summary")
    }


def begin(token: str, people: set[int], new_employer: Organization, reason: str, *, by: Actor) -> Release:
    """Write down the action with a row for everybody; a token that was used before gives the first record."""
    try:
        with transaction.atomic():
            release = Release.objects.create(
                token=token,
                organization=by.organization,
                new_employer=new_employer,
                reason=reason,
                by=by.user,
            )
            ReleaseRow.objects.bulk_create(
                ReleaseRow(release=release, practitioner_id=pk) for pk in sorted(people)
            )
    except IntegrityError as error:
        if "release_filed_once" not in str(error):
            raise
        return Release.objects.get(token=token, organization=by.organization)
    return release


def carry_out(release: Release, *, by: Actor) -> None:
    """File what is still open; each row once, also when two browsers do it at the same time."""
    rows = list(release.rows.open())
    reasons = blocked([row.practitioner_id for row in rows])
    people = Practitioner.objects.select_related("user", "employer").in_bulk(
        [row.practitioner_id for row in rows if row.practitioner_id not in reasons]
    )
    for row in rows:
        if row.practitioner_id in people:
            _file(row, people[row.practitioner_id], release, by)
        else:
            # Still open? What is pending may be this very row, filed meanwhile in another browser.
            ReleaseRow.objects.filter(pk=row.pk).open().update(refusal=reasons[row.practitioner_id][:300])


@transaction.atomic
def _file(row: ReleaseRow, practitioner: Practitioner, release: Release, by: Actor) -> None:
    locked = (
        ReleaseRow.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=row.pk).open().first()
    )
    if locked is None:
        return
    payload = UnitTransfer(
        practitioner=practitioner,
        old_employer=release.organization,
        new_employer=release.new_employer,
        reason=release.reason,
    )
    try:
        locked.application = engine.submit("unit-transfer", payload, by=by)
    except Refused as refusal:
        locked.refusal = str(refusal)
    except PermissionDenied:
        locked.refusal = LEFT
    locked.save(update_fields=["application", "refusal"])

"""托底: who signs when an organisation has nobody who may (decisions 8 and 12; F-134, D-06, D-07)."""

from accounts.models import User
from orgs.models import OrgAdmin, Organization
from workflow.flow import Stop


def answerers(stops: list[Stop], duty: str, person: User) -> list[Organization]:
    """For each stop the organisation that will sign it.

    That is the stop's own approver when it has an active admin who holds the duty and is not the person
    concerned; otherwise its nearest superior with such an admin; with none up to the root, the approver itself.
    One query for all stops.
    """
    chains = [[*stop.approver.ancestor_ids, stop.approver.pk] for stop in stops]
    staffed = dict(
        OrgAdmin.objects.active()
        .holding(duty)
        .exclude(user=person)
        .filter(organization__in={pk for chain in chains for pk in chain}, organization__status="active")
        .values_list("organization_id", "organization_id")
    )
    found = [next((pk for pk in reversed(chain) if pk in staffed), chain[-1]) for chain in chains]
    moved = Organization.objects.in_bulk(
        [pk for pk, stop in zip(found, stops, strict=True) if pk != stop.approver.pk]
    )
    return [moved.get(pk, stop.approver) for pk, stop in zip(found, stops, strict=True)]

"""The one edge of the tree and the paths that follow it (architecture.md, "The tree is one edge").

A path is copied when somebody is hung into the tree and rewritten when a branch moves. One advisory lock keeps the
two apart: whoever copies a path holds the tree still (shared), whoever moves a branch holds it alone. It is taken
before any row lock, or two moves could wait for each other.
"""

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Value
from django.db.models.functions import Concat, Substr

from accounts.refused import Refused
from orgs.models import Kind, Organization, Practitioner, Status

TREE_LOCK = 722260


def hold_still() -> None:
    """Until the transaction ends no branch moves, so that a path may be copied."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [TREE_LOCK])


def hold_alone() -> None:
    """Until the transaction ends nobody else moves a branch or copies a path."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TREE_LOCK])


def platform(name: str = "平台") -> Organization:
    """The root of the tree, made when it is not there yet."""
    root = Organization.objects.filter(kind=Kind.OPERATOR).first()
    return root or plant(
        Organization(
            kind=Kind.OPERATOR,
            name=name,
            status=Status.ACTIVE,
            phone=settings.SITE["phone"],
            office_hours=settings.SITE["hours"],
        )
    )


@transaction.atomic
def plant(organization: Organization) -> Organization:
    """Save a new organisation below its superior and give it its path."""
    hold_still()
    organization.save()
    above = _path_now(organization.superior_id) if organization.superior_id else "/"
    organization.path = f"{above}{organization.pk}/"
    Organization.objects.filter(pk=organization.pk).update(path=organization.path)
    return organization


@transaction.atomic
def settle(practitioner: Practitioner, employer: Organization) -> Practitioner:
    """Save a practitioner at this employer, new or moved there, with the employer's path as it is now."""
    hold_still()
    practitioner.employer = employer
    practitioner.path = _path_now(employer.pk)
    practitioner.save()
    return practitioner


@transaction.atomic
def move(organization: Organization, superior: Organization) -> int:
    """Hang `organization` under `superior` and rewrite the paths of its whole subtree; returns its people.

    Refused when that would close a ring (F-70): checked under the lock, so that two crossed moves cannot both pass.
    """
    hold_alone()
    organization.refresh_from_db()
    superior.refresh_from_db()
    if closes_ring(organization, superior):
        raise Refused("新的上级不能是本单位自己或本单位的下级，请另选上级。")
    old, new = organization.path, f"{superior.path}{organization.pk}/"
    organization.superior = superior
    organization.save()
    tail = Concat(Value(new), Substr("path", len(old) + 1))
    Organization.objects.filter(path__startswith=old).update(path=tail)
    people = Practitioner.objects.filter(path__startswith=old).update(path=tail)
    organization.path = new
    return people


def closes_ring(organization: Organization, superior: Organization) -> bool:
    """Whether `superior` is the organisation itself or lies below it."""
    return superior.path.startswith(organization.path)


def chain_above(organization: Organization) -> list[Organization]:
    """All superiors from the root down, in one query."""
    return sorted(
        Organization.objects.filter(pk__in=organization.ancestor_ids), key=lambda one: len(one.path)
    )


def _path_now(pk: int) -> str:
    return Organization.objects.values_list("path", flat=True).get(pk=pk)

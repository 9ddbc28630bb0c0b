"""The one edge of the tree and the paths that follow it (architecture.md, "The tree is one edge")."""

from django.db import connection, transaction
from django.db.models import Value
from django.db.models.functions import Concat, Substr

from accounts.refused import Refused
from orgs.models import Kind, Organization, Practitioner

# One lock for every change of the tree's shape: crossed moves would each pass the ring check alone.
TREE_LOCK = 7_2260


def path_under(superior: Organization | None, pk: int) -> str:
    """The path of organisation `pk` below `superior` ("/" for a root)."""
    return f"{superior.path if superior else '/'}{pk}/"


@transaction.atomic
def plant(organization: Organization) -> Organization:
    """Save a new organisation below its superior and give it its path."""
    organization.save()
    organization.path = path_under(organization.superior, organization.pk)
    Organization.objects.filter(pk=organization.pk).update(path=organization.path)
    return organization


@transaction.atomic
def move(organization: Organization, superior: Organization) -> int:
    """Hang `organization` under `superior` and rewrite the paths of its whole subtree; returns its people.

    Refused when that would close a ring (F-70). One advisory lock serialises all moves, so that two crossed
    moves cannot both pass the check.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TREE_LOCK])
    organization.refresh_from_db()
    superior.refresh_from_db()
    if superior.path.startswith(organization.path):
        raise Refused("新的上级不能是本单位自己或本单位的下级，请另选上级。")
    old, new = organization.path, path_under(superior, organization.pk)
    organization.superior = superior
    organization.save()
    tail = Concat(Value(new), Substr("path", len(old) + 1))
    Organization.objects.filter(path__startswith=old).update(path=tail)
    people = Practitioner.objects.filter(path__startswith=old).update(path=tail)
    organization.path = new
    return people


def bureau_of(organization: Organization) -> Organization:
    """同级人社部门: the nearest bureau above, or the organisation itself when it is one."""
    return nearest(organization, Kind.BUREAU)


def nearest(organization: Organization, kind: str) -> Organization | None:
    """The nearest organisation of this kind, counting from the organisation itself upwards."""
    if organization.kind == kind:
        return organization
    return Organization.objects.filter(pk__in=organization.ancestor_ids, kind=kind).order_by("-path").first()


def nearest_above(organization: Organization, kind: str) -> Organization | None:
    """The nearest superior of this kind, not counting the organisation itself."""
    above = [one for one in chain_above(organization) if one.kind == kind]
    return above[-1] if above else None


def chain_above(organization: Organization) -> list[Organization]:
    """All superiors from the root down, in one query."""
    return sorted(
        Organization.objects.filter(pk__in=organization.ancestor_ids), key=lambda one: len(one.path)
    )

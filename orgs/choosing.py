"""Finding an organisation by a few characters of its name, or by its credit code, in order to choose it (P8, F-65).

Who may be chosen at all is the caller's queryset; here is how it is searched and how a hit is told from its
namesakes: by the path above it and its public phone.
"""

import unicodedata
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.db.models.functions import Length

from accounts.id_number import normalise
from orgs.models import Kind, Organization

CODE_LENGTH = 18
MOST = 20  # more hits than that are no choice: the text must be more exact


@dataclass(frozen=True)
class Hit:
    """One organisation found, with the names of its superiors from the top down, without the platform."""

    organization: Organization
    above: tuple[str, ...]

    @property
    def path(self) -> str:
        """The superiors in one line: 泰安市人社局 › 泰安市住建局."""
        return " › ".join(self.above)


@dataclass(frozen=True)
class Found:
    """What a text came to. `only` is set when there is no doubt: one hit, or one whose name or code is the text."""

    hits: tuple[Hit, ...] = ()
    only: Organization | None = None
    more: bool = False


def find(text: str, among: QuerySet) -> Found:
    """Search `among` for a name that holds all words of the text, or for this credit code. Two queries.

    Full-width and half-width writing are the same: 测试（集团）公司 is found by 测试(集团)公司.
    """
    if not text.split():
        return Found()
    code = normalise(text)
    found = list(among.filter(named(text)).order_by(Length("name"), "name", "pk")[: MOST + 1])
    same = [
        row for row in found if _narrow(row.name) == _narrow(text.strip()) or (row.uscc and row.uscc == code)
    ]
    only = found[0] if len(found) == 1 else same[0] if len(same) == 1 else None
    return Found(tuple(with_paths(found[:MOST])), only, len(found) > MOST)


def named(text: str) -> Q:
    """Organisations whose name holds all words of the text, or whose credit code it is. The text is not blank."""
    condition = Q()
    for word in text.split():
        condition &= (
            Q(name__icontains=word) | Q(name__icontains=_narrow(word)) | Q(name__icontains=_wide(word))
        )
    code = normalise(text)
    return condition | Q(uscc=code) if len(code) == CODE_LENGTH else condition


def with_paths(organizations: list[Organization]) -> list[Hit]:
    """Hits with the names above them, in one query for all."""
    above = {pk for one in organizations for pk in one.ancestor_ids}
    names = dict(
        Organization.objects.filter(pk__in=above).exclude(kind=Kind.OPERATOR).values_list("pk", "name")
    )
    return [Hit(one, tuple(names[pk] for pk in one.ancestor_ids if pk in names)) for one in organizations]


def _narrow(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _wide(text: str) -> str:
    return _narrow(text).translate({ord("("): "（", ord(")"): "）"})

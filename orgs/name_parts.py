"""Finding names by a few characters anywhere in them, without an extension of PostgreSQL (speed.md, "Engine").

A name is cut into all its runs of one to three characters. People: each run is a row of PersonKey, beside the path of
the unit, so that a branch is searched in the order of its list and a page stops after its fifty rows. Organisations:
an index over the array of runs (GIN), since there are few of them.

Cut alike here and in the database (migration 0002): full-width and half-width writing and capitals are the same.
"""

import unicodedata

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.fields.array import ArrayContains
from django.db.models import Func, Lookup, TextField

LONGEST = 3
NUMBER = "#"  # before the last four of an ID number, which is no part of a name


class NameParts(Func):
    """The runs of a name as the index over organisations holds them."""

    function = "orgs_name_parts"
    output_field = ArrayField(TextField())

    @classmethod
    def hold(cls, field: str, parts: list[str]) -> Lookup:
        """A condition: the name in this column has all of these runs."""
        return ArrayContains(cls(field), parts)


def plain(text: str) -> str:
    """A text as it is compared."""
    return unicodedata.normalize("NFKC", text).strip().lower()


def parts_to_find(text: str) -> list[str]:
    """The runs that a name must have in order to hold this text: the text itself, or all its longest runs.

    When it is longer than those, the name must still be looked at.
    """
    text = plain(text)
    if len(text) <= LONGEST:
        return [text] if text else []
    return sorted({text[start : start + LONGEST] for start in range(len(text) - LONGEST + 1)})

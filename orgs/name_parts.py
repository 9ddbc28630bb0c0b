"""Finding names by a few characters anywhere in them, without an extension of PostgreSQL (speed.md, "Engine").

People: a name is cut into all its runs of one to three characters, and each run is a row of PersonKey beside the path
of the unit, so that a branch is searched in the order of its list and a page stops after its fifty rows.
Organisations, whose names are long and who are few: an index over the characters of the name (GIN), and the name
itself is looked at where it has them all.

Cut and compared alike here and in the database (migration 0002): full-width and half-width writing and capitals are
the same.
"""

import unicodedata

from django.contrib.postgres.fields import ArrayField
from django.db.models import Func, Q, TextField

LONGEST = 3
NUMBER = "#"  # before the last four of an ID number, which is no part of a name


class PlainName(Func):
    """A name as it is compared."""

    template = "lower(normalize(%(expressions)s, NFKC))"
    output_field = TextField()


class NameCharacters(Func):
    """The characters of a name as the index over organisations holds them."""

    template = "string_to_array(lower(normalize(%(expressions)s, NFKC)), NULL)"
    output_field = ArrayField(TextField())


def plain(text: str) -> str:
    """A text as it is compared."""
    return unicodedata.normalize("NFKC", text).strip().lower()


def parts_to_find(text: str) -> list[str]:
    """The runs that a person's name must have in order to hold this text: the text itself, or all its longest runs."""
    text = plain(text)
    if len(text) <= LONGEST:
        return [text] if text else []
    return sorted({text[start : start + LONGEST] for start in range(len(text) - LONGEST + 1)})


def holding(field: str, text: str) -> Q:
    """A condition: the name in this column holds all words of the text, by the index over its characters."""
    words = plain(text).split()
    condition = Q(_has(NameCharacters(field), sorted(set("".join(words)))))
    for word in words:
        condition &= Q(_has(PlainName(field), word))
    return condition


def _has(name: Func, what: str | list[str]):
    return name.output_field.get_lookup("contains")(name, what)

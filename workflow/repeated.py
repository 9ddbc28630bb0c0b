"""A list's query whose text is put together once: for the lists that are opened most.

The ORM takes longer to put such a query together than PostgreSQL to run it, and does so again for every page although
nothing but a few values differs. Here it does so once for each kind of page and process; the rule itself stays a
queryset.
"""

from collections.abc import Callable, Hashable

from django.db import connection
from django.db.models import QuerySet

_NUMBERS = 32_001  # marks of numbers: they fit every integer column, and stand for no value of ours


class Repeated:
    """`make(**values)` gives a queryset of `values(…)`, alike for all values: no condition may depend on them.

    A value that a pattern is made of (`startswith`) must hold no character that means something to LIKE.
    """

    def __init__(self, make: Callable[..., QuerySet]):
        self.make, self._texts = make, {}

    def rows(self, kind: Hashable = None, **values: str | int) -> list[dict]:
        """The rows for these values. `kind` is handed to `make` when it is not None: a text for each."""
        key = (kind, *values)
        if key not in self._texts:
            self._texts[key] = self._text(kind, values)
        sql, marked, names = self._texts[key]
        with connection.cursor() as cursor:
            cursor.execute(sql, [_filled(one, values) for one in marked])
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _text(self, kind: Hashable, values: dict) -> tuple[str, list, list[str]]:
        marks = {
            name: f"<{name}>" if isinstance(value, str) else _NUMBERS + number
            for number, (name, value) in enumerate(values.items())
        }
        found = self.make(**marks) if kind is None else self.make(kind, **marks)
        compiler = found.query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        if compiler.get_converters(one[0] for one in compiler.select):
            raise TypeError("a column of this list must pass through Python first")
        names = {mark: name for name, mark in marks.items()}
        marked = [_of_mark(param, names) for param in params]  # a value may be used more than once
        if {one[0] for one in marked if one[0]} != set(values):
            raise TypeError("a value of this list does not reach its query")
        return sql, marked, list(found.query.selected)


def _of_mark(param, names: dict) -> tuple[str, object]:
    """(name of the value, the pattern around it), ("", the parameter itself) where it is always the same."""
    if isinstance(param, str):
        for mark, name in names.items():
            if isinstance(mark, str) and mark in param:
                return name, param.replace("%", "%%").replace(mark, "%s")
        return "", param
    number = isinstance(param, int) and not isinstance(param, bool)
    return (names[param], None) if number and param in names else ("", param)


def _filled(marked: tuple[str, object], values: dict):
    name, around = marked
    if not name:
        return around
    if around in (None, "%s"):
        return values[name]
    if set(values[name]) & set("%_\\"):
        raise ValueError("not a value for a pattern")
    return around % values[name]

"""What must always be true of the data as a whole, beyond what a constraint can say (trust.md 4.2).

Each app writes its invariants in its `invariants.py`; `manage.py check_invariants` runs them all, and so do the tests
after every race. An invariant is a query that returns the exceptions. It names rows by their ids and nothing personal:

    invariant("I7", "每人同时最多一件单位调转", "SELECT practitioner_id AS practitioner FROM … HAVING count(*) > 1")
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from django.db import connection, transaction

SHOWN = 20


@dataclass(frozen=True)
class Found:
    """The exceptions of one invariant: how many, and the first of them in words."""

    total: int
    shown: list[str]


@dataclass(frozen=True)
class Invariant:
    """`name` is the number in trust.md 4.2, `sentence` what must hold.

    `look` finds the exceptions. `option` names what has to be asked for because it takes long ("files", "open").
    """

    name: str
    sentence: str
    look: Callable[[], Found]
    option: str = ""


_INVARIANTS: list[Invariant] = []


def invariant(name: str, sentence: str, sql: str, params: Callable[[], list] = list) -> None:
    """Register a query; each row it returns is an exception, shown as its columns' names and values."""
    _INVARIANTS.append(Invariant(name, sentence, lambda: _queried(sql, params())))


def counted(name: str, sentence: str, option: str = ""):
    """Decorator: register a function that yields each exception in words, for what no query can tell."""

    def register(find: Callable[[], Iterable[str]]):
        def look() -> Found:
            exceptions = iter(find())
            shown = list(islice(exceptions, SHOWN))
            return Found(len(shown) + sum(1 for _ in exceptions), shown)

        _INVARIANTS.append(Invariant(name, sentence, look, option))
        return find

    return register


def all_invariants(options: Iterable[str] = ()) -> list[Invariant]:
    """Those that are always looked at and those of these options, in the order of their numbers."""
    asked = {"", *options}
    return sorted(
        (one for one in _INVARIANTS if one.option in asked), key=lambda one: (int(one.name[1:]), one.sentence)
    )


@contextlib.contextmanager
def one_moment() -> Iterator[None]:
    """Everything read inside is of the same moment, and nothing is written. Long reading is not cut short.

    Inside another transaction, as in tests, it is that one's moment.
    """
    with transaction.atomic():
        if len(connection.savepoint_ids) == 0:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute("SET LOCAL statement_timeout = 0")
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield


def _queried(sql: str, params: list) -> Found:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT *, count(*) OVER () FROM ({sql}) AS found LIMIT {SHOWN}", params)  # noqa: S608
        names = [column.name for column in cursor.description[:-1]]
        rows = cursor.fetchall()
    shown = [
        "，".join(f"{name} {value}" for name, value in zip(names, row[:-1], strict=True)) for row in rows
    ]
    return Found(rows[0][-1] if rows else 0, shown)

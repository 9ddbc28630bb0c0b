"""What must always be true of the data as a whole, beyond what a constraint can say (trust.md 4.2).

Each app writes its invariants in its `invariants.py`; `manage.py check_invariants` runs them all, and so do the tests
after every race. An invariant is a query that returns the exceptions. It names rows by their ids and nothing personal:

    invariant("I13", "一个证件号码只属于一人", "SELECT min(id) AS 用户 FROM accounts_user … HAVING count(*) > 1")

No percent sign in the SQL but for parameters (%s).
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from django.db import connection, transaction
from django.utils.module_loading import autodiscover_modules

SHOWN = 20


@dataclass(frozen=True)
class Found:
    """The exceptions of one invariant: how many, and the first of them in words."""

    total: int
    shown: list[str]


@dataclass(frozen=True)
class Invariant:
    """`name` is the number in trust.md 4.2, `sentence` what must hold.

    `look` finds the exceptions. With an `option` ("files", "open") it is looked at only when asked for, since it takes
    long; `look` is then given how many rows to take by chance, None for all.
    """

    name: str
    sentence: str
    look: Callable[[int | None], Found]
    option: str = ""


_INVARIANTS: list[Invariant] = []


def invariant(name: str, sentence: str, sql: str, params: Callable[[], list] = list) -> None:
    """Register a query; each row it returns is an exception, shown as its columns' names and values."""
    _INVARIANTS.append(Invariant(name, sentence, lambda sample: _queried(sql, params())))


def counted(name: str, sentence: str, option: str = ""):
    """Decorator: register a function that yields each exception in words, for what no query can tell.

    With an `option` it is called with how many rows to take by chance, None for all.
    """

    def register(find: Callable[..., Iterable[str]]):
        def look(sample: int | None) -> Found:
            exceptions = iter(find(sample) if option else find())
            shown = list(islice(exceptions, SHOWN))
            return Found(len(shown) + sum(1 for _ in exceptions), shown)

        _INVARIANTS.append(Invariant(name, sentence, look, option))
        return find

    return register


def all_invariants(options: Iterable[str] = ()) -> list[Invariant]:
    """Those that are always looked at and those of these options, in the order of their numbers."""
    autodiscover_modules("invariants")
    asked = {"", *options}
    return sorted((one for one in _INVARIANTS if one.option in asked), key=lambda one: int(one.name[1:]))


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

"""Bring every seal and every blind index under the newest keys, while the site runs (`manage.py rotate_keys`).

Rows go in parts of one transaction each, so it may be stopped and run again. Reading knows the keys before and after
(accounts/crypto.py). A human's index stands in several tables that are joined: all of them change in one transaction,
and a trigger brings what is written under the old key by anybody who does not know better along (`IndexStep`). So at
every moment one human has one index, and the database's own constraint keeps it unique.

Who is in a table's way gives way: a part that waits for a lock longer than LONGEST_WAIT is tried again later.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected, LockNotAvailable

from accounts import crypto
from accounts.ciphered import Column, all_columns, tables
from accounts.models import IndexStep

AT_ONCE = 500
LONGEST_WAIT = "400ms"  # below the server's deadlock_timeout: whoever waits for us in a ring gets on
PAUSE = 0.2  # seconds until a part that met a lock is tried again


@dataclass
class Done:
    """What one run has rewritten, by table."""

    rows: dict[str, int] = field(default_factory=dict)
    retries: int = 0

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def open_steps() -> None:
    """Make the triggers that bring old indexes along. To be run as the owner of the tables; may be repeated."""
    for column in _stepped():
        name = _trigger(column)
        _patiently(
            f"""
            CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
                SET search_path = public, pg_temp AS $$
            DECLARE
                newer text;
            BEGIN
                SELECT after INTO newer FROM accounts_indexstep WHERE before = NEW.{column.name};
                IF FOUND THEN
                    NEW.{column.name} := newer;
                END IF;
                RETURN NEW;
            END $$;
            DROP TRIGGER IF EXISTS {name} ON {column.table};
            CREATE TRIGGER {name} BEFORE INSERT OR UPDATE OF {column.name} ON {column.table}
                FOR EACH ROW EXECUTE FUNCTION {name}();
            """  # noqa: S608
        )


def close_steps() -> None:
    """Take the triggers and what they knew away: no process writes the index of before any more."""
    for column in _stepped():
        name = _trigger(column)
        _patiently(f"DROP TRIGGER IF EXISTS {name} ON {column.table}; DROP FUNCTION IF EXISTS {name}();")
    IndexStep.objects.all().delete()


def rotate(tell: Callable[[str, int], None] = lambda table, rows: None) -> Done:
    """Rewrite whatever is not under the newest keys. `tell` hears of each part."""
    done = Done()
    for model, columns in tables().items():
        table = model._meta.db_table
        for keys in _parts(columns):
            rows = _part(columns, keys, done)
            done.rows[table] = done.rows.get(table, 0) + rows
            tell(table, done.rows[table])
    return done


def left() -> dict[str, int]:
    """How many values of each column are not under the newest keys."""
    found = {}
    for column in all_columns():
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*) FROM {column.table} WHERE {_is_old(column)}",  # noqa: S608
                [_newest(column)],
            )
            found[f"{column.table}.{column.name}"] = cursor.fetchone()[0]
    return {name: count for name, count in found.items() if count}


def keys_used() -> tuple[set[str], set[str]]:
    """Ids of the field keys and of the index layers that values in the tables need ("" is the first index)."""
    seals, indexes = set(), set()
    for column in all_columns():
        with connection.cursor() as cursor:
            if column.is_index:
                what = f"CASE WHEN strpos({column.name}, ':') > 0 THEN split_part({column.name}, ':', 1) ELSE '' END"
                cursor.execute(
                    f"SELECT DISTINCT {what} FROM {column.table} WHERE {column.name} <> ''"  # noqa: S608
                )
                indexes |= {row[0] for row in cursor.fetchall()}
            else:
                what = f"substring({column.name} FROM 1 FOR 2 + get_byte({column.name}, 1))"
                cursor.execute(
                    f"SELECT DISTINCT {what} FROM {column.table} WHERE length({column.name}) > 2"  # noqa: S608
                )
                seals |= {crypto.sealed_with(row[0]) for row in cursor.fetchall()}
    return seals, indexes


# --- parts --------------------------------------------------------------------------------------------------


def _parts(columns: list[Column]) -> Iterator[list[int]]:
    """Keys of rows that hold something old, a part at a time."""
    table, key = columns[0].table, columns[0].key
    old = " OR ".join(f"({_is_old(column)})" for column in columns)
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {key} FROM {table} WHERE {key} > %s AND ({old}) ORDER BY {key} LIMIT %s",  # noqa: S608
                [last, *map(_newest, columns), AT_ONCE],
            )
            keys = [row[0] for row in cursor.fetchall()]
        if not keys:
            return
        yield keys
        last = keys[-1]


def _part(columns: list[Column], keys: list[int], done: Done) -> int:
    while True:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LONGEST_WAIT}'")
                return _rewrite(cursor, columns, keys)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable | DeadlockDetected):
                raise
            done.retries += 1
            time.sleep(PAUSE)


def _rewrite(cursor, columns: list[Column], keys: list[int]) -> int:
    names = ", ".join(column.name for column in columns)
    cursor.execute(
        f"SELECT {columns[0].key}, {names} FROM {columns[0].table}"  # noqa: S608
        f" WHERE {columns[0].key} = ANY(%s) ORDER BY {columns[0].key} FOR UPDATE",
        [keys],
    )
    rows = cursor.fetchall()
    for place, column in enumerate(columns, 1):
        changed = [(row[0], row[place], _renewed(column, row[place])) for row in rows if row[place]]
        changed = [one for one in changed if one[2] is not None]
        if column.is_index:
            _step(cursor, column, changed)
        elif changed:
            cursor.execute(
                f"UPDATE {column.table} t SET {column.name} = one.after"  # noqa: S608
                f" FROM unnest(%s::bigint[], %s::bytea[]) AS one (key, after) WHERE t.{column.key} = one.key",
                [[one[0] for one in changed], [one[2] for one in changed]],
            )
    return len(rows)


def _renewed(column: Column, value):
    """The value under the newest keys, None when it is there already."""
    if column.is_index:
        newer = crypto.newest_index(value, column.purpose)
        return None if newer == value else newer
    if crypto.is_up_to_date(value):
        return None
    return crypto.seal(crypto.open_sealed(value, column.purpose), column.purpose)


def _step(cursor, column: Column, changed: list[tuple]) -> None:
    if not changed:
        return
    steps = {before: after for _, before, after in changed}
    before, after = list(steps), list(steps.values())
    step = "unnest(%s::text[], %s::text[]) AS step (before, after)"
    if column in _stepped():
        # First: from here on nobody can write the old one any more without it being brought along.
        cursor.execute(
            f"INSERT INTO accounts_indexstep (before, after) SELECT * FROM {step} ON CONFLICT DO NOTHING",  # noqa: S608
            [before, after],
        )
    cursor.execute(
        f"UPDATE {column.table} t SET {column.name} = one.after"  # noqa: S608
        f" FROM unnest(%s::bigint[], %s::text[]) AS one (key, after) WHERE t.{column.key} = one.key",
        [[one[0] for one in changed], [one[2] for one in changed]],
    )
    for other in all_columns():
        if other.is_index and other.purpose == column.purpose and other != column:
            here = f"UPDATE {other.table} t SET {other.name} = step.after FROM {step}"  # noqa: S608
            for way in other.found_by:
                one = f", LATERAL ({way}) one (key) WHERE t.{other.key} = one.key"
                cursor.execute(here + one, [before, after])
            if not other.found_by:
                cursor.execute(f"{here} WHERE t.{other.name} = step.before", [before, after])


def _stepped() -> list[Column]:
    """The indexes that stand in several tables and are joined."""
    indexes = [column for column in all_columns() if column.is_index]
    return [one for one in indexes if sum(other.purpose == one.purpose for other in indexes) > 1]


def _trigger(column: Column) -> str:
    return f"{column.table}_index_step"


def _is_old(column: Column) -> str:
    """Condition with one parameter: what the newest values begin with."""
    if column.is_index:
        return f"{column.name} <> '' AND NOT starts_with({column.name}, %s)"
    return f"length({column.name}) > 0 AND NOT starts_with(encode({column.name}, 'hex'), %s)"


def _newest(column: Column) -> str:
    if column.is_index:
        return crypto.newest_layer_prefix()
    return crypto.current_header().hex()


def _patiently(sql: str) -> None:
    while True:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
                cursor.execute(sql)
                return
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable | DeadlockDetected):
                raise
            time.sleep(PAUSE)

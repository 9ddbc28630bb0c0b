"""Which migrations may run while people work, and the release before still serves them.

Two things go wrong otherwise. A lock: on a table of millions of rows some statements take minutes, and everybody waits
behind them. And the old code: until every process is replaced it reads and writes columns by their old names and knows
nothing of new ones. docs/operations.md says how each is done instead.

Nothing is released yet: the first migration of each app is how the database is born and is exempt. RELEASED names,
from the first release on, the newest migration of each app in it; what comes after that is judged. Who knows better
says why: `reviewed = {"drop": "unread since release 3"}` in the migration.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from django.db import migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import CharField, CheckConstraint, Field, ManyToManyField, TextField

OUR_APPS = ("accounts", "orgs", "workflow", "registration", "transfers", "credits", "desk")
RELEASED: dict[str, str] = {}
# Tables that a province fills with millions of rows.
BIG = frozenset(
    {
        "accounts_user",
        "accounts_roleaccount",
        "accounts_message",
        "orgs_organization",
        "orgs_practitioner",
        "orgs_personkey",
        "orgs_historicalpractitioner",
        "workflow_application",
        "workflow_step",
        "workflow_event",
        "workflow_attachment",
        "credits_declaration",
        "credits_ledgerentry",
        "credits_standing",
    }
)
RULES = {
    "not-null": "新列必须允许为空，或有 db_default：旧版本的代码还不知道它，会写不进去。",
    "rename": "不要改名：旧版本的代码还用旧名字。新增一列（表），两边都写，下一版再删除旧的。",
    "drop": "不要删除旧版本的代码还在用的列或表：先发布不再使用它的版本，下一版再删除，并写明 reviewed。",
    "index": "大表上的索引要用 AddIndexConcurrently（atomic = False）；外键和 unique 也会建索引。",
    "constraint": "大表上的约束先用 AddConstraintNotValid，再在另一个迁移里 ValidateConstraint。",
    "type": "不要改变列的类型，也不要把可空列改为非空：整张表会被锁住并重写或扫描。新增一列再逐步搬移。",
    "reverse": "RunPython 和 RunSQL 都要有反向操作（没有可做的就写 noop），否则无法退回。",
    "mixed": "数据搬移（RunPython）单独放在一个迁移里：和改表放在一起，锁会一直占到数据搬完。",
}
_SQL = {  # on a big table, what raw SQL says for itself
    "rename": r"\brename\s+(to|column)\b",
    "drop": r"\bdrop\s+(table|column)\b",
    "index": r"\bcreate\s+(unique\s+)?index\s+(?!concurrently)",
    "type": r"\balter\s+(column\s+)?\S+\s+(set\s+data\s+)?type\b|\bset\s+not\s+null\b",
    "constraint": r"\badd\s+constraint\b(?!.*\bnot\s+valid\b)",
}


class Finding(NamedTuple):
    """One operation that breaks a rule."""

    migration: str
    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.migration}：{self.what}\n    [{self.rule}] {RULES[self.rule]}"


def findings() -> list[Finding]:
    """Everything wrong with our migrations that are not released yet."""
    loader = MigrationLoader(None)
    graph, found, made = loader.graph, [], set()
    state = ProjectState()
    # The whole plan in its order: an operation is judged by what the tables are at that moment.
    for key in dict.fromkeys(one for leaf in graph.leaf_nodes() for one in graph.forwards_plan(leaf)):
        migration = graph.nodes[key]
        if is_judged(*key):
            found += judge(migration, state, made)
        state = migration.mutate_state(state, preserve=False)
    return found


def is_judged(app: str, name: str) -> bool:
    """Whether a migration comes after what is released."""
    return app in OUR_APPS and name[:4] > RELEASED.get(app, "0001")[:4]


def judge(
    migration: migrations.Migration, state: ProjectState, made: set[str] | None = None
) -> list[Finding]:
    """What is wrong with one migration in the state before it. `made`: tables born since the release, free of rules."""
    made = set() if made is None else made
    reviewed = getattr(migration, "reviewed", {})
    found, state = [], state.clone()
    name = f"{migration.app_label}.{migration.name}"
    flat = list(_flat(migration.operations))
    for operation in flat:
        if isinstance(operation, migrations.CreateModel):
            made.add(_table(state, migration.app_label, operation.name, operation.options))
        for rule in _broken(operation, migration.app_label, state, made):
            found.append(Finding(name, rule, operation.describe()))
        operation.state_forwards(migration.app_label, state)
    moves = [one for one in flat if isinstance(one, migrations.RunPython)]
    if moves and any(not isinstance(one, migrations.RunPython) for one in flat):
        found.append(Finding(name, "mixed", moves[0].describe()))
    return [one for one in found if not str(reviewed.get(one.rule, "")).strip()]


def _flat(operations: list[Operation]) -> Iterator[Operation]:
    """What reaches the database: of SeparateDatabaseAndState only its database side."""
    for one in operations:
        if isinstance(one, migrations.SeparateDatabaseAndState):
            yield from _flat(one.database_operations)
        else:
            yield one


def _table(state: ProjectState, app: str, model: str, options: dict | None = None) -> str:
    if options is None:
        known = state.models.get((app, model.lower()))
        options = known.options if known else {}
    return options.get("db_table") or f"{app}_{model.lower()}"


def _broken(operation: Operation, app: str, state: ProjectState, made: set[str]) -> Iterator[str]:
    if isinstance(operation, migrations.RunPython):
        if operation.reverse_code is None:
            yield "reverse"
        return
    if isinstance(operation, migrations.RunSQL):
        if operation.reverse_sql is None:
            yield "reverse"
        yield from _broken_sql(operation, made)
        return
    model = getattr(operation, "model_name", None) or getattr(operation, "old_name", None)
    table = _table(state, app, model or getattr(operation, "name", ""))
    if table in made:
        return
    big = table in BIG
    match operation:
        case migrations.RenameField() | migrations.RenameModel() | migrations.AlterModelTable():
            yield "rename"
        case migrations.RemoveField() | migrations.DeleteModel():
            yield "drop"
        case migrations.AddField(field=field) if not isinstance(field, ManyToManyField):
            if not field.null and not field.has_db_default() and not field.generated:
                yield "not-null"
            if big and _makes_index(field):
                yield "index"
            if big and field.generated:
                yield "type"  # the whole table is written anew
        case migrations.AlterField(field=field):
            before = state.models[app, operation.model_name_lower].fields[operation.name]
            if _rewrites(before, field) or (before.null and not field.null):
                yield "type"
            if big and _makes_index(field) and not _makes_index(before):
                yield "index"
        case migrations.AddIndex() if big and type(operation) is migrations.AddIndex:
            yield "index"
        # AddIndexConcurrently and AddConstraintNotValid are subclasses of these two
        case migrations.AddConstraint(constraint=one) if big and type(operation) is migrations.AddConstraint:
            yield "constraint" if isinstance(one, CheckConstraint) else "index"
        case migrations.AlterUniqueTogether() if big:
            yield "index"


def _makes_index(field: Field) -> bool:
    return bool(field.db_index or field.unique)


def _rewrites(before: Field, after: Field) -> bool:
    """Whether the column gets another type. A longer or unlimited text keeps it; so does a change of words alone."""
    if isinstance(before, CharField) and isinstance(after, (CharField, TextField)):
        longest = getattr(after, "max_length", None)
        return longest is not None and (before.max_length is None or longest < before.max_length)
    kinds = before.get_internal_type(), after.get_internal_type()
    sizes = [
        (getattr(one, "max_digits", None), getattr(one, "decimal_places", None)) for one in (before, after)
    ]
    return kinds[0] != kinds[1] or sizes[0] != sizes[1]


def _broken_sql(operation: migrations.RunSQL, made: set[str]) -> Iterator[str]:
    said = operation.sql if isinstance(operation.sql, str) else " ".join(map(str, operation.sql))
    for statement in re.sub(r"\$(\w*)\$.*?\$\1\$", "", said, flags=re.DOTALL).split(";"):
        words = " ".join(statement.lower().split())
        tables = {table for table in BIG - made if re.search(rf"\b{table}\b", words)}
        for rule, pattern in _SQL.items():
            if (tables or rule in ("rename", "drop")) and re.search(pattern, words):
                yield rule

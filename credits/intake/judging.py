"""What the database has against rows that are well written: asked for all of them in one statement.

The same when a spreadsheet is checked, when it is entered (under the locks of credits/posting.py: only then the answer
holds) and for the events of an API request.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import connection

from credits.intake.columns import Checked, Wrong
from credits.models import IntakeBatch, Provider, ProviderKey


@dataclass(frozen=True)
class Arriving:
    """Rows on their way in, as a part of a statement: `sql` gives the columns of Checked."""

    provider: Provider
    sql: str
    values: dict
    batch: IntakeBatch | None = None
    key: ProviderKey | None = None

    @property
    def parameters(self) -> dict:
        bureau = self.provider.bureau
        return {**self.values, "provider": self.provider.pk, "place": bureau.path if bureau else ""}


def of_batch(batch: IntakeBatch) -> Arriving:
    """The rows of a batch that were checked, until the end of the transaction.

    In a table of their own: of rows that came a second ago the planner knows nothing, and takes a hundred thousand for
    one; then a join that has to be one pass becomes a search for each row (measured: 12 s instead of half a second).
    """
    columns = ", ".join(Checked._fields)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS arriving_rows")
        cursor.execute(
            f"CREATE TEMPORARY TABLE arriving_rows ON COMMIT DROP AS"  # noqa: S608
            f" SELECT {columns} FROM credits_checkedrow WHERE batch_id = %s",
            [batch.pk],
        )
        cursor.execute("ANALYZE arriving_rows")
    return Arriving(batch.provider, f"SELECT {columns} FROM arriving_rows", {}, batch=batch)  # noqa: S608


def of_events(provider: Provider, key: ProviderKey | None, rows: list[Checked]) -> Arriving:
    """A few rows that are in memory."""
    text = json.dumps([row._asdict() for row in rows], default=str)
    return Arriving(provider, _FROM_JSON, {"rows": text}, key=key)


_FROM_JSON = f"""
SELECT {", ".join(Checked._fields)} FROM jsonb_to_recordset(%(rows)s::jsonb) AS one (
    row integer, event_id text, digest text, person_index text, person_hint text, person_name text, year integer,
    subject text, hours numeric, title text, started_on date, completed_on date, certificate_number text,
    number_key text, corrects_event text)
"""  # noqa: S608


class Problem(NamedTuple):
    """A row that cannot be entered: which, the code of the reason, and the sentence at its column."""

    row: int
    code: str
    wrong: Wrong


@dataclass
class Verdict:
    """`problems`, and how many rows would be new, are known already, or would wait for their person to register."""

    problems: list[Problem] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)

    @property
    def new(self) -> int:
        return self.counts["new"] + self.counts["waiting"]


def judge(arriving: Arriving) -> Verdict:
    """Two statements, however many rows."""
    verdict = Verdict()
    with connection.cursor() as cursor:
        corrects = has_corrections(arriving)
        cursor.execute(_judging(arriving.sql, corrects), arriving.parameters)
        for row, code, other in cursor.fetchall():
            if code in _FINE:
                verdict.counts[code] = row
            else:
                column, sentence = _SENTENCES[code]
                bureau = arriving.provider.bureau
                words = sentence.format(other=other, bureau=bureau.name if bureau else "")
                verdict.problems.append(Problem(row, code, Wrong(column, words)))
    return verdict


def has_corrections(arriving: Arriving) -> bool:
    """Whether any of the rows corrects another one: few batches do, and for the others half of the work is spared."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT FROM ({arriving.sql}) one WHERE corrects_event <> '')",  # noqa: S608
            arriving.parameters,
        )
        return cursor.fetchone()[0]


_FINE = ("new", "known", "waiting")
_SENTENCES = {
    "event_conflict": (
        "event_id",
        "这个事件编号（{other}）已经入账，但内容不同。要更正请换新的事件编号，并填写更正的事件编号。",
    ),
    "duplicate_event": (
        "event_id",
        "与第 {other} 行的事件编号相同；没有填编号的，是同一人、同一课程、同一日期。请删除重复的一行，或分别填写编号。",
    ),
    "duplicate_correction": ("corrects", "与第 {other} 行更正的是同一条记录，请只保留一行。"),
    "unknown_event": ("corrects", "没有入过这个事件编号的账，不能更正，请核对编号。"),
    "already_corrected": ("corrects", "这条记录已被事件 {other} 更正，请改为更正那一条。"),
    "other_person": (
        "corrects",
        "这个事件编号是另一人的记录，不能更正到别人名下。报错了人的，先撤回那一条（学时填 0），再为本人报送新的记录。",
    ),
    "name_mismatch": ("name", "姓名与登记的不一致，请核对证件号码和姓名。"),
    "outside_bureau": ("id_number", "此人不在{bureau}管辖的单位，不能由本平台报送。"),
}

# People write one name with different blanks, dots and widths.
_NAME = "lower(translate(normalize({}, NFKC), ' ·•・‧∙.', ''))"
NAME_FITS = f"(r.person_name = u.name OR {_NAME.format('r.person_name')} = {_NAME.format('u.name')})"


def _judging(arriving: str, corrects: bool) -> str:
    target = (
        """
      LEFT JOIN credits_intakerecord target ON target.provider_id = %(provider)s AND target.event_id = r.corrects_event
            AND r.corrects_event <> ''
      LEFT JOIN credits_intakerecord later ON later.corrects_id = target.id"""
        if corrects
        else ""
    )
    case = (
        """
                WHEN r.corrects_event <> '' AND target.id IS NULL THEN 'unknown_event'
                WHEN later.id IS NOT NULL THEN 'already_corrected'
                WHEN target.person_index <> r.person_index THEN 'other_person'"""
        if corrects
        else ""
    )
    return _JUDGE.format(
        arriving=arriving,
        target=target,
        case=case,
        later="later.event_id" if corrects else "NULL::text",
        attached="target.practitioner_id IS NOT NULL" if corrects else "false",
        first_correction="min(r.row) OVER (PARTITION BY nullif(r.corrects_event, ''))"
        if corrects
        else "NULL::integer",
    )


_JUDGE = f"""
WITH r AS MATERIALIZED ({{arriving}}),
judged AS MATERIALIZED (
    SELECT r.row, r.event_id, old.id AS old, {{later}} AS later, min(r.row) OVER (PARTITION BY r.event_id) AS first,
           CASE WHEN r.corrects_event <> '' THEN {{first_correction}} END AS first_correction,
           p.status IS NOT DISTINCT FROM 'active' OR {{attached}} AS here,
           CASE WHEN old.id IS NOT NULL THEN CASE WHEN old.digest <> r.digest THEN 'event_conflict' ELSE 'known' END{{case}}
                WHEN u.id IS NOT NULL AND NOT {NAME_FITS} THEN 'name_mismatch'
                WHEN p.status = 'active' AND NOT starts_with(p.path, %(place)s) THEN 'outside_bureau'
           END AS code
      FROM r
      LEFT JOIN credits_intakerecord old ON old.provider_id = %(provider)s AND old.event_id = r.event_id{{target}}
      LEFT JOIN accounts_user u ON u.id_index = r.person_index
      LEFT JOIN orgs_practitioner p ON p.user_id = u.id
), named AS (
    SELECT row,
           CASE WHEN row > first THEN 'duplicate_event'
                WHEN old IS NULL AND row > first_correction THEN 'duplicate_correction'
                ELSE coalesce(code, CASE WHEN here THEN 'new' ELSE 'waiting' END) END AS code,
           CASE WHEN row > first THEN first::text WHEN code = 'event_conflict' THEN event_id
                WHEN old IS NULL AND row > first_correction THEN first_correction::text ELSE coalesce(later, '') END AS other
      FROM judged
)
SELECT row, code, other FROM named WHERE code NOT IN ('new', 'known', 'waiting')
UNION ALL
SELECT count(*)::integer, code, '' FROM named WHERE code IN ('new', 'known', 'waiting') GROUP BY code
"""  # noqa: S608

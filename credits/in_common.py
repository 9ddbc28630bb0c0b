"""Who else used the numbers and files of many declarations: the look-ups of credits/duplicates.py in two statements.

A unit's filing gives one number and one file to all its people. So each number is looked up once for each filing it came
with, and what belongs to that filing itself is passed over: two thousand of one filing cost as much as one.
"""

from collections import defaultdict
from collections.abc import Iterable

from django.db import connection

from credits.duplicates import MOST, InCommon, Other
from credits.models import Declaration
from workflow.models import Application


def in_common(declarations: Iterable[Declaration], digests: dict[int, set[str]]) -> dict[int, InCommon]:
    """By declaration. `digests` are the SHA-256 of its files, by the same keys. Nobody is loaded: `person` is None."""
    declarations = list(declarations)
    numbers = {(one.number_key, one.unit_declaration_id) for one in declarations if one.number_key}
    files = {(key, one.unit_declaration_id) for one in declarations for key in digests.get(one.pk, ())}
    with_number, with_file = _looked_up(_NUMBERS, numbers), _looked_up(_FILES, files)
    found = {}
    for one in declarations:
        filing = one.unit_declaration_id
        same_number = with_number[one.number_key, filing]
        same_files = [other for key in sorted(digests.get(one.pk, ())) for other in with_file[key, filing]]
        found[one.pk] = InCommon(
            [other for other in same_files if other.application_id != one.pk][:MOST],
            [other for other in same_number if other.practitioner_id != one.practitioner_id][:MOST],
        )
    return found


def _looked_up(statement: str, asked: set[tuple[str, int | None]]) -> dict[tuple, list[Other]]:
    found = defaultdict(list)
    if not asked:
        return found
    keys, filings = zip(*asked, strict=True)
    with connection.cursor() as cursor:
        # Twice as many as are judged: one's own are among them and are left out afterwards.
        cursor.execute(statement, {"keys": list(keys), "filings": list(filings), "most": 2 * MOST})
        for key, filing, application, submitted_at, summary, *facts, file in cursor.fetchall():
            receipt = Application(pk=application, submitted_at=submitted_at).receipt
            found[key, filing].append(Other(application, *facts, summary, receipt, file))
    return found


_NUMBERS = """
SELECT asked.key, asked.filing, other.*
  FROM unnest(%(keys)s::text[], %(filings)s::bigint[]) AS asked (key, filing)
 CROSS JOIN LATERAL (
       SELECT d.application_id, a.submitted_at, a.summary, d.practitioner_id, d.unit_declaration_id, d.kind_id, d.rank,
              '' AS file
         FROM credits_declaration d JOIN workflow_application a ON a.id = d.application_id
        WHERE d.number_key = asked.key AND d.number_key <> '' AND a.state IN ('pending', 'approved')
          AND (asked.filing IS NULL OR d.unit_declaration_id IS DISTINCT FROM asked.filing)
        ORDER BY d.application_id LIMIT %(most)s) other
"""

_FILES = """
SELECT asked.key, asked.filing, other.*
  FROM unnest(%(keys)s::text[], %(filings)s::bigint[]) AS asked (key, filing)
 CROSS JOIN LATERAL (
       SELECT d.application_id, a.submitted_at, a.summary, d.practitioner_id, d.unit_declaration_id, d.kind_id, d.rank,
              f.name AS file
         FROM workflow_attachment f
         JOIN workflow_application a ON a.id = f.application_id
         JOIN credits_declaration d ON d.application_id = a.id
        WHERE f.sha256 = asked.key AND a.state IN ('pending', 'approved')
          AND (asked.filing IS NULL OR d.unit_declaration_id IS DISTINCT FROM asked.filing)
        ORDER BY f.id LIMIT %(most)s) other
"""

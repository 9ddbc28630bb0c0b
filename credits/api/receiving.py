"""Events of a request become records, all of them or none; what the answer says of each."""

from collections.abc import Sequence

from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected

from accounts.ciphered import brought_along
from credits.api.schemas import Event
from credits.api.signing import RefusedRequest, note
from credits.intake.columns import COLUMNS, Checked, RowReader
from credits.intake.judging import of_events
from credits.models import IntakeRecord, ProviderKey
from credits.posting import Entered, NotEntered, enter

CONFLICTS = ("event_conflict", "already_corrected")
TRIES = 3


def receive(key: ProviderKey, events: Sequence[Event]) -> dict:
    """Enter the events of one request. Raises RefusedRequest, with every problem of every event."""
    try:
        rows = _read(key, events)
        done = _entered(key, rows)
    except RefusedRequest as refusal:
        note(key, refusal)
        raise
    new = set(done.ids)
    records = {
        one.event_id: one
        for one in IntakeRecord.objects.filter(
            provider=key.provider, event_id__in=[row.event_id for row in rows]
        ).select_related("corrected_by")
    }
    results = [
        {"event_id": row.event_id, "state": state_of(one), "known": one.pk not in new}
        for row in rows
        for one in [records[row.event_id]]
    ]
    waiting = sum(one["state"] == "waiting" for one in results)
    return {"results": results, "new": len(new), "known": len(rows) - len(new), "waiting": waiting}


def state_of(record: IntakeRecord) -> str:
    """posted, waiting or corrected."""
    if hasattr(record, "corrected_by"):
        return "corrected"
    return "posted" if record.practitioner_id else "waiting"


def _read(key: ProviderKey, events: Sequence[Event]) -> list[Checked]:
    reader = RowReader(key.provider)
    rows, problems = [], []
    for index, event in enumerate(events):
        said = event.model_dump() | {"hours": str(event.hours)}
        row = reader.read(index, [said.get(column.name) for column in COLUMNS])
        if isinstance(row, Checked):
            rows.append(row)
        else:
            problems += [
                {"index": index, "field": one.column, "code": "invalid_value", "message": one.sentence}
                for one in row
            ]
    if problems:
        raise _refused(problems)
    return rows


def _entered(key: ProviderKey, rows: list[Checked]) -> Entered:
    for attempt in range(TRIES):
        try:
            return enter(of_events(key.provider, key, _of_today(rows)))
        except NotEntered as refusal:
            raise _refused(
                [
                    {
                        "index": one.row,
                        "field": one.wrong.column,
                        "code": one.code,
                        "message": one.wrong.sentence,
                    }
                    for one in refusal.problems
                ]
            ) from None
        except OperationalError as error:
            again = isinstance(error.__cause__, DeadlockDetected) and not connection.in_atomic_block
            if not again or attempt == TRIES - 1:
                raise RefusedRequest(503, "try_again", "平台正忙，这次没有入账，请稍后重新报送。") from error
    raise AssertionError("unreachable")


def _of_today(rows: list[Checked]) -> list[Checked]:
    """The rows with the indexes of people as they stand in the tables while index keys are rotated."""
    newer = brought_along([row.person_index for row in rows])
    return [row._replace(person_index=newer.get(row.person_index, row.person_index)) for row in rows]


def _refused(problems: list[dict]) -> RefusedRequest:
    problems = sorted(problems, key=lambda one: one["index"])
    codes = {one["code"] for one in problems}
    conflict = next((code for code in CONFLICTS if code in codes), "")
    code = conflict or (codes.pop() if len(codes) == 1 else "invalid_events")
    first = problems[0]
    more = f"（共 {len(problems)} 处，见 errors）" if len(problems) > 1 else ""
    message = f"第 {first['index'] + 1} 个事件：{first['message']}{more}整个请求都没有入账。"
    return RefusedRequest(409 if conflict else 422, code, message, {"errors": problems})

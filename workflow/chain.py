"""办理记录 as a chain: what the digest of an event covers, and where the log is not what was written (P5 of trust.md).

The database writes the digests (migration 0004); here they are reckoned again, in Python and from the rows alone. A
broken link is named by its event and, where the step it signed or the rest of the log still tells, by what was changed.

What this shows and what not: an application whose log was changed, cut, extended or put in another order no longer
fits its digests; a log of which every digest was reckoned anew no longer fits the seals (workflow/sealing.py); and seals
that were reckoned anew as well no longer fit the copy kept elsewhere. Nothing shows what was changed before it was
sealed by somebody who may write the database's files.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby, product

from django.db import connection

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
MICROSECOND = datetime.timedelta(microseconds=1)
START = b""  # what the first event of an application follows
ROWS = 5000  # how many are held at a time

FIELDS = {
    "number": "序号",
    "id": "编号",
    "step": "审核环节",
    "verb": "动作",
    "user": "办理人",
    "organization": "办理单位",
    "at": "时间",
    "comment": "意见",
}


@dataclass(frozen=True)
class Link:
    """One event as it stands in the database. `at` is in microseconds since 1970, UTC."""

    application: int
    number: int
    id: int
    step: int | None
    verb: str
    user: int
    organization: int | None
    at: int
    comment: str
    digest: bytes

    def after(self, previous: bytes) -> bytes:
        """The digest that this event has when it follows one with the digest `previous`."""
        text = "\n".join(
            (
                "event 1",  # the version of this text
                str(self.application),
                str(self.number),
                str(self.id),
                str(self.step or ""),
                # With its length: no verb can run on into what follows. The comment ends the text.
                f"{len(self.verb)}:{self.verb}",
                str(self.user),
                str(self.organization or ""),
                str(self.at),
                previous.hex(),
                self.comment,
            )
        )
        return sha256(text.encode()).digest()

    def fits(self, previous: bytes) -> bool:
        return self.after(previous) == self.digest


@dataclass(frozen=True)
class Broken:
    """A place where the log is not what was written. `event` is None where a seal or an end is concerned."""

    sentence: str
    application: int | None = None
    event: int | None = None

    def __str__(self) -> str:
        where = f"申请 {self.application}" if self.application else "封存"
        return f"{where}{f'，办理记录 {self.event}' if self.event else ''}：{self.sentence}"


def microseconds(at: datetime.datetime) -> int:
    return (at - EPOCH) // MICROSECOND


_LINKS = """
SELECT application_id, number, id, step_id, verb, user_id, organization_id, at, comment, digest
  FROM workflow_event {where} ORDER BY application_id, number, id
"""
_WITHIN = """
WHERE application_id IN (SELECT application_id FROM workflow_event WHERE id > %s AND id <= %s)
"""


def broken_links(after: int = 0, last: int | None = None) -> Iterator[Broken]:
    """The first broken link of each application that has an event with `after` < id <= `last`; all of them without."""
    within = bool(after or last is not None)
    sql = _LINKS.format(where=_WITHIN if within else "")
    rows = streamed(sql, [after, last if last is not None else 2**62] if within else [])
    for _, log in groupby(map(_link, rows), key=lambda link: link.application):
        found = _first_broken(list(log))
        if found:
            yield found


def _link(row: tuple) -> Link:
    application, number, pk, step, verb, user, organization, at, comment, digest = row
    return Link(
        application, number, pk, step, verb, user, organization, microseconds(at), comment, bytes(digest)
    )


def streamed(sql: str, params: list) -> Iterator[tuple]:
    """The rows of a query through a cursor of the server: memory stays flat however many there are."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, params)
        while rows := cursor.fetchmany(ROWS):
            yield from rows


def _first_broken(log: list[Link]) -> Broken | None:
    previous = START
    for place, link in enumerate(log):
        expected = place + 1
        if link.number == expected and link.fits(previous):
            previous = link.digest
            continue
        return Broken(_what_happened(log, place, previous), link.application, link.id)
    return None


# --- what happened to it ------------------------------------------------------------------------------


def _what_happened(log: list[Link], place: int, previous: bytes) -> str:
    """In words: the least change that would make the broken link fit again."""
    link, expected = log[place], place + 1
    if link.number > expected:
        gap = f"第 {expected} 条" if link.number == expected + 1 else f"第 {expected} 至 {link.number - 1} 条"
        return f"此条之前缺少{gap}，已被删除。"
    stranger = _stranger(log, place, previous)
    if stranger:
        return stranger
    changed = _changed_fields(log, link, previous)
    if changed:
        names = "、".join(FIELDS[name] for name in changed)
        return f"内容被改动：{names}与写入时不同。"
    return "内容被改动，或者它所接的上一条被删除、改写。"


def _stranger(log: list[Link], place: int, previous: bytes) -> str:
    """Whether something was put in or the order was changed: which events follow each other by their digests."""
    link, expected = log[place], place + 1
    for at, other in enumerate(log):
        # The link was written with this number, after that event.
        for number in range(2, len(log) + 1):
            if at != place and replace(link, number=number).fits(other.digest):
                if at > place:
                    return f"次序被改动：此条写入时是第 {number} 条，在办理记录 {other.id} 之后。"
                if at < place - 1:
                    return f"办理记录 {log[place - 1].id} 是后来插入的：此条写入时紧接办理记录 {other.id}。"
    if link.number != 1 and place and replace(link, number=1).fits(START):
        return f"办理记录 {log[place - 1].id} 是后来插入的：此条写入时是第 1 条。"
    for later in log[place + 1 :]:
        if replace(later, number=expected).fits(previous):
            return "此条是后来插入的：删去它，后面的记录仍首尾相接。"
    if link.number < expected:
        return "此条是后来插入的：它的序号已经有了。"
    return ""


def _changed_fields(log: list[Link], link: Link, previous: bytes) -> tuple[str, ...]:
    """The fields, one or two, that fit the digest with what the step or another event of this application says."""
    values = {name: {getattr(other, name) for other in log} for name in FIELDS}
    values["step"].add(None)
    values["organization"].add(None)
    values["comment"].add("")
    values["verb"] |= {"submit", "approve", "reject", "withdraw"}
    for known in _copies(link):
        for name, value in known.items():
            values[name].add(value)
    for name in FIELDS:
        for value in values[name]:
            if replace(link, **{name: value}).fits(previous):
                return (name,)
    names = list(FIELDS)
    for first, second in ((a, b) for i, a in enumerate(names) for b in names[i + 1 :]):
        for one, two in product(values[first], values[second]):
            if replace(link, **{first: one, second: two}).fits(previous):
                return first, second
    return ()


def _copies(link: Link) -> list[dict]:
    """What the steps and the application still say about who did what: the same facts, written a second time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, decided_by_id, approver_id, decided_at, comment FROM workflow_step"
            " WHERE application_id = %s AND decided_at IS NOT NULL",
            [link.application],
        )
        steps = [
            {
                "step": pk,
                "user": user,
                "organization": organization,
                "at": microseconds(at),
                "comment": comment,
            }
            for pk, user, organization, at, comment in cursor.fetchall()
        ]
        cursor.execute(
            "SELECT submitted_by_id, submitted_at FROM workflow_application WHERE id = %s", [link.application]
        )
        steps += [{"user": user, "at": microseconds(at)} for user, at in cursor.fetchall()]
    return steps


# --- ends: what the log should say last -----------------------------------------------------------------

STATE_IS_NOT_THE_LAST_EVENT = """
SELECT application.id AS 申请
  FROM workflow_application application
  LEFT JOIN LATERAL (
       SELECT verb FROM workflow_event WHERE application_id = application.id ORDER BY number DESC LIMIT 1
  ) latest ON true
 WHERE (CASE application.state
        WHEN 'pending' THEN latest.verb IN ('submit', 'approve')
        WHEN 'approved' THEN latest.verb IN ('submit', 'approve')
        WHEN 'rejected' THEN latest.verb = 'reject'
        WHEN 'withdrawn' THEN latest.verb = 'withdraw' END) IS NOT TRUE
"""
# A step that was granted by submitting has no event of its own: it was opened and decided in the moment of submission.
DECISION_WITHOUT_EVENT = """
SELECT step.application_id AS 申请, step.id AS 环节
  FROM workflow_step step JOIN workflow_application application ON application.id = step.application_id
 WHERE step.decided_at IS NOT NULL
   AND NOT (step.decided_at = step.opened_at AND step.decided_at < application.submitted_at + interval '1 minute'
            AND step.state = 'approved' AND step.comment = '')
   AND NOT EXISTS (
       SELECT FROM workflow_event event
        WHERE event.application_id = step.application_id AND event.step_id = step.id
          AND event.verb = CASE step.state WHEN 'approved' THEN 'approve' ELSE 'reject' END
          AND event.user_id = step.decided_by_id AND event.organization_id = step.approver_id
          AND event.at = step.decided_at AND event.comment = step.comment)
"""


def missing_ends() -> Iterator[Broken]:
    """Applications whose state, or whose steps, say something that their log does not."""
    for (pk,) in streamed(STATE_IS_NOT_THE_LAST_EVENT, []):
        yield Broken("状态与最后一条办理记录不符，末尾的记录被删除或状态被改动。", pk)
    for pk, step in streamed(DECISION_WITHOUT_EVENT, []):
        yield Broken(f"审核环节 {step} 的决定没有相符的办理记录。", pk)

"""Who may have which list at once, what is made in the background, and what is refused (trust.md §3.10, §3.13).

Up to AT_ONCE rows go straight into the answer, more are a job (making.py). What is not masked goes straight into the
answer too, up to MOST_UNMASKED rows a person and day, so that it lies in no file. Everything is written down before
the first byte leaves.
"""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from accounts import replica
from accounts.log_filter import without_numbers
from accounts.refused import Refused
from desk.exports.log import note
from desk.exports.making import make
from desk.exports.models import Export, ExportAccess, ExportState
from desk.exports.sheets import Sheet
from orgs import access
from orgs.actor import Actor, hold_right

AT_ONCE = 2_000
MOST_UNMASKED = 5_000
MOST_OPEN = 3  # exports that one person waits for
SHORTEST_REASON = 4
SHORT, LONG = (
    "export-short",
    "export-long",
)  # one job of each at a time: a long one keeps nobody's short one waiting
AFTER_MAILS = -10


@dataclass(frozen=True)
class Wish:
    """What is asked for; `reason` may be "" only where `masked`."""

    sheet: Sheet
    filters: dict
    format: str
    masked: bool
    reason: str = ""


def estimate(sheet: Sheet, actor: Actor, filters: dict) -> int:
    """How many rows it would be, at most MOST_UNMASKED + 1. One query."""
    return sheet.rows(actor, filters, masked=True).order_by()[: MOST_UNMASKED + 1].count()


def ask(wish: Wish, actor: Actor) -> tuple[Export, list[tuple] | None]:
    """Write the wish down; its rows when they are few enough to be handed over now, None when a job makes them.

    Raises Refused.
    """
    count = replica.read(estimate, wish.sheet, actor, wish.filters)
    if not wish.masked:
        _unmasked_within(count)
    if count > AT_ONCE and wish.masked:
        return _queue(wish, actor, count), None
    rows = replica.read(_rows, wish, actor) if wish.masked else _rows(wish, actor)
    with transaction.atomic():
        hold_right(actor)
        if not wish.masked:
            # After the lock: two wishes of one person at the same moment count one after the other.
            _unmasked_within(len(rows) + ExportAccess.objects.unmasked_rows_today(actor.user))
        now = timezone.now()
        export = _written_down(
            wish, actor, state=ExportState.DONE, finished_at=now, rows_total=len(rows), rows_done=len(rows)
        )
        note(export, ExportAccess.Verb.MADE)
        if not wish.masked:
            what = access.AccessEntry.What.EXPORT
            access.note(actor, wish.sheet.people(rows), what, export.reason, about=wish.sheet.label)
    return export, rows


def _unmasked_within(count: int) -> None:
    if count > MOST_UNMASKED:
        raise Refused(
            f"不脱敏的导出每人每天不超过 {MOST_UNMASKED:,} 行，请用姓名或单位缩小范围，或改为脱敏导出。"
        )


def _rows(wish: Wish, actor: Actor) -> list[tuple]:
    return list(wish.sheet.rows(actor, wish.filters, masked=wish.masked)[: MOST_UNMASKED + 1])


def _queue(wish: Wish, actor: Actor, count: int) -> Export:
    with transaction.atomic():
        hold_right(actor)
        if Export.objects.of(actor).open().count() >= MOST_OPEN:
            raise Refused(f"您已有 {MOST_OPEN} 个导出还没有完成，请等其中一个完成或取消后再导出。")
        export = _written_down(wish, actor)
        lane = LONG if count > MOST_UNMASKED else SHORT
        # Not by accounts.queue.enqueue: it knows no lock. In a request the library writes in this transaction, too.
        make.configure(lock=lane, priority=AFTER_MAILS).defer(export_id=export.pk, after=replica.position())
    return export


def _written_down(wish: Wish, actor: Actor, **fields) -> Export:
    return Export.objects.create(
        sheet=wish.sheet.name,
        by=actor.user,
        account=actor.account,
        organization=actor.organization,
        scope=wish.sheet.scope(actor, wish.filters),
        filters=wish.filters,
        format=wish.format,
        masked=wish.masked,
        reason=without_numbers(wish.reason),
        **fields,
    )


def cancel(export: Export) -> None:
    """Stop a wish that is not done; the job finds out at its next look. Refused when it is over already."""
    stopped = Export.objects.filter(pk=export.pk).open()
    if not stopped.update(state=ExportState.CANCELLED, finished_at=timezone.now()):
        raise Refused("这个导出已经结束，不需要取消。")


def take(export: Export) -> None:
    """Write down that the stored file is handed over. Refused when there is none any more."""
    with transaction.atomic():
        row = Export.objects.select_for_update(of=("self",), no_key=True).get(pk=export.pk)
        if not row.file or row.expires_at < timezone.now():
            raise Refused("文件已过保留期，请重新导出。")
        note(row, ExportAccess.Verb.DOWNLOADED)

"""The job that makes a long export: on the replica where there is one, flat in memory, seen from outside as it goes.

It may be killed at any moment: the queue gives it to another worker (accounts/queue.py, rescue), which takes a new
number and begins anew in a folder of its own. Whoever still writes under an older number, or under an export that was
cancelled meanwhile, finds that out at the next look and stops. After MOST_TRIES the person is told.
"""

import logging
import os
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import connections, transaction
from django.urls import reverse
from django.utils import timezone
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.exceptions import JobAborted

from accounts import replica
from accounts.durable import keep
from accounts.models import AccountStatus
from accounts.outbox import notify
from accounts.refused import Refused
from desk.exports import csv, xlsx
from desk.exports.lists import sheet_named
from desk.exports.log import note
from desk.exports.models import Export, ExportAccess, ExportState, Format
from desk.exports.querysets import OPEN
from desk.exports.sheets import Sheet
from orgs.actor import Actor, actor_of
from orgs.models import Status
from workflow.wording import shown_time

logger = logging.getLogger(__name__)

FOLDER = "exports"  # below MEDIA_ROOT, which no page serves
KEPT_FOR = timedelta(days=7)
MOST_TRIES = 3
AT_A_TIME = 2_000  # rows that the server sends in one go
LOOK_EVERY = 0.5  # seconds between two looks at who may still want it
LONGEST_STATEMENT = "10min"  # counting and sorting a province takes longer than a page may


class Again(BaseRetryStrategy):
    """As often as `_take` allows."""

    def get_retry_decision(self, *, exception: BaseException, job) -> RetryDecision | None:
        return RetryDecision(retry_in={"seconds": 10})


class Superseded(Exception):
    """This try is not wanted any more: cancelled, or taken up by another worker."""


@app.task(name="desk.make_export", retry=Again(), pass_context=True)
def make(context, export_id: int, after: int = 0) -> None:
    """Make one export. `after`: the log position that a replica must have reached, to know what the person saw."""
    export = _take(export_id)
    if export is None:
        return
    try:
        sheet, actor = sheet_named(export.sheet), actor_of(export.account)
        if sheet is None or not still_may(export, actor, sheet):
            raise Refused("您已没有查询这些数据的权限，导出没有完成。")
        sheet.scope(actor, export.filters)  # asked of the primary: the replica may not know yet
        folder = _folder(export)
        path = folder / f"export.{export.format}"
        with _Progress(export, context) as progress:
            _write(path, export, sheet, actor, progress, after)
        _finish(export, path, progress.done)
    except Superseded:
        logger.info("export %s: stopped", export.pk)
    except Refused as refusal:
        _fail(export, str(refusal))
    except JobAborted:  # the worker was told to stop: another one begins anew
        raise
    except Exception as error:
        logger.warning("export %s, try %s: %s", export.pk, export.attempt, type(error).__name__)
        if export.attempt < MOST_TRIES:
            raise
        _fail(export, _INTERRUPTED)
    finally:
        shutil.rmtree(_folder_path(export), ignore_errors=True)


_INTERRUPTED = f"生成过程中断了 {MOST_TRIES} 次，没有完成。请缩小范围后重新导出，仍不成功请联系技术支持。"


def still_may(export: Export, actor: Actor, sheet: Sheet) -> bool:
    """Whether who asked is still an admin of that organisation with this duty."""
    return (
        actor.organization is not None
        and actor.organization.pk == export.organization_id
        and actor.organization.status == Status.ACTIVE
        and actor.account.status == AccountStatus.ACTIVE
        and actor.user.is_active
        and actor.can(sheet.duty)
    )


def head(export: Export, sheet: Sheet, as_of: replica.AsOf | None = None) -> str:
    """The first line of each file: what, by whom, when, what for, masked or not."""
    who = f"{export.organization.name} {export.by.name}"
    narrowed = sheet.words(export.filters)
    parts = [
        f"{sheet.label}（{export.scope.name}{'；' if narrowed else ''}{narrowed}）",
        "姓名和证件号码已脱敏" if export.masked else "含完整姓名和证件号码，仅限所述用途，用后请及时删除",
        f"导出人：{who}",
        f"导出时间：{shown_time(timezone.now())}",
        f"用途：{export.reason or '未填写'}",
        str(as_of) if as_of else "",
    ]
    return "　".join(filter(None, parts))


# --- one try ------------------------------------------------------------------------------------------------


def _take(export_id: int) -> Export | None:
    """Begin the next try; None when there is nothing to do any more, or too often was in vain."""
    with transaction.atomic():
        export = (
            Export.objects.select_for_update(of=("self",), no_key=True)
            .select_related("by", "account", "organization", "scope")
            .filter(pk=export_id, state__in=OPEN)
            .first()
        )
        if export is None:
            return None
        export.attempt += 1
        export.state, export.rows_done, export.rows_total = ExportState.RUNNING, 0, None
        export.save(update_fields=["attempt", "state", "rows_done", "rows_total"])
    _sweep(export)
    if export.attempt > MOST_TRIES:
        _fail(export, _INTERRUPTED)
        return None
    return export


def _write(path: Path, export: Export, sheet: Sheet, actor: Actor, progress: "_Progress", after: int) -> None:
    # The second try reads the primary: what ended the first one may have been the replica.
    with replica.reading(after, use=export.attempt == 1) as as_of:
        with replica.connection().cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{LONGEST_STATEMENT}'")
        rows = sheet.rows(actor, export.filters, masked=True)
        progress.begin(rows.order_by().count())
        found = progress.over(rows.iterator(chunk_size=AT_A_TIME))
        cells = (sheet.cells(row, masked=True) for row in found)
        first = head(export, sheet, as_of)
        if export.format == Format.XLSX:
            xlsx.write(path, sheet.label, first, sheet.columns, cells)
        else:
            with path.open("wb") as file:
                file.writelines(csv.lines(first, [column.title for column in sheet.columns], cells))


def _finish(export: Export, path: Path, count: int) -> None:
    name = f"{FOLDER}/{export.pk}-{export.attempt}.{export.format}"
    root = Path(settings.MEDIA_ROOT)
    kept = root / name
    os.chmod(path, 0o600)
    size = path.stat().st_size
    now = timezone.now()
    try:
        keep(path, kept, root)
        with transaction.atomic():
            done = Export.objects.filter(pk=export.pk, attempt=export.attempt, state=ExportState.RUNNING)
            if not done.update(
                state=ExportState.DONE,
                rows_done=count,
                rows_total=count,
                file=name,
                size=size,
                finished_at=now,
                expires_at=now + KEPT_FOR,
            ):
                raise Superseded
            export.rows_done = count
            note(export, ExportAccess.Verb.MADE)
            text = f"共 {count:,} 行，文件保留至 {shown_time(now + KEPT_FOR)}，请及时下载。"
            _tell(export, f"{sheet_named(export.sheet).label}：导出已完成", text)
    except BaseException:
        kept.unlink(missing_ok=True)
        raise


def _fail(export: Export, why: str) -> None:
    with transaction.atomic():
        failed = Export.objects.filter(pk=export.pk, attempt=export.attempt).open()
        if failed.update(state=ExportState.FAILED, why_failed=why, finished_at=timezone.now()):
            sheet = sheet_named(export.sheet)
            _tell(export, f"{sheet.label if sheet else '数据'}：导出没有完成", why)


def _tell(export: Export, subject: str, text: str) -> None:
    url = reverse("desk:export_job", args=[export.pk])
    notify(export.by, subject, text, key=f"export:{export.pk}", url=url, account=export.account)


# --- its folder -----------------------------------------------------------------------------------------------


def _folder_path(export: Export, attempt: int | str | None = None) -> Path:
    return Path(settings.MEDIA_ROOT) / FOLDER / f"making-{export.pk}-{attempt or export.attempt}"


def _folder(export: Export) -> Path:
    folder = _folder_path(export)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _sweep(export: Export) -> None:
    """Take away what earlier tries left."""
    for attempt in range(1, export.attempt):
        shutil.rmtree(_folder_path(export, attempt), ignore_errors=True)


# --- seen from outside --------------------------------------------------------------------------------------


class _Progress:
    """Writes how far the job is, on a connection of its own: the reading one is in the middle of a transaction."""

    def __init__(self, export: Export, context):
        self.export, self.context, self.done, self.looked = export, context, 0, 0.0

    def __enter__(self) -> "_Progress":
        self.connection = connections["default"].copy()
        return self

    def __exit__(self, *error) -> None:
        self.connection.close()

    def begin(self, total: int) -> None:
        self._look("rows_total = %s", total)

    def over(self, rows: Iterator[tuple]) -> Iterator[tuple]:
        for row in rows:
            yield row
            self.done += 1
            if self.done % 200 == 0 and time.monotonic() - self.looked > LOOK_EVERY:
                self._look("rows_done = %s", self.done)

    def _look(self, what: str, value: int) -> None:
        self.looked = time.monotonic()
        if self.context.should_abort():
            raise JobAborted
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE desk_export SET {what} WHERE id = %s AND attempt = %s AND state = 'running'",  # noqa: S608
                [value, self.export.pk, self.export.attempt],
            )
            if not cursor.rowcount:
                raise Superseded

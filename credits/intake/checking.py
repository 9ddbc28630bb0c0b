"""试运行: a spreadsheet is read and judged without entering anything. A job of the queue; it may run again at any time.

One transaction: rows and problems are there as a whole or not at all.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import BinaryIO

from django.db import connection, transaction
from procrastinate.contrib.django import app

from credits.intake.apart import LinesApart
from credits.intake.columns import (
    HEADER_WITHIN,
    LABELS,
    NO_HEADER,
    Checked,
    RowReader,
    Wrong,
    picked,
    places_of,
    unnamed,
)
from credits.intake.judging import judge, of_batch
from credits.intake.reading import Line, Unreadable
from credits.intake.working import Again, Progress, drop_file, fail, hold, leave, one_try, tell
from credits.models import BatchState, IntakeBatch

AT_A_TIME = 5_000  # rows that are held in memory
MOST_PROBLEMS = 20_000  # that are kept of one batch; all are counted

Read = tuple[int, Checked | list[Wrong]]


@app.task(name="credits.check_batch", retry=Again(), pass_context=True)
def check_batch(context, batch_id: int) -> None:
    """Check one spreadsheet; afterwards it waits for a person to confirm, or says why it cannot be read."""

    def work() -> None:
        try:
            with transaction.atomic():
                batch = hold(batch_id, BatchState.CHECKING)
                with Progress(context, batch) as progress, batch.file.open("rb") as file:
                    _check(batch, file, progress)
        except Unreadable as reason:
            fail(batch_id, BatchState.CHECKING, str(reason))
        except FileNotFoundError:
            fail(batch_id, BatchState.CHECKING, "文件已经不在，请重新上传。")
        else:
            drop_file(batch)

    one_try(context, batch_id, BatchState.CHECKING, work)


def _check(batch: IntakeBatch, file: BinaryIO, progress: Progress) -> None:
    lines, reader = LinesApart(file, batch.name), RowReader(batch.provider)
    bad: set[int] = set()
    total = kept = 0
    for portion in _portions(_read(lines, reader)):
        good = [row for _, row in portion if isinstance(row, Checked)]
        wrong = [(number, one) for number, row in portion if not isinstance(row, Checked) for one in row]
        bad.update(number for number, _ in wrong)
        total += len(portion)
        _copy_rows(batch, good)
        _copy_problems(batch, wrong[: MOST_PROBLEMS - kept])
        kept = min(MOST_PROBLEMS, kept + len(wrong))
        progress.at(total, lines.share)
    if not total:
        raise Unreadable("表格里没有数据，请在表头下面逐行填写后上传。")
    conclude(batch, bad, total)


def conclude(batch: IntakeBatch, bad: set[int], total: int) -> None:
    """Judge the rows that were read, and leave the batch for a person to confirm."""
    verdict = judge(of_batch(batch))
    _copy_problems(batch, [(one.row, one.wrong) for one in verdict.problems[:MOST_PROBLEMS]])
    bad |= {one.row for one in verdict.problems}
    leave(
        batch,
        BatchState.CHECKED,
        rows_total=total,
        rows_done=total,
        rows_new=verdict.new,
        rows_known=verdict.counts["known"],
        rows_waiting=verdict.counts["waiting"],
        rows_wrong=len(bad),
    )
    if bad:
        tell(batch, "有需要改正的内容", f"共 {total:,} 行，其中 {len(bad):,} 行需要改正，什么都没有入账。")
    else:
        tell(batch, "已检查", f"共 {total:,} 行，可以入账 {verdict.new:,} 行，请确认。")


def _read(lines: Iterable[Line], reader: RowReader) -> Iterator[Read]:
    """Each row below the header, with its number in the sheet."""
    places: dict[str, int] | None = None
    nameless: list[int] = []
    for looked, line in enumerate(lines):
        cells = line.cells
        if places is None:
            places = places_of(cells)
            if places is not None:
                nameless, pick = unnamed(places, cells), picked(places)
            elif looked >= HEADER_WITHIN:
                raise Unreadable(NO_HEADER)
            continue
        for place in nameless:
            if place < len(cells) and cells[place] not in (None, ""):
                raise Unreadable(
                    f"第 {line.number} 行第 {place + 1} 列有内容，但表头这一列没有名称。请补上列名，表头不要合并单元格。"
                )
        wanted = pick(cells)
        if any(cell is not None and cell != "" for cell in wanted):
            yield line.number, reader.read(line.number, wanted)
    if places is None:
        raise Unreadable(NO_HEADER)


def _portions(rows: Iterator[Read]) -> Iterator[list[Read]]:
    while portion := list(islice(rows, AT_A_TIME)):
        yield portion


def _copy_rows(batch: IntakeBatch, rows: list[Checked]) -> None:
    columns, one = ", ".join(Checked._fields), str(batch.pk)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY credits_checkedrow (batch_id, {columns}) FROM STDIN") as copy,
    ):
        for row in rows:
            # As text, which costs half of what numbers and days do.
            day = row.started_on and str(row.started_on)
            copy.write_row(
                (one, str(row.row), *row[1:6], str(row.year), row.subject, str(row.hours), row.title, day,
                 str(row.completed_on), *row[12:])
            )  # fmt: skip


def _copy_problems(batch: IntakeBatch, wrong: list[tuple[int, Wrong]]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy('COPY credits_intakeerror (batch_id, "row", "column", sentence) FROM STDIN') as copy,
    ):
        for number, one in wrong:
            copy.write_row((batch.pk, number, LABELS.get(one.column, ""), one.sentence[:200]))

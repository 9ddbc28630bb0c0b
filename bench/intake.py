"""A spreadsheet of 100,000 rows checked and entered by the real worker: `python -m bench.intake [ROWS]`.

On a scratch database of the server, with half as many people as rows, one in ten of them not registered. Prints the
seconds of merely parsing the file with openpyxl (read_only, values), of the check and of the entry by the worker, their
ratio, and the worker's memory. Wanted: at most twice the parsing, below 200 MB, and no more memory for more rows.
"""

import contextlib
import datetime
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

ROWS, MOST_RATIO, MOST_MB = 100_000, 2.0, 200
PEOPLE_OF_A_UNIT = 500
HEAD = [
    "证件号码",
    "姓名",
    "年度",
    "科目",
    "学时",
    "课程名称",
    "完成日期",
    "事件编号",
    "开始日期",
    "证书编号",
]
PARSE = """
import sys, time, openpyxl
started = time.perf_counter()
book = openpyxl.load_workbook(sys.argv[1], read_only=True)
rows = sum(1 for _ in book.worksheets[0].iter_rows(values_only=True))
print(time.perf_counter() - started, rows)
"""


def main(rows: int) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ["CPE_TESTING"] = "1"
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_test_environment

    setup_test_environment()
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return measure(name, rows, Path(folder))
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def measure(database: str, rows: int, folder: Path) -> int:
    from django.conf import settings
    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.core.management import call_command
    from django.db import connection

    from credits.intake import asking
    from credits.models import IntakeRecord, LedgerEntry, Provider, Standing
    from tests.town import Town

    settings.MEDIA_ROOT = folder / "files"
    town = Town()
    call_command("load_hours", verbosity=0)
    people = rows // 2
    populate(town, people - people // 10)
    provider = Provider.objects.create(code="bench", name="测量平台")
    actor = town.actor(town.operator())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    env = {
        **os.environ,
        "DATABASE_URL": urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl(),
        "CPE_DATA_DIR": str(folder),
        "CPE_KEYS_FILE": os.environ.get("CPE_KEYS_FILE") or str(settings.DATA_DIR / "keys.json"),
        "CPE_PARENT_PID": str(os.getpid()),
        "CPE_EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
    }
    sheet = folder / "rows.xlsx"
    write(sheet, rows, people)
    parsed = subprocess.run([sys.executable, "-c", PARSE, sheet], capture_output=True, text=True, check=True)
    parsing = float(parsed.stdout.split()[0])
    say(f"{rows:,} rows, {sheet.stat().st_size / 1e6:.1f} MB; merely parsing with openpyxl: {parsing:.1f} s")
    worker = subprocess.Popen([sys.executable, "manage.py", "worker"], cwd=settings.BASE_DIR, env=env)
    try:
        first = folder / "first.xlsx"
        write(first, 200, 100, start=people + 1000)
        entered(asking, actor, provider, first, SimpleUploadedFile)
        idle = memory(worker, "VmRSS")
        Path(f"/proc/{worker.pid}/clear_refs").write_text("5")  # the highest counts from here
        checking, entering, done = entered(asking, actor, provider, sheet, SimpleUploadedFile, worker)
        highest = memory(worker, "VmHWM")
        _, _, repeated = entered(asking, actor, provider, sheet, SimpleUploadedFile)
    finally:
        worker.terminate()
        worker.wait(30)
    ratio = (checking + entering) / parsing
    say(f"check {checking:.1f} s, entry {entering:.1f} s: {ratio:.2f} times the parsing")
    say(
        f"memory {idle:.0f} MB idle, {highest:.0f} MB at most; the process that reads the file {APART[0]:.0f} MB"
    )
    say(
        f"{done.rows_new:,} entered, {done.rows_waiting:,} of them wait; the same file again: {repeated.rows_known:,} known"
    )
    say(
        f"{IntakeRecord.objects.count():,} records, {LedgerEntry.objects.count():,} entries, {Standing.objects.count():,} years"
    )
    return int(ratio > MOST_RATIO or highest > MOST_MB)


def entered(asking, actor, provider, path: Path, upload, worker=None):
    """Seconds of the check and of the entry, and the batch."""
    started = time.perf_counter()
    batch = asking.upload(provider, upload(path.name, path.read_bytes()), by=actor)
    wait(batch, "checking", worker)
    checked = time.perf_counter()
    assert batch.state == "checked", (batch.state, batch.sentence, list(batch.errors.all()[:5].values_list()))
    if not batch.rows_new:
        return checked - started, 0.0, batch
    asking.confirm(batch, by=actor)
    batch.refresh_from_db()
    wait(batch, "committing")
    assert batch.state == "done", (batch.state, batch.sentence)
    return checked - started, time.perf_counter() - checked, batch


APART = [0.0]  # MB at most of the process that reads the file


def wait(batch, state: str, worker: subprocess.Popen | None = None) -> None:
    while batch.state == state:
        time.sleep(0.05)
        batch.refresh_from_db()
        for child in Path(f"/proc/{worker.pid}/task").glob("*/children") if worker else ():
            with contextlib.suppress(OSError, TypeError):  # it may end in this moment
                for pid in child.read_text().split():
                    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
                    APART[0] = max(APART[0], int(found[1]) / 1024)


def number(n: int) -> str:
    """The n-th synthetic number: sequence 000, another birthday each, then the next area."""
    from accounts.id_number import check_character

    born = datetime.date(1935, 1, 1) + datetime.timedelta(days=n % 25_000)
    first = f"{371500 + n // 25_000}{born:%Y%m%d}000"
    return first + check_character(first)


def write(path: Path, rows: int, people: int, start: int = 0) -> None:
    """As Excel does: shared texts."""
    import xlsxwriter

    year = datetime.date.today().year - 1  # noqa: DTZ011
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet("学时")
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for place, heading in enumerate(HEAD):
        sheet.write_string(0, place, heading)
    for row in range(rows):
        one = start + row % people
        line = row + 1
        for place, text in (
            (0, number(one)), (1, f"测试{one}"), (3, "公需科目" if row < people else "专业科目"), (5, f"课程{row % 300}"),
            (7, f"E{start}-{row:07d}"), (9, f"鲁继教{row:09d}号"),
        ):  # fmt: skip
            sheet.write_string(line, place, text)
        sheet.write_number(line, 2, year)
        sheet.write_number(line, 4, (12, 30, 7.5, 60)[row % 4])
        sheet.write_datetime(line, 6, datetime.datetime(year, 1 + row % 12, 20), day)  # noqa: DTZ001
        sheet.write_datetime(line, 8, datetime.datetime(year, 1 + row % 12, 2), day)  # noqa: DTZ001
    book.close()


def populate(town, count: int) -> None:
    """So many approved people in many units, each with the ID number of `number`."""
    from django.db import connection

    from accounts.id_number import IdNumber

    units = [town.employer() for _ in range(-(-count // PEOPLE_OF_A_UNIT))]
    with connection.cursor() as cursor:
        with cursor.copy(
            "COPY accounts_user (id, password, is_superuser, name, email, mobile, is_staff, is_active, created_at,"
            " id_kind, id_index, id_sealed, id_last4, id_masked) FROM STDIN"
        ) as copy:
            for n in range(count):
                one = IdNumber.parse(number(n))
                copy.write_row(
                    (1_000_000 + n, "!", False, f"测试{n}", "", "", False, True, "2026-01-01", one.kind, one.index,
                     b"\0", one.last_four, one.masked)
                )  # fmt: skip
        cursor.execute(
            "INSERT INTO accounts_roleaccount (id, user_id, role, status, place, reviewer, reviewer_phone, epoch)"
            " SELECT id, id, 'practitioner', 'active', '', '', '', 0 FROM accounts_user WHERE id >= 1000000"
        )
        cursor.execute(
            "INSERT INTO orgs_practitioner (user_id, account_id, employer_id, path, status, education, title_level,"
            " title, title_mode, created_at)"
            " SELECT u.id, u.id, o.id, o.path, 'active', '', '', '', '', now() FROM accounts_user u"
            " JOIN unnest(%s) WITH ORDINALITY AS unit (id, place) ON place = 1 + (u.id - 1000000) / %s"
            " JOIN orgs_organization o ON o.id = unit.id WHERE u.id >= 1000000",
            [[unit.pk for unit in units], PEOPLE_OF_A_UNIT],
        )


def memory(process: subprocess.Popen, line: str) -> float:
    """MB of a process, as the kernel counts."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{line}:\s+(\d+) kB", text)[1]) / 1024


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    from config import embedded

    with embedded.database():
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))

"""An export of 200,000 people by the real worker: `python -m bench.export [ROWS]` (a scratch database on the server).

Prints for each format: seconds, size of the file, and the worker's memory idle and at its highest. Flat means that the
difference does not grow with the rows, and stays below 50 MB.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

ROWS, PEOPLE_OF_A_UNIT, MOST_MB = 200_000, 1_000, 50


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
    from django.db import connection

    from desk.exports.asking import Wish, ask
    from desk.exports.lists import sheet_named
    from tests.test_exports import crowd
    from tests.town import Town

    town = Town()
    for number in range(rows // PEOPLE_OF_A_UNIT):
        crowd(town.employer(), PEOPLE_OF_A_UNIT, start=1 + number * PEOPLE_OF_A_UNIT)
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
    worst = 0.0
    for format in ("xlsx", "csv"):
        worker = subprocess.Popen([sys.executable, "manage.py", "worker"], cwd=settings.BASE_DIR, env=env)
        try:
            time.sleep(4)
            idle = memory(worker, "VmRSS")
            Path(f"/proc/{worker.pid}/clear_refs").write_text("5")  # the highest counts from here
            started = time.perf_counter()
            export, _ = ask(Wish(sheet_named("people"), {}, format, True), town.actor(town.bureau))
            while export.state in ("waiting", "running"):
                time.sleep(0.05)
                export.refresh_from_db()
            seconds = time.perf_counter() - started
            highest = memory(worker, "VmHWM")
            worst = max(worst, highest - idle)
            sys.stdout.write(
                f"{format}: {export.rows_done:,} rows, {export.state}, {seconds:.1f} s, {export.size / 1e6:.1f} MB; "
                f"memory {idle:.0f} MB idle, {highest:.0f} MB at most, {highest - idle:.0f} MB more\n"
            )
        finally:
            worker.terminate()
            worker.wait(30)
    return int(worst > MOST_MB)


def memory(process: subprocess.Popen, line: str) -> float:
    """MB of a process, as the kernel counts."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{line}:\s+(\d+) kB", text)[1]) / 1024


if __name__ == "__main__":
    from config import embedded

    with embedded.database():
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))

"""What a crash in the middle of an upload leaves on the disk is cleared away, and nothing else (config/leftovers.py)."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings as site
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from accounts.durable import DurableStorage
from config.invariants import files_that_differ
from config.media import cross_check
from credits.intake import asking
from credits.models import Provider
from tests.test_attachments import pdf
from tests.test_credits import declare
from tests.test_exports import stored
from workflow.attachments import attach

pytestmark = pytest.mark.django_db
HOUR = 60 * 60
DAY = 24 * HOUR

# Stops for ever in the middle of a file: the test ends it as a crash does.
DYING = """
import sys, time
from django.conf import settings
settings.configure(FILE_UPLOAD_PERMISSIONS=0o600)
from django.core.files.base import File
from accounts.durable import DurableStorage
class Endless(File):
    def chunks(self, chunk_size=None):
        yield b"half of it"
        print("writing", flush=True)
        time.sleep(60)
DurableStorage(sys.argv[1])._save(sys.argv[2], Endless(None, name="x"))
"""


def crash(root: Path, name: str) -> Path:
    """A process is killed while it writes this upload; returns the half that it left."""
    dying = subprocess.Popen(
        [sys.executable, "-c", DYING, str(root), name],
        cwd=site.BASE_DIR, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert dying.stdout.readline() == "writing\n"
    finally:
        dying.kill()
        dying.wait()
        dying.stdout.close()
    half = root / Path(name).parent / f".{Path(name).name}.part"
    assert half.exists()
    return half


def aged(path: Path, seconds: float) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def left(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def purge(capsys) -> str:
    call_command("purge_drafts")
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize("name", ["ab/one.pdf", "intake/2026/one.upload"])
def test_half_an_upload_is_gone_after_a_day_and_named_by_nobody_before(settings, capsys, name):
    half = crash(settings.MEDIA_ROOT, name)
    whole = half.with_name(Path(name).name)
    assert left(settings.MEDIA_ROOT) == {name, str(half.relative_to(settings.MEDIA_ROOT))}
    assert list(files_that_differ(None)) == []
    assert "halves of files deleted: 0" in purge(capsys)
    aged(half, 23 * HOUR)
    assert "halves of files deleted: 0" in purge(capsys)
    assert half.exists()
    aged(half, 25 * HOUR)
    assert list(files_that_differ(None)) == []
    assert "files without a row deleted: 0; halves of files deleted: 1" in purge(capsys)
    assert left(settings.MEDIA_ROOT) == {name}
    # The empty file that held the name is one without a row, like any other.
    aged(whole, 8 * DAY)
    assert "files without a row deleted: 1" in purge(capsys)
    assert left(settings.MEDIA_ROOT) == set()


def test_one_that_nobody_clears_away_is_named(settings):
    """The test above can fail: a half is named when it is older than any purge leaves it."""
    half = aged(crash(settings.MEDIA_ROOT, "ab/one.pdf"), 9 * DAY)
    assert [half.name in line for line in files_that_differ(None)] == [True]


def test_what_a_row_names_stays_however_old(town, unit, settings, capsys):
    """Attachments, spreadsheets and exports: files of all tables, at every depth."""
    call_command("load_hours", verbosity=0)
    attach(declare(town, town.practitioner(at=unit)), SimpleUploadedFile("a.pdf", pdf()))
    provider = Provider.objects.create(code="test", name="示例学习平台", bureau=town.bureau)
    asking.upload(provider, SimpleUploadedFile("a.csv", b"x" * 100), by=town.actor(town.bureau))
    stored(town, unit)
    known = left(settings.MEDIA_ROOT)
    assert len(known) == 3
    assert {len(Path(name).parts) for name in known} == {2, 3}
    DurableStorage().save("intake/2026/nobody.upload", ContentFile(b"x"))
    (settings.MEDIA_ROOT / ".ready-0123").write_bytes(b"")
    for name in left(settings.MEDIA_ROOT):
        aged(settings.MEDIA_ROOT / name, 400 * DAY)
    assert "files without a row deleted: 1; halves of files deleted: 1" in purge(capsys)
    assert left(settings.MEDIA_ROOT) == known
    assert list(cross_check()) == []


def test_an_upload_that_ends_while_the_invariants_are_looked_at_is_no_error(settings):
    """The half was in the folder when it was read, and has its own name when its age is asked for."""
    half = crash(settings.MEDIA_ROOT, "ab/one.pdf")
    looking = files_that_differ(None)
    aged(half, 9 * DAY)
    other = aged(crash(settings.MEDIA_ROOT, "ab/two.pdf"), 9 * DAY)
    assert half.name in next(looking)
    other.rename(other.with_name("two.pdf"))
    aged(half.with_name("two.pdf"), 0)
    assert list(looking) == []


def test_a_folder_that_is_not_there_yet(settings, capsys):
    assert purge(capsys).endswith("halves of files deleted: 0")
    assert not settings.MEDIA_ROOT.exists()

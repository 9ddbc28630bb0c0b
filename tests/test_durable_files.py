"""An acknowledged row has its file after a power cut: what the process asked of the disk, and in which order.

Seen from below: Python's own audit events of opening, renaming and removing, and every call of fsync with the file that it was
called for. Nothing of the platform is replaced.
"""

import errno
import os
import sys
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction

from accounts.durable import DurableStorage
from config.media import cross_check
from credits.intake import asking
from credits.models import Provider
from desk.exports import making
from tests.test_attachments import pdf
from tests.test_credits import declare
from tests.test_credits_pages import DECLARE, answers, browser, person, town  # noqa: F401 (fixtures)
from workflow.attachments import attach
from workflow.models import Attachment
from workflow.uploads import Unacceptable

_listening: list = []


def _hear(event: str, args: tuple) -> None:
    if _listening and event in ("open", "os.rename", "os.remove"):
        _listening[-1](event, args)


sys.addaudithook(_hear)  # cannot be taken away again: it does nothing while nobody listens


@pytest.fixture
def disk(monkeypatch, settings):
    """What happened below MEDIA_ROOT, in order: ("write" | "sync" | "name" | "remove" | "commit", path below it)."""
    root, happened = Path(settings.MEDIA_ROOT), []

    def below(path) -> str | None:
        path = Path(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else None
        return str(path.relative_to(root)) if path and path.is_relative_to(root) else None

    def hear(event, args):
        if (
            event == "open"
            and below(args[0])
            and (args[1] or "") != "r"
            and args[2] & os.O_ACCMODE != os.O_RDONLY
        ):
            happened.append(("write", below(args[0])))
        elif event == "os.rename" and below(args[1]):
            happened.append(("name", below(args[1])))
        elif event == "os.remove" and below(args[0]):
            happened.append(("remove", below(args[0])))

    honest = os.fsync

    def fsync(descriptor):
        path = below(os.readlink(f"/proc/self/fd/{descriptor}"))
        honest(descriptor)
        if path:
            happened.append(("sync", path))

    monkeypatch.setattr(os, "fsync", fsync)
    _listening.append(hear)
    yield happened
    _listening.remove(hear)


def is_durable(happened: list, name: str) -> bool:
    """Content and name of the file were on the disk, in this order, before anything was committed."""
    folder = str(Path(name).parent)
    part = f"{folder}/.{Path(name).name}.part"
    wanted = [
        ("write", part),
        ("sync", part),
        ("name", name),
        ("sync", folder),
        ("sync", "."),
        ("commit", ""),
    ]
    ours = [one for one in happened if one in wanted]
    return ours == wanted


def commits(happened):
    transaction.on_commit(lambda: happened.append(("commit", "")))


@pytest.fixture
def application(town):  # noqa: F811
    return declare(town, town.practitioner(at=town.employer()))


def attached(application, happened) -> Attachment:
    with transaction.atomic():
        commits(happened)
        return attach(application, SimpleUploadedFile("a.pdf", pdf()))


@pytest.mark.django_db(transaction=True)
def test_a_file_is_on_the_disk_before_its_row_is_committed(application, disk):
    one = attached(application, disk)
    assert is_durable(disk, one.file.name), disk
    assert Path(one.file.path).read_bytes() == pdf()
    assert os.stat(one.file.path).st_mode & 0o777 == 0o600
    assert list(Path(one.file.path).parent.iterdir()) == [Path(one.file.path)]


@pytest.mark.django_db(transaction=True)
def test_the_control_django_s_own_storage_leaves_it_to_chance(application, disk, monkeypatch):
    monkeypatch.setattr(Attachment._meta.get_field("file"), "storage", FileSystemStorage())
    one = attached(application, disk)
    assert not is_durable(disk, one.file.name)
    assert disk == [("write", one.file.name), ("commit", "")]


@pytest.mark.django_db(transaction=True)
def test_so_it_is_through_the_page(browser, disk):  # noqa: F811
    assert browser.post(DECLARE, answers()).status_code == 302
    one = Attachment.objects.get()
    assert is_durable([*disk, ("commit", "")], one.file.name), disk


@pytest.mark.django_db(transaction=True)
def test_so_it_is_with_a_spreadsheet_of_hours(town, disk):  # noqa: F811
    provider = Provider.objects.create(code="test", name="示例学习平台", bureau=town.bureau)
    with transaction.atomic():
        commits(disk)
        batch = asking.upload(provider, SimpleUploadedFile("a.csv", b"x" * 100), by=town.actor(town.bureau))
    assert is_durable(disk, batch.file.name), disk


def test_so_it_is_with_an_export(settings, disk, tmp_path):
    folder = Path(settings.MEDIA_ROOT) / "exports" / "making-1-1"
    folder.mkdir(parents=True)
    part = folder / "export.csv"
    part.write_bytes(b"x")
    making.keep(part, folder.parent / "1-1.csv", Path(settings.MEDIA_ROOT))
    assert disk[1:] == [
        ("sync", "exports/making-1-1/export.csv"),
        ("name", "exports/1-1.csv"),
        ("sync", "exports"),
        ("sync", "."),
    ]


# --- what goes wrong ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("at", ["file", "folder"])
def test_a_disk_that_does_not_take_it_leaves_neither_row_nor_file(application, disk, monkeypatch, at):
    recording = os.fsync

    def fsync(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}") == (at == "folder"):
            raise OSError(errno.EIO, "the disk is broken")
        recording(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(Unacceptable, match="这次没有保存成功"):
        attached(application, disk)
    assert not Attachment.objects.exists()
    assert list(cross_check()) == []


def test_a_name_that_is_taken_keeps_its_file(settings):
    storage = DurableStorage()
    names = [storage.save("ab/one.pdf", ContentFile(content)) for content in (b"first", b"second")]
    assert names[0] == "ab/one.pdf"
    assert [storage.open(name).read() for name in names] == [b"first", b"second"]


def test_large_files_come_whole(settings):
    content = os.urandom(5_000_000)
    name = DurableStorage().save("ab/large.pdf", SimpleUploadedFile("x", content))
    assert DurableStorage().open(name).read() == content

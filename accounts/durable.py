"""Files that are still there after a power cut: a row that says it has a file is committed after the file is on the disk.

A file is written under a name that nobody looks for, brought to the disk, given its own name, and the folders that hold
that name are brought to the disk too. Only then does the caller go on to write the row.
"""

import contextlib
import os
import stat
from pathlib import Path

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage


def keep(part: Path, path: Path, root: Path) -> None:
    """Give the finished file `part` the name `path`, below the folder `root`, so that both survive a power cut."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = path.parent
    # Also the folders above: another thread may have made one a moment ago and not brought it to the disk yet.
    while True:
        _sync_folder(folder)
        if folder in (root, folder.parent):
            return
        folder = folder.parent


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DurableStorage(FileSystemStorage):
    """Django's storage of files, with which a saved file is on the disk when `save` returns. Raises OSError as it does."""

    def _save(self, name: str, content: File) -> str:
        # An empty file takes the name, with the permissions of the settings: of two who want it, one gets another.
        name = super()._save(name, ContentFile(b""))
        path, root = Path(self.path(name)), Path(self.location)
        part = path.with_name(f".{path.name}.part")  # deploy/backup.sh passes over names with a dot
        try:
            taken = path.stat()
            with part.open("xb") as file:
                os.fchmod(file.fileno(), stat.S_IMODE(taken.st_mode))
                if taken.st_gid != os.fstat(file.fileno()).st_gid:
                    os.fchown(file.fileno(), -1, taken.st_gid)
                for chunk in content.chunks():
                    file.write(chunk)
            keep(part, path, root)
        except BaseException:
            for one in (part, path):
                with contextlib.suppress(OSError):
                    one.unlink()
            raise
        return name

"""What must always be true between the database and the disk (trust.md 4.2): of all apps at once, so on the top floor."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.consistency import counted
from config.media import cross_check

# purge_drafts takes files without a row after a week: what is older was left behind.
SWEPT_AFTER = timedelta(days=8)


@counted("I15", "附件与文件一一对应，内容与摘要相同", "files")
def files_that_differ(sample: int | None) -> Iterator[str]:
    """All of them, whatever `sample` says: a file that is missed is found by looking at each."""
    limit = timezone.now() - SWEPT_AFTER
    for one in cross_check():
        if one.what != "without row" or _was_left(one.path, limit):
            yield str(one)


def _was_left(path: str, limit: datetime) -> bool:
    try:
        return default_storage.get_modified_time(path) < limit
    except FileNotFoundError:  # an upload that was under way has got its own name since
        return False

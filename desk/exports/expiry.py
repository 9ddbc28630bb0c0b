"""Files of exports are gone after their time; the row stays, as the record of what was taken."""

import shutil
import time
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from desk.exports.making import FOLDER
from desk.exports.models import Export

DAY = 24 * 60 * 60


@app.periodic(cron="37 * * * *", periodic_id="exports")
@app.task(name="desk.expire_exports", queueing_lock="exports")
def expire(timestamp: int) -> None:
    """Delete what has expired, and what no row knows of: a try that died between its file and its row."""
    folder = Path(settings.MEDIA_ROOT) / FOLDER
    for export in Export.objects.with_file().filter(expires_at__lt=timezone.now()):
        export.file.storage.delete(export.file.name)
        Export.objects.filter(pk=export.pk).update(file="")
    if not folder.exists():
        return
    known = set(Export.objects.with_file().values_list("file", flat=True))
    for path in folder.iterdir():
        if f"{FOLDER}/{path.name}" in known or path.stat().st_mtime > time.time() - DAY:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

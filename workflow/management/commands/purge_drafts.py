from datetime import timedelta

from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand
from django.utils import timezone

from workflow.attachments import KEPT, discard
from workflow.models import Attachment


class Command(BaseCommand):
    help = "Delete files that were uploaded to a form and never submitted. To be run daily."

    def add_arguments(self, parser):
        parser.add_argument("--days", type=int, default=7, help="keep drafts this many days (default: 7)")

    def handle(self, *args, days, **options):
        limit = timezone.now() - timedelta(days=days)
        stale = Attachment.objects.filter(application__isnull=True, uploaded_at__lt=limit)
        stale = stale.exclude(draft__startswith=KEPT)
        count = sum(1 for one in stale.iterator() if discard(one) is None)
        swept = self._sweep(limit)
        self.stdout.write(f"drafts deleted: {count}; files without a row deleted: {swept}")

    def _sweep(self, limit) -> int:
        """Files whose row was never committed: the transaction failed after the file was written."""
        swept = 0
        folders = default_storage.listdir("")[0] if default_storage.exists("") else []
        for folder in folders:
            paths = [f"{folder}/{name}" for name in default_storage.listdir(folder)[1]]
            known = set(
                Attachment.objects.filter(file__startswith=f"{folder}/").values_list("file", flat=True)
            )
            for path in paths:
                if path not in known and default_storage.get_modified_time(path) < limit:
                    default_storage.delete(path)
                    swept += 1
        return swept

from datetime import timedelta

from django.core.management.base import BaseCommand
from django.utils import timezone

from config import leftovers
from workflow.attachments import KEPT, discard
from workflow.models import Attachment


class Command(BaseCommand):
    help = "Delete files that were uploaded to a form and never submitted, and what crashes left. To be run daily."

    def add_arguments(self, parser):
        parser.add_argument("--days", type=int, default=7, help="keep drafts this many days (default: 7)")

    def handle(self, *args, days, **options):
        limit = timezone.now() - timedelta(days=days)
        stale = Attachment.objects.filter(application__isnull=True, uploaded_at__lt=limit)
        stale = stale.exclude(draft__startswith=KEPT)
        count = sum(1 for one in stale.iterator() if discard(one) is None)
        whole, halves = leftovers.sweep(limit)
        self.stdout.write(
            f"drafts deleted: {count}; files without a row deleted: {whole}; halves of files deleted: {halves}"
        )

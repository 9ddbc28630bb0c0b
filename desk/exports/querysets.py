"""Whose exports, and how much of what was taken."""

import datetime

from django.db import models
from django.db.models import Sum
from django.utils import timezone

OPEN = ("waiting", "running")


class ExportQuerySet(models.QuerySet):
    def of(self, actor):
        """What this person asked for as admin of this organisation; nobody else sees or downloads it."""
        if not actor.organization:
            return self.none()
        return self.filter(by=actor.user, organization=actor.organization)

    def open(self):
        """Not finished, failed or cancelled."""
        return self.filter(state__in=OPEN)

    def with_file(self):
        return self.exclude(file="")


class ExportAccessQuerySet(models.QuerySet):
    def unmasked_rows_today(self, user) -> int:
        """How many unmasked rows this person took in the last 24 hours, whatever the organisation."""
        since = timezone.now() - datetime.timedelta(days=1)
        taken = self.filter(user=user, at__gt=since, masked=False, verb="made")
        return taken.aggregate(Sum("count"))["count__sum"] or 0

"""Tables of the desk: what was exported, by whom and why; what waits where. Floor 4: all else is read from below."""

from django.db import models
from django.db.models import Q

from desk.exports.models import Export as Export
from desk.exports.models import ExportAccess as ExportAccess
from orgs.models import Organization


class Waiting(models.Model):
    """待办汇总: one organisation where something waits, or that has no admin. Written by desk/waiting.py alone.

    `waiting`, `late` (longer than promised) and `oldest` are its own queue; `waiting_below` and `late_below` count the
    whole branch with itself. `unattended`: nobody looks after it (decision 12).
    """

    organization = models.OneToOneField(Organization, models.CASCADE, primary_key=True, related_name="+")
    path = models.CharField(max_length=255, db_collation="C")
    waiting = models.PositiveIntegerField("待审核")
    late = models.PositiveIntegerField("超过承诺时限")
    oldest = models.DateTimeField("最早送达", null=True)
    waiting_below = models.PositiveIntegerField("含下级待审核")
    late_below = models.PositiveIntegerField("含下级超过承诺时限")
    headless = models.BooleanField("没有管理员")
    unattended = models.BooleanField("无人审核")

    class Meta:
        verbose_name = verbose_name_plural = "待办汇总"
        indexes = [
            models.Index(fields=["path"], condition=Q(waiting__gt=0), name="waiting_place"),
            models.Index(fields=["path"], condition=Q(late__gt=0), name="waiting_late"),
            models.Index(fields=["path"], condition=Q(unattended=True), name="waiting_unattended"),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} {self.waiting}"

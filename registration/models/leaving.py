"""Who left the platform, or a unit for good: the record of it (F-87, decision 13)."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from orgs.models import Organization, Practitioner


class Departure(models.Model):
    """账户注销 by the person, or 离职 by the unit. Written by registration/leaving.py; never changed.

    By the person: every role ends, `practitioner` and `employer` tell where they worked, if anywhere. By the unit:
    the professional role ends, with a reason.
    """

    class Way(models.TextChoices):
        OWN = "own", "本人注销账户"
        UNIT = "unit", "单位办理离职"

    way = models.CharField("方式", max_length=4, choices=Way)
    user = models.ForeignKey(User, models.PROTECT, related_name="departures")
    practitioner = models.ForeignKey(
        Practitioner, models.PROTECT, null=True, blank=True, related_name="departures"
    )
    employer = models.ForeignKey(Organization, models.PROTECT, null=True, blank=True, related_name="+")
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    reason = models.CharField("原因", max_length=200, blank=True)
    at = models.DateTimeField("时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "离开记录"
        constraints = [
            models.CheckConstraint(
                name="departure_by_the_unit_has_a_reason",
                condition=Q(way="own")
                | (Q(way="unit", practitioner__isnull=False, employer__isnull=False) & ~Q(reason="")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_way_display()} {self.at:%Y-%m-%d}"

"""Counters above the person: rolled up to every organisation, plus the changes that wait to be folded in (speed.md)."""

from django.db import models
from django.utils import timezone

from credits.hours_field import HoursField
from orgs.models import Organization

ALL_SERIES = "*"
NOW = 0


class Counted(models.Model):
    """What is counted of the approved people of a place, a year and a title series ("" = 无, "*" = all of them).

    year 0 counts the people themselves, whatever the year. `begun` have any hours of the year, `complete` met it.
    `posted` holds the hours entered by month of entry ({"11": …}): a flow, which stays where it happened when people
    move; all else follows the people.
    """

    year = models.PositiveSmallIntegerField()
    series = models.CharField(max_length=8)
    people = models.IntegerField(default=0)
    begun = models.IntegerField(default=0)
    complete = models.IntegerField(default=0)
    hours = HoursField()
    posted = HoursField()

    class Meta:
        abstract = True


class Tally(Counted):
    """Rolled up: one organisation with everybody below it. Written by credits/tallies.py, `fold`, alone."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="tallies", db_index=False)

    class Meta:
        verbose_name = verbose_name_plural = "汇总计数"
        constraints = [models.UniqueConstraint(fields=["organization", "year", "series"], name="tally_once")]

    def __str__(self) -> str:
        return f"{self.organization_id} {self.year} {self.series}"


class TallyDelta(Counted):
    """One change not yet folded in, at the path where the people were. Written by the database's triggers alone."""

    path = models.CharField(max_length=255)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "待汇总变化"

    def __str__(self) -> str:
        return f"{self.path} {self.year}"

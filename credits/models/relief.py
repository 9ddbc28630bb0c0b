"""减免申请: illness, maternity, a posting far away change what one year asks of one person."""

from django.db import models
from django.db.models import F, Q

from credits.querysets import ReliefRequestQuerySet
from orgs.models import Practitioner
from workflow.models import Payload


class ReliefRequest(Payload):
    """学时减免: by `code` of the policy pack in force; `months` where the pack reduces pro rata by months.

    Approved, it is copied into the person's Standing, changes the year's requirement and stands on the certificate.
    """

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="reliefs", db_index=False)
    year = models.PositiveSmallIntegerField("年度")
    code = models.SlugField("减免类别", max_length=40)
    name = models.CharField("减免类别名称", max_length=60)
    months = models.PositiveSmallIntegerField("减免月数", null=True, blank=True)
    started_on = models.DateField("开始日期")
    ended_on = models.DateField("结束日期")
    reason = models.CharField("说明", max_length=300, blank=True)

    objects = ReliefRequestQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "学时减免"
        constraints = [
            models.CheckConstraint(name="relief_dates_in_order", condition=Q(started_on__lte=F("ended_on"))),
            models.CheckConstraint(
                name="relief_months_of_a_year",
                condition=Q(months__isnull=True) | Q(months__gte=1, months__lte=12),
            ),
        ]
        indexes = [models.Index(fields=["practitioner", "year"], name="relief_person_year")]

    def __str__(self) -> str:
        return f"{self.year} {self.name}"

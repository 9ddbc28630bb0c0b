"""学时账 and the sums it feeds. Written by credits/ledger.py and credits/posting.py alone."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from credits.hours_field import HoursField
from credits.models.declaring import Declaration
from credits.models.intake import IntakeRecord
from credits.querysets import LedgerEntryQuerySet, StandingQuerySet
from orgs.models import Organization, Practitioner
from workflow.models import Step


class Verb(models.TextChoices):
    GRANTED = "granted", "计入"
    REVERSED = "reversed", "撤销"


class Source(models.TextChoices):
    """Where hours come from: a declaration that was signed, or a platform's record (F-106)."""

    DECLARATION = "declaration", "申报"
    IMPORT = "import", "平台对接"


class LedgerEntry(models.Model):
    """学时账: append only, the database refuses changes (migration). `hours` is signed: a reversal takes away.

    `step` and `decided_by` say whose signature granted it (谁审核谁负责, F-102), `record` which platform's record; a
    reversal has a `reason`.
    """

    practitioner = models.ForeignKey(Practitioner, models.RESTRICT, related_name="ledger", db_index=False)
    year = models.PositiveSmallIntegerField("年度")
    subject = models.CharField("科目", max_length=20)
    hours = models.DecimalField("学时", max_digits=5, decimal_places=1)
    verb = models.CharField("动作", max_length=10, choices=Verb)
    source = models.CharField("来源", max_length=12, choices=Source)
    declaration = models.ForeignKey(
        Declaration, models.RESTRICT, null=True, blank=True, related_name="ledger", db_index=False
    )
    record = models.ForeignKey(
        IntakeRecord, models.RESTRICT, null=True, blank=True, related_name="ledger", db_index=False
    )
    step = models.ForeignKey(Step, models.RESTRICT, null=True, blank=True, related_name="+", db_index=False)
    decided_by = models.ForeignKey(
        User, models.RESTRICT, null=True, blank=True, related_name="+", db_index=False
    )
    organization = models.ForeignKey(
        Organization, models.RESTRICT, null=True, blank=True, related_name="+", db_index=False
    )
    reason = models.CharField("理由", max_length=300, blank=True)
    at = models.DateTimeField("时间", default=timezone.now)

    objects = LedgerEntryQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "学时账"
        constraints = [
            models.UniqueConstraint(
                fields=["declaration", "verb"],
                condition=Q(declaration__isnull=False),
                name="ledger_one_grant_and_reversal_per_declaration",
            ),
            models.UniqueConstraint(
                fields=["record", "verb"],
                condition=Q(record__isnull=False),
                name="ledger_one_grant_and_reversal_per_record",
            ),
            models.CheckConstraint(
                name="ledger_sign_tells_verb",
                condition=Q(verb="granted", hours__gt=0) | Q(verb="reversed", hours__lt=0),
            ),
            models.CheckConstraint(
                name="ledger_reversal_has_reason", condition=~Q(verb="reversed") | ~Q(reason="")
            ),
            models.CheckConstraint(
                name="ledger_source_is_named",
                condition=Q(
                    source="declaration",
                    declaration__isnull=False,
                    record__isnull=True,
                    decided_by__isnull=False,
                )
                | Q(source="import", declaration__isnull=True, record__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["practitioner", "year"], name="ledger_person_year")]

    def __str__(self) -> str:
        return f"{self.get_verb_display()} {self.year} {self.hours}"


class Standing(models.Model):
    """A person's year: the sum of the ledger, kept in the same transaction.

    `hours` by subject, `imported` the part of it that platforms reported, `total` all together; `relief` the approved
    reductions ([{"code", "name", "months"}]). `complete` says whether the year's requirement is met by the rules in
    force where the person is; the Recheck queue renews it when rules or places change.
    """

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="standings", db_index=False)
    year = models.PositiveSmallIntegerField("年度")
    hours = HoursField("各科目学时")
    imported = HoursField("其中平台对接")
    total = models.DecimalField("合计学时", max_digits=7, decimal_places=1, default=0)
    complete = models.BooleanField("已达标", default=False)
    relief = models.JSONField("减免", default=list, blank=True)

    objects = StandingQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "年度学时"
        constraints = [
            models.UniqueConstraint(fields=["practitioner", "year"], name="standing_once_per_year"),
            models.CheckConstraint(name="standing_not_negative", condition=Q(total__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.year}：{self.total}"


class Recheck(models.Model):
    """People whose `complete` must be looked at again: rules changed above them, or they moved (credits/recheck.py)."""

    practitioner = models.ForeignKey(Practitioner, models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "待重新计算"
        constraints = [models.UniqueConstraint(fields=["practitioner"], name="recheck_once")]

    def __str__(self) -> str:
        return f"{self.practitioner_id}"

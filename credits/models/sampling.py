"""抽查: which share of the hours that reach a bureau its people look at, drawn so that the draw can be repeated."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from credits.models.catalogue import ActivityKind
from orgs.models import Kind, Organization
from workflow.models import Step


class VerificationPolicy(models.Model):
    """审验比例 of a bureau: for one authority's people, one kind of activity, both, or everything else (neither).

    `percent` of what waits is drawn at random; with `risk_first` whatever has a warning is looked at besides.
    Without any policy everything is looked at (decision 3).
    """

    bureau = models.ForeignKey(
        Organization,
        models.CASCADE,
        related_name="verification_policies",
        limit_choices_to={"kind": Kind.BUREAU},
    )
    authority = models.ForeignKey(
        Organization, models.CASCADE, null=True, blank=True, related_name="+", verbose_name="主管部门"
    )
    kind = models.ForeignKey(
        ActivityKind, models.CASCADE, null=True, blank=True, related_name="+", verbose_name="申报形式"
    )
    percent = models.PositiveSmallIntegerField("抽查比例（%）")
    risk_first = models.BooleanField("有提示的全部审验", default=True)
    changed_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    changed_at = models.DateTimeField("修改时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "审验比例"
        constraints = [
            models.UniqueConstraint(
                fields=["bureau"],
                condition=Q(authority=None, kind=None),
                name="verification_policy_rest_once",
            ),
            models.UniqueConstraint(
                fields=["bureau", "authority"],
                condition=Q(authority__isnull=False, kind=None),
                name="verification_policy_authority_once",
            ),
            models.UniqueConstraint(
                fields=["bureau", "kind"],
                condition=Q(authority=None, kind__isnull=False),
                name="verification_policy_kind_once",
            ),
            models.UniqueConstraint(
                fields=["bureau", "authority", "kind"],
                condition=Q(authority__isnull=False, kind__isnull=False),
                name="verification_policy_both_once",
            ),
            models.CheckConstraint(name="verification_policy_is_a_share", condition=Q(percent__lte=100)),
        ]

    def __str__(self) -> str:
        return f"{self.percent}%"


class SampleDraw(models.Model):
    """One draw: the seed decides it, `digest` says out of what (SHA-256 of the drawn-from steps). Append only."""

    bureau = models.ForeignKey(Organization, models.RESTRICT, related_name="sample_draws")
    seed = models.CharField("随机种子", max_length=32)
    population = models.PositiveIntegerField("待审验")
    sampled = models.PositiveIntegerField("抽中")
    digest = models.CharField(max_length=64)
    by = models.ForeignKey(User, models.RESTRICT, related_name="+")
    at = models.DateTimeField("抽取时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "抽查"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.pk}"


class SampleItem(models.Model):
    """One step of a draw: by which share, whether it had a warning, whether it was drawn. Append only."""

    draw = models.ForeignKey(SampleDraw, models.RESTRICT, related_name="items", db_index=False)
    step = models.ForeignKey(Step, models.RESTRICT, related_name="+")
    group = models.CharField("比例来自", max_length=40)
    percent = models.PositiveSmallIntegerField("抽查比例（%）")
    risk = models.BooleanField("有提示")
    risk_first = models.BooleanField("有提示的全部审验")
    sampled = models.BooleanField("抽中")

    class Meta:
        verbose_name = verbose_name_plural = "抽查事项"
        constraints = [models.UniqueConstraint(fields=["draw", "step"], name="sample_item_once")]

    def __str__(self) -> str:
        return f"{self.step_id}"


class OverturnRate(models.Model):
    """复核改变率: of what one reviewer approved and the bureau then decided in a month, how much it changed.

    Reckoned anew by the worker every night for the months that may still change (credits/overturning.py).
    """

    bureau = models.ForeignKey(Organization, models.CASCADE, related_name="+", db_index=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+", verbose_name="审核单位")
    user = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name="审核人")
    month = models.DateField("月份")
    decided = models.PositiveIntegerField("已复核")
    rejected = models.PositiveIntegerField("被驳回")
    lowered = models.PositiveIntegerField("被调低")
    revoked = models.PositiveIntegerField("被撤销")

    class Meta:
        verbose_name = verbose_name_plural = "复核改变率"
        constraints = [
            models.UniqueConstraint(
                fields=["bureau", "month", "organization", "user"], name="overturn_rate_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.organization_id}"

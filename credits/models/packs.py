"""政策包 and 时间窗口: the dated data that says what a year asks for, what an activity is worth, when one may declare."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from credits.querysets import RulePackQuerySet, WindowQuerySet
from orgs.models import Kind, Organization


class PackState(models.TextChoices):
    DRAFT = "draft", "草稿"
    PUBLISHED = "published", "已发布"
    SUPERSEDED = "superseded", "已被新版本代替"
    RETIRED = "retired", "已停用"


class RulePack(models.Model):
    """政策包: one version of one jurisdiction's rules, as text in the form of credits/rules/packs/*.toml.

    Without a bureau it holds everywhere; a bureau's own holds for everybody below it, the nearest first. A version
    that was published is never changed: declarations and certificates name the one they were decided under.
    `year_from`, `year_to` and `series` repeat what the text says, for the query that finds what is in force.
    """

    code = models.SlugField("代码", max_length=40)
    version = models.PositiveSmallIntegerField("版本", default=1)
    name = models.CharField("名称", max_length=80)
    bureau = models.ForeignKey(
        Organization,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        limit_choices_to={"kind": Kind.BUREAU},
        verbose_name="适用的人社部门",
        help_text="不选则全省适用。",
    )
    state = models.CharField("状态", max_length=12, choices=PackState, default=PackState.DRAFT)
    text = models.TextField("内容")
    year_from = models.PositiveSmallIntegerField("自哪一年起")
    year_to = models.PositiveSmallIntegerField("到哪一年止", null=True, blank=True)
    note = models.CharField("修改说明", max_length=300, blank=True)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField("创建时间", default=timezone.now)
    published_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    published_at = models.DateTimeField("发布时间", null=True, blank=True)

    objects = RulePackQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "政策包"
        ordering = ["code", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["code", "version"], name="rule_pack_version_once"),
            models.UniqueConstraint(
                fields=["code", "year_from"],
                condition=Q(state="published"),
                name="rule_pack_one_published_from_a_year",
            ),
            models.CheckConstraint(
                name="rule_pack_published_at_tells_state",
                condition=Q(state="draft", published_at__isnull=True)
                | (~Q(state="draft") & Q(published_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="rule_pack_years_in_order",
                condition=Q(year_to__isnull=True) | Q(year_to__gte=F("year_from")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} 第 {self.version} 版"


class WindowKind(models.TextChoices):
    DECLARE = "declare", "申报"
    REVIEW = "review", "审核审验"


class Window(models.Model):
    """时间窗口: when one year's hours may be declared or decided, for everybody below a bureau (or everywhere).

    A year without any window is open as long as the year itself has begun. With windows it is open inside any of
    them: a late window (补报) is one more row.
    """

    bureau = models.ForeignKey(
        Organization,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        limit_choices_to={"kind": Kind.BUREAU},
        verbose_name="适用的人社部门",
    )
    year = models.PositiveSmallIntegerField("年度")
    kind = models.CharField("事项", max_length=10, choices=WindowKind)
    opens_at = models.DateTimeField("开放时间")
    closes_at = models.DateTimeField("截止时间")
    note = models.CharField("说明", max_length=200, blank=True)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    objects = WindowQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "时间窗口"
        ordering = ["-year", "kind", "opens_at"]
        constraints = [
            models.CheckConstraint(name="window_in_order", condition=Q(opens_at__lt=F("closes_at"))),
        ]
        indexes = [models.Index(fields=["year", "kind"], name="window_year")]

    def __str__(self) -> str:
        return f"{self.year} {self.get_kind_display()}"

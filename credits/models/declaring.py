"""学时申报: one activity and the hours it brings; by the person, or by the unit for many people at once."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import ExtractYear
from django.utils import timezone

from accounts.models import User
from credits.models.catalogue import ActivityKind, Level
from credits.models.packs import RulePack
from credits.querysets import DeclarationQuerySet, UnitDeclarationQuerySet
from orgs.models import Organization, Practitioner
from workflow.models import Payload, Step


class Activity(models.Model):
    """The facts of an activity (F-113): what a policy pack reckons with (credits.rules.reckon.Facts).

    `year` is the year it counts for: a year in which the activity took place, or after it when a pack spreads an
    activity over several years. `stated_hours` are those written on the proof. `rank` is one's place among
    `people` authors or members. `quantity` counts what the rule asks for (days, courses, characters);
    `surcharge_quantity` what a surcharge asks for.
    """

    year = models.PositiveSmallIntegerField("计入年度")
    subject = models.CharField("科目", max_length=20)
    kind = models.ForeignKey(
        ActivityKind, models.PROTECT, related_name="+", db_index=False, verbose_name="申报形式"
    )
    title = models.CharField("活动名称", max_length=120)
    organiser = models.CharField("主办或出版单位", max_length=120)
    started_on = models.DateField("开始日期")
    ended_on = models.DateField("结束日期")
    level = models.CharField("级别", max_length=20, choices=Level, blank=True)
    variant = models.CharField("类别", max_length=40, blank=True)
    rank = models.PositiveSmallIntegerField("本人排名", null=True, blank=True)
    people = models.PositiveSmallIntegerField("总人数", null=True, blank=True)
    quantity = models.DecimalField("数量", max_digits=9, decimal_places=1, null=True, blank=True)
    surcharge_quantity = models.DecimalField(
        "附加数量", max_digits=9, decimal_places=1, null=True, blank=True
    )
    graduated_on = models.DateField("毕业或取得日期", null=True, blank=True)
    filed_in_advance = models.BooleanField("已事先备案", null=True, blank=True)
    in_plan = models.BooleanField("已列入单位年度计划", null=True, blank=True)
    stated_hours = models.DecimalField("证明上的学时", max_digits=5, decimal_places=1, null=True, blank=True)
    certificate_number = models.CharField("证书或证明编号", max_length=60, blank=True)
    number_key = models.CharField(max_length=60, blank=True, editable=False)
    note = models.CharField("备注", max_length=300, blank=True)

    class Meta:
        abstract = True


class UnitDeclaration(Activity):
    """单位申报: one training that a unit declares for many of its people; each of them confirms or objects.

    A confirmation files that person's own Declaration, with the unit's signature given by who filed this.
    """

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="unit_declarations")
    hours = models.DecimalField("学时", max_digits=5, decimal_places=1)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField("提交时间", default=timezone.now)
    cancelled_at = models.DateTimeField("撤销时间", null=True, blank=True)
    draft = models.CharField(max_length=64, blank=True, editable=False)

    objects = UnitDeclarationQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "单位申报"
        indexes = [models.Index(fields=["organization", "-id"], name="unit_declaration_unit")]

    def __str__(self) -> str:
        return self.title


class Declaration(Payload, Activity):
    """学时申报 (F-98 … F-113). `hours` is what was claimed: reckoned by the pack, or as stated where it has no rule.

    `pack` is the version it was reckoned under and `reckoning` the readable account of it, frozen at submission
    (credits/reckoning.py); `lowered_to` what a reviewer recognised instead (Lowering says who and why). Later packs
    change none of them. `digests` is no column: SHA-256 of the files that will be claimed, looked at when it is filed.
    """

    digests: tuple[str, ...] = ()

    practitioner = models.ForeignKey(
        Practitioner, models.PROTECT, related_name="declarations", db_index=False, verbose_name="申报人"
    )
    hours = models.DecimalField("学时", max_digits=5, decimal_places=1)
    lowered_to = models.DecimalField("认定学时", max_digits=5, decimal_places=1, null=True, blank=True)
    pack = models.ForeignKey(
        RulePack, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    reckoning = models.JSONField(default=dict, blank=True)
    unit_declaration = models.ForeignKey(
        UnitDeclaration, models.PROTECT, null=True, blank=True, related_name="declarations"
    )

    objects = DeclarationQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "学时申报"
        constraints = [
            models.CheckConstraint(
                name="declaration_hours_in_range", condition=Q(hours__gt=0, hours__lte=200)
            ),
            models.CheckConstraint(
                name="declaration_lowered_never_raised",
                condition=Q(lowered_to__isnull=True) | Q(lowered_to__gt=0, lowered_to__lt=F("hours")),
            ),
            models.CheckConstraint(
                name="declaration_dates_in_order", condition=Q(started_on__lte=F("ended_on"))
            ),
            models.CheckConstraint(
                name="declaration_year_not_before_the_activity",
                condition=Q(year__gte=ExtractYear("started_on")),
            ),
        ]
        indexes = [
            models.Index(fields=["practitioner", "year"], name="declaration_person_year"),
            models.Index(fields=["number_key"], condition=~Q(number_key=""), name="declaration_number"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}：{self.title}"

    @property
    def recognised(self):
        """The hours that are granted when the last signature falls."""
        return self.hours if self.lowered_to is None else self.lowered_to


class Lowering(models.Model):
    """认定学时: a reviewer recognised fewer hours than declared, with a reason, by approving a step. Append only."""

    step = models.OneToOneField(Step, models.RESTRICT, primary_key=True, related_name="lowering")
    declaration = models.ForeignKey(Declaration, models.RESTRICT, related_name="lowerings")
    before = models.DecimalField("原学时", max_digits=5, decimal_places=1)
    after = models.DecimalField("认定学时", max_digits=5, decimal_places=1)
    reason = models.CharField("理由", max_length=500)
    by = models.ForeignKey(User, models.RESTRICT, related_name="+")
    at = models.DateTimeField("时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "认定学时"
        constraints = [
            models.CheckConstraint(name="lowering_lowers", condition=Q(after__gt=0, after__lt=F("before"))),
            models.CheckConstraint(name="lowering_has_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"


class Answer(models.TextChoices):
    WAITING = "waiting", "待本人确认"
    CONFIRMED = "confirmed", "已确认"
    OBJECTED = "objected", "有异议"


class UnitDeclarationPerson(models.Model):
    """One person of a unit's declaration, and what that person answered."""

    unit_declaration = models.ForeignKey(
        UnitDeclaration, models.PROTECT, related_name="persons", db_index=False
    )
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="unit_declared")
    answer = models.CharField("本人意见", max_length=10, choices=Answer, default=Answer.WAITING)
    objection = models.CharField("异议", max_length=300, blank=True)
    answered_at = models.DateTimeField("答复时间", null=True, blank=True)
    declaration = models.OneToOneField(
        Declaration, models.PROTECT, null=True, blank=True, related_name="unit_declared"
    )

    class Meta:
        verbose_name = verbose_name_plural = "单位申报的人员"
        constraints = [
            models.UniqueConstraint(
                fields=["unit_declaration", "practitioner"], name="unit_declaration_person_once"
            ),
            models.CheckConstraint(
                name="unit_declaration_answer_is_whole",
                condition=Q(answer="waiting", answered_at__isnull=True, declaration__isnull=True)
                | Q(answer="confirmed", answered_at__isnull=False, declaration__isnull=False)
                | (
                    Q(answer="objected", answered_at__isnull=False, declaration__isnull=True)
                    & ~Q(objection="")
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.practitioner} {self.get_answer_display()}"

"""Hours: what counts, what is required, what was declared, what was granted, where a person's year stands. Floor 3.

Hours are numeric(5,1) everywhere (decision 15); the year is the year of the activity in Asia/Shanghai, stored as an
integer. The ledger is the truth; Standing is its sum per person and year, written in the same transaction.
"""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import ExtractYear
from django.utils import timezone

from accounts.models import User
from credits.querysets import DeclarationQuerySet, LedgerEntryQuerySet, StandingQuerySet
from orgs.models import Kind, Organization, Practitioner
from workflow.models import Payload, Step


class Subject(models.TextChoices):
    """科目 that hours count for (F-95)."""

    PUBLIC = "public", "公需科目"
    PROFESSIONAL = "professional", "专业科目"


class Level(models.TextChoices):
    """级别 of an activity: of the organiser, the journal, the project."""

    INTERNATIONAL = "international", "国际"
    NATIONAL = "national", "国家级"
    PROVINCE = "province", "省（部）级"
    CITY = "city", "市级"
    COUNTY = "county", "县级"
    UNIT = "unit", "本单位"


class ActivityKind(models.Model):
    """申报形式 of F-98 and 2.6 of the regulations' evidence lists: data that an operator may edit.

    `evidence` says which papers to upload; `max_hours` is the most one declaration may state.
    """

    code = models.SlugField("代码", max_length=40, unique=True)
    name = models.CharField("名称", max_length=40, unique=True)
    evidence = models.CharField("证明材料", max_length=200, help_text="申报人在选择形式时看到。")
    max_hours = models.DecimalField("一次最多学时", max_digits=5, decimal_places=1, default=90)
    order = models.PositiveSmallIntegerField("次序", default=0)
    is_active = models.BooleanField("可申报", default=True)

    class Meta:
        verbose_name = verbose_name_plural = "申报形式"
        ordering = ["order", "pk"]
        constraints = [
            models.CheckConstraint(
                name="activity_kind_max_hours_in_range", condition=Q(max_hours__gt=0, max_hours__lte=200)
            )
        ]

    def __str__(self) -> str:
        return self.name


class Requirement(models.Model):
    """年度学时要求 (F-95, F-96): at least `hours` of one subject, or of all together when `subject` is empty.

    Rows of one bureau and `year_from` belong together and hold until a later `year_from` replaces them all.
    Without a bureau they hold everywhere; a bureau's own rows hold for everybody below it (credits/required.py).
    """

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
    year_from = models.PositiveSmallIntegerField("自哪一年起")
    subject = models.CharField(
        "科目", max_length=20, choices=Subject, blank=True, help_text="不选为各科目合计。"
    )
    hours = models.DecimalField("不少于（学时）", max_digits=5, decimal_places=1)
    basis = models.CharField("依据", max_length=500)

    class Meta:
        verbose_name = verbose_name_plural = "年度学时要求"
        ordering = ["-year_from", "subject"]
        constraints = [
            models.UniqueConstraint(
                fields=["year_from", "subject"], condition=Q(bureau__isnull=True), name="requirement_once"
            ),
            models.UniqueConstraint(
                fields=["bureau", "year_from", "subject"],
                condition=Q(bureau__isnull=False),
                name="requirement_once_per_bureau",
            ),
            models.CheckConstraint(name="requirement_not_negative", condition=Q(hours__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.year_from} 年起 {self.get_subject_display() or '合计'}不少于 {self.hours} 学时"


class Declaration(Payload):
    """学时申报 (F-98 … F-113): one activity, and the hours the person states for it.

    `year` is the year it counts for: a year in which the activity took place. `role` is rank or authorship as
    written on the proof ("第 2 作者").
    """

    practitioner = models.ForeignKey(
        Practitioner, models.PROTECT, related_name="declarations", db_index=False, verbose_name="申报人"
    )
    year = models.PositiveSmallIntegerField("计入年度")
    subject = models.CharField("科目", max_length=20, choices=Subject)
    kind = models.ForeignKey(
        ActivityKind, models.PROTECT, related_name="+", db_index=False, verbose_name="形式"
    )
    title = models.CharField("活动名称", max_length=120)
    organiser = models.CharField("主办或出版单位", max_length=120)
    started_on = models.DateField("开始日期")
    ended_on = models.DateField("结束日期")
    hours = models.DecimalField("学时", max_digits=5, decimal_places=1)
    level = models.CharField("级别", max_length=20, choices=Level, blank=True)
    role = models.CharField("本人角色或排名", max_length=40, blank=True)
    certificate_number = models.CharField("证书或证明编号", max_length=60, blank=True)
    note = models.CharField("备注", max_length=300, blank=True)

    objects = DeclarationQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "学时申报"
        constraints = [
            models.CheckConstraint(
                name="declaration_hours_in_range", condition=Q(hours__gt=0, hours__lte=200)
            ),
            models.CheckConstraint(
                name="declaration_dates_in_order", condition=Q(started_on__lte=F("ended_on"))
            ),
            models.CheckConstraint(
                name="declaration_year_is_of_the_activity",
                condition=Q(year__gte=ExtractYear("started_on")) & Q(year__lte=ExtractYear("ended_on")),
            ),
        ]
        indexes = [models.Index(fields=["practitioner", "year"], name="declaration_person_year")]

    def __str__(self) -> str:
        return f"{self.kind}：{self.title}"


class Verb(models.TextChoices):
    GRANTED = "granted", "计入"
    REVERSED = "reversed", "撤销"


class Source(models.TextChoices):
    """Where hours come from: a declaration that was signed, or a platform's record (F-106)."""

    DECLARATION = "declaration", "申报"
    IMPORT = "import", "平台对接"


class LedgerEntry(models.Model):
    """学时账: append only, the database refuses changes (migration). `hours` is signed: a reversal takes away.

    `step` and `decided_by` say whose signature granted it (谁审核谁负责, F-102); a reversal has a `reason`.
    """

    practitioner = models.ForeignKey(Practitioner, models.RESTRICT, related_name="ledger", db_index=False)
    year = models.PositiveSmallIntegerField("年度")
    subject = models.CharField("科目", max_length=20, choices=Subject)
    hours = models.DecimalField("学时", max_digits=5, decimal_places=1)
    verb = models.CharField("动作", max_length=10, choices=Verb)
    source = models.CharField("来源", max_length=12, choices=Source)
    declaration = models.ForeignKey(
        Declaration, models.RESTRICT, null=True, blank=True, related_name="ledger", db_index=False
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
                fields=["declaration"], condition=Q(verb="granted"), name="ledger_one_grant_per_declaration"
            ),
            models.UniqueConstraint(
                fields=["declaration"],
                condition=Q(verb="reversed"),
                name="ledger_one_reversal_per_declaration",
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
                condition=Q(source="declaration", declaration__isnull=False, decided_by__isnull=False)
                | Q(source="import", declaration__isnull=True),
            ),
        ]
        indexes = [models.Index(fields=["practitioner", "year"], name="ledger_person_year")]

    def __str__(self) -> str:
        return f"{self.get_verb_display()} {self.year} {self.hours}"


class Standing(models.Model):
    """A person's year: the sum of the ledger, kept in the same transaction (credits/ledger.py writes it alone)."""

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="standings", db_index=False)
    year = models.PositiveSmallIntegerField("年度")
    public_hours = models.DecimalField("公需学时", max_digits=6, decimal_places=1, default=0)
    professional_hours = models.DecimalField("专业学时", max_digits=6, decimal_places=1, default=0)

    objects = StandingQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "年度学时"
        constraints = [
            models.UniqueConstraint(fields=["practitioner", "year"], name="standing_once_per_year"),
            models.CheckConstraint(
                name="standing_not_negative", condition=Q(public_hours__gte=0, professional_hours__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.year}：公需 {self.public_hours}，专业 {self.professional_hours}"

    @property
    def earned(self) -> dict:
        """Hours by subject."""
        return {Subject.PUBLIC: self.public_hours, Subject.PROFESSIONAL: self.professional_hours}

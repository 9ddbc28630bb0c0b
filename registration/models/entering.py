"""What was submitted at a registration, kept as it was: an old application still shows what it said. Floor 3."""

from collections import defaultdict
from dataclasses import dataclass

from django.db import models
from django.db.models import Q, prefetch_related_objects
from django.urls import reverse
from django.utils import timezone

from accounts.mobile import MobileField
from accounts.models import RoleAccount
from orgs import uscc
from orgs.models import (
    Division,
    Education,
    FieldOfStudy,
    Organization,
    Practitioner,
    Status,
    TitleLevel,
    TitleMode,
    TitleSeries,
)
from registration.models.codes import TemporaryCode
from registration.querysets import RegistrationQuerySet
from registration.situations import SITUATION_CHOICES, situation_of
from registration.title_date import basis
from workflow.models import Payload


@dataclass
class Row:
    """One line of what was filled in; `field` is the form's input that changes it ("" = none)."""

    label: str
    value: str
    field: str = ""
    change_url: str = ""
    url: str = ""


class Registration(Payload):
    """Common to the three kinds: the situation of FAQ 20 and the person as they wrote themselves down.

    `wrote_person` tells that this registration set the person's name, contact and password; earlier
    registrations of the same ID number are then not shown on the progress page, because whoever registers
    anew has proved nothing about the earlier ones. `notice_*`: which 个人信息处理告知 stood on the page from which it was
    submitted, and when (registration/notice.py).
    """

    account = models.ForeignKey(RoleAccount, models.PROTECT, related_name="+", verbose_name="登录角色")
    situation = models.CharField("注册情况", max_length=20, choices=SITUATION_CHOICES)
    person_name = models.CharField("姓名", max_length=50)
    id_masked = models.CharField("证件号码", max_length=32)
    email = models.EmailField("邮箱", blank=True)
    mobile = models.CharField("手机号", max_length=20, blank=True)
    wrote_person = models.BooleanField(default=True)
    notice_version = models.CharField("告知版本", max_length=10, blank=True, db_default="")
    notice_at = models.DateTimeField("告知时间", null=True, blank=True)

    objects = RegistrationQuerySet.as_manager()

    class Meta:
        abstract = True

    @property
    def doubts(self) -> list[str]:
        """What the reviewer should look at twice."""
        return []

    @property
    def person_rows(self) -> list[Row]:
        return [
            Row("姓名", self.person_name, "name"),
            Row("证件号码", self.id_masked, "id_number"),
            Row("手机号", MobileField().prepare_value(self.mobile), "mobile"),
            Row("邮箱", self.email, "email"),
        ]


class PractitionerRegistration(Registration):
    """专业技术人员注册 (F-08 … F-13, F-23)."""

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="registrations")
    employer = models.ForeignKey(Organization, models.PROTECT, related_name="+", verbose_name="用人单位")
    employer_name = models.CharField("用人单位", max_length=120)
    education = models.CharField("最高学历", max_length=10, choices=Education)
    field_of_study = models.ForeignKey(
        FieldOfStudy, models.PROTECT, related_name="+", verbose_name="所学专业"
    )
    title_series = models.ForeignKey(
        TitleSeries, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="职称系列"
    )
    title_level = models.CharField("职称级别", max_length=12, blank=True, choices=TitleLevel)
    title = models.CharField("职称名称", max_length=60, blank=True)
    title_mode = models.CharField("取得方式", max_length=12, blank=True, choices=TitleMode)
    title_awarded_on = models.DateField("职称评审通过时间", null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "专业技术人员注册"
        constraints = [
            models.CheckConstraint(
                name="registration_title_is_whole_or_absent",
                condition=Q(title_series__isnull=True, title_level="", title="", title_mode="",
                            title_awarded_on__isnull=True)
                | (Q(title_series__isnull=False, title_awarded_on__isnull=False)
                   & ~Q(title_level="") & ~Q(title="") & ~Q(title_mode="")),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.person_name} {self.employer_name}"

    @property
    def unit_rows(self) -> list[Row]:
        return [
            Row("用人单位", self.employer_name, "unit"),
            Row("注册情况", situation_of("practitioner", self.situation).label, "situation"),
        ]

    @property
    def detail_rows(self) -> list[Row]:
        rows = [
            Row("最高学历", self.get_education_display(), "education"),
            Row("所学专业", self.field_of_study.name, "field_of_study"),
        ]
        if self.title_series is None:
            return [*rows, Row("职称系列", "无", "title_series")]
        day = f"{self.title_awarded_on}（{basis(self.title_mode, self.title_awarded_on)}）"
        return [
            *rows,
            Row("职称系列", self.title_series.name, "title_series"),
            Row("职称级别", self.get_title_level_display(), "title_level"),
            Row("职称名称", self.title, "title"),
            Row("取得方式", self.get_title_mode_display(), "title_mode"),
            Row("职称评审通过时间", day, "title_awarded_on"),
        ]

    @property
    def rows(self) -> list[Row]:
        return [*self.unit_rows, *self.person_rows, *self.detail_rows]


class OrganizationRegistration(Registration):
    """主管部门注册 and 用人单位注册 (F-24): exactly one of the three questions has an organisation (F-156).

    `wants_code`: registered without a credit code; the platform signs first, and its signature fills in `uscc`
    (F-92).
    """

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="%(class)ss")
    authority = models.ForeignKey(
        Organization, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="主管部门"
    )
    superior_unit = models.ForeignKey(
        Organization, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="上级单位"
    )
    bureau = models.ForeignKey(
        Organization, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="同级人社部门"
    )
    superior_name = models.CharField("上级名称", max_length=120)
    name = models.CharField("单位名称", max_length=120)
    uscc = models.CharField("统一社会信用代码", max_length=20, blank=True)
    wants_code = models.BooleanField("申请临时代码", default=False)
    division = models.ForeignKey(Division, models.PROTECT, related_name="+", verbose_name="所在区划")
    contact_name = models.CharField("联系人", max_length=50)
    phone = models.CharField("联系电话", max_length=40)
    office_hours = models.CharField("审核时间", max_length=60, blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(class)s_has_one_superior",
                condition=Q(authority__isnull=False, superior_unit__isnull=True, bureau__isnull=True)
                | Q(authority__isnull=True, superior_unit__isnull=False, bureau__isnull=True)
                | Q(authority__isnull=True, superior_unit__isnull=True, bureau__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def superior(self) -> Organization:
        return self.authority or self.superior_unit or self.bureau

    @property
    def doubts(self) -> list[str]:
        return doubts_among([self])[0]

    @property
    def code_row(self) -> Row:
        if self.uscc and uscc.is_temporary(self.uscc):
            code = TemporaryCode.objects.filter(code=self.uscc).first()
            url = reverse("registration:code_document", args=[code.pk]) if code and self.pk else ""
            return Row("统一社会信用代码", f"{self.uscc}（临时代码）", "uscc", url=url)
        wanted = "没有，申请临时代码（平台核发后填入）"
        return Row("统一社会信用代码", self.uscc or (wanted if self.wants_code else ""), "uscc")

    @property
    def question_rows(self) -> list[Row]:
        """The FAQ's questions with the answers given."""
        rows = [Row("主管部门", self.superior_name if self.authority_id else "否", "situation")]
        if not self.authority_id:
            rows.append(Row("是否有上级单位", "是" if self.superior_unit_id else "否", "situation"))
        if self.superior_unit_id:
            rows.append(Row("上级单位名称", self.superior_name, "unit"))
        if self.bureau_id:
            rows.append(Row("同级人社部门名称", self.superior_name, "unit"))
        return rows

    @property
    def unit_rows(self) -> list[Row]:
        return [
            Row("单位名称", self.name, "unit_name"),
            self.code_row,
            Row("所在区划", self.division.name, "division"),
            Row("联系人", self.contact_name, "contact_name"),
            Row("联系电话", self.phone, "phone"),
            Row("审核时间", self.office_hours, "office_hours"),
        ]

    @property
    def rows(self) -> list[Row]:
        return [*self.question_rows, *self.unit_rows, *self.person_rows]


def doubts_among(registrations: list[OrganizationRegistration]) -> list[list[str]]:
    """What the reviewer should look at twice, for each of these in their order. Three queries, however many there are."""
    prefetch_related_objects(registrations, "organization")
    names = {one.name for one in registrations}
    namesakes, codes = defaultdict(list), defaultdict(list)
    for one in Organization.objects.filter(name__in=names, status__in=[Status.PENDING, Status.ACTIVE]):
        namesakes[one.name].append(one)
    without = {one.name for one in registrations if one.wants_code and not one.uscc}
    if without:
        for code in TemporaryCode.objects.usable().filter(name__in=without):
            codes[code.name].append(code)
    return [_doubts(one, namesakes[one.name], codes[one.name]) for one in registrations]


def _doubts(registration: OrganizationRegistration, namesakes: list, codes: list) -> list[str]:
    doubts = [uscc.warning(registration.uscc) if registration.uscc else ""]
    others = [one for one in namesakes if one.pk != registration.organization_id]
    kind = registration.organization.kind
    if any(one.status == Status.ACTIVE and one.kind == kind for one in others):
        doubts.append("平台上已有同名的机构，请核对是否重复注册。")
    elif others:
        doubts.append("另有同名的机构已注册或正在审核，请核对是否同一单位。")
    if registration.wants_code and not registration.uscc:
        doubts += [
            f"“{code.name}”已于 {timezone.localdate(code.issued_at)} 领取临时代码 {code.code}，请核对是否重复申请。"
            for code in codes
        ]
    return [doubt for doubt in doubts if doubt]


class AuthorityRegistration(OrganizationRegistration):
    """主管部门注册: reviewed by the bureau of the same level (F-130, F-132)."""

    class Meta(OrganizationRegistration.Meta):
        verbose_name = verbose_name_plural = "主管部门注册"

    @property
    def question_rows(self) -> list[Row]:
        # An authority is asked for its bureau alone (FAQ, 示例).
        return [Row("同级人社部门", self.superior_name, "unit")]


class EmployerRegistration(OrganizationRegistration):
    """用人单位注册: reviewed by its authority, its superior unit or the bureau (F-144 … F-146)."""

    class Meta(OrganizationRegistration.Meta):
        verbose_name = verbose_name_plural = "用人单位注册"

    @property
    def question_rows(self) -> list[Row]:
        return [
            Row("注册情况", situation_of("employer", self.situation).label, "situation"),
            *super().question_rows,
        ]

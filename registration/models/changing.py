"""What a person asks to have changed after registration: the title, or name and document number (F-79 … F-86)."""

from typing import NamedTuple

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts import crypto
from accounts.id_number import PURPOSE, IdKind, IdNumber
from accounts.models import RoleAccount, User
from orgs.models import Organization, Practitioner, TitleLevel, TitleMode, TitleSeries
from registration.title_date import basis
from workflow.models import Payload, State


class Change(NamedTuple):
    """One line of what changes."""

    label: str
    old: str
    new: str

    @property
    def differs(self) -> bool:
        return self.old != self.new


class TitleData(models.Model):
    """The five columns of a title, whole or absent, as on Practitioner."""

    title_series = models.ForeignKey(
        TitleSeries, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="职称系列"
    )
    title_level = models.CharField("职称级别", max_length=12, blank=True, choices=TitleLevel)
    title = models.CharField("职称名称", max_length=60, blank=True)
    title_mode = models.CharField("取得方式", max_length=12, blank=True, choices=TitleMode)
    title_awarded_on = models.DateField("职称评审通过时间", null=True, blank=True)

    class Meta:
        abstract = True


TITLE = [field.name for field in TitleData._meta.fields]


def _whole_or_absent(before: str, name: str) -> models.CheckConstraint:
    series, level, title, mode, day = (before + field for field in TITLE)
    absent = Q(**{f"{series}__isnull": True, level: "", title: "", mode: "", f"{day}__isnull": True})
    whole = Q(**{f"{series}__isnull": False, f"{day}__isnull": False}) & ~(
        Q(**{level: ""}) | Q(**{title: ""}) | Q(**{mode: ""})
    )
    return models.CheckConstraint(name=name, condition=absent | whole)


class TitleChange(Payload, TitleData):
    """职称变更 (F-80, F-81): the new title, and the one that is valid until the unit agrees."""

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    old_title_series = models.ForeignKey(TitleSeries, models.PROTECT, null=True, blank=True, related_name="+")
    old_title_level = models.CharField(max_length=12, blank=True, choices=TitleLevel)
    old_title = models.CharField(max_length=60, blank=True)
    old_title_mode = models.CharField(max_length=12, blank=True, choices=TitleMode)
    old_title_awarded_on = models.DateField(null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "职称变更"
        constraints = [
            _whole_or_absent("", "title_change_new_is_whole_or_absent"),
            _whole_or_absent("old_", "title_change_old_is_whole_or_absent"),
        ]

    def __str__(self) -> str:
        return f"{self.old_title} → {self.title}"

    @classmethod
    def of(cls, practitioner: Practitioner, new: dict) -> "TitleChange":
        """The unsaved change from what is valid now to `new`."""
        change = cls(practitioner=practitioner, **{name: new[name] for name in TITLE})
        change.take_old(practitioner)
        return change

    def take_old(self, practitioner: Practitioner) -> None:
        """What is valid now, as this row says."""
        for name in TITLE:
            setattr(self, f"old_{name}", getattr(practitioner, name))

    @property
    def changes(self) -> list[Change]:
        """Old and new, line by line; lines that stay empty on both sides are left out."""
        rows = [
            Change("职称系列", self._series("old_"), self._series("")),
            Change("职称级别", self.get_old_title_level_display(), self.get_title_level_display()),
            Change("职称名称", self.old_title, self.title),
            Change("取得方式", self.get_old_title_mode_display(), self.get_title_mode_display()),
            Change("职称评审通过时间", self._day("old_"), self._day("")),
        ]
        return [row for row in rows if row.old or row.new]

    @property
    def differs(self) -> bool:
        return any(row.differs for row in self.changes)

    def _series(self, before: str) -> str:
        series = getattr(self, f"{before}title_series")
        return series.name if series else "无"

    def _day(self, before: str) -> str:
        day = getattr(self, f"{before}title_awarded_on")
        return f"{day}（{basis(getattr(self, f'{before}title_mode'), day)}）" if day else ""


class IdentityCorrection(Payload):
    """更正姓名或证件号码 (F-82 … F-86): what is wrong, what is right, and why.

    Both numbers lie here sealed, for good: it is the history of the account (F-86). `new_id_*` are empty when the
    number stays. The subject is the practitioner, or for people without that role the organisation in whose name they
    were logged in.
    """

    user = models.ForeignKey(User, models.PROTECT, related_name="corrections")
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, null=True, blank=True, related_name="+")
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, blank=True, related_name="+")
    old_name = models.CharField("原姓名", max_length=50)
    new_name = models.CharField("正确姓名", max_length=50)
    old_id_kind = models.CharField(max_length=20, choices=IdKind)
    old_id_sealed = models.BinaryField(editable=False)
    old_id_masked = models.CharField("原证件号码", max_length=32)
    new_id_kind = models.CharField(max_length=20, choices=IdKind, blank=True)
    new_id_index = models.CharField(max_length=64, blank=True, db_index=True)
    new_id_sealed = models.BinaryField(null=True, editable=False)
    new_id_masked = models.CharField("正确证件号码", max_length=32, blank=True)
    reason = models.CharField("原因", max_length=200)

    class Meta:
        verbose_name = verbose_name_plural = "更正姓名或证件号码"
        constraints = [
            models.CheckConstraint(
                name="identity_correction_number_is_whole_or_absent",
                condition=Q(new_id_kind="", new_id_index="", new_id_masked="", new_id_sealed__isnull=True)
                | (
                    Q(new_id_sealed__isnull=False)
                    & ~(Q(new_id_kind="") | Q(new_id_index="") | Q(new_id_masked=""))
                ),
            )
        ]

    def take_old(self, user: User) -> None:
        """What stands in the account now."""
        number = user.id_number
        self.old_name = user.name
        self.old_id_kind, self.old_id_sealed, self.old_id_masked = number.kind, number.sealed, number.masked

    def set_new_number(self, number: IdNumber) -> None:
        self.new_id_kind, self.new_id_index = number.kind, number.index
        self.new_id_sealed, self.new_id_masked = number.sealed, number.masked

    @property
    def old_number(self) -> IdNumber:
        """Open the seal. Raise SealBroken."""
        return IdNumber(IdKind(self.old_id_kind), crypto.open_sealed(self.old_id_sealed, PURPOSE))

    @property
    def new_number(self) -> IdNumber | None:
        """Open the seal; None when the number stays. Raise SealBroken."""
        if not self.new_id_index:
            return None
        number = IdNumber(IdKind(self.new_id_kind), crypto.open_sealed(self.new_id_sealed, PURPOSE))
        if self.new_id_index not in number.indexes:
            raise crypto.SealBroken("the sealed number is not the one that was asked for")
        return number

    @property
    def changes(self) -> list[Change]:
        """Old and new; the numbers masked."""
        rows = [Change("姓名", self.old_name, self.new_name)]
        if self.new_id_index:
            kinds = [IdKind(kind).label for kind in (self.old_id_kind, self.new_id_kind)]
            if kinds[0] != kinds[1]:
                rows.append(Change("证件类型", *kinds))
            rows.append(Change("证件号码", self.old_id_masked, self.new_id_masked))
        return [row for row in rows if row.differs or row.label == "证件号码"]

    @property
    def looks_alike(self) -> bool:
        """Whether the numbers differ only where they are masked."""
        return self.new_id_masked == self.old_id_masked

    @property
    def doubts(self) -> list[str]:
        """What the platform should look at twice."""
        if not self.new_id_index or self.application.state != State.PENDING:
            return []
        doubts = []
        indexes = self.new_number.indexes
        if User.objects.filter(id_index__in=indexes).exclude(pk=self.user_id).exists():
            doubts.append("这个号码现在已有另一个账号，通过时会被拒绝。请驳回，并请申请人致电平台。")
        others = IdentityCorrection.objects.filter(
            new_id_index__in=indexes, application__state=State.PENDING
        ).exclude(user=self.user_id)
        if others.exists():
            doubts.append("另有人也在申请更正为这个号码，请仔细核对证明材料。")
        return doubts

    @property
    def accounts(self) -> list[RoleAccount]:
        """Every login role that follows the person."""
        return list(RoleAccount.objects.filter(user=self.user_id).live().order_by("pk"))

    @property
    def shown_rows(self) -> list["NumberShown"]:
        return list(self.shown.select_related("user"))


class NumberShown(models.Model):
    """查看完整号码: who of the platform looked at the numbers of a correction, and when. Append only in the code."""

    correction = models.ForeignKey(IdentityCorrection, models.PROTECT, related_name="shown")
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField("时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "查看完整号码"
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.correction_id} {self.at:%Y-%m-%d %H:%M}"

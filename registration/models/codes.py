"""临时代码: codes that the platform issues to units without a credit code (F-92 … F-94)."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from orgs.models import Division, Organization
from registration.querysets import TemporaryCodeQuerySet
from workflow.models import Payload


class TemporaryCode(models.Model):
    """One issued code, kept for ever: a code is never given twice. Written by registration/temporary_code.py.

    `name` is the unit's name on the document. `organization` is the registration that holds the code now.
    `replaced_by` is the real credit code that took its place.
    """

    code = models.CharField("临时代码", max_length=18, unique=True)
    division = models.ForeignKey(Division, models.PROTECT, related_name="+", verbose_name="所在区划")
    serial = models.PositiveIntegerField("序号")
    name = models.CharField("单位名称", max_length=120)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="temporary_codes")
    issued_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name="核发人")
    issued_at = models.DateTimeField("核发时间", default=timezone.now)
    revoked_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    revoked_at = models.DateTimeField("撤销时间", null=True, blank=True)
    revoke_reason = models.CharField("撤销原因", max_length=200, blank=True)
    replaced_by = models.CharField("换成的统一社会信用代码", max_length=18, blank=True)
    replaced_at = models.DateTimeField("更换时间", null=True, blank=True)

    objects = TemporaryCodeQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "临时代码"
        constraints = [
            models.UniqueConstraint(fields=["division", "serial"], name="temporary_code_serial_once"),
            models.CheckConstraint(
                name="temporary_code_revocation_is_signed",
                condition=Q(revoked_at__isnull=True, revoked_by__isnull=True, revoke_reason="")
                | (Q(revoked_at__isnull=False, revoked_by__isnull=False) & ~Q(revoke_reason="")),
            ),
            models.CheckConstraint(
                name="temporary_code_replacement_is_dated",
                condition=Q(replaced_at__isnull=True, replaced_by="")
                | (Q(replaced_at__isnull=False) & ~Q(replaced_by="")),
            ),
        ]
        indexes = [models.Index(fields=["name"], name="temporary_code_name")]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    @property
    def tag(self) -> tuple[str, str]:
        if self.revoked_at:
            return "back", "已撤销"
        return ("draft", "已更换") if self.replaced_at else ("ok", "有效")


class CodeReplacement(Payload):
    """更换为统一社会信用代码: the real code takes the place of the temporary one (F-94)."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    old_code = models.CharField("原临时代码", max_length=18)
    new_code = models.CharField("统一社会信用代码", max_length=18)

    class Meta:
        verbose_name = verbose_name_plural = "更换为统一社会信用代码"

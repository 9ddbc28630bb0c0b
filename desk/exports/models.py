"""What was asked for, and the log of what left the house."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import RoleAccount, User
from desk.exports.querysets import ExportAccessQuerySet, ExportQuerySet
from orgs.models import Organization


class Format(models.TextChoices):
    XLSX = "xlsx", "Excel 表格（.xlsx）"
    CSV = "csv", "文本表格（.csv）"


class ExportState(models.TextChoices):
    WAITING = "waiting", "排队中"
    RUNNING = "running", "正在生成"
    DONE = "done", "已完成"
    FAILED = "failed", "未完成"
    CANCELLED = "cancelled", "已取消"


class Export(models.Model):
    """导出: one list that one admin asked for, as admin of `organization`, in the role `account`.

    `filters` are the sheet's own (desk/exports/sheets.py), `scope` the organisation below which it reads. `attempt`
    numbers the tries: whoever writes with an older number was taken for dead. `file` is "" where the list was handed
    over at once, and again after `expires_at`.
    """

    sheet = models.SlugField("内容", max_length=40)
    by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name="导出人")
    account = models.ForeignKey(RoleAccount, models.PROTECT, related_name="+")
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+", verbose_name="导出单位")
    scope = models.ForeignKey(Organization, models.PROTECT, related_name="+", verbose_name="范围")
    filters = models.JSONField(default=dict)
    format = models.CharField("格式", max_length=4, choices=Format)
    masked = models.BooleanField("脱敏", default=True)
    reason = models.CharField("用途", max_length=200, blank=True)
    state = models.CharField("状态", max_length=10, choices=ExportState, default=ExportState.WAITING)
    attempt = models.PositiveSmallIntegerField(default=0)
    rows_total = models.PositiveIntegerField("总行数", null=True)
    rows_done = models.PositiveIntegerField("已写行数", default=0)
    why_failed = models.CharField("未完成的原因", max_length=200, blank=True)
    file = models.FileField(max_length=120, blank=True)
    size = models.PositiveBigIntegerField("字节数", default=0)
    created_at = models.DateTimeField("提出时间", default=timezone.now)
    finished_at = models.DateTimeField("结束时间", null=True)
    expires_at = models.DateTimeField("文件保留至", null=True)

    objects = ExportQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "导出"
        constraints = [
            models.CheckConstraint(
                name="export_unmasked_has_reason", condition=Q(masked=True) | ~Q(reason="")
            ),
            # The whole numbers of many people lie in no file of ours.
            models.CheckConstraint(name="export_stored_is_masked", condition=Q(masked=True) | Q(file="")),
            models.CheckConstraint(
                name="export_finished_at_tells_state",
                condition=Q(state__in=["waiting", "running"], finished_at__isnull=True)
                | (~Q(state__in=["waiting", "running"]) & Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="export_failure_has_a_sentence", condition=~Q(state="failed") | ~Q(why_failed="")
            ),
        ]
        indexes = [
            models.Index(fields=["by", "organization", "-id"], name="export_list"),
            models.Index(fields=["expires_at"], condition=~Q(file=""), name="export_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.sheet} {self.created_at:%Y-%m-%d %H:%M}"


class ExportAccess(models.Model):
    """导出日志: who took how many rows of which unit's people, when and what for. Append only (migration).

    `scope` is the organisation below which they were: everybody there may be told of it one day.
    """

    class Verb(models.TextChoices):
        MADE = "made", "生成"
        DOWNLOADED = "downloaded", "下载"

    export = models.ForeignKey(Export, models.PROTECT, related_name="accesses")
    verb = models.CharField("动作", max_length=10, choices=Verb)
    sheet = models.SlugField("内容", max_length=40)
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    scope = models.ForeignKey(Organization, models.PROTECT, related_name="+", db_index=False)
    count = models.PositiveIntegerField("行数")
    masked = models.BooleanField("脱敏")
    reason = models.CharField("用途", max_length=200, blank=True)
    at = models.DateTimeField("时间", default=timezone.now)

    objects = ExportAccessQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "导出日志"
        constraints = [
            models.CheckConstraint(
                name="export_access_unmasked_has_reason", condition=Q(masked=True) | ~Q(reason="")
            ),
        ]
        indexes = [
            models.Index(fields=["scope", "-at"], name="export_access_scope"),
            models.Index(fields=["user", "-at"], name="export_access_user"),
        ]

    def __str__(self) -> str:
        return f"{self.get_verb_display()} {self.count} {self.at:%Y-%m-%d %H:%M}"

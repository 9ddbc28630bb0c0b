"""谁看过我的信息: one row for each time that somebody else saw a person's whole number or took their data away (P3).

Written in the transaction that shows it, so that what cannot be written down is not shown. The database lets nobody
change a row, and nobody delete one younger than half a year (网络安全法 21 条); older ones go by `forget_before`.
"""

import datetime
from collections.abc import Iterable

from django.db import connection, models
from django.db.models import Q
from django.utils import timezone

from accounts.log_filter import without_numbers
from accounts.models import User


class AccessQuerySet(models.QuerySet):
    def about(self, user: User):
        """What others did with this person's data, newest first."""
        return self.filter(subject=user).order_by("-at", "-pk")


class AccessEntry(models.Model):
    """查看记录: `by`, then of `place` in the `post`, saw `what` of `subject`; `about` names the document, if any.

    Place and post stay as they were at that time. Append only (migration).
    """

    class What(models.TextChoices):
        NUMBER = "number", "查看完整证件号码"
        CORRECTION = "correction", "核对更正的证件号码"
        EXPORT = "export", "导出姓名和证件号码"
        CERTIFICATE = "certificate", "下载证书"

    subject = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False, verbose_name="本人")
    by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False, verbose_name="查看人")
    organization = models.ForeignKey(
        "orgs.Organization", models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    place = models.CharField("单位", max_length=120)
    post = models.CharField("岗位", max_length=40)
    what = models.CharField("事项", max_length=12, choices=What)
    about = models.CharField("内容", max_length=80, blank=True)
    reason = models.CharField("原因", max_length=200)
    at = models.DateTimeField("时间", default=timezone.now)

    objects = AccessQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "查看记录"
        constraints = [models.CheckConstraint(name="access_has_reason", condition=~Q(reason=""))]
        indexes = [
            models.Index(fields=["subject", "-at", "-id"], name="access_subject"),
            models.Index(fields=["by", "-at"], name="access_by"),
            models.Index(fields=["at"], name="access_at"),
        ]

    def __str__(self) -> str:
        return f"{self.place} {self.get_what_display()} {self.at:%Y-%m-%d %H:%M}"


def note(actor, people: Iterable[int], what: str, reason: str, about: str = "") -> None:
    """Write down that this actor sees these people (ids of users), in the caller's transaction. Oneself is not noted."""
    now = timezone.now()
    place = actor.organization.name if actor.organization else ""
    AccessEntry.objects.bulk_create(
        (
            AccessEntry(
                subject_id=pk,
                by=actor.user,
                organization=actor.organization,
                place=place,
                post=post_of(actor),
                what=what,
                about=about,
                reason=without_numbers(reason),
                at=now,
            )
            for pk in dict.fromkeys(people)
            if pk != actor.user.pk
        ),
        batch_size=1000,
    )


def post_of(actor) -> str:
    """The admin's post as people call it: 超级管理员, the name of the role, else 管理员."""
    if actor.is_operator:
        return "平台后台人员"
    if actor.is_super:
        return "超级管理员"
    admin = getattr(actor.account, "org_admin", None)
    role = admin.role.name if admin and admin.role else ""
    return role or "管理员"


def forget_before(day: datetime.datetime) -> int:
    """Delete older rows; never any that is younger than half a year. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT forget_access(%s)", [day])
        return cursor.fetchone()[0]

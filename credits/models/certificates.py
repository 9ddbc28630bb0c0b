"""继续教育电子证书 (F-111): a snapshot that never changes, and what happened to it since."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import RoleAccount, User
from credits.querysets import CertificateCheckQuerySet, CertificateQuerySet
from orgs.models import Organization, Practitioner


class CertificateState(models.TextChoices):
    VALID = "valid", "有效"
    CHANGED = "changed", "学时已变更"
    REVOKED = "revoked", "已撤销"
    REPLACED = "replaced", "已换发"


class Certificate(models.Model):
    """电子证书 of one person's completed year. Append only (migration); its state is its last CertificateEvent.

    `content` is what is printed and signed (credits/paper/content.py), `code` the verification code, `signature` and
    `key_id` the Ed25519 signature over its canonical text. `serial` runs without gaps per year and division.
    `measured` is what the year was measured by when it was issued: {"hours", "imported" by subject, "relief", "level",
    "packs": [[code, version]]}.
    """

    number = models.CharField("证书编号", max_length=40, unique=True)
    year = models.PositiveSmallIntegerField("年度")
    division = models.CharField("区划", max_length=12)
    serial = models.PositiveIntegerField()
    practitioner = models.ForeignKey(
        Practitioner, models.RESTRICT, related_name="certificates", db_index=False
    )
    organization = models.ForeignKey(
        Organization, models.RESTRICT, related_name="+", verbose_name="签发的人社部门"
    )
    content = models.JSONField()
    measured = models.JSONField("核定依据", default=dict, db_default={})
    code = models.CharField("验证码", max_length=12)
    key_id = models.CharField(max_length=40)
    signature = models.BinaryField(editable=False)
    issued_by = models.ForeignKey(User, models.RESTRICT, null=True, blank=True, related_name="+")
    issued_at = models.DateTimeField("签发时间", default=timezone.now)

    objects = CertificateQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "电子证书"
        constraints = [
            models.UniqueConstraint(fields=["year", "division", "serial"], name="certificate_serial_once"),
        ]
        indexes = [models.Index(fields=["practitioner", "year"], name="certificate_person_year")]

    def __str__(self) -> str:
        return self.number


class CertificateEvent(models.Model):
    """What happened to a certificate: issued, hours changed, restored, revoked, replaced. Append only."""

    certificate = models.ForeignKey(Certificate, models.RESTRICT, related_name="events", db_index=False)
    state = models.CharField("状态", max_length=10, choices=CertificateState)
    reason = models.CharField("理由", max_length=300, blank=True)
    by = models.ForeignKey(User, models.RESTRICT, null=True, blank=True, related_name="+")
    at = models.DateTimeField("时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "电子证书记录"
        constraints = [
            models.CheckConstraint(
                name="certificate_end_has_reason", condition=Q(state="valid") | ~Q(reason="")
            )
        ]
        indexes = [
            models.Index(fields=["certificate", "-id"], name="certificate_event_last"),
            models.Index(fields=["certificate"], condition=~Q(state="valid"), name="certificate_event_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.certificate_id} {self.state}"


class IssueState(models.TextChoices):
    WAITING = "waiting", "排队中"
    RUNNING = "running", "签发中"
    DONE = "done", "已完成"
    FAILED = "failed", "未完成"


class CertificateBatch(models.Model):
    """批量签发: everybody below a bureau whose year is complete. Run by credits/certificate_batches.py.

    `place` is the last practitioner looked at; it moves on in the transaction that issues, so that a killed worker's
    successor goes on where it stopped. `total`, `looked`, `issued` count people.
    """

    organization = models.ForeignKey(
        Organization, models.PROTECT, related_name="+", verbose_name="人社部门", db_index=False
    )
    year = models.PositiveSmallIntegerField("年度")
    by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name="签发人")
    account = models.ForeignKey(RoleAccount, models.PROTECT, related_name="+")
    state = models.CharField("状态", max_length=10, choices=IssueState, default=IssueState.WAITING)
    place = models.BigIntegerField(default=0)
    total = models.PositiveIntegerField("人数", default=0)
    looked = models.PositiveIntegerField("已核对", default=0)
    issued = models.PositiveIntegerField("已签发", default=0)
    why_failed = models.CharField("未完成的原因", max_length=200, blank=True)
    created_at = models.DateTimeField("提出时间", default=timezone.now)
    finished_at = models.DateTimeField("结束时间", null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "批量签发"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "year"],
                condition=Q(state__in=["waiting", "running"]),
                name="certificate_batch_one_at_a_time",
            ),
            models.CheckConstraint(
                name="certificate_batch_finished_at_tells_state",
                condition=Q(state__in=["waiting", "running"], finished_at__isnull=True)
                | (Q(state__in=["done", "failed"]) & Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="certificate_batch_failure_has_a_sentence",
                condition=~Q(state="failed") | ~Q(why_failed=""),
            ),
        ]
        indexes = [models.Index(fields=["organization", "-id"], name="certificate_batch_list")]

    def __str__(self) -> str:
        return f"{self.organization} {self.year} {self.get_state_display()}"


class CertificateCheck(models.Model):
    """查验记录: how often a certificate was checked on one day. Nothing of who looked is kept.

    `failed` counts the looks at which its stored content did not fit its signature.
    """

    certificate = models.ForeignKey(Certificate, models.RESTRICT, related_name="checks", db_index=False)
    day = models.DateField("日期")
    count = models.PositiveIntegerField("查验次数", default=0)
    failed = models.PositiveIntegerField("未通过次数", default=0)

    objects = CertificateCheckQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "查验记录"
        constraints = [
            models.UniqueConstraint(fields=["certificate", "day"], name="certificate_check_day_once")
        ]

    def __str__(self) -> str:
        return f"{self.certificate_id} {self.day} {self.count}"

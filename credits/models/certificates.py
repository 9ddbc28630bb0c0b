"""继续教育电子证书 (F-111): a snapshot that never changes, and what happened to it since."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from credits.querysets import CertificateQuerySet
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
        indexes = [models.Index(fields=["certificate", "-id"], name="certificate_event_last")]

    def __str__(self) -> str:
        return f"{self.certificate_id} {self.state}"

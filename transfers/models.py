"""Who moves in the tree: what a move asks for. Floor 3."""

from functools import cached_property

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from orgs.choosing import with_paths
from orgs.models import Organization, Practitioner
from transfers.querysets import ReleaseQuerySet, ReleaseRowQuerySet, UnitTransferQuerySet
from workflow.models import Application, Payload


class UnitTransfer(Payload):
    """单位调转 of one practitioner, filed by the person (转出申请) or by the old unit (人员调出); F-54 … F-65."""

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    old_employer = models.ForeignKey(Organization, models.PROTECT, related_name="+", verbose_name="原单位")
    new_employer = models.ForeignKey(Organization, models.PROTECT, related_name="+", verbose_name="新单位")
    reason = models.CharField("调转原因", max_length=200, blank=True)

    objects = UnitTransferQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "单位调转"
        constraints = [
            models.CheckConstraint(
                name="unit_transfer_goes_elsewhere", condition=~Q(old_employer=F("new_employer"))
            )
        ]

    @cached_property
    def new_path(self) -> str:
        """The names above the new employer in one line, so that namesakes are told apart."""
        return with_paths([self.new_employer])[0].path


class SuperiorChange(Payload):
    """更换上级部门 of one organisation; F-66 … F-71."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    old_superior = models.ForeignKey(Organization, models.PROTECT, related_name="+", verbose_name="原上级")
    new_superior = models.ForeignKey(Organization, models.PROTECT, related_name="+", verbose_name="新上级")
    reason = models.CharField("更换原因", max_length=200, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "更换上级部门"
        constraints = [
            models.CheckConstraint(
                name="superior_change_goes_elsewhere", condition=~Q(old_superior=F("new_superior"))
            )
        ]

    @cached_property
    def paths(self) -> tuple[list[str], list[str]]:
        """The names from the top down to the organisation: as they are under the old superior and under the new one."""
        old, new = with_paths([self.old_superior, self.new_superior])
        end = self.organization.name
        return [*old.above, self.old_superior.name, end], [*new.above, self.new_superior.name, end]

    @cached_property
    def moves(self) -> tuple[int, int]:
        """The dry run: how many organisations (itself included) and how many people change their place."""
        path = self.organization.path
        return (
            Organization.objects.active().filter(path__startswith=path).count(),
            Practitioner.objects.active().filter(path__startswith=path).count(),
        )


class Release(models.Model):
    """人员调出: one action of a unit's admin for one or many people, and the record of what it came to (F-60 … F-62).

    `token` comes with the form, so that a second click finds the first one's record instead of filing again.
    """

    token = models.CharField(max_length=32)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+", verbose_name="原单位")
    new_employer = models.ForeignKey(Organization, models.PROTECT, related_name="+", verbose_name="新单位")
    reason = models.CharField("调转原因", max_length=200)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField("提交时间", default=timezone.now)

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "人员调出"
        constraints = [models.UniqueConstraint(fields=["organization", "token"], name="release_filed_once")]

    def __str__(self) -> str:
        return f"{self.organization} → {self.new_employer} {self.at:%Y-%m-%d}"


class ReleaseRow(models.Model):
    """One person of a 人员调出: filed as `application`, or left out with the reason in `refusal`, or not yet dealt with."""

    release = models.ForeignKey(Release, models.CASCADE, related_name="rows")
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    application = models.OneToOneField(Application, models.PROTECT, null=True, related_name="release_row")
    refusal = models.CharField("未调出的原因", max_length=300, blank=True)

    objects = ReleaseRowQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "调出人员"
        constraints = [
            models.UniqueConstraint(fields=["release", "practitioner"], name="release_person_once"),
            models.CheckConstraint(
                name="release_row_filed_or_left_out", condition=Q(application__isnull=True) | Q(refusal="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.release_id} {self.practitioner_id}"

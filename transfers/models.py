"""Who moves in the tree: what a move asks for. Floor 3."""

from django.db import models
from django.db.models import F, Q

from orgs.models import Organization, Practitioner
from workflow.models import Payload


class UnitTransfer(Payload):
    """单位调转 of one practitioner, filed by the person (转出申请) or by the old unit (人员调出); F-54 … F-65."""

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    old_employer = models.ForeignKey(Organization, models.PROTECT, related_name="+", verbose_name="原单位")
    new_employer = models.ForeignKey(Organization, models.PROTECT, related_name="+", verbose_name="新单位")
    reason = models.CharField("调转原因", max_length=200, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "单位调转"
        constraints = [
            models.CheckConstraint(
                name="unit_transfer_goes_elsewhere", condition=~Q(old_employer=F("new_employer"))
            )
        ]


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

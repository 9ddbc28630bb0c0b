"""Moves in the tree: when they may be filed, who signs, what they cause."""

from django.core.exceptions import PermissionDenied
from django.urls import reverse

from accounts.models import RoleAccount
from orgs import tree
from orgs.models import Duty, Kind, Organization, Status
from transfers.models import SuperiorChange, UnitTransfer
from workflow.flow import Flow, Refused, Stop, register

# F-67: the three kinds of superior, as the FAQ calls them.
SUPERIOR_LABELS = {Kind.AUTHORITY: "主管部门", Kind.EMPLOYER: "上级单位", Kind.BUREAU: "同级人社部门"}
SUPERIORS_OF = {
    Kind.OPERATOR: (),
    Kind.EMPLOYER: (Kind.AUTHORITY, Kind.EMPLOYER, Kind.BUREAU),
    Kind.AUTHORITY: (Kind.BUREAU,),
    Kind.BUREAU: (),
}


@register
class UnitTransferFlow(Flow):
    kind = "unit-transfer"
    label = "单位调转"
    duty = Duty.TRANSFERS
    payload = UnitTransfer
    alone = True
    template = "transfers/unit_transfer_content.html"

    def subject(self, transfer):
        return transfer.practitioner

    def summary(self, transfer):
        return f"单位调转：{transfer.old_employer.name} → {transfer.new_employer.name}"

    def check(self, transfer, practitioner, by):
        if by.organization and not by.can(self.duty):
            raise PermissionDenied
        if practitioner.status != Status.ACTIVE:
            raise Refused("注册审核通过后才能申请单位调转。")
        if transfer.new_employer_id == practitioner.employer_id:
            raise Refused("新单位就是现在的单位，请另选单位。")
        check_open(transfer.new_employer)
        if transfer.new_employer.kind != Kind.EMPLOYER:
            raise Refused("请选择用人单位，人员不能直接调入主管部门或人社部门。")
        transfer.old_employer = practitioner.employer

    def route(self, transfer, practitioner, by):
        return [
            Stop(1, "原单位审核", practitioner.employer, granted=by.organization == practitioner.employer),
            Stop(2, "新单位审核", transfer.new_employer),
        ]

    def lock_first(self):
        tree.hold_still()

    def approved(self, transfer):
        practitioner = transfer.application.practitioner
        check_open(transfer.new_employer)
        tree.settle(practitioner, transfer.new_employer)
        RoleAccount.objects.filter(pk=practitioner.account_id).move_to(transfer.new_employer.name)

    def again_url(self, transfer):
        return reverse("transfers:again", args=[transfer.pk])


@register
class SuperiorChangeFlow(Flow):
    kind = "superior-change"
    label = "更换上级部门"
    duty = Duty.TRANSFERS
    payload = SuperiorChange
    template = "transfers/superior_change_content.html"

    def subject(self, change):
        return change.organization

    def summary(self, change):
        return f"更换上级部门：{change.old_superior.name} → {change.new_superior.name}"

    def check(self, change, organization, by):
        if not by.is_super:
            raise Refused("更换上级部门只能由本单位的超级管理员申请。")
        if organization.status != Status.ACTIVE:
            raise Refused("注册审核通过后才能更换上级部门。")
        if change.new_superior_id == organization.superior_id:
            raise Refused("新的上级就是现在的上级，请另选上级。")
        check_open(change.new_superior)
        if change.new_superior.kind not in SUPERIORS_OF[organization.kind]:
            raise Refused(f"{organization.get_kind_display()}不能隶属于所选机构，请按机构类型另选上级。")
        if tree.closes_ring(organization, change.new_superior):
            raise Refused("新的上级不能是本单位自己或本单位的下级，请另选上级。")
        change.old_superior = organization.superior

    def route(self, change, organization, by):
        return [
            Stop(1, "原上级审核", organization.superior),
            Stop(1, "新上级审核", change.new_superior),
        ]

    def lock_first(self):
        tree.hold_alone()

    def approved(self, change):
        check_open(change.new_superior)
        tree.move(change.application.organization, change.new_superior)

    def again_url(self, change):
        return reverse("transfers:again", args=[change.pk])


def check_open(organization: Organization) -> None:
    """A destination must be an approved organisation, at submission and when the last signature falls (F-04)."""
    if organization.status != Status.ACTIVE:
        raise Refused(f"{organization.name}尚未通过注册审核或已注销，请另选。")

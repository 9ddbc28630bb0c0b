"""The three kinds of registration: who may file, who signs, what follows (F-01 … F-07, F-142 … F-147)."""

from django.urls import reverse

from accounts.models import AccountStatus, RoleAccount
from orgs.models import Duty, Kind, Organization, Practitioner, Status
from registration.models import AuthorityRegistration, EmployerRegistration, PractitionerRegistration
from registration.situations import check_choice, situation_of
from workflow.flow import Flow, Refused, Stop, register

STOP_TITLES = {
    Kind.BUREAU: "人社部门审核",
    Kind.AUTHORITY: "主管部门审核",
    Kind.EMPLOYER: "上级单位审核",
}


class RegistrationFlow(Flow):
    duty = Duty.REGISTRATIONS
    template = "registration/payload.html"

    def chosen(self, payload) -> Organization:
        """The organisation that was chosen in the form, as it is now."""
        raise NotImplementedError

    def check(self, payload, subject, by):
        check_choice(situation_of(by.role, payload.situation), self.chosen(payload))

    def again_url(self, payload):
        return reverse("registration:progress")

    def _still_there(self, payload) -> Organization:
        chosen = self.chosen(payload)
        if chosen.status != Status.ACTIVE:
            raise Refused(f"“{chosen.name}”已停用，不能再接收注册，请驳回并请对方另选。")
        return chosen


@register
class PractitionerFlow(RegistrationFlow):
    """专业技术人员 → 用人单位 (F-06, F-147)."""

    kind = "practitioner-registration"
    label = "专业技术人员注册"
    payload = PractitionerRegistration

    def subject(self, payload):
        return payload.practitioner

    def summary(self, payload):
        return f"{self.label}：{payload.employer_name}"

    def chosen(self, payload):
        return Organization.objects.get(pk=payload.employer_id)

    def route(self, payload, practitioner, by):
        return [Stop(1, "用人单位审核", practitioner.employer)]

    def approved(self, payload):
        employer = self._still_there(payload)
        practitioner = payload.application.practitioner
        practitioner.status = Status.ACTIVE
        practitioner.save(update_fields=["status"])
        _open(payload.account_id, employer.name)

    def closed(self, payload):
        practitioner: Practitioner = payload.application.practitioner
        practitioner.status = Status.VOID
        practitioner.save(update_fields=["status"])
        _close(payload.account_id)


class OrganizationFlow(RegistrationFlow):
    """机构 → its superior, whichever of the three questions named it (F-05, F-144 … F-146)."""

    def subject(self, payload):
        return payload.organization

    def summary(self, payload):
        return f"{self.label}：{payload.name}"

    def chosen(self, payload):
        return Organization.objects.get(pk=payload.superior.pk)

    def route(self, payload, organization, by):
        return [Stop(1, STOP_TITLES[organization.superior.kind], organization.superior)]

    def approved(self, payload):
        self._still_there(payload)
        organization: Organization = payload.application.organization
        organization.status = Status.ACTIVE
        organization.save(update_fields=["status"])
        _open(payload.account_id, organization.name)

    def closed(self, payload):
        organization: Organization = payload.application.organization
        organization.status = Status.VOID
        organization.save(update_fields=["status"])
        _close(payload.account_id)


@register
class AuthorityFlow(OrganizationFlow):
    kind = "authority-registration"
    label = "主管部门注册"
    payload = AuthorityRegistration


@register
class EmployerFlow(OrganizationFlow):
    kind = "employer-registration"
    label = "用人单位注册"
    payload = EmployerRegistration


def _open(account_id: int, place: str) -> None:
    RoleAccount.objects.filter(pk=account_id).update(
        status=AccountStatus.ACTIVE, place=place, reviewer="", reviewer_phone="", waiting_since=None
    )


def _close(account_id: int) -> None:
    """The ID number is free again for this role (F-49, F-53)."""
    RoleAccount.objects.filter(pk=account_id).update(
        status=AccountStatus.CLOSED, reviewer="", reviewer_phone="", waiting_since=None
    )

"""The three kinds of registration: who may file, who signs, what follows (F-01 … F-07, F-142 … F-147)."""

from django.urls import reverse

from accounts.models import AccountStatus, RoleAccount
from orgs import uscc
from orgs.arrivals import arrived
from orgs.models import Duty, Kind, Organization, Practitioner, Status
from orgs.tree import platform
from registration import letters, temporary_code
from registration.models import AuthorityRegistration, EmployerRegistration, PractitionerRegistration
from registration.models.entering import doubts_among
from registration.situations import check_choice, situation_of
from workflow.engine import lock
from workflow.flow import Flow, Refused, Stop, payload_of, register
from workflow.models import StepState

ISSUE_TITLE = "平台核发临时代码"
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


def _still_there(chosen: Organization) -> None:
    """The organisation above, as it was read with the locked subject."""
    if chosen.status != Status.ACTIVE:
        raise Refused(f"“{chosen.name}”已停用，不能再接收注册，请驳回并请对方另选。")


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
        practitioner = payload.application.practitioner
        _still_there(practitioner.employer)
        practitioner.status = Status.ACTIVE
        practitioner.save(update_fields=["status"])
        _open(payload.account_id, practitioner.employer.name)
        arrived(practitioner)

    def closed(self, payload):
        practitioner: Practitioner = payload.application.practitioner
        practitioner.status = Status.VOID
        practitioner.save(update_fields=["status"])
        _close(payload.account_id)


class OrganizationFlow(RegistrationFlow):
    """机构 → its superior, whichever of the three questions named it (F-05, F-144 … F-146).

    Without a credit code the platform signs first: its signature issues the temporary code, so that the superior
    reviews a unit that has its code and its document already (F-92, F-93).
    """

    def subject(self, payload):
        return payload.organization

    def summary(self, payload):
        return f"{self.label}：{payload.name}"

    def chosen(self, payload):
        return Organization.objects.get(pk=payload.superior.pk)

    def warnings(self, applications):
        found = doubts_among([payload_of(one) for one in applications])
        return {one.pk: doubts for one, doubts in zip(applications, found, strict=True) if doubts}

    def route(self, payload, organization, by):
        superior = organization.superior
        if not payload.wants_code:
            return [Stop(1, STOP_TITLES[superior.kind], superior)]
        return [Stop(1, ISSUE_TITLE, platform()), Stop(2, STOP_TITLES[superior.kind], superior)]

    def signed(self, application, step):
        if application.organization.uscc:
            return
        registration = self.payload.objects.get(pk=application.pk)
        organization = lock(application.organization)
        code = temporary_code.issue(
            organization, registration.name, registration.division_id, by=step.decided_by
        )
        organization.uscc = registration.uscc = code.code
        organization._history_user, organization._change_reason = step.decided_by, application.receipt
        organization.save(update_fields=["uscc"])
        registration.save(update_fields=["uscc"])
        following = application.steps.filter(state=StepState.WAITING).select_related("approver").first()
        RoleAccount.objects.filter(pk=registration.account_id).update(
            reviewer=following.approver.name, reviewer_phone=following.approver.phone
        )
        letters.code_issued(application.submitted_by, code)

    def approved(self, payload):
        organization: Organization = payload.application.organization
        _still_there(organization.superior)
        organization.status = Status.ACTIVE
        organization.save(update_fields=["status"])
        if uscc.is_temporary(organization.uscc):
            temporary_code.hand_over(organization.uscc, organization)
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

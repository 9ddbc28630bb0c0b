"""Leaving: 账户注销 by the person, 离职 by the unit (F-87, decision 13).

What was signed and learned stays and the row of the person goes on: who registers again with the same ID number finds
the same learning record. Locks go as in the engine: who acts, then the subject, then the roles.
"""

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.closing import retire
from accounts.models import AccountStatus, RoleAccount, User
from orgs.actor import Actor, hold_right
from orgs.appointment import close
from orgs.granting import locked_admins, locked_super
from orgs.models import Duty, OrgAdmin, Practitioner, Status, SuperSwap
from registration import letters
from registration.models import Departure
from workflow.engine import lock
from workflow.flow import Refused
from workflow.models import Application

# Of what is filed for an organisation these are the person's own; the rest goes on without them.
OWN_KINDS = ("identity-correction", "employer-registration", "authority-registration")


def pending_of(user: User) -> QuerySet[Application]:
    """What is under review about this person: it has to be decided or withdrawn first."""
    own = Q(practitioner__user=user) | Q(person=user, kind__in=OWN_KINDS)
    return Application.objects.pending().filter(own).order_by("pk")


def headed_by(user: User) -> list[OrgAdmin]:
    """The organisations whose super admin this person is: they have to be handed over first.

    Not those whose registration was refused or withdrawn: there is nothing to hand over.
    """
    return list(OrgAdmin.objects.active().filter(user=user, is_super=True).select_related("organization"))


@transaction.atomic
def close_account(user: User) -> Departure:
    """End every role of this person and forget what opened them. Raises Refused while something holds them.

    The caller has checked the password.
    """
    practitioner = _locked_person(user)
    admins = _locked_rights(user)
    if any(admin.is_super for admin in admins):
        raise Refused("您还是单位的超级管理员，更换超级管理员后才能注销。")
    waiting = pending_of(user).first()
    if waiting:
        raise Refused(f"还有“{waiting.summary}”在审核中，办结或撤回后才能注销。")
    SuperSwap.objects.pending().filter(successor=user).cancel()
    for admin in admins:
        close(admin, "本人注销账户")
    if practitioner:
        _stop(practitioner, user, "账户注销")
    RoleAccount.objects.filter(user=user).exclude(status=AccountStatus.CLOSED).update(
        status=AccountStatus.CLOSED
    )
    RoleAccount.objects.filter(user=user).end_sessions()
    letters.account_closed(user)
    retire(user)
    return Departure.objects.create(
        way=Departure.Way.OWN,
        user=user,
        practitioner=practitioner,
        employer=practitioner.employer if practitioner else None,
        by=user,
    )


@transaction.atomic
def dismiss(practitioner: Practitioner, reason: str, *, by: Actor) -> Departure:
    """End the professional role of somebody who left the unit for good. Other roles of the person stay.

    Raises Refused when they are not the unit's any more, something is under review, or it is the admin's own role.
    """
    hold_right(by)
    person = lock(practitioner)
    if (
        person.employer_id != by.organization.pk
        or person.status != Status.ACTIVE
        or not by.can(Duty.TRANSFERS)
    ):
        raise Refused("此人已不在本单位，不用再办理离职。")
    if person.user_id == by.user.pk:
        raise Refused("不能为自己办理离职，请由其他管理员办理，或在“基本信息修改”中注销账户。")
    waiting = Application.objects.about(person).pending().order_by("pk").first()
    if waiting:
        raise Refused(f"还有“{waiting.summary}”在审核中，办结或撤回后才能办理离职。")
    _stop(person, by.user, f"离职：{reason}"[:100])
    RoleAccount.objects.filter(pk=person.account_id).update(status=AccountStatus.CLOSED)
    RoleAccount.objects.filter(pk=person.account_id).end_sessions()
    letters.left_unit(person.user, by.organization.name, reason)
    return Departure.objects.create(
        way=Departure.Way.UNIT,
        user=person.user,
        practitioner=person,
        employer=by.organization,
        by=by.user,
        reason=reason,
    )


def _locked_person(user: User) -> Practitioner | None:
    row = Practitioner.objects.filter(user=user).exclude(status__in=[Status.VOID, Status.CLOSED]).first()
    return lock(row) if row else None


def _locked_rights(user: User) -> list[OrgAdmin]:
    """The person's admin rights as they are behind the lock that every change of them takes (orgs/granting.py)."""
    for organization in sorted(OrgAdmin.objects.filter(user=user).values_list("organization", flat=True)):
        locked_super(organization)
    rights = locked_admins().filter(user=user).exclude(account__status=AccountStatus.CLOSED)
    return list(rights.select_related("organization").order_by("pk"))


def _stop(practitioner: Practitioner, by: User, reason: str) -> None:
    practitioner.status = Status.CLOSED
    practitioner._history_user, practitioner._change_reason = by, reason
    practitioner.save(update_fields=["status"])

"""Filing a registration: person, role, organisation or practitioner and application, in one transaction.

Nothing is left behind when a rule says no, and of two registrations of one ID number or one credit code at the
same moment one wins: the named constraints of accounts and orgs decide, their refusal is said as a sentence here.
"""

from dataclasses import dataclass

from django.db import IntegrityError, transaction

from accounts.closing import retire
from accounts.id_number import IdNumber
from accounts.models import AccountStatus, Role, RoleAccount, User
from orgs.actor import actor_of
from orgs.models import OrgAdmin, Organization, Practitioner, Status
from orgs.tree import hold_still, plant, settle
from registration.models import OrganizationRegistration, PractitionerRegistration, Registration
from workflow import engine
from workflow.flow import Refused
from workflow.models import Application, StepState

KINDS = {role: f"{role}-registration" for role in (Role.AUTHORITY, Role.EMPLOYER, Role.PRACTITIONER)}
TICK_FIRST = "该证件号码已是本系统用户，请勾选“如果已是本系统用户，请勾选复选框”，再填写原密码。"
SOMEBODY_FIRST = "该证件号码刚刚已提交过注册，请先查询注册审核进度。"


@dataclass(frozen=True)
class Person:
    """Who registers: somebody known and proved (`user`), or an ID number with what they wrote about themselves.

    `proved` tells that the right password was given, now or at login. An unproved person must be unknown to the
    platform, or known without any live role; then name, contact and password are written anew.
    """

    number: IdNumber | None = None
    user: User | None = None
    proved: bool = False
    name: str = ""
    email: str = ""
    mobile: str = ""
    password: str = ""


def live_roles(user: User) -> bool:
    """Whether the person holds any role that is under review, in use or suspended."""
    return user.accounts.live().exists()


@transaction.atomic
def enrol_practitioner(person: Person, payload: PractitionerRegistration) -> Application:
    """File a 专业技术人员注册. Raises Refused with the sentence to show."""
    hold_still()  # before any row lock: the employer's path is copied below
    user = _write_person(person, payload)
    practitioner = Practitioner.objects.filter(user=user).select_related("account").first()
    if practitioner and practitioner.account.status != AccountStatus.CLOSED:
        raise Refused(already(practitioner.account))
    if practitioner is None:
        account = _new_account(user, Role.PRACTITIONER, payload.employer.name)
        practitioner = Practitioner(user=user, account=account)
    else:
        account = practitioner.account
        account.status, account.place = AccountStatus.PENDING, payload.employer.name
        account.save(update_fields=["status", "place"])
    practitioner.status = Status.PENDING
    for field in ("education", "field_of_study", "title_series", "title_level", "title", "title_mode"):
        setattr(practitioner, field, getattr(payload, field))
    practitioner.title_awarded_on = payload.title_awarded_on
    settle(practitioner, payload.employer)
    payload.practitioner = practitioner
    payload.employer_name = payload.employer.name
    return _file(account, payload)


@transaction.atomic
def enrol_organization(person: Person, payload: OrganizationRegistration, role: str) -> Application:
    """File a 主管部门注册 or 用人单位注册; who files it becomes its super admin. Raises Refused."""
    hold_still()
    user = _write_person(person, payload)
    taken = taken_by(role, payload.uscc) if payload.uscc else None
    if taken:
        raise Refused(already_taken(taken))
    account = _new_account(user, role, payload.name)
    organization = Organization(
        kind=role,
        name=payload.name,
        uscc=payload.uscc,
        superior=payload.superior,
        division=payload.division,
        contact_name=payload.contact_name,
        phone=payload.phone,
        office_hours=payload.office_hours,
        status=Status.PENDING,
    )
    try:
        with transaction.atomic():
            plant(organization)
    except IntegrityError as error:
        if "organization_uscc_once_per_kind" not in str(error):
            raise
        raise Refused("该统一社会信用代码刚刚已提交过注册，请先查询注册审核进度。") from error
    OrgAdmin.objects.create(account=account, user=user, organization=organization, is_super=True)
    payload.organization = organization
    payload.superior_name = payload.superior.name
    return _file(account, payload)


def taken_by(role: str, uscc: str) -> Organization | None:
    """The organisation of this kind that holds the code, under review or approved (F-03, F-116)."""
    return (
        Organization.objects.filter(kind=role, uscc=uscc, status__in=[Status.PENDING, Status.ACTIVE])
        .select_related("superior")
        .first()
    )


def already_taken(organization: Organization) -> str:
    """Why this code cannot register again, and what to do; names no person."""
    what = f"该代码已注册为{organization.get_kind_display()}“{organization.name}”"
    if organization.status == Status.PENDING:
        return f"{what}，正在由{organization.superior.name}审核，无需重复注册。"
    return f"{what}，无需重新注册。需要账号的，请联系该单位的管理员增加。"


def already(account: RoleAccount) -> str:
    """Why this person cannot register this role again (F-03)."""
    role = account.get_role_display()
    if account.status == AccountStatus.PENDING:
        return f"您的{role}注册正在由{account.reviewer}审核，无需重复注册。"
    if account.status == AccountStatus.SUSPENDED:
        return f"您的{role}账号已停用，请联系所在单位恢复，无需重新注册。"
    return f"您已注册{role}，无需重新注册，请直接登录。"


def _write_person(person: Person, payload: Registration) -> User:
    """The person's row, locked; written anew when they have no live role."""
    user = person.user or User.objects.by_id_number(person.number).first()
    payload.wrote_person = not person.proved
    if user is None:
        try:
            with transaction.atomic():
                user = User.objects.create_user(
                    person.number, person.password, name=person.name, email=person.email, mobile=person.mobile
                )
        except IntegrityError as error:
            if "user_id_number_once" not in str(error):
                raise
            raise Refused(SOMEBODY_FIRST) from error
    else:
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if not user.is_active:
            raise Refused("该账号已停用，请拨打平台技术支持电话。")
        lives = live_roles(user)
        if lives and not person.proved:
            raise Refused(TICK_FIRST)
        if not lives:
            _rewrite(user, person)
    payload.person_name, payload.id_masked = user.name, user.id_masked
    payload.email, payload.mobile = user.email, str(user.mobile)
    return user


def _rewrite(user: User, person: Person) -> None:
    if not person.proved:
        retire(user)  # whatever opened the account was of whoever registered this number before
        user.messages.all().delete()
        user.set_password(person.password)
    # A ticked box brings no data: what the person is known by stays.
    if person.name:
        user.name, user.email, user.mobile = person.name, person.email, person.mobile
    user.save()


def _new_account(user: User, role: str, place: str) -> RoleAccount:
    try:
        with transaction.atomic():
            return RoleAccount.objects.create(user=user, role=role, status=AccountStatus.PENDING, place=place)
    except IntegrityError as error:
        if "account_practitioner_once" not in str(error):
            raise
        raise Refused(SOMEBODY_FIRST) from error


def _file(account: RoleAccount, payload: Registration) -> Application:
    payload.account = account
    application = engine.submit(KINDS[account.role], payload, by=actor_of(account))
    step = application.steps.filter(state=StepState.OPEN).select_related("approver").first()
    account.reviewer, account.reviewer_phone = step.approver.name, step.approver.phone
    account.waiting_since = application.submitted_at
    account.save(update_fields=["reviewer", "reviewer_phone", "waiting_since"])
    return application

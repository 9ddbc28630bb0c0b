"""注册审核进度查询: who may see which registration before login, and what is shown (F-44 … F-53, trust.md §3.3)."""

from dataclasses import dataclass
from datetime import timedelta

from accounts import throttle
from accounts.id_number import IdNumber
from accounts.models import User
from registration.enrol import KINDS
from registration.models import (
    AuthorityRegistration,
    EmployerRegistration,
    PractitionerRegistration,
    Registration,
    TemporaryCode,
)
from workflow.flow import flow_of, payload_of
from workflow.models import Application, State
from workflow.reminders import is_due
from workflow.slip import Slip, slips_of
from workflow.wording import masked_name

MODELS = (PractitionerRegistration, EmployerRegistration, AuthorityRegistration)
TAGS = {
    State.PENDING: ("wait", "待审核"),
    State.APPROVED: ("ok", "已通过"),
    State.REJECTED: ("back", "已驳回"),
    State.WITHDRAWN: ("draft", "已撤回"),
}
NOTHING = "没有查到这条注册，请核对证件号码和密码（或受理号和手机号后四位）。"
PER_NETWORK = (60, timedelta(minutes=10))
PER_ID_BY_RECEIPT = (5, timedelta(days=1))


@dataclass(frozen=True)
class Shown:
    """One registration on the progress page: masked, because the page stands before the login."""

    application: Application
    label: str
    place: str
    name: str
    id_masked: str
    tag: tuple[str, str]
    slip: Slip
    code: TemporaryCode | None = None

    @property
    def pending(self) -> bool:
        return self.application.state == State.PENDING

    @property
    def may_be_reminded(self) -> bool:
        return is_due(self.slip)

    @property
    def approved(self) -> bool:
        return self.application.state == State.APPROVED

    @property
    def ended(self) -> bool:
        return self.application.state in (State.REJECTED, State.WITHDRAWN)


def registrations_of(user: User) -> list[Registration]:
    """What this person filed, newest first.

    Not what was filed before the person's data were last written anew: whoever registers an ID number that holds
    no role has not proved to be the one who registered it before.
    """
    rows = [row for model in MODELS for row in model.objects.of(user).for_page()]
    rows.sort(key=lambda row: row.pk, reverse=True)
    for number, row in enumerate(rows):
        if row.wrote_person:
            return rows[: number + 1]
    return rows


def show(registration: Registration) -> Shown:
    return show_all([registration])[0]


def show_all(registrations: list[Registration]) -> list[Shown]:
    """Few queries, whatever their number."""
    slips = slips_of([one.application for one in registrations])
    issued = {one.uscc for one in registrations if getattr(one, "wants_code", False)} - {""}
    codes = {one.code: one for one in TemporaryCode.objects.filter(code__in=issued)} if issued else {}
    return [_shown(one, slips[one.pk], codes) for one in registrations]


def _shown(registration: Registration, slip: Slip, codes: dict[str, TemporaryCode]) -> Shown:
    application = registration.application
    return Shown(
        application=application,
        label=flow_of(application).label,
        place=getattr(registration, "employer_name", None) or registration.name,
        name=masked_name(registration.person_name),
        id_masked=registration.id_masked,
        tag=TAGS[application.state],
        slip=slip,
        code=codes.get(registration.uscc) if getattr(registration, "wants_code", False) else None,
    )


def by_password(number: IdNumber, password: str, network: str) -> User | None:
    """The person, when the password is right and they registered something. Raises throttle.TooMany."""
    _count(network)
    throttle.admit(number.index, network)
    user = User.objects.by_id_number(number).first()
    if user is None:
        User().set_password(password)  # as long as a real check: the clock tells nothing
        return None
    if not user.check_password(password) or not registrations_of(user):
        return None
    throttle.was_right(number.index, network)
    return user


def by_receipt(number: IdNumber, receipt: str, tail: str, network: str) -> Application | None:
    """The one registration with this receipt, ID number and end of the mobile number. Raises throttle.TooMany."""
    _count(network)
    limit, per = PER_ID_BY_RECEIPT
    throttle.spend("progress-receipt", number.index, limit=limit, per=per)
    last = receipt.rpartition("-")[2]
    if not (last.isascii() and last.isdigit() and len(last) < 12):
        return None
    application = Application.objects.filter(
        pk=int(last), kind__in=KINDS.values(), submitted_by__id_index__in=number.indexes
    ).first()
    if application is None or application.receipt != receipt:
        return None
    mobile = payload_of(application).mobile
    return application if len(tail) == 4 and mobile.endswith(tail) else None


def _count(network: str) -> None:
    limit, per = PER_NETWORK
    throttle.spend("progress", network, limit=limit, per=per)

"""Who may come in, and what the others are told (decision 6; F-26 … F-36).

The four messages of the FAQ help the person and must not help a stranger: what tells something about an account
is said after its right password only, and the answer to unknown ID numbers is metered (accounts/throttle.py).
"""

import datetime
from dataclasses import dataclass, field
from enum import Enum

from django.http import HttpRequest

from accounts import password as passwords
from accounts import throttle
from accounts.address import network_of
from accounts.browser import people_here
from accounts.id_number import IdNumber
from accounts.models import AccountStatus, RoleAccount, User


class Verdict(Enum):
    ENTER = "one active account in this role"
    CHOOSE = "several active accounts in this role"
    SET_PASSWORD = "the secret that the unit issued: a new password first"  # noqa: S105
    UNKNOWN = "message 1"
    NO_SUCH_ROLE = "message 2"
    PENDING = "message 3"
    WRONG_PASSWORD = "message 4"  # noqa: S105
    MERGED = "a budget is spent: nothing about what exists"
    WAIT = "too many wrong passwords for this account from here"
    SUSPENDED = "the role, or the person, was suspended"


@dataclass(frozen=True)
class Attempt:
    """What one try came to. `accounts` are those of the chosen role that decided it, `others` the live ones
    of other roles."""

    verdict: Verdict
    user: User | None = None
    accounts: list[RoleAccount] = field(default_factory=list)
    others: list[RoleAccount] = field(default_factory=list)
    wait: datetime.timedelta | None = None


def attempt(request: HttpRequest, number: IdNumber, role: str, password: str) -> Attempt:
    """Judge a login: count it, check the password, find the role. Opens no session.

    Exactly one password hash is computed whether the person exists or not, except when a spent budget
    forbids the check altogether.
    """
    place = network_of(request)
    user = User.objects.by_id_number(number).filter(accounts__in=RoleAccount.objects.live()).first()
    try:
        right, secret = _check(request, number, password, user, place)
    except throttle.TooMany as too_many:
        if too_many.everywhere:
            return Attempt(Verdict.MERGED)
        return Attempt(Verdict.WAIT, wait=too_many.wait)
    if user is None:
        known = throttle.may_know_unknown(number.index, place)
        return Attempt(Verdict.UNKNOWN if known else Verdict.MERGED)
    if not right:
        return Attempt(Verdict.MERGED if throttle.is_spent(place) else Verdict.WRONG_PASSWORD)
    if not user.is_active:
        return Attempt(Verdict.SUSPENDED, user)
    if secret:
        return Attempt(Verdict.SET_PASSWORD, user)
    return _in_role(user, role)


def knows_own_password(request: HttpRequest, typed: str) -> bool:
    """Whether the person logged in gave their own password. Counts as a try; raises throttle.TooMany."""
    account, place = request.user.id_index, network_of(request)
    known_device = request.user.pk in people_here(request)
    throttle.admit(account, place, known_device)
    right = request.user.check_password(typed)
    if right:
        throttle.was_right(account, place, known_device)
    return right


def _check(request, number: IdNumber, password: str, user: User | None, place: str) -> tuple[bool, bool]:
    """Whether the password is right, and whether it was the secret for one use."""
    known_device = user is not None and user.pk in people_here(request)
    throttle.admit(number.index, place, known_device)
    secret = user and passwords.open_secret_of(user)
    if user is None:
        User().set_password(password)  # the time that a check takes
        return False, False
    right = passwords.secret_fits(secret, password) if secret else user.check_password(password)
    if right:
        throttle.was_right(number.index, place, known_device)
    return right, bool(secret)


def _in_role(user: User, role: str) -> Attempt:
    every = list(user.accounts.order_by("role", "pk"))
    others = [a for a in every if a.role != role and a.status != AccountStatus.CLOSED]
    mine = {
        status: [a for a in every if a.role == role and a.status == status] for status in AccountStatus.values
    }
    if active := mine[AccountStatus.ACTIVE]:
        return Attempt(Verdict.ENTER if len(active) == 1 else Verdict.CHOOSE, user, active, others)
    if pending := mine[AccountStatus.PENDING]:
        return Attempt(Verdict.PENDING, user, pending, others)
    if suspended := mine[AccountStatus.SUSPENDED]:
        return Attempt(Verdict.SUSPENDED, user, suspended, others)
    return Attempt(Verdict.NO_SUCH_ROLE, user, mine[AccountStatus.CLOSED], others)

"""两步验证: after the password a code from the person's telephone, or one of ten recovery codes (GB/T 22239, 身份鉴别).

TOTP as in RFC 6238 with the values that every app knows: SHA-1, six digits, 30 seconds; the code before and the one
after the current are taken too, since clocks differ. Each code and each recovery code opens once. Tries are counted
like those of a password (accounts/throttle.py), apart from them.

settings.SECOND_FACTOR: "off" asks nobody; "optional" asks who has set it up; "required" also leads bureaus,
authorities, the platform's staff and super admins to set it up before anything else opens.
"""

import base64
import secrets
import time
from collections.abc import Iterable
from enum import Enum
from urllib.parse import quote, urlencode

import segno
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django_otp.oath import TOTP

from accounts import crypto, kept, notices, sessions, throttle
from accounts.address import network_of
from accounts.browser import people_here
from accounts.models import Authenticator, RecoveryCode, Role, SecondFactorReset, User
from accounts.refused import Refused

PURPOSE, RECOVERY = "second-factor", "recovery-code"
PASSED = "second_factor"  # session: id of the person who passed it here
PENDING = "second_factor_next"  # session: {"account", "next"}: where to go on after the code
STEP = 30  # seconds
TOLERANCE = 1  # steps
REMEMBERED_STEPS = 20  # how far back a code is told to be an old one
CODES = 10
CODE_DIGITS, RECOVERY_DIGITS = 6, 12
DEMANDING_ROLES = (Role.BUREAU, Role.AUTHORITY, Role.OPERATOR)
# What opens while the second factor is still to be set up or given: nothing else does.
OPEN_PAGES = frozenset(
    f"accounts:{name}"
    for name in ("second_factor", "set_up_second_factor", "recovery_codes", "choose", "switch", "logout")
)


class Verdict(Enum):
    RIGHT = ""
    WRONG = "验证码不对，请填写身份验证器里现在显示的 6 位数字。一直不对，请把手机时间改为自动设置。"
    USED = "这组验证码已经用过，请等身份验证器显示下一组（最多 30 秒）再填写。"
    EXPIRED = "这组验证码已经过期，请填写身份验证器里现在显示的一组。"
    NO_SUCH_RECOVERY = "恢复码不对，或者已经用过。每组恢复码只能用一次。"
    RECOVERED = "one of the recovery codes"


OPENING = (Verdict.RIGHT, Verdict.RECOVERED)

# --- who is asked ---------------------------------------------------------------------------------------


def is_offered() -> bool:
    return settings.SECOND_FACTOR != "off"


def authenticator_of(user: User) -> Authenticator | None:
    return Authenticator.objects.filter(user=user).first()


def has(user: User) -> bool:
    """Whether this person has set it up."""
    return Authenticator.objects.filter(user=user).exists()


def asks(request: HttpRequest, user: User) -> bool:
    """Whether `user` must give a code before a role opens in this session."""
    return is_offered() and not passed(request, user) and has(user)


def demanded(request: HttpRequest) -> bool:
    """Whether the role in use may not be without it."""
    actor = getattr(request, "actor", None)
    if settings.SECOND_FACTOR != "required" or not actor:
        return False
    return actor.role in DEMANDING_ROLES or actor.is_super


def passed(request: HttpRequest, user: User) -> bool:
    return request.session.get(PASSED) == user.pk


def remember(request: HttpRequest, user: User) -> None:
    """This session has passed the second factor of `user`. To be called when the session is theirs."""
    request.session[PASSED] = user.pk


# --- setting up -------------------------------------------------------------------------------------------


def new_key() -> str:
    """A fresh secret, 160 bits, as apps want it typed: 32 characters of base32."""
    return base64.b32encode(secrets.token_bytes(20)).decode("ascii")


def picture(user: User, key: str) -> str:
    """The QR code that hands `key` to the app, as a data: address of an SVG. Kept short: fewer, larger squares."""
    query = urlencode({"secret": key, "issuer": settings.SECOND_FACTOR_ISSUER}, quote_via=quote)
    code = segno.make(f"otpauth://totp/{quote(user.name)}?{query}", error="l", micro=False)
    return code.svg_data_uri(scale=5, border=2, xmldecl=False, nl=False)


@transaction.atomic
def set_up(user: User, key: str, typed: str, replaces: int | None = None) -> list[str]:
    """Turn it on with a code that proves that the app has the key. Returns the ten recovery codes. Raises Refused.

    `replaces` is the authenticator whose place the new one takes (another telephone), None when there was none: what
    the person confirmed with must still be what they have.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if Authenticator.objects.filter(user=user).values_list("pk", flat=True).first() != replaces:
        raise Refused("两步验证刚刚在别处变更过，请回到“安全设置”重新开始。")
    verdict, step = _judge(base64.b32decode(key), -1, typed)
    if verdict != Verdict.RIGHT:
        raise Refused(verdict.value)
    Authenticator.objects.filter(pk=replaces).delete()
    Authenticator.objects.create(user=user, key_sealed=crypto.seal(key, PURPOSE), last_step=step)
    what = (
        "两步验证已换到新的手机，原来手机上的验证码作废。"
        if replaces
        else "两步验证已开启，以后登录须再填写身份验证器里的验证码。"
    )
    notices.security_changed(user, what)
    return _new_codes(user)


@transaction.atomic
def renew_codes(user: User) -> list[str]:
    """Ten new recovery codes; the old ones are void."""
    notices.security_changed(user, "两步验证的恢复码已重新生成，原来的恢复码作废。")
    return _new_codes(user)


@transaction.atomic
def remove(user: User) -> None:
    """Turn it off; the recovery codes go with it."""
    _drop(user)
    notices.security_changed(user, "两步验证已关闭，以后只凭密码登录。")


@transaction.atomic
def take_away(user: User, *, by: User, organization: str, reason: str) -> None:
    """Turn it off for somebody who lost the telephone; every session of theirs ends, and they are told by whom.

    The caller has checked that `by`, for `organization`, may.
    """
    _drop(user)
    sessions.end_others(user)
    SecondFactorReset.objects.create(user=user, by=by, organization=organization, reason=reason)
    notices.security_changed(
        user, f"{organization}的管理员关闭了您的两步验证，原因：{reason}。您可以只凭密码登录。"
    )


def _drop(user: User) -> None:
    Authenticator.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()


def _new_codes(user: User) -> list[str]:
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # two renewals leave one set, not two
    RecoveryCode.objects.filter(user=user).delete()
    codes = [f"{secrets.randbelow(10**RECOVERY_DIGITS):0{RECOVERY_DIGITS}d}" for _ in range(CODES)]
    RecoveryCode.objects.bulk_create(RecoveryCode(user=user, code=_index(user, code)) for code in codes)
    return codes


def codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(user=user, used_at=None).count()


def in_groups(codes: Iterable[str]) -> list[str]:
    """Recovery codes as they are read out: 1234 5678 9012."""
    return [" ".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in codes]


# --- checking ---------------------------------------------------------------------------------------------


def check(request: HttpRequest, user: User, typed: str) -> Verdict:
    """Judge six digits of the app or a recovery code; what was right is used up. Raises throttle.TooMany.

    Counted before it is judged, like a password: a browser that this person has worked in has tries of its own.
    """
    account, place = f"{PURPOSE}|{user.id_index}", network_of(request)
    known_device = user.pk in people_here(request)
    throttle.admit(account, place, known_device)
    if len(typed) == RECOVERY_DIGITS:
        verdict = Verdict.RECOVERED if _use_recovery_code(user, typed) else Verdict.NO_SUCH_RECOVERY
    else:
        verdict = _use_code(user, typed)
    if verdict in OPENING:
        throttle.was_right(account, place, known_device)
    return verdict


def alarm(user: User) -> None:
    """Tell the owner, once a day, that somebody who knows the password failed at the code."""
    try:
        throttle.spend("second-factor-alarm", user.pk, limit=1, per=throttle.DAY)
    except throttle.TooMany:
        return
    notices.security_changed(user, "有人用您的密码登录，但多次填错两步验证的验证码，没有登录成功。")


def advice_after_recovery(user: User) -> str:
    left = codes_left(user)
    rest = f"恢复码还剩 {left} 组" if left else "恢复码已经用完"
    return f"您用了一组恢复码，{rest}。手机已丢失或更换的，请在“安全设置”中关闭两步验证后重新设置。"


def _use_code(user: User, typed: str) -> Verdict:
    found = authenticator_of(user)
    if found is None:
        return Verdict.WRONG
    key = base64.b32decode(crypto.open_sealed(found.key_sealed, PURPOSE))
    verdict, step = _judge(key, found.last_step, typed)
    if verdict != Verdict.RIGHT:
        return verdict
    # Look and mark are one statement: of two browsers with the same code one comes in.
    newer = Authenticator.objects.filter(pk=found.pk, last_step__lt=step)
    return Verdict.RIGHT if _take(newer, last_step=step) else Verdict.USED


def _use_recovery_code(user: User, typed: str) -> bool:
    with transaction.atomic():
        row = RecoveryCode.objects.filter(user=user, code__in=_indexes(user, typed), used_at=None)
        if not _take(row, used_at=timezone.now()):
            return False
        left = codes_left(user)
        notices.security_changed(user, f"刚刚有人用恢复码通过了两步验证，恢复码还剩 {left} 组。")
        return True


def _judge(key: bytes, last_step: int, typed: str) -> tuple[Verdict, int]:
    """What six digits are worth now, and the time step they belong to.

    Only codes of the past are called expired: they open nothing any more. A code of the future is simply wrong, or
    a guesser would learn what to type in five minutes.
    """
    clock = TOTP(key, step=STEP, digits=CODE_DIGITS)
    clock.time = time.time()
    now = clock.t()
    if clock.verify(int(typed), TOLERANCE, last_step + 1):
        return Verdict.RIGHT, clock.t()
    for back in range(-TOLERANCE, REMEMBERED_STEPS + 1):
        clock.drift = -back
        if clock.token() == int(typed):
            fresh = now - clock.t() <= TOLERANCE
            return Verdict.USED if fresh and clock.t() <= last_step else Verdict.EXPIRED, clock.t()
    return Verdict.WRONG, now


def _take(rows, **mark) -> bool:
    """Mark a one-use row; whether this caller was the one."""
    return rows.update(**mark) == 1


def _index(user: User, code: str) -> str:
    return crypto.blind_index(f"{user.pk}|{code}", RECOVERY)


def _indexes(user: User, code: str) -> list[str]:
    return crypto.blind_indexes(f"{user.pk}|{code}", RECOVERY)


# --- before anything else opens -----------------------------------------------------------------------------


class SecondFactorMiddleware:
    """In a role that may not be without it, leads to the second factor first. Stands behind the one that reads roles."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        if not demanded(request) or passed(request, request.user):
            return None
        if request.resolver_match.view_name in OPEN_PAGES:
            return None
        if request.method == "POST":
            kept.keep_post(request)
        target = request.get_full_path() if request.method == "GET" else request.path
        request.session[PENDING] = {"account": request.actor.account.pk, "next": target}
        return redirect(f"accounts:{'second_factor' if has(request.user) else 'set_up_second_factor'}")

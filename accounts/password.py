"""Passwords: their rules, how one is set anew, and the secret for one use that a unit's admin may issue."""

import datetime
import re
import secrets

from django.contrib.auth.hashers import check_password, make_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import crypto, notices
from accounts.id_number import normalise
from accounts.models import OneUseSecret, PasswordReset, User
from accounts.refused import Refused

# Said before the field (screens.md, P5). The validators are in settings.AUTH_PASSWORD_VALIDATORS.
RULES = "至少 8 位，不能只有数字，不能过于常见，不能包含身份证号中连续的 6 位、出生日期或手机号。"
SHORTEST = 8
SECRET_LASTS = datetime.timedelta(hours=24)
RESET_LASTS = datetime.timedelta(minutes=30)
PURPOSE = "password-reset"


class LongEnough:
    """Refuses a password below 8 characters (Django's own rule says so in English)."""

    def validate(self, password, user=None):
        if len(password) < SHORTEST:
            raise ValidationError(f"密码至少 {SHORTEST} 位，请加长。", code="password_too_short")

    def get_help_text(self):
        return f"至少 {SHORTEST} 位。"


class NotFromIdNumber:
    """Refuses a password that holds six characters in a row of the person's own ID number.

    The date of birth stands in the number as eight digits, so it is refused with it, also written 1980-01-31.
    """

    def validate(self, password, user=None):
        if user is None or not getattr(user, "id_sealed", None):
            return
        number = user.id_number.reveal()
        runs = [number[start : start + 6] for start in range(len(number) - 5)]
        if any(run in written for run in runs for written in _ways_to_read(password)):
            raise ValidationError(
                "密码不能包含身份证号中连续的 6 位，也不能包含出生日期。", code="password_from_id_number"
            )

    def get_help_text(self):
        return "不能包含身份证号中连续的 6 位或出生日期。"


class NotFromMobile:
    """Refuses a password that holds six digits in a row of the person's own mobile number."""

    def validate(self, password, user=None):
        mobile = str(getattr(user, "mobile", None) or "")
        digits = re.sub(r"^\+86|\D", "", mobile)
        runs = [digits[start : start + 6] for start in range(len(digits) - 5)]
        if any(run in written for run in runs for written in _ways_to_read(password)):
            raise ValidationError("密码不能包含手机号中连续的 6 位。", code="password_from_mobile")

    def get_help_text(self):
        return "不能包含手机号中连续的 6 位。"


def _ways_to_read(password: str) -> tuple[str, str]:
    text = normalise(password)
    return text, re.sub(r"[^0-9X]", "", text)


# --- a new password --------------------------------------------------------------------------------


@transaction.atomic
def replace_password(user: User, new: str) -> None:
    """Give `user` the password `new`, which the rules have accepted.

    Every other session ends (they hang on the old hash), every open reset and one-use secret is void, and the
    owner is told after the commit.
    """
    user.set_password(new)
    user.save(update_fields=["password"])
    _void_all(user)
    notices.password_changed(user)


def _void_all(user: User) -> None:
    now = timezone.now()
    OneUseSecret.objects.filter(user=user, closed_at=None).update(closed_at=now)
    PasswordReset.objects.filter(user=user, used_at=None).update(used_at=now)


def _take(rows, **mark) -> bool:
    """Mark a one-use row as used; whether this caller was the one. Look and mark are one statement."""
    return rows.update(**mark) == 1


# --- by a unit's admin (F-41 … F-43, decision 7) ------------------------------------------------------


@transaction.atomic
def issue_one_use_secret(user: User, by: User, organization: str) -> OneUseSecret:
    """Reset the password of `user` to the last six characters of the ID number, for one use within 24 hours.

    `by` is the admin, `organization` the name of the unit they act for; the caller has checked that they may.
    The old password stops working and every session of `user` ends at once. The owner is told by mail and SMS
    after the commit. Whoever logs in with the secret gets to the set-password page and nowhere else.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    _void_all(user)
    user.set_unusable_password()  # the new hash ends the sessions
    user.save(update_fields=["password"])
    issued = OneUseSecret.objects.create(
        user=user,
        secret=make_password(user.id_number.last_six),
        by=by,
        organization=organization,
        expires_at=timezone.now() + SECRET_LASTS,
    )
    notices.password_reset_by(user, organization)
    return issued


def open_secret_of(user: User) -> OneUseSecret | None:
    """The secret that `user` has not used yet and that has not expired."""
    return OneUseSecret.objects.filter(user=user, closed_at=None, expires_at__gt=timezone.now()).first()


def secret_fits(issued: OneUseSecret, typed: str) -> bool:
    """Whether `typed` is the secret; an X may be small. Five wrong tries end it. Costs one hash in any case."""
    row = OneUseSecret.objects.filter(pk=issued.pk, closed_at=None)
    # Counted before it is judged: tries that come together cannot outrun the limit.
    admitted = _take(row.filter(tries__lt=OneUseSecret.MOST_TRIES), tries=F("tries") + 1)
    fits = check_password(normalise(typed), issued.secret)
    if admitted and fits:
        row.update(tries=F("tries") - 1)
    return admitted and fits


@transaction.atomic
def set_password_by_secret(issued: OneUseSecret, new: str) -> User:
    """Use up the secret and set the password. Raises Refused when it was used or has expired."""
    now = timezone.now()
    row = OneUseSecret.objects.filter(pk=issued.pk, closed_at=None, expires_at__gt=now)
    if not _take(row, closed_at=now):
        raise Refused("单位重置的密码已经用过或已过期，请重新获取。")
    replace_password(issued.user, new)
    return issued.user


# --- by the person, through e-mail or mobile (F-40) ------------------------------------------------------


def start_reset(
    user: User | None, *, with_code: bool, lasts: datetime.timedelta = RESET_LASTS
) -> tuple[str, str]:
    """Open a reset for `user`, or one that never fits for nobody. Returns the token and the six-digit code.

    Both are to be sent or kept in the session and are nowhere else; `code` is "" without `with_code`.
    It lasts 30 minutes (an invitation: as long as `lasts` says) and is good for one use.
    """
    now = timezone.now()
    PasswordReset.objects.filter(expires_at__lt=now - datetime.timedelta(days=1)).delete()
    token = secrets.token_urlsafe(32)
    code = f"{secrets.randbelow(1_000_000):06d}" if with_code else ""
    PasswordReset.objects.create(
        user=user,
        token=crypto.blind_index(token, PURPOSE),
        code=crypto.blind_index(f"{token}|{code}", PURPOSE) if with_code else "",
        expires_at=now + lasts,
    )
    return token, code


def open_reset(token: str) -> PasswordReset | None:
    """The reset that this token opened, while it may still be used."""
    return PasswordReset.objects.filter(
        token__in=crypto.blind_indexes(token, PURPOSE),
        used_at=None,
        expires_at__gt=timezone.now(),
        tries__lt=PasswordReset.MOST_TRIES,
    ).first()


def code_fits(reset: PasswordReset, token: str, typed: str) -> bool:
    """Whether `typed` is the code that was sent. Five wrong ones end the reset."""
    row = PasswordReset.objects.filter(pk=reset.pk, used_at=None)
    if not _take(row.filter(tries__lt=PasswordReset.MOST_TRIES), tries=F("tries") + 1):
        return False
    fitting = crypto.blind_indexes(f"{token}|{normalise(typed)}", PURPOSE)
    right = any(secrets.compare_digest(reset.code, one) for one in fitting)
    fits = right and reset.user_id is not None
    if fits:
        row.update(tries=F("tries") - 1)
    return fits


@transaction.atomic
def set_password_by_reset(reset: PasswordReset, new: str) -> User:
    """Use up the reset and set the password. Raises Refused when it was used or has expired."""
    now = timezone.now()
    row = PasswordReset.objects.filter(pk=reset.pk, user__isnull=False, used_at=None, expires_at__gt=now)
    if not _take(row, used_at=now):
        raise Refused("链接或验证码已经用过或已过期，请重新获取。")
    replace_password(reset.user, new)
    return reset.user

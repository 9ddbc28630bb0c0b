"""What is not needed any more after an account has ended (《个人信息保护法》47 条), and what is old (manage.py forget).

An account has ended when no role of it is live; FORGET_PEOPLE_AFTER later `forget` takes away contacts, messages,
what was filled in, proofs and the history of changes. Who has a learning record keeps name, number and title, for the
record is an archive that the law asks for; of everybody else nothing is left that says who they were. The log of
decisions stays as it was signed: it names people by their rows alone, besides what a reviewer wrote.

The row itself stays, because what others signed hangs on it; the same ID number may register anew as a new person.
"""

import datetime
import secrets
from collections.abc import Iterator

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Replace
from django.utils import timezone

from accounts import sessions
from accounts.id_number import IdKind, IdNumber
from accounts.models import AccountStatus, Message, OneUseSecret, PasswordReset, RoleAccount, User
from credits.models import Certificate, IntakeRecord, LedgerEntry
from orgs import access
from orgs.models import Organization, Practitioner, Status
from registration.models import (
    AuthorityRegistration,
    Departure,
    EmployerRegistration,
    IdentityCorrection,
    PractitionerRegistration,
    TitleChange,
)
from workflow.attachments import discard
from workflow.models import Application, Attachment

GONE = "已注销"
REGISTRATIONS = (PractitionerRegistration, EmployerRegistration, AuthorityRegistration)
FILTERS_FOR = datetime.timedelta(days=180)  # whom an admin looked for before an export


def ended_before(day: datetime.datetime) -> Iterator[User]:
    """People without a live role whose last matter, departure or registration is older, not forgotten since."""
    with connection.cursor() as cursor:
        cursor.execute(_ENDED, {"day": day})
        keys = [row[0] for row in cursor.fetchall()]
    for start in range(0, len(keys), 200):
        yield from User.objects.filter(pk__in=keys[start : start + 200]).order_by("pk")


_ENDED = """
SELECT u.id FROM accounts_user u
 WHERE (u.forgotten_at IS NULL OR EXISTS (
        SELECT FROM workflow_application f WHERE f.person_id = u.id AND f.submitted_at > u.forgotten_at))
   AND NOT u.is_staff AND u.created_at < %(day)s
   AND NOT EXISTS (SELECT FROM accounts_roleaccount a WHERE a.user_id = u.id AND a.status <> 'closed')
   AND NOT EXISTS (SELECT FROM workflow_application f WHERE f.person_id = u.id
                    AND (f.closed_at IS NULL OR f.closed_at >= %(day)s))
   AND NOT EXISTS (SELECT FROM registration_departure d WHERE d.user_id = u.id AND d.at >= %(day)s)
 ORDER BY u.id
"""


def has_learned(user: User) -> bool:
    """Whether a learning record hangs on this person: it is an archive, and an archive has a name."""
    mine = Q(practitioner__user=user)
    waiting = IntakeRecord.objects.filter(person_index__in=user.id_number.indexes)
    return (
        LedgerEntry.objects.filter(mine).exists()
        or Certificate.objects.filter(mine).exists()
        or IntakeRecord.objects.filter(mine).exists()
        or waiting.exists()
    )


@transaction.atomic
def forget(user: User) -> bool:
    """Take away what is not needed any more; whether it was: not of who came back meanwhile."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    live = RoleAccount.objects.filter(user=user).exclude(status=AccountStatus.CLOSED)
    if live.exists():
        return False
    name, learned = user.name, has_learned(user)
    _forget_around(user)
    _forget_matters(user, name, learned)
    if not learned:
        _forget_who(user)
    with connection.cursor() as cursor:
        cursor.execute("SELECT forget_history(%s, %s)", [user.pk, name])
    user.email = user.mobile = ""
    user.last_login, user.forgotten_at = None, timezone.now()
    user.set_unusable_password()
    user.save()
    return True


def _forget_around(user: User) -> None:
    sessions.end_others(user)
    user.messages.all().delete()
    PasswordReset.objects.filter(user=user).delete()
    OneUseSecret.objects.filter(user=user).update(secret="")
    Departure.objects.filter(user=user).exclude(reason="").update(reason=GONE)


def _forget_matters(user: User, name: str, learned: bool) -> None:
    matters = Application.objects.filter(person=user)
    matters.update(summary=_without(name, "summary"))
    for attachment in Attachment.objects.filter(application__in=matters):
        discard(attachment)
    for registration in REGISTRATIONS:
        filled_in = registration.objects.filter(account__user=user)
        filled_in.update(email="", mobile="")
        if not learned:
            filled_in.update(person_name=GONE, id_masked="")
        if registration is not PractitionerRegistration:
            filled_in.filter(contact_name=name).update(contact_name="")
    _forget_corrections(IdentityCorrection.objects.filter(user=user))
    if learned:
        return
    PractitionerRegistration.objects.filter(account__user=user).update(**_no_title(), education="other")
    titles = {**_no_title(), **{f"old_{field}": value for field, value in _no_title().items()}}
    TitleChange.objects.filter(practitioner__user=user).update(**titles)
    Practitioner.objects.filter(user=user).update(**_no_title(), education="", field_of_study=None)
    never = Organization.objects.exclude(status__in=[Status.PENDING, Status.ACTIVE])
    never.filter(admins__user=user, contact_name=name).update(contact_name="", phone="")


def _forget_corrections(corrections: QuerySet[IdentityCorrection]) -> None:
    """Old and new name and number: what holds now stands in the account."""
    for one in corrections:
        blank = _nobody()
        one.old_name = one.new_name = one.reason = GONE
        one.old_id_kind, one.old_id_sealed, one.old_id_masked = blank.kind, blank.sealed, ""
        one.new_id_kind, one.new_id_index, one.new_id_sealed, one.new_id_masked = "", "", None, ""
        one.save()


def _forget_who(user: User) -> None:
    user.name = GONE
    user.set_id_number(_nobody())
    RoleAccount.objects.filter(user=user).update(place="")


def _nobody() -> IdNumber:
    """A number that nobody has, of a shape that no document has: unique like any other, and it opens."""
    return IdNumber(IdKind.RESIDENT, f"{GONE}{secrets.token_hex(8)}")


def _no_title() -> dict:
    return {
        "title_series": None,
        "title_level": "",
        "title": "",
        "title_mode": "",
        "title_awarded_on": None,
    }


def _without(name: str, column: str) -> Replace:
    return Replace(F(column), Value(name), Value(GONE))


# --- what is old, whoever it is of ------------------------------------------------------------------------------


def forget_old(now: datetime.datetime) -> dict[str, int]:
    """Messages, what exports were narrowed to, and who looked at whose data, each after its time."""
    messages, _ = Message.objects.filter(created_at__lt=now - settings.FORGET_MESSAGES_AFTER).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE desk_export SET filters = filters - '{name,last_four}'::text[]"
            " WHERE created_at < %s AND filters ?| array['name', 'last_four']",
            [now - FILTERS_FOR],
        )
        filters = cursor.rowcount
    return {
        "消息": messages,
        "导出条件": filters,
        "查看记录": access.forget_before(now - settings.FORGET_ACCESS_AFTER),
    }

"""What people are told: a message on the page, the same by mail, and an SMS where security is touched.

`notify` writes the message in the transaction of what it is about; a trigger queues its mail in the same statement.
A mail server that is slow or dead therefore delays no request, and the mail goes out once the server is back.

Exactly once: (user, key) is unique, so telling twice adds neither a message nor a mail. A mail is marked when the
server has taken it; a worker that is killed in between sends it again, with the same Message-ID. That is the one way
to a second copy.

No ID number and no mobile number stands in a message, a subject or a log (trust.md §3.14): both are masked here,
whatever people typed.
"""

import base64
import json
import logging
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone
from procrastinate.contrib.django import app

from accounts import crypto, sms
from accounts.log_filter import without_numbers
from accounts.models import Message, RoleAccount, User
from accounts.queue import PATIENT, enqueue

logger = logging.getLogger(__name__)

PURPOSE = "outbox"
SEND_SEALED = "accounts.send_sealed"
SMS_LASTS = timedelta(days=1)  # a warning that comes later frightens more than it helps


class NotSent(Exception):
    """A mail or SMS was not taken. Carries the kind of error alone: servers tend to quote addresses and numbers."""


def notify(
    user: User,
    subject: str,
    text: str,
    *,
    key: str = "",
    url: str = "",
    account: RoleAccount | None = None,
    short: str = "",
) -> None:
    """Tell one person something, in the caller's transaction: on the page and by mail.

    `key` names the occasion; the same person is told of it once, however often this is called. "" is an occasion that
    has no name of its own. `url` is a path of ours, `account` the role in which it opens. `short` goes out as an SMS.
    """
    notify_all([message(user, subject, text, key=key, url=url, account=account)])
    if short:
        text_message(user, without_numbers(short))


def message(
    user: User,
    subject: str,
    text: str,
    *,
    key: str = "",
    url: str = "",
    account: RoleAccount | None = None,
    by_mail: bool = True,
    at: datetime | None = None,
    is_news: bool = True,
) -> Message:
    """A message that is not told yet. `at` is when it happened, if not now.

    What is no news any more is put on the page as read and sent to nobody.
    """
    at = at or timezone.now()
    return Message(
        user=user,
        account=account,
        key=key or secrets.token_hex(8),
        subject=without_numbers(subject)[:80],
        text=without_numbers(text)[:2000],
        url=url,
        by_mail=by_mail and is_news,
        created_at=at,
        read_at=None if is_news else at,
    )


def notify_all(messages: Iterable[Message]) -> None:
    """Tell them all, each once, in the caller's transaction. One query."""
    Message.objects.bulk_create(list(messages), ignore_conflicts=True)


def text_message(user: User, text: str, *, lasts: timedelta = SMS_LASTS) -> None:
    """Queue an SMS to a person who has a mobile number; after `lasts` it is of no use and not sent any more."""
    if user.mobile:
        _enqueue_sealed({"way": "sms", "to": user.mobile.as_e164, "text": text}, lasts)


def letter(user: User, subject: str, text: str, *, lasts: timedelta) -> None:
    """Queue a mail that must not be kept readable in the database, such as a link that sets a password.

    It appears on no page; after `lasts` it is of no use and not sent any more.
    """
    if user.email:
        body = _letter(user.name, text)
        _enqueue_sealed({"way": "mail", "to": user.email, "subject": subject, "text": body}, lasts)


def _enqueue_sealed(parcel: dict, lasts: timedelta) -> None:
    sealed = base64.b64encode(crypto.seal(json.dumps(parcel), PURPOSE)).decode("ascii")
    enqueue(SEND_SEALED, [{"sealed": sealed, "until": (timezone.now() + lasts).isoformat()}])


# --- the jobs ----------------------------------------------------------------------------------------


@app.task(name="accounts.mail_message", retry=PATIENT, pass_context=True)
def mail_message(context, message_id: int) -> None:
    """Send a message by mail, to who has an address. Named by the trigger on accounts_message."""
    found = Message.objects.select_related("user").filter(pk=message_id, mailed_at=None).first()
    if found is None or not found.user.email:
        return
    link = f"\n\n查看：{settings.SITE['url']}{found.url}" if found.url and settings.SITE["url"] else ""
    try:
        _mail(
            found.user.email,
            found.subject,
            _letter(found.user.name, found.text + link),
            {"Message-ID": f"<message-{found.pk}@{settings.DEFAULT_FROM_EMAIL.rpartition('@')[2]}>"},
        )
    except NotSent:
        if PATIENT.is_last(context.job.attempts):
            Message.objects.filter(pk=found.pk).update(mail_failed_at=timezone.now())
        raise
    Message.objects.filter(pk=found.pk).update(mailed_at=timezone.now(), mail_failed_at=None)


@app.task(name=SEND_SEALED, retry=PATIENT)
def send_sealed(sealed: str, until: str) -> None:
    """Send what `letter` and `text_message` queued, as long as it is of use."""
    if timezone.now() > datetime.fromisoformat(until):
        logger.warning("a mail or SMS was not sent in time and has been dropped")
        return
    parcel = json.loads(crypto.open_sealed(base64.b64decode(sealed), PURPOSE))
    if parcel["way"] == "mail":
        _mail(parcel["to"], parcel["subject"], parcel["text"])
        return
    try:
        sms.send(parcel["to"], parcel["text"])
    except Exception as error:  # whatever a provider's class raises
        raise _not_sent("SMS", error) from None


def _mail(address: str, subject: str, text: str, headers: dict | None = None) -> None:
    try:
        EmailMessage(subject, text, to=[address], headers=headers).send()
    except Exception as error:  # whatever a mail server or its library raises
        raise _not_sent(f"mail {subject!r}", error) from None


def _not_sent(what: str, error: Exception) -> NotSent:
    logger.warning("%s not sent: %s", what, type(error).__name__)
    return NotSent(type(error).__name__)


def _letter(name: str, text: str) -> str:
    site = settings.SITE
    return f"{name}，您好：\n\n{text}\n\n{site['name']}\n技术支持电话：{site['phone']}（{site['hours']}）"

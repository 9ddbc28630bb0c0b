"""消息, as the page shows them: what is unread first, each part newest first, fifty at a time without an OFFSET."""

from dataclasses import dataclass

from django.utils import timezone

from accounts.models import Message, User

SIZE = 50
MOST = 99  # the menu says "99+" beyond it


@dataclass
class Page:
    """`older` is the place of the next page, "" at the end; `first` tells whether this is the first one."""

    rows: list[Message]
    older: str
    first: bool


def unread_count(user: User) -> int:
    """How many unread messages a person has, at most MOST + 1. One query on a partial index."""
    return len(Message.objects.of(user).unread().values_list("pk")[: MOST + 1])


def page_of(user: User, place: str = "") -> Page:
    """The messages from `place` on: "unread-17" or "read-17" is the message after which it starts, "" the first one.

    At most two queries. A place that does not read is the first page.
    """
    part, _, after = place.partition("-")
    known = part in ("unread", "read") and after.isascii() and after.isdigit() and len(after) < 19
    messages = Message.objects.of(user).select_related("account").newest_first()
    found = []
    for name, rows in (("unread", messages.unread()), ("read", messages.exclude(read_at=None))):
        if known and part == name:
            rows = rows.filter(pk__lt=int(after))
        elif known and part == "read":
            continue
        found += [(name, row) for row in rows[: SIZE + 1 - len(found)]]
        if len(found) > SIZE:
            break
    shown = found[:SIZE]
    older = f"{shown[-1][0]}-{shown[-1][1].pk}" if len(found) > SIZE else ""
    return Page([row for _, row in shown], older, first=not known)


def mark_read(user: User, message: Message | None = None) -> int:
    """Mark one message as read, or all; returns how many were not read before."""
    unread = Message.objects.of(user).unread()
    if message is not None:
        unread = unread.filter(pk=message.pk)
    return unread.update(read_at=timezone.now())

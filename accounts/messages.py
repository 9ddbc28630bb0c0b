"""消息, as the page shows them: what is unread first, each part newest first, fifty at a time without an OFFSET.

A page starts after a message, not at a number. When that message was read meanwhile, the list goes on among the read
ones: the unread ones are on the first page, one click away.
"""

from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from accounts.models import Message, User
from accounts.querysets import MessageQuerySet

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
    """The messages that follow `place`, the id of the last message shown before; "" or one unknown: the first page.

    At most three queries.
    """
    own = Message.objects.of(user)
    last = (
        own.filter(pk=int(place)).first() if place.isascii() and place.isdigit() and len(place) < 19 else None
    )
    found = []
    if last is None or last.read_at is None:
        found += _after(own.unread(), last)[: SIZE + 1]
    if len(found) <= SIZE:
        read = own.exclude(read_at=None)
        found += _after(read, last if last and last.read_at else None)[: SIZE + 1 - len(found)]
    more = len(found) > SIZE
    return Page(found[:SIZE], str(found[SIZE - 1].pk) if more else "", first=last is None)


def _after(messages: MessageQuerySet, last: Message | None) -> MessageQuerySet:
    if last is not None:
        earlier = Q(created_at=last.created_at, pk__lt=last.pk) | Q(created_at__lt=last.created_at)
        # The plain bound beside the alternatives is what an index can use.
        messages = messages.filter(earlier, created_at__lte=last.created_at)
    return messages.newest_first().select_related("account")


def mark_read(user: User, message: Message | None = None) -> int:
    """Mark one message as read, or all; returns how many were not read before."""
    unread = Message.objects.of(user).unread()
    if message is not None:
        unread = unread.filter(pk=message.pk)
    return unread.update(read_at=timezone.now())

"""时间窗口: adding, changing and removing them, one at a time.

Two windows of one year, kind and bureau may not overlap: whoever wants a longer one changes the one there is, and a
late window (补报) stands apart. With none of its own a bureau goes by the windows above it.
"""

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction

from credits.models import Window
from credits.pack_editing import bureau_of, may_make_rules
from credits.window_words import closing
from credits.windows import windows_at
from orgs.actor import Actor, hold_right
from workflow.flow import Refused
from workflow.wording import shown_time

WINDOW_LOCK = 722263


@transaction.atomic
def save(window: Window, *, by: Actor) -> Window:
    """Add a window for the own bureau (the platform: the whole province), or change one. Refused when it overlaps another."""
    _hold(by)
    if window.pk is None:
        window.bureau, window.created_by = bureau_of(by), by.user
    elif not _editable(window, by):
        raise PermissionDenied
    other = overlapping(window)
    if other:
        raise Refused(
            f"与已有的窗口（{shown_time(other.opens_at)} 到 {closing(other.closes_at)}）重叠，请改时间，或直接修改那个窗口。"
        )
    window.save()
    return window


@transaction.atomic
def remove(window: Window, *, by: Actor) -> None:
    """Remove a window. Refused when somebody else just did."""
    _hold(by)
    if not Window.objects.filter(pk=window.pk).exists():
        raise Refused("这个窗口已被删除。")
    if not _editable(window, by):
        raise PermissionDenied
    window.delete()


def overlapping(window: Window) -> Window | None:
    """Another window of the same year, kind and bureau that shares a moment with this one."""
    others = Window.objects.filter(bureau=window.bureau_id, year=window.year, kind=window.kind)
    shared = others.filter(opens_at__lt=window.closes_at, closes_at__gt=window.opens_at)
    return shared.exclude(pk=window.pk).order_by("opens_at").first()


def left_without(window: Window) -> list[Window]:
    """What holds for its bureau once it is gone: its other windows, else those of the nearest bureau above that has any."""
    siblings = Window.objects.filter(bureau=window.bureau_id, year=window.year, kind=window.kind)
    left = list(siblings.exclude(pk=window.pk).select_related("bureau").order_by("opens_at"))
    if left or window.bureau is None:
        return left
    above = windows_at(window.bureau.superior.path, [window.year])
    return above.get((window.year, window.kind), [])


def _editable(window: Window, by: Actor) -> bool:
    return Window.objects.editable_by(by).filter(pk=window.pk).exists()


def _hold(by: Actor) -> None:
    hold_right(by)
    if not may_make_rules(by):
        raise PermissionDenied
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WINDOW_LOCK])

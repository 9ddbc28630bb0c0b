"""When one year's hours may be declared and decided: dated windows, in Asia/Shanghai (time zone of the settings).

The windows of the nearest bureau that has any for the year hold; without any, a year is open once it has begun.
"""

from collections.abc import Iterable

from django.utils import timezone

from credits.models import Window, WindowKind
from credits.window_words import closing
from credits.years import current_year
from orgs.models import Practitioner
from workflow.flow import Refused
from workflow.wording import shown_time

_DONE = {WindowKind.DECLARE: "申报", WindowKind.REVIEW: "审核审验"}


def check_open(practitioner: Practitioner, year: int, kind: str) -> None:
    """Raise Refused with the sentence when the year's window is closed for this person. One query."""
    if year > current_year():
        raise Refused(f"{year} 年度还没有开始，活动结束后再申报。")
    closed = closed_because(windows_at(practitioner.path, [year]).get((year, kind), []), year, kind)
    if closed:
        raise Refused(closed)


def closed_for(places: dict[int, tuple[str, int]], kind: str) -> dict[int, str]:
    """The same for many at once: key → (path, year) gives key → sentence, for those that are closed. One query."""
    years = {year for _, year in places.values()}
    rows = list(Window.objects.filter(year__in=years, kind=kind).order_by("opens_at"))
    known: dict[tuple[str, int], str] = {}
    for path, year in set(places.values()):
        known[path, year] = closed_because(_nearest(rows, path, year), year, kind)
    return {key: known[place] for key, place in places.items() if known[place]}


def windows_at(path: str, years: Iterable[int]) -> dict[tuple[int, str], list[Window]]:
    """The windows that hold at a place, by year and kind: those of the nearest bureau that has any. One query."""
    rows = list(Window.objects.above(path).filter(year__in=list(years)).order_by("opens_at"))
    keys = {(one.year, one.kind) for one in rows}
    return {
        (year, kind): _nearest([one for one in rows if one.kind == kind], path, year) for year, kind in keys
    }


def _nearest(windows: list[Window], path: str, year: int) -> list[Window]:
    """Of one kind's windows those of the year that hold at a place: the nearest bureau's that has any."""
    above = [int(part) for part in path.strip("/").split("/") if part]
    depths = {None: -1, **{pk: depth for depth, pk in enumerate(above)}}
    holding = [one for one in windows if one.year == year and one.bureau_id in depths]
    nearest = max((depths[one.bureau_id] for one in holding), default=None)
    return [one for one in holding if depths[one.bureau_id] == nearest]


def closed_because(windows: list[Window], year: int, kind: str) -> str:
    """Why it may not be done now, in one sentence; "" inside any window, or when there is none."""
    now = timezone.now()
    if not windows or any(one.opens_at <= now < one.closes_at for one in windows):
        return ""
    label = _DONE[WindowKind(kind)]
    coming = next((one for one in windows if one.opens_at > now), None)
    if coming:
        return f"{year} 年度的{label}从 {shown_time(coming.opens_at)} 开始，到 {closing(coming.closes_at)} 截止。"
    last = max(one.closes_at for one in windows)
    return f"{year} 年度的{label}已于 {closing(last)} 截止，需要补办请联系当地人社部门。"

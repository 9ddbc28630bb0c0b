"""学时减免 in words: what was asked for, and what a year demands before and after it."""

from dataclasses import replace

from credits.models import ReliefRequest
from credits.standing import YearHours
from workflow.wording import hours, shown_date


def facts(request: ReliefRequest, change_url: str = "") -> list[dict]:
    """Rows for the summary list; with `change_url` each leads back to its field."""
    rows = [
        ("code_0", "减免类别", request.name),
        ("year", "年度", f"{request.year} 年"),
        ("started_on", "起止日期", f"{shown_date(request.started_on)} ～ {shown_date(request.ended_on)}"),
        ("ended_on", "减免月数", f"{request.months} 个月" if request.months else ""),
        ("reason", "说明", request.reason),
    ]
    return [
        {"label": label, "value": value, "change_url": f"{change_url}#id_{name}" if change_url else ""}
        for name, label, value in rows
        if value or (change_url and name == "reason")
    ]


def relieved(standing: YearHours, request: ReliefRequest) -> YearHours:
    """The year with this reduction too."""
    one = {"code": request.code, "name": request.name, "months": request.months}
    return replace(standing, relief=[*standing.relief, one])


def lines(before: YearHours, after: YearHours) -> list[dict]:
    """What the year demands of each subject before and after, and how far the person is then."""
    return [
        {
            "label": then.label,
            "before": hours(now.required),
            "after": hours(then.required),
            "earned": hours(then.earned),
            "done": then.done,
            "missing": hours(then.missing),
        }
        for now, then in zip(before.rows, after.rows, strict=True)
    ]

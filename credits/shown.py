"""Hours as pages show them: a declaration's facts, the lines of the ledger."""

from django.db.models import QuerySet
from django.urls import reverse

from credits.models import Declaration, Source, Verb
from credits.standing import named_subject
from workflow.wording import hours, shown_date


def facts(declaration: Declaration, change_url: str = "") -> list[dict]:
    """Rows for the summary list; with `change_url` each leads back to its field of that page."""
    days = shown_date(declaration.started_on)
    if declaration.ended_on != declaration.started_on:
        days += f" ～ {shown_date(declaration.ended_on)}"
    rows = [
        ("kind_0", "申报形式", declaration.kind.name),
        ("subject_0", "科目", named_subject(declaration.subject)),
        ("title", "活动名称", declaration.title),
        ("organiser", "主办或出版单位", declaration.organiser),
        ("started_on", "起止日期", days),
        ("year", "计入年度", f"{declaration.year} 年"),
        ("hours", "学时", f"{hours(declaration.hours)} 学时"),
        ("level", "级别", declaration.get_level_display()),
        ("rank", "本人排名", f"第 {declaration.rank} 位" if declaration.rank else ""),
        ("certificate_number", "证书或证明编号", declaration.certificate_number),
        ("note", "备注", declaration.note),
    ]
    return [
        {"label": label, "value": value, "change_url": f"{change_url}#id_{field}" if change_url else ""}
        for field, label, value in rows
        if value or change_url
    ]


def entry_rows(entries: QuerySet) -> list[dict]:
    """The ledger of one year, newest first, each line with its source (U8)."""
    entries = entries.select_related("declaration__kind", "record__provider", "organization").order_by(
        "-at", "-pk"
    )
    return [
        {
            "at": shown_date(entry.at),
            "title": _title(entry),
            "url": reverse("workflow:detail", args=[entry.declaration_id]) if entry.declaration_id else "",
            "source": Source(entry.source).label,
            "subject": named_subject(entry.subject),
            "hours": ("−" if entry.hours < 0 else "") + hours(abs(entry.hours)),
            "by": entry.organization.name if entry.organization else entry.record.provider.name,
            "reason": entry.reason,
        }
        for entry in entries
    ]


def _title(entry) -> str:
    title = str(entry.declaration) if entry.declaration else entry.record.title
    return f"撤销 {title}" if entry.verb == Verb.REVERSED else title

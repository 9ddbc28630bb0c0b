"""Hours as pages show them: a declaration's facts and account, the lines of the ledger."""

from django.db.models import QuerySet
from django.urls import reverse

from credits.models import Declaration, Source, Verb
from credits.standing import named_subject
from workflow.wording import hours, shown_date


def facts(declaration: Declaration, change_url: str = "", kinds_url: str = "") -> list[dict]:
    """Rows for the summary list; with `change_url` each leads back to its field of that page, the kind to its own.

    The words for its variant, its quantity and its ranks are those it was filed with, whatever packs say since.
    """
    words = {"variant": "", "measure": "", "member": "", "surcharge": ""}
    words |= declaration.reckoning.get("words", {})
    days = shown_date(declaration.started_on)
    if declaration.ended_on != declaration.started_on:
        days += f" ～ {shown_date(declaration.ended_on)}"
    member = words["member"] or "完成人"
    rows = [
        ("kind", "申报形式", declaration.reckoning.get("name") or declaration.kind.name),
        ("subject_0", "科目", named_subject(declaration.subject)),
        ("variant_0", "类别", words["variant"] or declaration.variant),
        ("level", "级别", declaration.get_level_display()),
        ("title", "活动名称", declaration.title),
        ("organiser", "主办或出版单位", declaration.organiser),
        ("started_on", "起止日期", days),
        ("graduated_on", "毕业或取得日期", _day(declaration.graduated_on)),
        ("year", "计入年度", f"{declaration.year} 年"),
        ("rank", f"本人是第几{member}", f"第 {declaration.rank} {member}" if declaration.rank else ""),
        ("people", "总人数", f"{declaration.people} 人" if declaration.people else ""),
        ("quantity", "数量", _number(declaration.quantity, words["measure"])),
        (
            "surcharge_quantity",
            f"{words['surcharge'] or '附加数量'}的字数",
            _number(declaration.surcharge_quantity, "字"),
        ),
        ("stated_hours", "证明材料上的学时", _number(declaration.stated_hours, "学时")),
        ("filed_in_advance_0", "已事先备案", _yes_no(declaration.filed_in_advance)),
        ("in_plan_0", "已列入单位年度计划", _yes_no(declaration.in_plan)),
        ("certificate_number", "证书或证明编号", declaration.certificate_number),
        ("note", "备注", declaration.note),
    ]
    return [
        {
            "label": label,
            "value": value,
            "change_url": (f"{change_url}#id_{field}" if field != "kind" else kinds_url)
            if change_url
            else "",
        }
        for field, label, value in rows
        if value or (change_url and field in ("certificate_number", "note"))
    ]


def account(reckoning: dict) -> dict | None:
    """The frozen account for components: None for declarations that were filed without one."""
    if not reckoning.get("steps"):
        return None
    steps = [{"text": text, "is_cap": text == reckoning["cap"]} for text, _ in reckoning["steps"]]
    return {**reckoning, "steps": steps}


def _day(day) -> str:
    return shown_date(day) if day else ""


def _number(number, noun: str) -> str:
    return f"{hours(number)} {noun}".strip() if number is not None else ""


def _yes_no(answer: bool | None) -> str:
    return {True: "是", False: "否", None: ""}[answer]


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

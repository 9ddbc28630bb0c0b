"""Exports in words, as the pages show them."""

from typing import NamedTuple

from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils import timezone

from desk.exports.asking import MOST_UNMASKED
from desk.exports.lists import sheet_named
from desk.exports.models import Export, ExportState, Format
from desk.exports.sheets import Sheet
from orgs.actor import Actor
from workflow.wording import NOTHING, shown_time, size

ORDER = ("-pk",)
TAGS = {
    ExportState.WAITING: "wait",
    ExportState.RUNNING: "next",
    ExportState.DONE: "ok",
    ExportState.FAILED: "back",
    ExportState.CANCELLED: "draft",
}


class Fact(NamedTuple):
    label: str
    value: str


class Row(NamedTuple):
    """One line of 导出记录, ready to print."""

    url: str
    at: str
    what: str
    unit: str
    count: str
    detail: str
    tag: tuple[str, str]
    file: str


def tag_of(state: str) -> tuple[str, str]:
    return TAGS[state], ExportState(state).label


def rows_of(actor: Actor) -> QuerySet:
    """The person's exports, as dicts for `keyset.page`."""
    return Export.objects.of(actor).values(
        "pk", "sheet", "format", "masked", "state", "rows_done", "rows_total", "file", "size", "created_at",
        "expires_at", unit=F("scope__name"),
    )  # fmt: skip


def rows(found: list[dict]) -> list[Row]:
    now = timezone.now()
    return [
        Row(
            reverse("desk:export_job", args=[one["pk"]]),
            shown_time(one["created_at"]),
            _label(one["sheet"]),
            one["unit"],
            _count(one["state"], one["rows_done"], one["rows_total"]),
            "脱敏" if one["masked"] else "完整",
            tag_of(one["state"]),
            _file(one["state"], one["file"], one["expires_at"], now),
        )
        for one in found
    ]


def _label(name: str) -> str:
    sheet = sheet_named(name)
    return sheet.label if sheet else name


def _count(state: str, done: int, total: int | None) -> str:
    if state == ExportState.DONE:
        return f"{done:,}"
    return f"{done:,} / {total:,}" if total else NOTHING


def _file(state: str, file: str, expires_at, now) -> str:
    if state != ExportState.DONE:
        return NOTHING
    if expires_at is None:
        return "已直接下载"
    return f"保留至 {shown_time(expires_at)}" if file and expires_at > now else "已过保留期"


def sentence(export: Export) -> str:
    """The state of one export in one sentence."""
    if export.state == ExportState.WAITING:
        return "前面还有导出在进行，轮到后自动开始，完成后会发消息给您，不必留在本页。"
    if export.state == ExportState.RUNNING:
        far = (
            f"已写 {export.rows_done:,} 行，共 {export.rows_total:,} 行。"
            if export.rows_total
            else "正在统计行数。"
        )
        return f"{far}完成后会发消息给您，不必留在本页。"
    if export.state == ExportState.FAILED:
        return export.why_failed
    if export.state == ExportState.CANCELLED:
        return "已取消，没有生成文件。"
    if export.expires_at is None:
        return "这份文件在导出时已直接下载，平台没有保存。"
    if not export.file or export.expires_at <= timezone.now():
        return "文件已过保留期，已经删除。"
    return f"文件大小 {size(export.size)}，保留至 {shown_time(export.expires_at)}。每次下载都会记入导出日志。"


def facts_of_wish(sheet: Sheet, actor: Actor, filters: dict, count: int) -> list[Fact]:
    """What would be exported, before it is asked for."""
    many = f"{MOST_UNMASKED:,} 行以上" if count > MOST_UNMASKED else f"{count:,} 行"
    facts = [Fact("范围", sheet.scope(actor, filters).name + "及下级单位")]
    if sheet.words(filters):
        facts.append(Fact("条件", sheet.words(filters)))
    return [*facts, Fact("行数", many), Fact("内容", "、".join(column.title for column in sheet.columns))]


def facts(export: Export, sheet: Sheet) -> list[Fact]:
    found = [
        Fact("范围", export.scope.name + "及下级单位"),
        Fact("条件", sheet.words(export.filters)),
        Fact("格式", Format(export.format).label),
        Fact("姓名和证件号码", "脱敏" if export.masked else "完整显示"),
        Fact("用途", export.reason),
        Fact("提出时间", shown_time(export.created_at)),
        Fact("行数", f"{export.rows_done:,}" if export.state == ExportState.DONE else ""),
    ]
    return [fact for fact in found if fact.value]


def file_name(export: Export) -> str:
    """Nothing personal: what and when."""
    at = timezone.localtime(export.created_at)
    masked = "" if export.masked else "（未脱敏）"
    return f"{_label(export.sheet)}{at:%Y%m%d-%H%M}{masked}.{export.format}"

"""Batches, problems and waiting records in words, as the pages show them."""

from collections.abc import Iterable

from django.urls import reverse

from accounts.masked import masked_name
from credits.models import BatchState, IntakeBatch
from credits.standing import named_subject
from workflow.wording import hours, shown_date, shown_time, size

TAGS = {
    BatchState.CHECKING: "next",
    BatchState.CHECKED: "wait",
    BatchState.COMMITTING: "next",
    BatchState.DONE: "ok",
    BatchState.FAILED: "back",
    BatchState.CANCELLED: "draft",
}


def tag_of(state: str, wrong: int = 0) -> tuple[str, str]:
    """The state of a batch; a checked one with problems cannot be confirmed."""
    if state == BatchState.CHECKED and wrong:
        return "back", "有问题，不能入账"
    return TAGS[state], BatchState(state).label


def sentence(batch: IntakeBatch) -> str:
    """Where one batch stands, in one sentence."""
    if batch.state == BatchState.CHECKING:
        if not batch.rows_done:
            return "正在等待检查，轮到后自动开始，完成后会发消息给您，不必留在本页。"
        about = f"，大约共 {batch.rows_total:,} 行" if batch.rows_total > batch.rows_done else ""
        return f"正在检查，已读 {batch.rows_done:,} 行{about}。完成后会发消息给您，不必留在本页。"
    if batch.state == BatchState.CHECKED:
        if batch.rows_wrong:
            return f"共 {batch.rows_total:,} 行，其中 {batch.rows_wrong:,} 行需要改正，整个批次没有入账。请改正文件后重新上传。"
        if not batch.rows_new:
            return f"共 {batch.rows_total:,} 行，以前都已经入账，不用再次入账。"
        return f"共 {batch.rows_total:,} 行，没有问题，还没有入账。确认后一次全部入账。"
    if batch.state == BatchState.COMMITTING:
        return f"正在入账 {batch.rows_new:,} 行，全部成功或全部不入账。完成后会发消息给您，不必留在本页。"
    if batch.state == BatchState.DONE:
        return f"已于 {shown_time(batch.committed_at)} 入账 {batch.rows_new:,} 行。"
    if batch.state == BatchState.CANCELLED:
        return "已取消，没有入账。"
    return batch.sentence


def facts(batch: IntakeBatch) -> list[dict]:
    """The rows of the summary list."""
    rows = [
        ("学习平台", batch.provider.name),
        ("文件", f"{batch.name}（{size(batch.size)}）"),
        ("上传", f"{shown_time(batch.created_at)}，{batch.by.name}"),
    ]
    if batch.state in (BatchState.CHECKED, BatchState.COMMITTING, BatchState.DONE):
        new = "已入账" if batch.state == BatchState.DONE else "没有问题" if batch.rows_wrong else "可以入账"
        rows += [
            (new, f"{batch.rows_new:,} 行"),
            (
                "其中人员未注册",
                f"{batch.rows_waiting:,} 行" + ("，注册后自动计入" if batch.rows_waiting else ""),
            ),
            ("以前已入账", f"{batch.rows_known:,} 行"),
            ("需要改正", f"{batch.rows_wrong:,} 行"),
        ]
    return [{"label": label, "value": value} for label, value in rows]


def batch_rows(found: Iterable[dict]) -> list[dict]:
    """The lines of the list, from dicts of `keyset.page`."""
    return [
        {
            "url": reverse("credits:intake_batch", args=[one["pk"]]),
            "at": shown_time(one["created_at"]),
            "name": one["name"],
            "provider": one["provider__name"],
            "rows": f"{one['rows_total']:,}" if one["rows_total"] else "—",
            "wrong": f"{one['rows_wrong']:,}" if one["rows_wrong"] else "—",
            "tag": tag_of(one["state"], one["rows_wrong"]),
        }
        for one in found
    ]


def waiting_rows(found: Iterable[dict]) -> list[dict]:
    """Records whose people are not registered: who, by the mask alone, and what was reported."""
    return [
        {
            "name": masked_name(one["person_name"]) or "—",
            "hint": f"**************{one['person_hint']}",
            "provider": one["provider__name"],
            "what": one["title"],
            "year": one["year"],
            "hours": f"{named_subject(one['subject'])} {hours(one['hours'])}",
            "at": shown_date(one["received_at"]),
        }
        for one in found
    ]

"""FAQ 7: from which day a title counts (职称评审通过时间), by how it was acquired and when (F-13 … F-18).

The FAQ says 前 and 后 2021-05-01 and leaves the day itself open; settings.TITLE_DATE_PIVOT names the first day that
counts from the evaluation.
"""

from datetime import date

from django.conf import settings

from orgs.models import TitleMode


def rule_for(mode: str, day: date | None = None) -> str:
    """The one rule that applies, as a sentence; for an evaluation without a day yet: both of them."""
    pivot = settings.TITLE_DATE_PIVOT
    if mode == TitleMode.EXAMINATION:
        return "经考试取得的，填考试最后一天（生效时间）。"
    if mode == TitleMode.APPOINTMENT:
        return "转正定职取得的，填有职称管理权限的人社部门或主管部门审批之日。"
    if mode != TitleMode.EVALUATION:
        return ""
    before = f"经评审取得、在 {pivot} 以前的，填公布之日。"
    after = f"经评审取得、在 {pivot} 以后（含当日）的，填评审通过之日。"
    if day is None:
        return f"{before}{after}"
    return after if day >= pivot else before


def all_rules() -> dict[str, str]:
    """Every rule by its mode, for a page that cannot know which one applies before it is sent."""
    return {mode.value: rule_for(mode) for mode in TitleMode}


def basis(mode: str, day: date) -> str:
    """What the date means for a title, in a word: shown beside the date on the check page and to the reviewer."""
    if mode == TitleMode.EXAMINATION:
        return "考试最后一天"
    if mode == TitleMode.APPOINTMENT:
        return "审批之日"
    return "评审通过之日" if day >= settings.TITLE_DATE_PIVOT else "公布之日"

"""The rule in one sentence that people read, generated from the data, so that it can never say something else."""

from collections.abc import Iterable
from decimal import Decimal

from credits.rules.shapes import Activity, Cap, Rate, Relief, Surcharge
from credits.rules.words import LEVELS, MEASURES, PRECONDITIONS, UNITS, shown

UNPUBLISHED = "本地折算标准尚未公布，按证明材料上的学时申报，由审核、审验部门认定"


def line_of(activity: Activity, groups: dict[str, str], caps: Iterable[Cap] = ()) -> str:
    parts = [_rate(row, activity) for row in activity.rates] or [activity.note or UNPUBLISHED]
    parts += [_surcharge(row, activity.surcharge_name) for row in activity.surcharges]
    parts += [_counts(activity), *(PRECONDITIONS[one] for one in activity.preconditions)]
    if activity.providers:
        parts.append(f"主办单位限：{'、'.join(activity.providers)}")
    if activity.exclusive:
        parts.append("同一成果只按最高的一项计")
    parts += [f"每年最多计 {shown(cap.hours)} 学时" for cap in activity.caps]
    parts += [
        f"与“{groups.get(cap.name, cap.name)}”合计每年最多 {shown(cap.hours)} 学时"
        for cap in caps
        if cap.per == "group" and cap.name == activity.group
    ]
    return "；".join(part for part in parts if part) + "。"


def _rate(row: Rate, activity: Activity) -> str:
    which = LEVELS.get(row.level, "") + activity.variants.get(row.variant, "")
    per = f"{UNITS[row.per].label} " if row.per else ""
    full = "（不足一个单位的不计）" if row.only_full else ""
    least = f"，{shown(row.least)} {MEASURES[row.measure]}以上才计" if row.least else ""
    last = f"，只计前 {row.last} 位{activity.member}" if row.last else ""
    return (f"{which}：" if which else "") + per + _amount(row, activity) + full + least + last


def _amount(row: Rate, activity: Activity) -> str:
    first = activity.leader or f"第 1 {activity.member}"
    alone = f"独立完成 {shown(row.alone)} 学时，" if row.alone is not None else ""
    if row.fills:
        return "计满本年度该科目"
    if row.ranks:
        many = len(row.ranks) > 1
        whom = f"第 1 至 {len(row.ranks)} {activity.member}依次" if many else f"只计{first}"
        return f"{whom} {'、'.join(map(shown, row.ranks))} 学时"
    if row.less is not None:
        return f"{alone}{first} {shown(row.first)} 学时，每后一位少 {shown(row.less)} 学时"
    if row.first is not None:
        return f"{alone}{first} {shown(row.first)} 学时，其他{activity.member}各 {shown(row.others)} 学时"
    return f"{'' if row.per else '每项 '}{shown(row.hours)} 学时"


def _surcharge(row: Surcharge, name: str) -> str:
    bounds = [
        f"超过 {shown(row.above)} 字" if row.above else "",
        f"{shown(row.up_to)} 字以内" if row.up_to else "",
    ]
    length = "、".join(bound for bound in bounds if bound)
    return f"{LEVELS.get(row.level, '')}{name}{f'（{length}）' if length else ''}另加 {shown(row.hours)} 学时"


def _counts(activity: Activity) -> str:
    years = activity.years
    return {
        "during": "",
        "finished": "只在完成或取得的当年有效",
        "yearly": "进行期间每年计一次" + (f"，最多计 {years} 年" if years else ""),
        "within": f"取得后 {years} 年内有效，计一次",
        "spread": f"分 {years} 年平均计入",
    }[activity.counts]


def relief_line(relief: Relief) -> str:
    rule = {
        "exempt": "免除本年度全部学时要求",
        "months": "按减免月数占全年的比例减少各项学时要求",
        "fraction": f"各项学时要求减少 {shown((relief.value or Decimal(0)) * 100)}%",
    }.get(relief.effect, "")
    return f"{rule}。"

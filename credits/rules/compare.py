"""What one pack says differently from another, in words: for the person who has to answer for the difference."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from credits.rules.required import label_of
from credits.rules.shapes import Activity, Cap, Minimum, Pack
from credits.rules.words import MARKS, SOURCES, TITLE_LEVELS, shown

HEAD, YEAR, ACTIVITIES, CAPS, RELIEFS = "基本信息", "年度要求", "申报形式", "上限", "减免"


@dataclass(frozen=True)
class Change:
    """One line: in which `section`, of what, how it was and how it is; "" where there was, or is, nothing."""

    section: str
    what: str
    before: str
    after: str

    @property
    def kind(self) -> str:
        """新增, 取消 or 改动."""
        return "新增" if not self.before else "取消" if not self.after else "改动"


def changes(before: Pack, after: Pack) -> list[Change]:
    """Every difference, section by section; [] when both say the same."""
    return [
        *_differing(HEAD, _head(before), _head(after)),
        *_differing(YEAR, _minimums(before), _minimums(after)),
        *_activities(before, after),
        *_differing(CAPS, _caps(before), _caps(after)),
        *_differing(
            RELIEFS,
            {
                code: (one.name, one.line + _also("须提交", one.evidence))
                for code, one in before.reliefs.items()
            },
            {
                code: (one.name, one.line + _also("须提交", one.evidence))
                for code, one in after.reliefs.items()
            },
        ),
    ]


def effects(before: Pack, after: Pack) -> list[Change]:
    """The same without what binds nobody: names of packs, their sources and the documents that they cite."""
    return [one for one in changes(_binding(before), _binding(after)) if one.section != HEAD]


def _binding(pack: Pack) -> Pack:
    return replace(
        pack,
        basis="",
        minimums=tuple(replace(one, basis="") for one in pack.minimums),
        activities={code: replace(one, basis="") for code, one in pack.activities.items()},
    )


def minimum_in_words(one: Minimum, names: dict[str, str]) -> str:
    """Whose and which hours one minimum counts: 合计（高级、中级职称）."""
    levels = "、".join(TITLE_LEVELS[level] for level in one.levels)
    return label_of(one, names) + (f"（{levels}职称）" if levels else "")


def cap_in_words(one: Cap, pack: Pack) -> str:
    """What a cap of the pack is about: 论文论著合计, 学习平台, 每个机构."""
    names = {
        "group": pack.groups.get(one.name, one.name),
        "source": SOURCES.get(one.name, one.name),
        "subject": pack.subjects.get(one.name, one.name),
        "provider": one.name or "每个机构",
    }
    return names.get(one.per, one.name) + ("合计" if one.per == "group" else "")


def _differing(section: str, before: dict, after: dict) -> list[Change]:
    """Of two dicts key → (what, words)."""
    found = []
    for key in dict.fromkeys([*before, *after]):
        was, now = before.get(key, ("", "")), after.get(key, ("", ""))
        if was != now:
            found.append(Change(section, now[0] or was[0], was[1], now[1]))
    return found


def _head(pack: Pack) -> dict[str, tuple[str, str]]:
    facts = {
        "名称": pack.name,
        "依据": pack.basis,
        "来源": pack.origin,
        "可信程度": MARKS.get(pack.mark, pack.mark),
        "开始年度": f"{pack.year_from} 年",
        "结束年度": f"{pack.year_to} 年" if pack.year_to else "",
        "适用的职称系列": "、".join(pack.series),
        "与上级规则的关系": "" if pack.inherits else "自成一套，不叠加上级的规则",
        "去掉上级的形式或减免": "、".join(pack.remove),
        "新旧衔接": _transition(pack),
        "说明": pack.note,
    }
    return {what: (what, words) for what, words in facts.items()}


def _transition(pack: Pack) -> str:
    old = pack.transition
    return f"{old.newcomers_from} 年以前进入的人到 {old.until} 年仍按“{old.keeps}”" if old else ""


def _minimums(pack: Pack) -> dict:
    found = {("subject", code): (f"科目 {code}", label) for code, label in pack.subjects.items()}
    for one in pack.minimums:
        what = minimum_in_words(one, pack.subjects)
        key = (frozenset(one.subjects), one.source, frozenset(one.levels))
        found[key] = (what, f"不少于 {shown(one.hours)} 学时{_basis(one, pack)}")
    return found


def _basis(one, pack: Pack) -> str:
    return f"（依据：{one.basis}）" if one.basis not in ("", pack.basis) else ""


def _caps(pack: Pack) -> dict:
    found = {("of", code): (f"分组 {code}", label) for code, label in pack.groups.items()}
    for one in pack.caps:
        found[one.per, one.name] = (cap_in_words(one, pack), f"每年最多计 {shown(one.hours)} 学时")
    return found


_ASPECTS: dict[str, Callable[[Activity, Pack], str]] = {
    "名称": lambda one, pack: one.name,
    "折算": lambda one, pack: one.line,
    "计入科目": lambda one, pack: "、".join(pack.subjects.get(code, code) for code in one.subjects),
    "证明材料": lambda one, pack: "、".join(one.evidence),
    "一次最多": lambda one, pack: f"{shown(one.max_hours)} 学时",
    "称呼": lambda one, pack: "、".join(word for word in (one.leader, one.member) if word),
    "同一成果": lambda one, pack: one.exclusive,
    "依据": lambda one, pack: one.basis,
    "说明": lambda one, pack: one.note,
}


def _activities(before: Pack, after: Pack) -> Iterable[Change]:
    for code in dict.fromkeys([*before.activities, *after.activities]):
        was, now = before.activities.get(code), after.activities.get(code)
        if was is None or now is None:
            one = now or was
            yield Change(ACTIVITIES, one.name, was.line if was else "", now.line if now else "")
            continue
        for aspect, words in _ASPECTS.items():
            old, new = words(was, before), words(now, after)
            # An activity's basis is the pack's where it has none of its own: said once, under 基本信息.
            if aspect == "依据" and was.basis == before.basis and now.basis == after.basis:
                continue
            if old != new:
                yield Change(ACTIVITIES, f"{now.name}：{aspect}", old, new)


def _also(word: str, values: Iterable[str]) -> str:
    named = "、".join(values)
    return f"{word}{named}。" if named else ""

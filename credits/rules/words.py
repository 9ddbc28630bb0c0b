"""The words that policy packs use, and how numbers read. Codes are what the database stores; labels are shown."""

from dataclasses import dataclass
from decimal import Decimal

# Codes of credits.models.Level and orgs.models.TitleLevel; a test holds them together.
LEVELS = {
    "international": "国际",
    "national": "国家级",
    "province": "省（部）级",
    "city": "市级",
    "county": "县级",
    "unit": "本单位",
}
TITLE_LEVELS = {
    "senior": "正高级",
    "vice_senior": "副高级",
    "middle": "中级",
    "assistant": "助理级",
    "clerk": "员级",
}
SOURCES = {"platform": "学习平台", "declaration": "个人申报"}
MARKS = {"stated": "原文可查", "found": "见于公开来源，尚待核对", "unverified": "未核实"}
PRECONDITIONS = {"filed": "须事先备案", "planned": "须列入单位年度计划"}


@dataclass(frozen=True)
class Unit:
    """What hours are given per: `size` of `measure` make one unit; `whole` where there are no parts of one."""

    label: str
    measure: str
    size: Decimal = Decimal(1)
    whole: bool = False


UNITS = {
    "day": Unit("每天", "days"),
    "half-day": Unit("每半天", "half-days", whole=True),
    "hour": Unit("每小时", "hours"),
    "period": Unit("每 45 分钟", "periods"),
    "course": Unit("每门", "courses", whole=True),
    "module": Unit("每个模块", "modules", whole=True),
    "credit": Unit("每学分", "credits"),
    "1000-characters": Unit("每千字", "characters", Decimal(1000)),
    "10000-characters": Unit("每万字", "characters", Decimal(10000)),
}
MEASURES = {
    "days": "天",
    "half-days": "个半天",
    "hours": "小时",
    "periods": "个 45 分钟",
    "courses": "门",
    "modules": "个模块",
    "credits": "学分",
    "characters": "字",
    "points": "积分",
}


def source_of(source: str) -> str:
    """The pack's word for where hours came from: the ledger says "import" for what a platform reported."""
    return "platform" if source == "import" else source


def shown(number: Decimal) -> str:
    """12.5, 20, 10000: without needless zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

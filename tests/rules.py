"""Words of the tests of credits.rules: packs by name, facts with the usual answers."""

import datetime
from decimal import Decimal
from pathlib import Path

from credits.rules.pack import Pack, read
from credits.rules.reckon import Already, Facts, Item, Reckoning, reckon

EXAMPLES = Path(__file__).parent / "rules_examples"
PACKS = Path(__file__).parents[1] / "credits" / "rules" / "packs"
NOTHING = Already()


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def dec(hours) -> Decimal:
    return Decimal(str(hours))


def pack(name: str) -> Pack:
    """A shipped pack, or an example of the tests."""
    folder = PACKS if (PACKS / f"{name}.toml").exists() else EXAMPLES
    return read((folder / f"{name}.toml").read_text(encoding="utf-8"))


def facts(kind: str, **answers) -> Facts:
    """One spring day of 2026 in the professional subject, unless told otherwise; numbers become Decimals."""
    for name in ("stated", "quantity", "surcharge_quantity"):
        if answers.get(name) is not None:
            answers[name] = dec(answers[name])
    for name in ("started_on", "ended_on", "graduated_on"):
        if isinstance(answers.get(name), str):
            answers[name] = day(answers[name])
    usual = {"year": 2026, "subject": "professional", "started_on": day("2026-03-02")}
    if "quantity" in answers and "started_on" not in answers:
        usual |= {"started_on": day("2026-03-02"), "ended_on": day("2026-06-30")}
    return Facts(kind=kind, **(usual | answers))


def worth(name: str | Pack, kind: str, already: Already = NOTHING, **answers) -> Reckoning:
    rules = pack(name) if isinstance(name, str) else name
    return reckon(rules, facts(kind, **answers), already)


def counted(same: str, hours, year: int = 2026, title: str = "") -> Item:
    return Item(same, dec(hours), year, title)


def text(rules: str, head: str = "") -> str:
    """A pack around some rules; `head` adds to its top."""
    return f"""
code = "example"
name = "样例"
basis = "依据"
origin = "测试"
mark = "unverified"
year_from = 2021
{head}
[subjects]
public = "公需科目"
professional = "专业科目"
{rules}
"""

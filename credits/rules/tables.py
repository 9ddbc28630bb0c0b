"""Strict reading of TOML tables: every key is asked for by name and shape; whatever is wrong is collected, with its place.

Reading goes on after a mistake (with an empty value), so that one look at a file shows all its mistakes.
"""

import re
import tomllib
from collections.abc import Collection
from decimal import Decimal, DecimalException

from credits.rules.words import shown

MOST_HOURS = Decimal(1000)
_CODE = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


class Malformed(Exception):
    """The file is not a policy pack. `errors`: where in the file, and one sentence that says what to do."""

    def __init__(self, errors: list[tuple[str, str]]):
        self.errors = errors
        super().__init__("\n".join(f"{where}：{sentence}" for where, sentence in errors))


def parse(text: str) -> dict:
    try:
        return tomllib.loads(text, parse_float=_decimal)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        where = f"第 {place[1]} 行" if place else "文件末尾" if "end of document" in str(error) else "全文"
        raise Malformed([(where, f"不符合 TOML 的写法，请检查引号、括号和等号（{error}）。")]) from None
    except (ValueError, RecursionError):
        raise Malformed([("全文", "有过长的数字或过深的嵌套，请删去。")]) from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text.replace("_", ""))
    except DecimalException:
        return Decimal("NaN")


class Table:
    """One table of the file. Every method takes a key out; `close` reports the keys that nobody asked for."""

    def __init__(self, values: object, where: str, errors: list[tuple[str, str]]):
        self.where, self.errors = where, errors
        self.names = list(values) if isinstance(values, dict) else []
        self._left = dict(values) if isinstance(values, dict) else {}
        if not isinstance(values, dict):
            errors.append((where, "这里应是一个表，请写成“名称 = 值”。"))

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def at(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def wrong(self, key: str, sentence: str) -> None:
        self.errors.append((self.at(key) if key else self.where, sentence))

    def close(self) -> None:
        for key in self._left:
            self.wrong(key, "没有这个名称，请对照 packs/README.md 改正或删去。")

    def _take(self, key: str, required: bool):
        if key in self._left:
            return self._left.pop(key)
        if required:
            self.wrong(key, "缺少这一项，请补上。")
        return None

    def text(self, key: str, *, required: bool = False, most: int = 500) -> str:
        value = self._take(key, required)
        return "" if value is None else self._sentence(key, value, most)

    def _sentence(self, key: str, value: object, most: int) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > most or not value.isprintable():
            self.wrong(key, f"请填一行文字，放在引号里，不超过 {most} 个字。")
            return ""
        return value.strip()

    def texts(self, key: str, *, most: int = 100) -> tuple[str, ...]:
        values = self._list(key, False)
        found = [self._sentence(f"{key}[{n}]", value, most) for n, value in enumerate(values, 1)]
        self._no_doubles(key, found)
        return tuple(found)

    def word(self, key: str, known: Collection[str], *, required: bool = False, default: str = "") -> str:
        """One of the known codes."""
        value = self._take(key, required)
        return default if value is None else self._known(key, value, known)

    def words(self, key: str, known: Collection[str], *, required: bool = False) -> tuple[str, ...]:
        values = self._list(key, required)
        found = [self._known(f"{key}[{n}]", value, known) for n, value in enumerate(values, 1)]
        self._no_doubles(key, found)
        return tuple(found)

    def _known(self, key: str, value: object, known: Collection[str]) -> str:
        if isinstance(value, str) and value in known:
            return value
        self.wrong(key, f"请改为其中之一：{'、'.join(known) or '（文件里还没有定义）'}。")
        return ""

    def code(self, key: str, *, required: bool = False) -> str:
        value = self._take(key, required)
        return "" if value is None else self.as_code(key, value)

    def codes(self, key: str) -> tuple[str, ...]:
        found = [self.as_code(f"{key}[{n}]", value) for n, value in enumerate(self._list(key, False), 1)]
        self._no_doubles(key, found)
        return tuple(found)

    def as_code(self, key: str, value: object, most: int = 40) -> str:
        if isinstance(value, str) and _CODE.fullmatch(value) and len(value) <= most:
            return value
        self.wrong(key, f"代码只用小写字母、数字和连字符，以字母开头，不超过 {most} 个字符。")
        return ""

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._take(key, False)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.wrong(key, "请填 true 或 false，不加引号。")
            return default
        return value

    def whole(self, key: str, least: int, most: int, *, required: bool = False) -> int | None:
        value = self._take(key, required)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong(key, f"请填 {least} 到 {most} 之间的整数。")
            return None
        return value

    def number(
        self, key: str, *, required: bool = False, most: Decimal = MOST_HOURS, places: int = 1
    ) -> Decimal | None:
        """More than nothing, at most `most`, with at most so many decimals."""
        value = self._take(key, required)
        return None if value is None else self._number(key, value, most, places)

    def numbers(self, key: str) -> tuple[Decimal, ...]:
        found = [
            self._number(f"{key}[{n}]", value, MOST_HOURS, 1)
            for n, value in enumerate(self._list(key, False), 1)
        ]
        return tuple(value for value in found if value is not None)

    def _number(self, key: str, value: object, most: Decimal, places: int) -> Decimal | None:
        if isinstance(value, int) and not isinstance(value, bool):
            value = Decimal(value)
        if isinstance(value, Decimal) and value.is_finite() and 0 < value <= most:
            if value == round(value, places):
                return value
            self.wrong(key, f"最多写 {places} 位小数。")
            return None
        self.wrong(key, f"请填大于 0、不超过 {shown(most)} 的数，不加引号。")
        return None

    def _list(self, key: str, required: bool) -> list:
        value = self._take(key, required)
        if value is None:
            return []
        if not isinstance(value, list) or not value:
            self.wrong(key, "这里应是一个列表，请把各项放在方括号里，至少一项。")
            return []
        return value

    def _no_doubles(self, key: str, found: list[str]) -> None:
        named = [one for one in found if one]
        for one in sorted({one for one in named if named.count(one) > 1}):
            self.wrong(key, f"“{one}”写了不止一次，请只留一次。")

    def table(self, key: str) -> "Table | None":
        value = self._take(key, False)
        return None if value is None else Table(value, self.at(key), self.errors)

    def tables(self, key: str) -> list["Table"]:
        """Of a list, [[key]]."""
        return [
            Table(value, f"{self.at(key)}[{n}]", self.errors)
            for n, value in enumerate(self._list(key, False), 1)
        ]

    def by_code(self, key: str) -> dict[str, "Table"]:
        """[key.code] each."""
        table = self.table(key)
        return {code: table.table(code) for code in table.names if table.as_code(code, code)} if table else {}

    def labels(self, key: str, most: int = 40, code_most: int = 40) -> dict[str, str]:
        """Codes and their Chinese names."""
        table = self.table(key)
        if table is None:
            return {}
        return {
            code: table.text(code, most=most) for code in table.names if table.as_code(code, code, code_most)
        }

"""The pages: one certificate on one A4 sheet, or a person's years with a cover. Same input, same bytes.

Typst sets them (paper.typ) with the fonts of this package alone: no system font, no request to outside. The words
travel as data, never as markup. The bytes are the same for one version of typst; what people keep is checked by its
signature, not by printing it again.
"""

import base64
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock

import segno
import typst

from credits.paper.content import Content, grouped, verification_address
from credits.paper.glyphs import FONTS, breakable, shown
from credits.paper.signing import Signature

TEMPLATE = Path(__file__).resolve().parent / "paper.typ"
TITLE = "继续教育电子证书"
OVER = "专业技术人员"
BY_HAND = "平台首页 › 综合查询 › 电子证书查验"

_one_at_a_time = Lock()  # the compiler is one object and keeps the fonts open


@dataclass(frozen=True)
class Signed:
    """One certificate to print: what certificate_pdf takes, as one value."""

    content: Content
    code: str
    signature: Signature
    verify_url: str


@dataclass(frozen=True)
class Row:
    """One year on a bundle's cover. `number` is "" where there is no certificate, `state` then says what is missing."""

    year: int
    hours: str
    number: str
    state: str


def certificate_pdf(content: Content, code: str, signature: Signature, verify_url: str) -> bytes:
    """One A4 page. `verify_url` is the public page's address; the QR code adds number and code to it.

    Without an address ("" while CPE_URL is not set) the page says where to click, and the QR code holds number and code.
    """
    one = Signed(content, code, signature, verify_url)
    return _compiled(f"{TITLE} {content.number}", content.issuer, content.issued_on, pages=[_page(one)])


def bundle_pdf(
    title: str,
    person: Iterable[tuple[str, str]],
    rows: Iterable[Row],
    certificates: Iterable[Signed],
    made_on: date,
) -> bytes:
    """A cover that lists the years, then one page for each certificate.

    `person` are (label, value) as the cover shows them, the name first; the ID number masked.
    """
    certificates = list(certificates)
    cover = {
        "heading": breakable(title),
        "over": OVER,
        "under": f"{_day(made_on)} 生成",
        "facts": [
            [breakable(label), breakable(value), place == 0] for place, (label, value) in enumerate(person)
        ],
        "rows": [
            [f"{row.year} 年", breakable(row.hours), breakable(row.number, 28) or "—", breakable(row.state)]
            for row in rows
        ],
        "notes": [
            f"后附证书 {len(certificates)} 张。" if certificates else "没有可附的证书。",
            "每张证书可单独查验；证书签发后学时有变更或证书被撤销的，以查验页面显示的状态为准。",
        ],
    }
    issuer = certificates[0].content.issuer if certificates else ""
    return _compiled(shown(title), issuer, made_on, cover=cover, pages=map(_page, certificates))


def _page(one: Signed) -> dict:
    content = one.content
    year = f"{content.year} 年度"
    return {
        "heading": TITLE,
        "over": OVER,
        "under": year,
        "facts": [
            ["姓名", breakable(content.name), True],
            ["证件号码", breakable(content.id_number_masked, 24), False],
            ["工作单位", breakable(content.unit) or "—", False],
        ],
        "sentence": f"经审验，持证人 {year}参加专业技术人员继续教育，完成的学时符合年度要求，特发此证。",
        "lines": [
            [breakable(label), f"{breakable(hours)} 学时", f"{breakable(required)} 学时" if required else "—"]
            for label, hours, required in content.lines
        ],
        "notes": [
            [label, breakable(text)]
            for label, text in (("减免说明", content.relief), ("依据", content.basis))
            if text
        ],
        "number": shown(content.number),
        "code": grouped(one.code),
        "issuer": breakable(content.issuer),
        "issued": _day(content.issued_on),
        "address": _address(one),
        "qr": _qr(one),
        "qr-alt": f"二维码：查验证书 {content.number}",
        "how": _how(one.verify_url),
        "key-id": one.signature.key_id,
        "signature": base64.b64encode(one.signature.value).decode("ascii"),
    }


def _how(verify_url: str) -> list[tuple[str, str]]:
    """In rows of (label, words)."""
    return [
        ("验证地址", breakable(verify_url.partition("?")[0], 70) or BY_HAND),
        (
            "查验方法",
            "扫描二维码，或打开验证地址输入证书编号和查验码，页面显示的姓名、年度、学时应与本证书一致。"
            "签发后学时有变更或证书被撤销的，以页面显示的状态为准。",
        ),
    ]


def _address(one: Signed) -> str:
    return verification_address(one.verify_url, one.content.number, one.code) if one.verify_url else ""


def _qr(one: Signed) -> str:
    text = _address(one) or f"{one.content.number} {one.code}"
    picture = io.BytesIO()
    segno.make_qr(text, error="m").save(
        picture, kind="svg", border=0, dark="#1C2A30", xmldecl=False, svgns=True, omitsize=True
    )
    return picture.getvalue().decode("utf-8")


def _day(day: date) -> str:
    return f"{day.year} 年 {day.month} 月 {day.day} 日"


def _compiled(
    title: str, author: str, day: date, *, pages: Iterable[dict], cover: dict | None = None
) -> bytes:
    data = {"title": shown(title), "author": shown(author), "cover": cover, "pages": list(pages)}
    # Tagged, with language, title and the picture's description: a screen reader can read it.
    return _set(data, day, format="pdf", pdf_standards=["ua-1"])


def _set(data: dict, day: date, **how) -> bytes:
    morning = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)  # in China it is the same day
    with _one_at_a_time:
        return _compiler().compile(
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)}, timestamp=morning, **how
        )


@lru_cache(maxsize=1)
def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[str(FONTS)])
    return typst.Compiler(
        str(TEMPLATE), root=str(TEMPLATE.parent), font_paths=fonts, ignore_system_fonts=True
    )

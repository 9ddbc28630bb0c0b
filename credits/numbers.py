"""Numbers on proofs as keys: the same certificate, DOI, ISBN or patent written in two ways has one key.

"ISBN 7-111-07575-3" and "9787111075752", "ZL 2021 1 0123456.6" and "202110123456.6" are the same. A number that names
a journal and not what stands in it (ISSN, 国内统一刊号) is no key: a thousand papers share it. What is too short to
name anything ("无", "12") is no key either.
"""

import re
import unicodedata

LONGEST = 60  # of the columns that hold a key
SHORTEST = 5
_LABEL = re.compile(
    r"^(?:(?:证书|证明|证件|文件|结业证|合格证|专利|专利申请|授权公告|登记|标准|项目|课题)?(?:编号|号码|号)|NO\.?|№|DOI|ISBN)[:：.\s]*"
)
_DOI = re.compile(r"(?:HTTPS?://)?(?:DX\.)?(?:DOI\.ORG/)?(10\.\d{4,9}/\S+)")
_JOURNAL = re.compile(
    r"(?:ISSN[:：\s]*\d{4}-?\d{3}[\dX]|(?:刊号[:：\s]*)?CN[:：\s]*\d{2}-\d{4}(?:/[A-Z0-9]{1,3})?)"
)
_BETWEEN = re.compile(r"[^0-9A-Z\u4e00-\u9fff]+")
_NO_PATENT = re.compile(r"[^0-9A-Z.]+")
_ISBN_13, _ISBN_10 = re.compile(r"97[89]\d{10}"), re.compile(r"\d{9}[\dX]")
_DIGIT = re.compile(r"\d")
_PATENT = re.compile(r"(ZL|CN)?((?:19|20)\d{2}[1-9]\d{7}|\d{8})\.?([\dX])")


def key_of(number: str) -> str:
    """The key of a number as people write it; "" when it names no single proof or work."""
    text = " ".join(unicodedata.normalize("NFKC", number).upper().split())
    if _JOURNAL.fullmatch(text):
        return ""
    text = _LABEL.sub("", text).strip()
    found = _DOI.fullmatch(text)
    if found:
        return f"DOI{found[1]}"[:LONGEST]
    bare = _BETWEEN.sub("", text)
    return (_isbn(bare) or _patent(_NO_PATENT.sub("", text)) or _other(bare))[:LONGEST]


def _isbn(bare: str) -> str:
    bare = bare.removeprefix("ISBN")
    if _ISBN_13.fullmatch(bare) and _check_13(bare[:12]) == bare[12]:
        return f"ISBN{bare}"
    if _ISBN_10.fullmatch(bare):
        total = sum((10 - place) * int(digit) for place, digit in enumerate(bare[:9]))
        if "0123456789X"[-total % 11] == bare[9]:
            return f"ISBN978{bare[:9]}{_check_13('978' + bare[:9])}"
    return ""


def _check_13(first: str) -> str:
    return str(-sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(first)) % 10)


def _patent(text: str) -> str:
    """A Chinese application number: with its prefix, or recognised by its check character."""
    found = _PATENT.fullmatch(text)
    if not found:
        return ""
    prefix, digits, check = found.groups()
    if prefix or (len(digits) == 12 and check == _check_of_patent(digits)):
        return f"ZL{digits}{check}"
    return ""


def _check_of_patent(digits: str) -> str:
    weights = [2, 3, 4, 5, 6, 7, 8, 9] * 2
    return "0123456789X"[sum(int(one) * weight for one, weight in zip(digits, weights, strict=False)) % 11]


def _other(bare: str) -> str:
    bare = bare.removeprefix("第").removesuffix("号")
    return bare if len(bare) >= SHORTEST and _DIGIT.search(bare) else ""

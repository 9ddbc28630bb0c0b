"""The unified social credit code (统一社会信用代码, GB 32100-2015) and the platform's temporary code (F-92).

The outer check character is a hard error. The inner one (organisation code, GB 11714-1997) is a warning for the
reviewer: registries have issued codes that break it. Checked here and not by a library, because the known one
refuses village collectives (codes that begin with N).
"""

import re

from django import forms
from django.core.exceptions import ValidationError

from accounts.id_number import normalise

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # without I, O, S, V, Z
WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
INNER_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# "S" is in no credit code, so a temporary code can never be taken for one. The last two places of the division
# may be a letter and a digit: a functional zone's local code.
TEMPORARY = re.compile(r"LS[0-9]{4}[0-9A-Z][0-9][0-9]{9}[0-9A-Z]")


class InvalidUscc(ValueError):
    """A text is no credit code. The message is one Chinese sentence; `code` names the failure."""

    def __init__(self, code: str, sentence: str):
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def parse(text: str) -> str:
    """Return the credit code that `text` writes, normalised. Raise InvalidUscc."""
    code = normalise(text)
    if not code:
        raise InvalidUscc("empty", "请填写统一社会信用代码。")
    if len(code) != 18:
        raise InvalidUscc("length", f"统一社会信用代码应为 18 位，您填写了 {len(code)} 位。")
    if re.search(r"[^0-9A-Z]", code):
        raise InvalidUscc("characters", "统一社会信用代码只由数字和英文字母组成。")
    if re.search(r"[IOSVZ]", code):
        raise InvalidUscc(
            "letters", "统一社会信用代码不使用字母 I、O、S、V、Z，请核对是否把数字 1、0、5、2 写成了字母。"
        )
    if not code[2:8].isdigit():
        raise InvalidUscc("division", "统一社会信用代码第 3 至 8 位是行政区划代码，应全部为数字。")
    if outer_check(code[:17]) != code[17]:
        raise InvalidUscc("check", "统一社会信用代码与最后一位校验码不符，请对照证书逐位核对。")
    return code


def outer_check(first17: str) -> str:
    """Return the 18th character (GB 32100)."""
    total = sum(ALPHABET.index(char) * weight for char, weight in zip(first17, WEIGHTS, strict=True))
    return ALPHABET[-total % 31]


def inner_check(eight: str) -> str:
    """Return the 9th character of an organisation code (GB 11714), which is the 17th of a credit code."""
    total = sum(BASE36.index(char) * weight for char, weight in zip(eight, INNER_WEIGHTS, strict=True))
    return "0123456789X"[-total % 11]


def warning(code: str) -> str:
    """Return what a reviewer should know about a valid code, or "". Temporary codes have no inner part."""
    if is_temporary(code) or inner_check(code[8:16]) == code[16]:
        return ""
    return "第 9 至 17 位（组织机构代码）的校验码不符，少数真实代码如此，请对照证书核对。"


def is_temporary(code: str) -> bool:
    """Whether `code` (normalised) is one of the platform's temporary codes, check character included."""
    return bool(TEMPORARY.fullmatch(code)) and temporary_check(code[:17]) == code[17]


def make_temporary(division: str, serial: int) -> str:
    """Return the temporary code number `serial` (0 … 999999999) of a division. The caller keeps serials unique."""
    if not re.fullmatch(r"[0-9]{4}[0-9A-Z][0-9]", division):
        raise ValueError(f"not a division code: {division!r}")
    if not 0 <= serial <= 999_999_999:
        raise ValueError(f"serial out of range: {serial}")
    body = f"LS{division}{serial:09d}"
    return body + temporary_check(body)


def temporary_check(body: str) -> str:
    """Return the check character of 17 letters and digits (ISO 7064 MOD 37,36): no single slip passes."""
    product = 36
    for char in body:
        total = (product + BASE36.index(char)) % 36 or 36
        product = total * 2 % 37
    return BASE36[(37 - product) % 36]


class UsccField(forms.CharField):
    """A text box that cleans to a normalised credit code, or to a temporary code where `temporary` allows it."""

    def __init__(self, *, temporary: bool = True, **kwargs):
        kwargs.setdefault("label", "统一社会信用代码")
        kwargs.setdefault(
            "help_text", "18 位，与法人证书或营业执照一致；没有代码的单位请填写平台发放的临时代码"
        )
        super().__init__(**kwargs)
        self.temporary = temporary
        self.error_messages["required"] = "请填写统一社会信用代码。"

    def widget_attrs(self, widget):
        return super().widget_attrs(widget) | {
            "autocomplete": "off",
            "autocapitalize": "characters",
            "spellcheck": "false",
            "maxlength": "64",
        }

    def to_python(self, value):
        value = super().to_python(value)
        if value in self.empty_values:
            return value
        code = normalise(value)
        if self.temporary and code.startswith("LS"):
            if is_temporary(code):
                return code
            raise ValidationError("临时代码有误，请对照平台发放的代码逐位核对。", code="temporary")
        try:
            return parse(code)
        except InvalidUscc as error:
            raise ValidationError(error.sentence, code=error.code) from None

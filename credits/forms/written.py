"""Numbers as people write them."""

import re
import unicodedata
from decimal import Decimal

from django import forms

from workflow.wording import hours as shown

_NUMBER = re.compile(r"(\d{1,9})(?:\.(\d)0*)?", re.ASCII)
_NOUNS = "天个半小时门字位人学分积点模块"


class WrittenNumberField(forms.CharField):
    """A number above 0 with at most one decimal, none when `whole`: full-width digits, "3,500" and "3 天" are read.

    Gives a Decimal, or an int when `whole`; None when nothing was written.
    """

    def __init__(self, *, most: Decimal, whole: bool = False, **kwargs):
        kwargs.setdefault("max_length", 20)
        kwargs.setdefault(
            "widget", forms.TextInput(attrs={"class": "w-s", "inputmode": "decimal", "autocomplete": "off"})
        )
        super().__init__(**kwargs)
        self.most, self.whole = most, whole

    def clean(self, value):
        text = super().clean(value)
        if not text:
            return None
        text = "".join(unicodedata.normalize("NFKC", text).split()).replace(",", "").rstrip(_NOUNS)
        found = _NUMBER.fullmatch(text)
        number = Decimal(".".join(part for part in found.groups() if part)) if found else None
        bad = number is None or not 0 < number <= self.most
        if bad or (self.whole and number != number.to_integral_value()):
            kind = "1 或更大的整数" if self.whole else "大于 0 的数，最多一位小数"
            raise forms.ValidationError(f"{self.label}请填{kind}，不超过 {shown(self.most)}")
        return int(number) if self.whole else number

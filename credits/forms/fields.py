"""Hours as people write them."""

import re
import unicodedata
from decimal import Decimal

from django import forms

from workflow.wording import hours as shown

LEAST_HOURS = Decimal("0.5")
MOST_HOURS = Decimal(200)


def read_hours(text: str) -> Decimal | None:
    """The number in "12.5", "１２．５", "12.5 学时"; None when it is none, or has more than one decimal."""
    text = "".join(unicodedata.normalize("NFKC", text).split()).removesuffix("学时").removesuffix("小时")
    found = re.fullmatch(r"(\d{1,6})(?:\.(\d)0*)?", text, re.ASCII)
    return Decimal(".".join(part for part in found.groups() if part)) if found else None


class WrittenHoursField(forms.CharField):
    """A number of hours with at most one decimal. Text, so that full-width digits and "12.5 学时" are read."""

    def __init__(
        self, *, least: Decimal = LEAST_HOURS, most: Decimal = MOST_HOURS, name: str = "学时", **kwargs
    ):
        kwargs.setdefault("max_length", 20)
        kwargs.setdefault(
            "widget", forms.TextInput(attrs={"class": "w-s", "inputmode": "decimal", "autocomplete": "off"})
        )
        super().__init__(**kwargs)
        self.least, self.most, self.name = least, most, name

    def clean(self, value):
        text = super().clean(value)
        if not text:
            return None
        hours = read_hours(text)
        if hours is None or not self.least <= hours <= self.most:
            raise forms.ValidationError(
                f"{self.name}请填 {shown(self.least)} 到 {shown(self.most)} 之间的数，最多一位小数"
            )
        return hours

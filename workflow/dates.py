"""A day as people write it: 2026-11-08, 2026/11/8, 2026.11.8, 2026年11月8日, 20261108, also with full-width digits."""

import datetime
import re
import unicodedata

from django import forms

_WRITTEN = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{2})(\d{2}))")


class WrittenDateField(forms.DateField):
    """A text field for one day. What cannot be read keeps Django's stock error, whose sentence is in face.py."""

    widget = forms.TextInput(attrs={"class": "w-m", "inputmode": "text", "autocomplete": "off"})

    def to_python(self, value):
        if not isinstance(value, str):
            return super().to_python(value)
        text = "".join(unicodedata.normalize("NFKC", value).split()).replace("—", "-").replace("–", "-")
        if not text:
            return None
        found = _WRITTEN.fullmatch(text)
        if not found:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        year, month, day = (int(part) for part in found.groups() if part)
        try:
            return datetime.date(year, month, day)
        except ValueError:
            raise forms.ValidationError(f"没有 {value.strip()} 这一天，请核对", code="impossible") from None

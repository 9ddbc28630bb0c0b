"""What the forms of packs have in common: lists as people write them, and a form that changes one part of a pack."""

import hashlib
import re
import unicodedata
from decimal import Decimal

from django import forms

from credits.forms.fields import WrittenHoursField, read_hours
from credits.pack_editing import CHANGED_MEANWHILE
from credits.rules.shapes import Pack
from credits.rules.tables import MOST_HOURS
from workflow.flow import Refused


class SectionForm(forms.Form):
    """A form for one `section` of a pack. `apply` refuses when a colleague changed that section meanwhile.

    What was seen travels with the form; other sections may change under it and stay changed.
    """

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args, pack: Pack, **kwargs):
        super().__init__(*args, **kwargs)
        self.initial["seen"] = self._digest(pack)

    def section(self, pack: Pack):
        """What this form changes, as a value that tells two states apart."""
        raise NotImplementedError

    def changed(self, pack: Pack) -> Pack:
        """The pack with what was filled in."""
        raise NotImplementedError

    def apply(self, pack: Pack) -> Pack:
        """The same, on the pack as it is now."""
        if self.cleaned_data["seen"] not in ("", self._digest(pack)):
            raise Refused(CHANGED_MEANWHILE)
        return self.changed(pack)

    def _digest(self, pack: Pack) -> str:
        return hashlib.sha256(repr(self.section(pack)).encode()).hexdigest()[:16]


class LinesField(forms.CharField):
    """Several short texts, one on each line; a tuple without empty lines and repetitions."""

    def __init__(self, *, most: int = 100, **kwargs):
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 3}))
        super().__init__(**kwargs)
        self.most = most

    def clean(self, value):
        lines = [" ".join(line.split()) for line in super().clean(value).splitlines()]
        found = tuple(dict.fromkeys(line for line in lines if line))
        too_long = next((line for line in found if len(line) > self.most), None)
        if too_long:
            raise forms.ValidationError(f"每行不超过 {self.most} 个字：“{too_long[:20]}……”")
        return found


class NumbersField(forms.CharField):
    """Hours one after another, "64、56、48": a tuple of Decimals."""

    def __init__(self, **kwargs):
        kwargs.setdefault("widget", forms.TextInput(attrs={"class": "w-m", "autocomplete": "off"}))
        super().__init__(**kwargs)

    def clean(self, value):
        text = unicodedata.normalize("NFKC", super().clean(value))
        found = [read_hours(part) for part in re.split(r"[、,;/\s]+", text.strip()) if part]
        if any(one is None or not Decimal(0) < one <= MOST_HOURS for one in found):
            raise forms.ValidationError("请依次填各位次的学时，用顿号隔开，例如 64、56、48")
        return tuple(found)


def hours_field(label: str, most: Decimal = MOST_HOURS, **kwargs) -> WrittenHoursField:
    """Hours as packs have them, from 0.1 on; may be left out unless told otherwise."""
    kwargs.setdefault("required", False)
    return WrittenHoursField(label=label, name=label, least=Decimal("0.1"), most=most, **kwargs)

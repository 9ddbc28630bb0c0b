"""A time window as officials write it: days, and minutes of Asia/Shanghai; 24:00 is the end of a day."""

import datetime
import re
import unicodedata

from django import forms
from django.conf import settings
from django.utils import timezone

from credits.models import Window, WindowKind
from credits.window_words import MIDNIGHT, closing
from credits.years import current_year
from workflow.dates import WrittenDateField
from workflow.wording import shown_time

_TIME = re.compile(r"(\d{1,2})[:.时点](\d{2})?分?")
DAY = datetime.timedelta(days=1)


class WrittenTimeField(forms.CharField):
    """A time of day, "8:30", "８：３０", "17时", as minutes since midnight: 24:00 is 1440, a day's last minute means its end."""

    widget = forms.TextInput(attrs={"class": "w-s", "autocomplete": "off"})

    def clean(self, value):
        text = "".join(unicodedata.normalize("NFKC", super().clean(value)).split())
        found = _TIME.fullmatch(text)
        minutes = int(found[1]) * 60 + int(found[2] or 0) if found else -1
        if not found or int(found[2] or 0) > 59 or not 0 <= minutes <= 24 * 60:
            raise forms.ValidationError(f"{self.label}请按 08:30 的样子填写，当天结束填 24:00")
        return 24 * 60 if minutes == 24 * 60 - 1 else minutes


class WindowForm(forms.Form):
    year = forms.TypedChoiceField(label="年度", coerce=int, widget=forms.Select(attrs={"class": "w-s"}))
    kind = forms.ChoiceField(
        label="事项",
        choices=WindowKind,
        widget=forms.RadioSelect,
        help_text="申报：专技人员何时可以申报。审核审验：各单位何时可以审核。两项分别设置。",
    )
    opens_on = WrittenDateField(label="开始日期", help_text="例如 2026-01-01。")
    opens_time = WrittenTimeField(label="开始时间", initial="00:00")
    closes_on = WrittenDateField(label="截止日期")
    closes_time = WrittenTimeField(
        label="截止时间", initial="24:00", help_text="24:00 为当天结束。23:59 也按当天结束。"
    )
    note = forms.CharField(label="说明", required=False, max_length=200, help_text="例如 补报。")

    def __init__(self, *args, window: Window | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.window = window
        years = set(range(settings.FIRST_DECLARABLE_YEAR, current_year() + 3)) | (
            {window.year} if window else set()
        )
        self.fields["year"].choices = [(year, f"{year} 年度") for year in sorted(years, reverse=True)]
        self.initial.setdefault("year", current_year())
        if window:
            opens, closes = shown_time(window.opens_at).split(), closing(window.closes_at).split()
            begun = {"year": window.year, "kind": window.kind, "note": window.note}
            begun |= {
                "opens_on": opens[0],
                "opens_time": opens[1],
                "closes_on": closes[0],
                "closes_time": closes[1],
            }
            self.initial = {**self.initial, **begun}

    def clean(self):
        cleaned = super().clean()
        names = ("opens_on", "opens_time", "closes_on", "closes_time")
        if all(cleaned.get(name) is not None for name in names):
            cleaned["opens_at"] = _moment(cleaned["opens_on"], cleaned["opens_time"])
            cleaned["closes_at"] = _moment(cleaned["closes_on"], cleaned["closes_time"])
            if cleaned["opens_at"] >= cleaned["closes_at"]:
                self.add_error("closes_on", f"截止要晚于开始（{shown_time(cleaned['opens_at'])}）")
            elif "year" in cleaned and cleaned["opens_at"].year < cleaned["year"]:
                self.add_error(
                    "opens_on", f"{cleaned['year']} 年度还没有开始，开始日期不能早于 {cleaned['year']}-01-01"
                )
        return cleaned

    def filled(self) -> Window:
        """The window as filled in, not saved."""
        window = self.window or Window()
        for name in ("year", "kind", "opens_at", "closes_at", "note"):
            setattr(window, name, self.cleaned_data[name])
        return window


def _moment(day: datetime.date, minutes: int) -> datetime.datetime:
    whole = datetime.datetime.combine(day, MIDNIGHT) + datetime.timedelta(minutes=minutes)
    return timezone.make_aware(whole)


class WindowYearForm(forms.Form):
    """Which year the list shows; what cannot be read is the current one."""

    year = forms.TypedChoiceField(
        label="年度", coerce=int, required=False, widget=forms.Select(attrs={"class": "w-s"})
    )

    def __init__(self, data, years: set[int], **kwargs):
        super().__init__({"year": current_year()} | data.dict(), **kwargs)
        self.fields["year"].choices = [(year, f"{year} 年度") for year in sorted(years, reverse=True)]
        self.is_valid()

    @property
    def chosen(self) -> int:
        return self.cleaned_data.get("year") or current_year()

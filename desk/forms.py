"""What is asked for when people or organisations are looked up."""

from functools import lru_cache

from django import forms
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from accounts.id_number import IdNumber, InvalidIdNumber, normalise
from credits.years import current_year, declarable_years
from desk.wanted import WITHOUT, Standing
from orgs.models import TitleLevel
from orgs.title_series import series_choices
from workflow.templatetags.face import in_filter


class NumberReasonForm(forms.Form):
    """What a whole number is needed for: told to whom it belongs."""

    use_required_attribute = False

    reason = forms.CharField(
        label="原因",
        min_length=4,
        max_length=100,
        help_text="例如：核对社保缴费记录。本人会原样看到。",
        error_messages={
            "required": "请写明原因。",
            "min_length": "原因请写具体，不少于 4 个字。",
            "max_length": "请写在 100 字以内。",
        },
    )


class PeopleSearch(forms.Form):
    """Name, number and where the year stands. `clean()` tells the last four of an ID number from all of it."""

    name = forms.CharField(label="姓名（其中几个字）", required=False, max_length=50)
    number = forms.CharField(
        label="身份证号或后四位",
        required=False,
        max_length=64,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )
    series = forms.ChoiceField(label="职称系列", required=False)
    level = forms.ChoiceField(label="级别", required=False, choices=[("", "全部"), *TitleLevel.choices])
    year = forms.TypedChoiceField(label="年度", required=False, coerce=int)
    standing = forms.ChoiceField(label="达标情况", required=False, choices=[("", "全部"), *Standing.choices])

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["series"].choices = [("", "全部"), *series_choices(), (WITHOUT, "无")]
        self.fields["year"].choices = [(year, year) for year in declarable_years()]

    @classmethod
    def blank(cls) -> "PeopleSearch":
        """The form before anybody asked for anything. One for all who open the list: bind or fill in another."""
        return _blank(tuple(series_choices()), tuple(declarable_years()))

    @cached_property
    def controls(self) -> SafeString:
        """All fields as they stand over the list."""
        return SafeString("".join(in_filter(field) for field in self))

    def asked(self) -> dict:
        """What may stand in the address (desk.wanted), once the form is valid."""
        found = {
            name: self.cleaned_data[name] for name in ("name", "last_four", "series", "level", "standing")
        }
        year = self.cleaned_data["year"]
        return {**found, "year": year if year and year != current_year() else ""}

    def clean(self):
        cleaned = super().clean()
        text = normalise(cleaned.get("number") or "")
        cleaned["last_four"] = text if len(text) == 4 else ""
        cleaned["id_number"] = None
        if text and not cleaned["last_four"]:
            try:
                cleaned["id_number"] = IdNumber.read(text)
            except InvalidIdNumber as error:
                sentence = "请填写身份证号的后四位，或完整的身份证号。" if len(text) < 15 else error.sentence
                self.add_error("number", sentence)
        return cleaned


@lru_cache(maxsize=1)
def _blank(series: tuple, years: tuple) -> PeopleSearch:
    """Made anew when the choices are others."""
    return PeopleSearch(initial={"year": years[0]})


class SearchForm(forms.Form):
    """综合查询. What the text is, desk.search finds out."""

    nothing_kept = True
    q = forms.CharField(
        label="查找",
        required=False,
        max_length=120,
        help_text="受理号、姓名、身份证号后四位、单位名称或代码。",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_q(self):
        text = self.cleaned_data["q"].strip()
        if not text:
            raise forms.ValidationError("请填写要查找的内容。")
        return text


class UnitSearch(forms.Form):
    q = forms.CharField(label="名称或统一社会信用代码", required=False, max_length=120)

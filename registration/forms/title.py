"""Education, field of study and title: asked at the registration and again when they change (F-08 … F-18)."""

import unicodedata
from datetime import date

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from orgs.models import Education, FieldOfStudy, TitleLevel, TitleMode, TitleSeries
from registration import choices
from registration.title_date import all_rules, rule_for

TITLE = ("title_series", "title_level", "title", "title_mode", "title_awarded_on")


class DayField(forms.DateField):
    """A day in any of the ways people here write it: 2026-11-08, 20261108, 2026/11/8, 2026年11月8日."""

    def __init__(self, **kwargs):
        kwargs.setdefault("widget", forms.TextInput(attrs={"class": "w-m", "inputmode": "numeric"}))
        formats = ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d"]
        super().__init__(input_formats=formats, **kwargs)
        self.error_messages["invalid"] = "这不是真实的日期，请按 2021-06-30 的样子填写。"

    def to_python(self, value):
        if isinstance(value, str):
            value = unicodedata.normalize("NFKC", value).replace(" ", "")
        return super().to_python(value)


class Suggestions(forms.TextInput):
    """A text box with suggestions (datalist); any other text is accepted too."""

    def __init__(self, suggestions=(), **kwargs):
        super().__init__(**kwargs)
        self.suggestions = suggestions

    def render(self, name, value, attrs=None, renderer=None):
        attrs = {**(attrs or {}), "list": f"{name}_suggestions"}
        options = format_html_join("", '<option value="{}">', ((text,) for text in self.suggestions))
        box = super().render(name, value, attrs, renderer)
        return format_html('{}<datalist id="{}_suggestions">{}</datalist>', box, name, options)


class StudyFields(forms.Form):
    """最高学历 and 所学专业."""

    education = forms.ChoiceField(
        label="最高学历",
        choices=[choices.EMPTY, *Education.choices],
        widget=forms.Select(attrs={"class": "w-m"}),
        error_messages={"required": "请选择最高学历。", "invalid_choice": "请选择列表中的学历。"},
    )
    field_of_study = forms.ChoiceField(
        label="所学专业",
        help_text="找不到自己的专业时，选择所属大类或相近专业即可。",
        error_messages={"required": "请选择所学专业。", "invalid_choice": "请选择列表中的专业。"},
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["field_of_study"].choices = choices.fields_of_study()

    def clean_field_of_study(self):
        return FieldOfStudy.objects.get(pk=self.cleaned_data["field_of_study"])


class TitleFields(forms.Form):
    """职称: a series with everything that belongs to it, or 无 and nothing else (F-10)."""

    title_series = forms.ChoiceField(
        label="职称系列",
        help_text=(
            "按职称证书上的系列选择；没有职称证书的选“无”，下面几项不用填。"
            "有多个职称的，选当年需要评审的一个，注册成功后可以修改。"
        ),
        error_messages={
            "required": "请选择职称系列，没有职称证书的选“无”。",
            "invalid_choice": "请选择列表中的职称系列。",
        },
    )
    title_level = forms.ChoiceField(
        label="职称级别",
        required=False,
        choices=[choices.EMPTY, *TitleLevel.choices],
        widget=forms.Select(attrs={"class": "w-m"}),
        error_messages={"invalid_choice": "请选择列表中的职称级别。"},
    )
    title = forms.CharField(
        label="职称名称",
        required=False,
        max_length=60,
        help_text="与证书一致，例如 工程师。旧名称也可以填。",
        error_messages={"max_length": "职称名称最多 60 个字。"},
    )
    title_mode = forms.ChoiceField(
        label="取得方式",
        required=False,
        choices=TitleMode.choices,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": "请选择列表中的取得方式。"},
    )
    title_awarded_on = DayField(label="职称评审通过时间", required=False)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["title_series"].choices = choices.title_series()
        self.fields["title"].widget = Suggestions(
            choices.title_names(), attrs={"class": "w-m", "maxlength": "60"}
        )
        rules = format_html_join("", '<li class="rule rule-{}">{}</li>', all_rules().items())
        self.fields["title_awarded_on"].help_text = format_html(
            "例如 2021-06-30。从哪天算起，看取得方式：<ul class='mb-0'>{}</ul>", rules
        )

    def clean_title_series(self):
        code = self.cleaned_data["title_series"]
        return None if code == choices.NO_TITLE else TitleSeries.objects.get(pk=code)

    def clean_title_awarded_on(self):
        day = self.cleaned_data["title_awarded_on"]
        if day and day > timezone.localdate():
            raise ValidationError(f"职称评审通过时间不能晚于今天（{timezone.localdate()}）。")
        if day and day.year < 1949:
            raise ValidationError("职称评审通过时间太早了，请核对年份。")
        return day

    def clean(self):
        cleaned = super().clean()
        if "title_series" in cleaned:
            if cleaned["title_series"] is None:
                self._forget_title(cleaned)
            else:
                self._need_title(cleaned)
        return cleaned

    def _forget_title(self, cleaned) -> None:
        """无: what stands in the dependent fields does not count, whatever it is (F-10)."""
        for name in ("title_level", "title", "title_mode", "title_awarded_on"):
            cleaned[name] = None if name == "title_awarded_on" else ""
            self._errors.pop(name, None)

    def _need_title(self, cleaned) -> None:
        rule = rule_for(cleaned.get("title_mode", ""))
        missing = {
            "title_level": "请选择职称级别。",
            "title": "请填写职称名称。",
            "title_mode": "请选择职称的取得方式。",
            "title_awarded_on": f"请填写职称评审通过时间。{rule}",
        }
        for name, sentence in missing.items():
            if not cleaned.get(name) and name not in self.errors:
                self.add_error(name, sentence)
        if cleaned.get("title") and cleaned.get("title_level"):
            try:
                choices.check_level(cleaned["title_series"], cleaned["title_level"], cleaned["title"])
            except ValidationError as error:
                self.add_error("title_level", error)
        birth = self.birth_date(cleaned)
        if birth and cleaned.get("title_awarded_on") and cleaned["title_awarded_on"] <= birth:
            self.add_error("title_awarded_on", "职称评审通过时间早于出生日期，请核对。")

    def birth_date(self, cleaned) -> date | None:
        """The person's date of birth where it is known: no title is older."""

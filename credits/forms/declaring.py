"""What a declaration asks for, and how its errors read."""

from django import forms
from django.conf import settings

from credits.forms.fields import WrittenHoursField
from credits.models import ActivityKind, Declaration, Level, Subject
from credits.years import current_year, declarable_years, today
from orgs.models import Practitioner
from workflow.attachments import WithAttachments
from workflow.dates import WrittenDateField
from workflow.models import State
from workflow.wording import hours as shown


class DeclareForm(WithAttachments, forms.Form):
    """学时申报表 (F-98, F-112, F-113). Hours are text here, so that full-width digits and "12.5 学时" are read."""

    attachments_hint = "按所选形式上传，可以直接拍照。"

    kind = forms.ModelChoiceField(
        label="申报形式",
        queryset=ActivityKind.objects.all(),
        widget=forms.RadioSelect,
        empty_label=None,
    )
    subject = forms.ChoiceField(label="科目", choices=Subject, widget=forms.RadioSelect)
    title = forms.CharField(
        label="活动名称", max_length=120, help_text="培训、论坛、论文、专利、著作或课题的全称。"
    )
    organiser = forms.CharField(label="主办或出版单位", max_length=120, help_text="专利填授权机关。")
    started_on = WrittenDateField(
        label="开始日期", help_text="例如 2026-11-08。论文、专利、著作填发表、授权、出版的日期。"
    )
    ended_on = WrittenDateField(label="结束日期", required=False, help_text="当天结束的可以不填。")
    year = forms.TypedChoiceField(
        label="计入年度",
        coerce=int,
        help_text="活动所在的年度。以前在学习平台获得的学时由平台统一导入，不用申报。",
        widget=forms.Select(attrs={"class": "w-s"}),
    )
    hours = WrittenHoursField(label="学时", help_text="按证书上的数字填写，例如 12.5")
    level = forms.ChoiceField(
        label="级别",
        required=False,
        choices=[("", "不适用"), *Level.choices],
        widget=forms.Select(attrs={"class": "w-m"}),
    )
    certificate_number = forms.CharField(
        label="证书或证明编号",
        required=False,
        max_length=60,
        help_text="也可填专利号、刊号、书号。",
        widget=forms.TextInput(attrs={"class": "w-m"}),
    )
    note = forms.CharField(
        label="备注", required=False, max_length=300, widget=forms.Textarea(attrs={"rows": 2})
    )
    again = forms.CharField(required=False, max_length=18, widget=forms.HiddenInput)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["year"].choices = [(year, f"{year} 年") for year in declarable_years()]
        self.order_fields([name for name in self.fields if name != "note"])

    def clean(self):
        cleaned = super().clean()
        started, ended = cleaned.get("started_on"), cleaned.get("ended_on")
        if started is None or "ended_on" in self.errors:
            return cleaned
        last, label = ("ended_on", "结束日期") if ended else ("started_on", "开始日期")
        cleaned["ended_on"] = ended = ended or started
        if ended > today():
            self.add_error(last, f"{label}不能晚于今天（{today()}）")
        elif ended < started:
            self.add_error("ended_on", f"结束日期不能早于开始日期（{started}）")
        elif ended.year < settings.FIRST_DECLARABLE_YEAR:
            self.add_error(last, f"{settings.FIRST_DECLARABLE_YEAR} 年以前的学时由平台统一导入，不用申报")
        elif "year" in cleaned and not started.year <= cleaned["year"] <= ended.year:
            years = (
                f"{started.year}"
                if started.year == ended.year
                else f"{started.year} 到 {ended.year} 之间的一年"
            )
            self.add_error("year", f"活动不在 {cleaned['year']} 年，计入年度请选 {years}")
        return cleaned

    def declaration(self, practitioner: Practitioner) -> Declaration:
        """The declaration as filled in, not saved."""
        names = [field.name for field in Declaration._meta.fields if field.name in self.fields]
        return Declaration(practitioner=practitioner, **{name: self.cleaned_data[name] for name in names})


def filled_from(declaration: Declaration) -> dict:
    """Initial values for filing a declaration anew."""
    names = [name for name in DeclareForm.base_fields if hasattr(declaration, name)]
    initial = {name: getattr(declaration, name) for name in names}
    return {**initial, "kind": declaration.kind_id, "hours": shown(declaration.hours)}


class MineFilter(forms.Form):
    """我的申报 by year and state; anything else in the address shows all."""

    year = forms.TypedChoiceField(label="年度", required=False, coerce=int, empty_value=None)
    state = forms.ChoiceField(label="状态", required=False, choices=[("", "全部"), *State.choices])

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        years = range(current_year(), settings.FIRST_DECLARABLE_YEAR - 1, -1)
        self.fields["year"].choices = [("", "全部"), *((year, f"{year} 年") for year in years)]

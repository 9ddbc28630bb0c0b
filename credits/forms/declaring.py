"""What a declaration asks for, by the rule of its activity, and how its errors read."""

import re

from django import forms
from django.conf import settings

from credits.forms.asked import asked_of
from credits.models import ActivityKind, Declaration, RulePack
from credits.reckoning import Account, account_of
from credits.required import rules_among
from credits.rules.shapes import Activity, Pack
from credits.standing import named_subject
from credits.years import current_year, declarable_years, today
from orgs.models import Practitioner
from workflow.attachments import WithAttachments
from workflow.dates import WrittenDateField
from workflow.models import State
from workflow.wording import hours as shown

ORDER = [
    *("subject", "variant", "level", "title", "organiser", "started_on", "ended_on", "graduated_on", "year"),
    *("people", "rank", "quantity", "surcharge_quantity", "stated_hours", "filed_in_advance", "in_plan"),
    *("certificate_number", "files", "note"),
]
# Which field a sentence of the rules (credits/rules/asks.py and what they refuse) stands beside; tested over all rules.
BESIDE = [
    (r"请选择科目|改选科目", "subject"),
    (r"请选择类别", "variant"),
    (r"请选择级别", "level"),
    (r"毕业或取得", "graduated_on"),
    (r"主办单位", "organiser"),
    (r"备案", "filed_in_advance"),
    (r"年度计划", "in_plan"),
    (r"证明材料上的学时", "stated_hours"),
    (r"总人数", "people"),
    (r"本人是第几|本人位次|本人是第|每后一位|已无学时", "rank"),
    (r"数量（|以上才计|年度内的起止日期", "quantity"),
    (r"折算标准里没有", "level variant"),
    (r"已经把这项学时导入", "certificate_number"),
    (r"年度|年内有效|当年|已计", "year"),
]


class DeclareForm(WithAttachments, forms.Form):
    """学时申报表 (F-98, F-112, F-113): the facts that everybody is asked for, and those that the rule wants.

    `packs` are those that may hold for the person (credits.required.packs_at). `activity` is None when the kind is
    not known in any year that may be declared: then there is nothing to ask. Valid, `account` says what it comes to.
    """

    kind = forms.ModelChoiceField(
        queryset=ActivityKind.objects.all(), to_field_name="code", widget=forms.HiddenInput
    )
    subject = forms.ChoiceField(label="科目", widget=forms.RadioSelect)
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
    certificate_number = forms.CharField(
        label="证书或证明编号",
        required=False,
        max_length=60,
        help_text="也可填 DOI、专利号、书号。",
        widget=forms.TextInput(attrs={"class": "w-m"}),
    )
    note = forms.CharField(
        label="备注", required=False, max_length=300, widget=forms.Textarea(attrs={"rows": 2})
    )
    again = forms.CharField(required=False, max_length=18, widget=forms.HiddenInput)

    def __init__(self, data=None, *args, practitioner: Practitioner, packs: list[RulePack], **kwargs):
        initial = kwargs.get("initial") or {}
        self.practitioner, self.packs = practitioner, packs
        self.account: Account | None = None
        said = data if data is not None else initial
        self.year = _year_in(said.get("year"))
        self.rules, self.activity = self._rule(str(said.get("kind", "")))
        super().__init__(data, *args, **kwargs)
        self.fields["year"].choices = [(year, f"{year} 年") for year in declarable_years()]
        if self.activity:
            self._ask(self.activity)
            evidence = (
                f"请上传{'、'.join(self.activity.evidence)}，可以直接拍照。" if self.activity.evidence else ""
            )
            self.fields["files"].help_text = evidence + self.fields["files"].help_text
        self.order_fields(ORDER)

    def _rule(self, code: str) -> tuple[Pack, Activity | None]:
        """The rule of the year; else of the newest year that knows the kind, so that the form can say which."""
        place = self.practitioner.path, self.practitioner.title_series_id
        rules = rules_among(self.packs, *place, self.year)
        for year in [self.year, *declarable_years()]:
            held = rules if year == self.year else rules_among(self.packs, *place, year)
            if code in held.activities:
                return rules, held.activities[code]
        return rules, None

    def _ask(self, activity: Activity) -> None:
        """Add what this activity wants, and drop what it leaves no choice in."""
        labels = [(code, named_subject(code, self.rules)) for code in activity.subjects]
        self.fields["subject"].choices = labels
        if len(labels) == 1:
            del self.fields["subject"]
        if activity.providers:
            names = [("", "请选择"), *((name, name) for name in activity.providers)]
            self.fields["organiser"] = forms.ChoiceField(label="主办单位", choices=names)
        self.fields |= asked_of(activity)

    def clean(self):
        cleaned = super().clean()
        self._check_dates(cleaned)
        if not self.errors:
            self.account = account_of(self.declaration(), self.packs)
            for sentence in self.account.problems:
                self.add_error(self._beside(sentence), sentence)
        return cleaned

    def _check_dates(self, cleaned: dict) -> None:
        started, ended = cleaned.get("started_on"), cleaned.get("ended_on")
        if started is None or "ended_on" in self.errors:
            return
        last, label = ("ended_on", "结束日期") if ended else ("started_on", "开始日期")
        cleaned["ended_on"] = ended = ended or started
        counted_in = self.activity.counts not in ("within", "spread") if self.activity else True
        if ended > today():
            self.add_error(last, f"{label}不能晚于今天（{today()}）")
        elif ended < started:
            self.add_error("ended_on", f"结束日期不能早于开始日期（{started}）")
        elif counted_in and ended.year < settings.FIRST_DECLARABLE_YEAR:
            self.add_error(last, f"{settings.FIRST_DECLARABLE_YEAR} 年以前的学时由平台统一导入，不用申报")
        elif counted_in and "year" in cleaned and not started.year <= cleaned["year"] <= ended.year:
            years = (
                f"{started.year}"
                if started.year == ended.year
                else f"{started.year} 到 {ended.year} 之间的一年"
            )
            self.add_error("year", f"活动不在 {cleaned['year']} 年，计入年度请选 {years}")
        elif "year" in cleaned and cleaned["year"] < started.year:
            self.add_error("year", f"活动从 {started.year} 年开始，计入年度请选 {started.year} 或以后")
        graduated = cleaned.get("graduated_on")
        if graduated and graduated > today():
            self.add_error("graduated_on", f"毕业或取得日期不能晚于今天（{today()}）")

    def _beside(self, sentence: str) -> str | None:
        for pattern, names in BESIDE:
            shown = [name for name in names.split() if name in self.fields]
            if shown and re.search(pattern, sentence):
                return shown[0]
        return None

    def declaration(self) -> Declaration:
        """The declaration as filled in, reckoned once the form is valid; not saved."""
        answers = {
            field.name: self.cleaned_data[field.name]
            for field in Declaration._meta.fields
            if self.cleaned_data.get(field.name) is not None
        }
        made = Declaration(practitioner=self.practitioner, **answers)
        if self.activity and not made.subject:
            made.subject = self.activity.subjects[0]
        made.digests = tuple(one.sha256 for one in self.cleaned_data.get("files") or ())
        if self.account:
            made.hours, made.pack = self.account.result.hours, self.account.pack
            made.reckoning = self.account.kept
        return made


def _year_in(text) -> int:
    years = {str(year): year for year in declarable_years()}
    return years.get(str(text), current_year())


def filled_from(declaration: Declaration) -> dict:
    """Initial values for filing a declaration anew."""
    names = [field.name for field in Declaration._meta.fields if field.name in ORDER]
    initial = {name: getattr(declaration, name) for name in names}
    numbers = ("quantity", "surcharge_quantity", "stated_hours")
    initial |= {name: shown(initial[name]) for name in numbers if initial[name] is not None}
    answers = {True: "yes", False: "no", None: ""}
    initial |= {name: answers[initial[name]] for name in ("filed_in_advance", "in_plan")}
    if initial["stated_hours"] is None:
        initial["stated_hours"] = shown(declaration.hours)
    return {**initial, "kind": declaration.kind.code}


class MineFilter(forms.Form):
    """我的申报 by year and state; anything else in the address shows all."""

    year = forms.TypedChoiceField(label="年度", required=False, coerce=int, empty_value=None)
    state = forms.ChoiceField(label="状态", required=False, choices=[("", "全部"), *State.choices])

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        years = range(current_year(), settings.FIRST_DECLARABLE_YEAR - 1, -1)
        self.fields["year"].choices = [("", "全部"), *((year, f"{year} 年") for year in years)]

"""What a person asks for who wants a year to demand less: the kind, the days, the proof."""

from django import forms

from credits.flows.relief import months_asked
from credits.models import ReliefRequest
from credits.rules.shapes import Pack, Relief
from credits.years import current_year, declarable_years
from orgs.models import Practitioner
from workflow.attachments import WithAttachments
from workflow.dates import WrittenDateField


class ReliefForm(WithAttachments, forms.Form):
    """学时减免. `rules`: those of each year that can be chosen."""

    code = forms.ChoiceField(label="减免类别", widget=forms.RadioSelect)
    year = forms.TypedChoiceField(label="年度", coerce=int, widget=forms.Select(attrs={"class": "w-s"}))
    started_on = WrittenDateField(label="开始日期", help_text="例如 2026-03-01。")
    ended_on = WrittenDateField(
        label="结束日期",
        help_text="跨年的照实填写，只按所选年度内的日期减免；满一个月计 1 个月，余下满 15 天再计 1 个月。",
    )
    reason = forms.CharField(
        label="说明", required=False, max_length=300, widget=forms.Textarea(attrs={"rows": 2})
    )
    again = forms.CharField(required=False, max_length=18, widget=forms.HiddenInput)

    field_order = ["code", "year", "started_on", "ended_on", "reason", "files"]

    def __init__(self, *args, rules: dict[int, Pack], **kwargs):
        super().__init__(*args, **kwargs)
        self.rules = rules
        kinds: dict[str, Relief] = {}
        for year in sorted(rules, reverse=True):
            for code, relief in rules[year].reliefs.items():
                kinds.setdefault(code, relief)
        self.fields["code"].choices = [(code, _in_words(relief)) for code, relief in kinds.items()]
        years = [year for year in declarable_years() if rules[year].reliefs]
        self.fields["year"].choices = [(year, f"{year} 年度") for year in years]
        self.initial.setdefault("year", current_year() if current_year() in years else "")

    @property
    def relief(self) -> Relief | None:
        """The kind that was chosen, by the rules of the chosen year."""
        data = self.cleaned_data
        return self.rules[data["year"]].reliefs.get(data["code"]) if {"year", "code"} <= set(data) else None

    def clean(self):
        cleaned = super().clean()
        year, first, last = (cleaned.get(name) for name in ("year", "started_on", "ended_on"))
        if "code" in cleaned and year and self.relief is None:
            self.add_error("code", f"{year} 年度没有这一类减免，请改选类别或年度")
        if not (first and last):
            return cleaned
        if last < first:
            self.add_error("ended_on", f"结束日期不能早于开始日期（{first}）")
        elif year and not first.year <= year <= last.year:
            self.add_error("year", f"起止日期不在 {year} 年，请核对年度和日期")
        elif self.relief is not None and self.request_for(None).months == 0:
            self.add_error("ended_on", f"{year} 年内不足半个月，不能减免，请核对日期")
        return cleaned

    def request_for(self, practitioner: Practitioner | None) -> ReliefRequest:
        """The request as filled in, its months reckoned; not saved."""
        data = self.cleaned_data
        request = ReliefRequest(
            practitioner=practitioner,
            name=self.relief.name,
            **{name: data[name] for name in ("code", "year", "started_on", "ended_on")},
            reason=data.get("reason", ""),
        )
        request.months = months_asked(request, self.relief)
        return request


def _in_words(relief: Relief) -> str:
    proof = f"须提交{'、'.join(relief.evidence)}。" if relief.evidence else ""
    return f"{relief.name}：{relief.line}{proof}"


def filled_from(request: ReliefRequest) -> dict:
    """Initial values for asking anew."""
    return {name: getattr(request, name) for name in ("code", "year", "started_on", "ended_on", "reason")}

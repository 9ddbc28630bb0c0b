"""What a unit's declaration asks for: the facts of one training, once for all, and what a person answers."""

from django import forms

from credits.forms.declaring import DeclareForm
from credits.models import UnitDeclaration
from credits.unit_reckoning import is_training, worth
from orgs.models import Organization, Practitioner, TitleLevel


class UnitForm(DeclareForm):
    """单位申报表: as a person's own declaration, by the rules at the unit's place; what is personal is not asked."""

    attachments_hint = ""

    def __init__(self, data=None, *args, unit: Organization, **kwargs):
        self.unit = unit
        nobody = Practitioner(path=unit.path, employer=unit)
        super().__init__(data, *args, practitioner=nobody, **kwargs)
        del self.fields["again"]
        self.fields["title"].help_text = "培训、论坛或进修的全称。"
        organiser = self.fields["organiser"]
        organiser.label, organiser.help_text = "主办单位", ""
        self.fields["started_on"].help_text = "例如 2026-11-08。"
        number = self.fields["certificate_number"]
        number.label, number.help_text = "文件编号", "培训通知或备案文件的编号；每个人证书上的编号不用填。"

    def _rule(self, code):
        """What is a person's own work a unit cannot declare for them."""
        rules, activity = super()._rule(code)
        return rules, activity if activity and is_training(activity) else None

    def clean(self):
        cleaned = forms.Form.clean(self)
        self._check_dates(cleaned)
        if not self.errors:
            found = worth(self.unit_declaration(), self.rules)
            for sentence in [*found.wants, *([found.refusal] if found.refusal else [])]:
                self.add_error(self._beside(sentence), sentence)
        return cleaned

    def unit_declaration(self) -> UnitDeclaration:
        """As filled in, with the hours that it is worth before anybody's caps; not saved."""
        answers = {
            field.name: self.cleaned_data[field.name]
            for field in UnitDeclaration._meta.fields
            if field.name != "draft" and self.cleaned_data.get(field.name) is not None
        }
        made = UnitDeclaration(organization=self.unit, **answers)
        if self.activity and not made.subject:
            made.subject = self.activity.subjects[0]
        made.hours = worth(made, self.rules).hours or None
        return made


class ObjectionForm(forms.Form):
    """有异议: what does not fit. The unit reads it as it is written."""

    reason = forms.CharField(
        label="异议",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="例如：没有参加、学时或日期不符。单位会原样看到。",
        error_messages={"required": "请写明有什么异议", "max_length": "请写在 300 字以内。"},
    )


LEVELS = [("", "全部"), *TitleLevel.choices, ("none", "无职称")]

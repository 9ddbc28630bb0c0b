"""Forms of one 申报形式: what it is, and how it converts."""

from dataclasses import replace
from decimal import Decimal

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout
from django import forms

from credits.forms.pack_fields import LinesField, SectionForm, hours_field
from credits.models import ActivityKind
from credits.rules.editing import (
    most_set_apart,
    with_activity,
    with_most,
)
from credits.rules.pack import MOST_STATED
from credits.rules.shapes import Activity, Cap, Pack
from credits.rules.words import PRECONDITIONS, shown

COUNTS = {
    "during": "活动所在的年度，计一次",
    "finished": "只在完成或取得的当年",
    "yearly": "进行期间每年计一次",
    "within": "取得后几年内有效，计一次",
    "spread": "分几年平均计入",
}


class AddActivityForm(forms.Form):
    """Another activity: one that other packs know, or a new one."""

    kind = forms.ChoiceField(label="平台上已有的形式", required=False)
    name = forms.CharField(
        label="或者新的形式",
        required=False,
        max_length=40,
        help_text="例如 科普讲座。平台上已有的请在上面选，统计时才能归在一起。",
    )

    def __init__(self, *args, pack: Pack, **kwargs):
        super().__init__(*args, **kwargs)
        known = ActivityKind.objects.values_list("code", "name")
        self.fields["kind"].choices = [
            ("", "请选择"),
            *((code, name) for code, name in known if code not in pack.activities),
        ]

    def clean(self):
        cleaned = super().clean()
        if not self.errors and bool(cleaned.get("kind")) == bool(cleaned.get("name")):
            self.add_error("name", "请在已有的形式里选一种，或填写新的名称，只用其中一样")
        return cleaned


class ActivityForm(SectionForm):
    """Everything about an activity but its conversion."""

    name = forms.CharField(label="名称", max_length=40)
    subjects = forms.MultipleChoiceField(
        label="可以计入的科目",
        widget=forms.CheckboxSelectMultiple,
        help_text="只勾选一个就固定计入它；几个由申报人选择。",
    )
    evidence = LinesField(label="须提交的证明材料", required=False, help_text="一行一种。")
    cap = hours_field("每年最多计", help_text="这种形式一年合计的上限。不限的不填。")
    most = hours_field("一次最多计", most=Decimal(200), help_text="不填：由折算标准推出。")
    group = forms.ChoiceField(
        label="和哪些形式合计上限", required=False, widget=forms.Select(attrs={"class": "w-m"})
    )
    counts = forms.ChoiceField(label="计入哪一年", choices=list(COUNTS.items()), widget=forms.RadioSelect)
    years = forms.IntegerField(
        label="几年",
        required=False,
        min_value=1,
        max_value=20,
        widget=forms.TextInput(attrs={"class": "w-s", "inputmode": "numeric", "autocomplete": "off"}),
        error_messages={
            "min_value": "几年请填 1 到 20 之间的整数",
            "max_value": "几年请填 1 到 20 之间的整数",
        },
        help_text="每年计一次的：最多几年，不限的不填。几年内有效、分几年计入的：必须填。",
    )
    preconditions = forms.MultipleChoiceField(
        label="须事先办理",
        required=False,
        choices=list(PRECONDITIONS.items()),
        widget=forms.CheckboxSelectMultiple,
    )
    providers = LinesField(
        label="只认可这些主办单位", most=120, required=False, help_text="一行一个；不限的不填。"
    )
    exclusive = forms.SlugField(
        label="同一成果只计最高一项",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"class": "w-m"}),
        help_text="互相排斥的几种形式填同样的英文代码，例如 work；不用的不填。",
        error_messages={"invalid": "代码只用小写字母、数字和连字符，例如 work"},
    )
    member = forms.CharField(
        label="怎样称呼参加的人", required=False, max_length=10, help_text="例如 作者、发明人；不填为完成人。"
    )
    leader = forms.CharField(label="第一位另有称呼", required=False, max_length=10, help_text="例如 主持人。")
    basis = forms.CharField(
        label="依据", required=False, max_length=500, help_text="和政策包的依据相同时不填。"
    )
    note = forms.CharField(
        label="说明", required=False, max_length=500, help_text="没有折算标准时显示这一句。"
    )

    def __init__(self, *args, pack: Pack, activity: Activity, **kwargs):
        self.activity = activity
        super().__init__(*args, pack=pack, **kwargs)
        self.fields["subjects"].choices = list(pack.subjects.items())
        self.fields["group"].choices = [("", "不和别的合计"), *pack.groups.items()]
        one = activity
        begun = {
            "cap": shown(one.caps[0].hours) if one.caps else "",
            "most": shown(most_set_apart(one)) if most_set_apart(one) else "",
            "evidence": "\n".join(one.evidence),
            "providers": "\n".join(one.providers),
            "basis": one.basis if one.basis != pack.basis else "",
            **{
                name: getattr(one, name)
                for name in (
                    "name", "subjects", "group", "counts", "years", "preconditions", "exclusive", "member", "leader",
                    "note",
                )
            },
        }  # fmt: skip
        self.initial = {**begun, **self.initial}
        self.helper = FormHelper()
        self.helper.layout = Layout(
            "seen",
            Fieldset("是什么", "name", "subjects", "evidence", css_class="part"),
            Fieldset("最多计多少", "cap", "most", "group", css_class="part"),
            Fieldset("什么时候计", "counts", "years", css_class="part"),
            Fieldset("条件", "preconditions", "providers", "exclusive", css_class="part"),
            Fieldset("称呼和说明", "member", "leader", "basis", "note", css_class="part"),
        )

    def section(self, pack: Pack):
        return pack.activities.get(self.activity.code)

    def changed(self, pack: Pack) -> Pack:
        data = self.cleaned_data
        now = pack.activities.get(self.activity.code, self.activity)
        one = replace(
            now,
            name=data["name"],
            subjects=tuple(data["subjects"]),
            evidence=data["evidence"],
            caps=(Cap(data["cap"], "kind", now.code),) if data["cap"] is not None else (),
            group=data["group"],
            counts=data["counts"],
            years=data["years"],
            preconditions=tuple(data["preconditions"]),
            providers=data["providers"],
            exclusive=data["exclusive"],
            member=data["member"] or Activity.member,
            leader=data["leader"],
            basis=data["basis"] or pack.basis,
            note=data["note"],
        )
        return with_activity(pack, with_most(one, data["most"]))


def new_activity(pack: Pack, code: str, name: str) -> Activity:
    """An activity that says nothing yet: every subject, hours as on the proof."""
    return Activity(code, name, tuple(pack.subjects), None, (), MOST_STATED, basis=pack.basis)

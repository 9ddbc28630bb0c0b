"""What a bureau says about how much it looks at."""

from django import forms
from django.db import transaction

from credits.models import ActivityKind, VerificationPolicy
from orgs.actor import Actor, hold_right
from orgs.models import Kind, Organization


class PolicyForm(forms.Form):
    """One share: for an authority, for a kind of activity, for both, or with neither for everything else."""

    authority = forms.ModelChoiceField(
        label="主管部门",
        queryset=Organization.objects.none(),
        required=False,
        empty_label="所有主管部门和单位",
    )
    kind = forms.ModelChoiceField(
        label="申报形式", queryset=ActivityKind.objects.all(), required=False, empty_label="所有形式"
    )
    percent = forms.IntegerField(
        label="抽查比例（%）",
        min_value=0,
        max_value=100,
        help_text="100 为全部审验，0 为只审验有提示的。",
        widget=forms.TextInput(attrs={"class": "w-s", "inputmode": "numeric"}),
        error_messages={
            "invalid": "请填 0 到 100 之间的整数",
            "min_value": "请填 0 到 100 之间的整数",
            "max_value": "请填 0 到 100 之间的整数",
            "required": "请填抽查比例",
        },
    )
    risk_first = forms.BooleanField(
        label="有提示的（可能重复、超过上限、日期或编号不符）不论比例全部审验", required=False, initial=True
    )

    def __init__(self, *args, bureau: Organization, **kwargs):
        super().__init__(*args, **kwargs)
        self.bureau = bureau
        self.fields["authority"].queryset = Organization.objects.active().filter(
            kind=Kind.AUTHORITY, superior=bureau
        )

    @transaction.atomic
    def save(self, by: Actor) -> VerificationPolicy:
        """Set the share; the one for the same authority and kind is replaced. Refused when the right was taken away."""
        hold_right(by)
        data = self.cleaned_data
        return VerificationPolicy.objects.update_or_create(
            bureau=self.bureau,
            authority=data["authority"],
            kind=data["kind"],
            defaults={"percent": data["percent"], "risk_first": data["risk_first"], "changed_by": by.user},
        )[0]

"""更正姓名或身份证号 (F-83): what is right, why, and what proves it."""

from django import forms
from django.core.exceptions import ValidationError

from accounts import throttle
from accounts.id_number import IdKind, IdNumberField
from accounts.models import User
from registration.flows.changing import NUMBER_TAKEN
from registration.forms.person import read_name
from registration.models import IdentityCorrection
from workflow.attachments import WithAttachments

LOOKUPS = 10  # document numbers that one person may name in an hour: the answer tells whether somebody has it


class CorrectionForm(WithAttachments, forms.Form):
    """The right name and number; what is not wrong stays as it stands there."""

    use_required_attribute = False
    error_title = "没有提交"
    attachments_label = "证明材料"
    attachments_hint = (
        "能证明正确姓名或号码的材料，一种即可：户口簿本人页、公安机关出具的证明，或身份证原件正、反面的照片。"
        "与更正无关的内容可以遮住。"
    )

    name = forms.CharField(
        label="正确的姓名",
        max_length=50,
        widget=forms.TextInput(attrs={"class": "w-m", "autocomplete": "off"}),
        error_messages={"required": "请填写正确的姓名。", "max_length": "姓名最多 50 个字。"},
    )
    id_kind = forms.ChoiceField(
        label="证件类型",
        choices=IdKind.choices,
        widget=forms.Select(attrs={"class": "w-m"}),
        error_messages={"required": "请选择证件类型。", "invalid_choice": "请选择列表中的证件类型。"},
    )
    id_number = IdNumberField(
        label="正确的证件号码",
        required=False,
        help_text="号码没有错的，不用填。末位 X 大小写均可。",
        widget=forms.TextInput(attrs={"class": "w-m"}),
    )
    reason = forms.CharField(
        label="更正原因",
        max_length=200,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="例如 注册时把号码第 12 位写错；姓名已经公安机关变更。",
        error_messages={"required": "请写明更正原因。", "max_length": "请写在 200 字以内。"},
    )

    def __init__(self, *args, user: User, **kwargs):
        initial = {"name": user.name, "id_kind": user.id_kind, **(kwargs.pop("initial", None) or {})}
        super().__init__(*args, initial=initial, **kwargs)
        self.user = user
        kind = (self.data if self.is_bound else self.initial).get("id_kind")
        if kind in IdKind.values:
            self.fields["id_number"].kind = kind
        self.fields["name"].help_text = f"现在登记的是：{user.name}。没有错的，不用改。"
        self.fields["id_kind"].help_text = f"现在登记的是：{user.get_id_kind_display()}，{user.id_masked}。"

    def clean_name(self):
        name = self.cleaned_data["name"]
        return name if name == self.user.name else read_name(name)  # what stands there now was accepted once

    def clean_id_number(self):
        number = self.cleaned_data["id_number"]
        if number is None or self.user.id_index in number.indexes:
            return None
        try:
            throttle.spend("correction-lookup", self.user.pk, limit=LOOKUPS, per=throttle.HOUR)
        except throttle.TooMany as stop:
            raise ValidationError(f"查对号码的次数太多，请 {stop.words}后再试。您填写的内容还在。") from stop
        if User.objects.by_id_number(number).exists():
            raise ValidationError(NUMBER_TAKEN)
        return number

    def clean(self):
        cleaned = super().clean()
        if {"name", "id_number"} & self.errors.keys():
            return cleaned
        if cleaned.get("name") == self.user.name and cleaned.get("id_number") is None:
            self.add_error("name", "姓名和证件号码都与现在登记的一样，请填写正确的姓名或号码。")
        return cleaned

    def payload(self) -> IdentityCorrection:
        """The unsaved payload of a valid form, without its subject."""
        cleaned = self.cleaned_data
        correction = IdentityCorrection(
            user=self.user, new_name=cleaned["name"], reason=cleaned["reason"].strip()
        )
        correction.take_old(self.user)
        if cleaned["id_number"]:
            correction.set_new_number(cleaned["id_number"])
        return correction

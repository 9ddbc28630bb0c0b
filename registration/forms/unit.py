"""What a unit changes about itself, and what the platform does with temporary codes."""

from django import forms
from django.core.exceptions import ValidationError

from orgs.models import Organization
from orgs.uscc import UsccField
from registration.enrol import already_taken, taken_by
from registration.forms.contact import CONTACT, ContactFields
from workflow.attachments import WithAttachments


class UnitContactForm(ContactFields):
    """单位资料管理 → 基本信息: the public contact (A15)."""

    use_required_attribute = False
    error_title = "没有保存"

    def __init__(self, *args, organization: Organization, **kwargs):
        initial = {name: getattr(organization, name) for name in CONTACT}
        super().__init__(*args, initial=initial, **kwargs)


class ReplaceCodeForm(WithAttachments, forms.Form):
    """更换为统一社会信用代码 (F-94): the real code and the certificate it stands on."""

    use_required_attribute = False
    error_title = "没有提交"
    attachments_label = "单位证书"
    attachments_hint = "印有新代码的统一社会信用代码证书、事业单位法人证书或营业执照。"

    new_code = UsccField(
        temporary=False, widget=forms.TextInput(attrs={"class": "w-m"}), help_text="18 位，与证书一致。"
    )

    def __init__(self, *args, organization: Organization, **kwargs):
        super().__init__(*args, **kwargs)
        self.organization = organization

    def clean_new_code(self):
        code = self.cleaned_data["new_code"]
        taken = taken_by(self.organization.kind, code)
        if taken:
            raise ValidationError(already_taken(taken))
        return code


class CodeSearch(forms.Form):
    """Finding an issued code."""

    q = forms.CharField(label="单位名称或临时代码", required=False, max_length=60)


class ReasonForm(forms.Form):
    """Why: told to whom it concerns."""

    use_required_attribute = False

    reason = forms.CharField(
        label="原因",
        max_length=100,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": "请写明原因。", "max_length": "请写在 100 字以内。"},
    )

    def __init__(self, *args, hint: str, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = hint
        self.fields["reason"].widget.attrs.pop("maxlength", None)

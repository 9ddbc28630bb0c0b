"""The public contact of an organisation: whom people who wait for it may call (F-32; screens.md, A15)."""

import re
import unicodedata

from django import forms
from django.core.exceptions import ValidationError

PHONE = re.compile(r"[0-9+][0-9\- ]{5,18}[0-9](转[0-9]{1,6})?")
CONTACT = ("contact_name", "phone", "office_hours")


class ContactFields(forms.Form):
    """联系人, 联系电话, 审核时间."""

    contact_name = forms.CharField(
        label="联系人",
        max_length=50,
        widget=forms.TextInput(attrs={"class": "w-m"}),
        help_text="可以填科室，例如 人事科。",
        error_messages={"required": "请填写联系人。", "max_length": "联系人最多 50 个字。"},
    )
    phone = forms.CharField(
        label="联系电话",
        max_length=40,
        widget=forms.TextInput(attrs={"class": "w-m", "inputmode": "tel"}),
        help_text="办公电话，例如 0538-8000000。",
        error_messages={"required": "请填写联系电话。", "max_length": "联系电话最多 40 位。"},
    )
    office_hours = forms.CharField(
        label="审核时间",
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"class": "w-m"}),
        help_text="可不填，例如 工作日 9:00–17:00。",
        error_messages={"max_length": "审核时间最多 60 个字。"},
    )

    def clean_phone(self):
        phone = unicodedata.normalize("NFKC", self.cleaned_data["phone"]).strip()
        if not PHONE.fullmatch(phone):
            raise ValidationError("请填写能打通的办公电话，例如 0538-8000000。")
        return phone

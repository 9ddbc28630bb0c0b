"""What the pages around login, passwords and the second factor ask for."""

import re

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Layout
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.id_number import IdNumberField, normalise
from accounts.models import Role, User
from accounts.password import RULES

LONGEST_PASSWORD = 128  # hashing longer ones costs the server more than it protects


class PasswordField(forms.CharField):
    """A password as typed: spaces count, it is never shown again."""

    def __init__(self, *, autocomplete: str, **kwargs):
        kwargs.setdefault("max_length", LONGEST_PASSWORD)
        super().__init__(
            strip=False, widget=forms.PasswordInput(attrs={"autocomplete": autocomplete}), **kwargs
        )
        self.error_messages["required"] = f"请填写{self.label}。"


class LoginForm(forms.Form):
    """登录: role, ID number, password (F-26). Operators' role is offered to those who ask for it."""

    error_title = "未能登录"

    role = forms.ChoiceField(
        label="您的身份",
        choices=Role.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "请选择您的身份。", "invalid_choice": "请选择您的身份。"},
    )
    id_number = IdNumberField(kind=None)
    password = PasswordField(label="密码", autocomplete="current-password")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["id_number"].widget.attrs["autocomplete"] = "username"
        if self["role"].value() != Role.OPERATOR:
            shown = [choice for choice in Role.choices if choice[0] != Role.OPERATOR]
            self.fields["role"].widget.choices = shown


class ForgotForm(forms.Form):
    """忘记登录密码: whose, and which way (F-40). Each way has its own button on the page."""

    way = forms.ChoiceField(
        label="找回方式",
        choices=[("mobile", "注册时的手机号（短信验证码）"), ("email", "注册时的邮箱（邮件链接）")],
        error_messages={"required": "请选择找回方式。", "invalid_choice": "请选择找回方式。"},
    )
    id_number = IdNumberField(kind=None)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.layout = Layout("id_number")


class NewPasswordForm(forms.Form):
    """A new password, twice. `user` lets the rules look at the person's own numbers."""

    new_password = PasswordField(label="新密码", autocomplete="new-password", help_text=RULES)
    new_password_again = PasswordField(label="再次填写新密码", autocomplete="new-password")

    def __init__(self, *args, user: User | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.user = user

    def clean(self):
        cleaned = super().clean()
        new, again = cleaned.get("new_password"), cleaned.get("new_password_again")
        if new and again and new != again:
            self.add_error("new_password_again", "两次填写的新密码不一致，请重新填写。")
        if new:
            self.judge_for(self.user)
        return cleaned

    def judge_for(self, user: User | None) -> bool:
        """Hold the new password against the rules for this person; whether it passed."""
        try:
            validate_password(self.cleaned_data["new_password"], user)
        except ValidationError as error:
            self.add_error("new_password", error)
            return False
        return True


class CodeAndPasswordForm(NewPasswordForm):
    """The SMS code and the new password on one page."""

    code = forms.CharField(
        label="短信验证码",
        max_length=20,
        help_text="6 位数字，30 分钟内有效。",
        widget=forms.TextInput(
            attrs={"inputmode": "numeric", "autocomplete": "one-time-code", "class": "w-s"}
        ),
        error_messages={"required": "请填写短信验证码。"},
    )
    field_order = ["code", "new_password", "new_password_again"]

    def clean_code(self):
        return normalise(self.cleaned_data["code"])


class ChangePasswordForm(NewPasswordForm):
    """修改密码: the current one first."""

    current_password = PasswordField(label="当前密码", autocomplete="current-password")
    field_order = ["current_password", "new_password", "new_password_again"]


class OneTimeInput(forms.TextInput):
    """Comes back empty: a code that was wrong once is never typed again."""

    def format_value(self, value):
        return None


class FactorCodeField(forms.CharField):
    """A code of the second factor: six digits of the app, or with `recovery` twelve of a recovery code too."""

    def __init__(self, *, recovery: bool = True, **kwargs):
        self.shapes = r"\d{6}|\d{12}" if recovery else r"\d{6}"
        self.sentence = f"请填写 6 位数字的验证码{'，或 12 位数字的恢复码' if recovery else ''}。"
        widget = OneTimeInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code", "class": "w-m"})
        super().__init__(**{"label": "验证码", "max_length": 40, "widget": widget, **kwargs})
        self.error_messages["required"] = self.sentence

    def clean(self, value):
        code = normalise(super().clean(value))
        if not re.fullmatch(self.shapes, code, re.ASCII):
            raise ValidationError(self.sentence, code="shape")
        return code


class SecondFactorForm(forms.Form):
    """两步验证, after the password."""

    nothing_kept = True

    code = FactorCodeField(help_text="身份验证器里显示的 6 位数字；手机不在身边时，填一组 12 位的恢复码。")


class OwnPasswordForm(forms.Form):
    """The own password once more, before something about the account's safety."""

    nothing_kept = True

    current_password = PasswordField(label="登录密码", autocomplete="current-password")


class FirstCodeForm(forms.Form):
    """The code that proves that the app has the key."""

    nothing_kept = True

    code = FactorCodeField(recovery=False, help_text="扫码后，身份验证器里显示的 6 位数字。")


class ChangeSecondFactorForm(OwnPasswordForm):
    """Password and code: to turn the second factor off or to get new recovery codes."""

    code = FactorCodeField(help_text="身份验证器里显示的 6 位数字，或一组 12 位的恢复码。")

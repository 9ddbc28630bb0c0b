"""A person's name and e-mail address, as the forms read them."""

import re
import unicodedata

from django import forms
from django.core.exceptions import ValidationError

NAME = re.compile(r"[^\W\d_]([^\W\d_]|[· .])*[^\W\d_]")


def read_name(text: str) -> str:
    """The name with one kind of middle dot, half-width. Raises ValidationError for what is no name."""
    name = re.sub(r"[•・‧∙]", "·", unicodedata.normalize("NFKC", text)).strip()
    if name and not NAME.fullmatch(name):
        raise ValidationError("姓名请与证件一致，不要填数字或符号。")
    return name


class EmailField(forms.EmailField):
    """邮箱, for resetting the password and for notices."""

    def __init__(self, **kwargs):
        kwargs.setdefault("label", "邮箱")
        kwargs.setdefault(
            "widget",
            forms.TextInput(attrs={"class": "w-m", "inputmode": "email", "autocomplete": "email"}),
        )
        super().__init__(max_length=254, **kwargs)
        self.error_messages["invalid"] = "请填写完整的邮箱地址，例如 name@example.com。"

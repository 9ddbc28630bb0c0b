"""Mainland mobile numbers, as people type them.

The rule is the numbering plan's shape alone. Lists of known segments age (190-197 were missing from widely copied
ones), and since numbers may be carried between operators a segment says nothing. A general phone field would also
take landlines and foreign numbers, which no verification message reaches.
"""

import re

from django import forms
from django.core.exceptions import ValidationError

from accounts.id_number import normalise


class InvalidMobile(ValueError):
    """A text is no mainland mobile number. The message is one Chinese sentence without the number."""


def parse(text: str) -> str:
    """Return the number as +86 and 11 digits (E.164). Raise InvalidMobile."""
    digits = re.sub(r"^(\+86|0086|86)(?=1)", "", normalise(text))
    if not re.fullmatch(r"1[3-9][0-9]{9}", digits):
        raise InvalidMobile("请填写 11 位的中国大陆手机号，例如 13800000000。")
    return f"+86{digits}"


class MobileField(forms.CharField):
    """A text box that cleans to a number in E.164; an empty one cleans to ""."""

    def __init__(self, **kwargs):
        kwargs.setdefault("label", "手机号")
        super().__init__(**kwargs)
        self.error_messages["required"] = "请填写手机号。"

    def widget_attrs(self, widget):
        return super().widget_attrs(widget) | {"inputmode": "tel", "autocomplete": "tel", "maxlength": "32"}

    def prepare_value(self, value):
        """Show a stored number the way people say it: 11 digits."""
        return str(value).replace(" ", "").removeprefix("+86") if value else value

    def to_python(self, value):
        value = super().to_python(value)
        if value in self.empty_values:
            return ""
        try:
            return parse(value)
        except InvalidMobile as error:
            raise ValidationError(str(error), code="mobile") from None

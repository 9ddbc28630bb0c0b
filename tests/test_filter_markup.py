"""The controls of a filter bar are made in Python (workflow/templatetags/face.py): the same as Django's own templates make."""

import re

import pytest
from django import forms

from workflow.templatetags.face import in_filter


class Bar(forms.Form):
    name = forms.CharField(required=False, max_length=50)
    number = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "disabled": True, "hidden": False}),
    )
    level = forms.ChoiceField(required=False, choices=[("", "全部"), ("a", "甲 & 乙"), ("b", "<b>")])
    year = forms.TypedChoiceField(required=False, coerce=int, choices=[(2025, 2025), (2026, 2026)])


def _control(markup: str) -> str:
    """The control without the spaces between its tags; quotes may be written in two ways."""
    found = re.search(r"<(?:input|select).*", markup, re.DOTALL)[0].removesuffix("</div>")
    return re.sub(r">\s+<", "><", found).replace("&#x27;", "&#39;").replace("&#34;", "&quot;").strip()


@pytest.mark.parametrize("how", ["bound", "initial", "empty"])
@pytest.mark.parametrize("name", list(Bar.base_fields))
@pytest.mark.parametrize("text", ["", "a", "2026", "\"><script>'&", "b"])
def test_a_control_is_what_django_makes_of_it(name, how, text):
    form = {"bound": lambda: Bar({name: text}), "initial": lambda: Bar(initial={name: text}), "empty": Bar}[
        how
    ]()
    field = form[name]
    if form.errors.get(name):
        return  # a field with errors is drawn by its templates
    looks = "select form-select" if name in ("level", "year") else "textinput form-control"
    assert _control(in_filter(field)) == _control(field.as_widget(attrs={"class": looks}))
    assert f'<label for="{field.id_for_label}" class="form-label">{field.label}</label>' in in_filter(field)

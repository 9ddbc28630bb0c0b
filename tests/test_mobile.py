"""Mobile numbers: every segment of the plan, no landline, no Internet-of-things card."""

import pytest
from django import forms

from accounts import mobile
from accounts.mobile import MobileField


@pytest.mark.parametrize(
    "typed",
    [
        "13800000000",
        "+8613800000000",
        "0086 138 0000 0000",
        "86-138-0000-0000",
        "１３８００００００００",
        " 13800000000\u202c",
    ],
)
def test_what_people_type_is_one_number(typed):
    assert mobile.parse(typed) == "+8613800000000"


@pytest.mark.parametrize("number", ["16600000000", "19700000000", "19000000000", "15400000000"])
def test_no_list_of_segments_ages_here(number):
    assert mobile.parse(number) == f"+86{number}"


@pytest.mark.parametrize(
    "typed",
    ["12800000000", "1380000000", "1440000000000", "0538-0000000", "+1 201 555 0100", "138000000０a", ""],
)
def test_anything_else_is_refused_with_a_sentence(typed):
    with pytest.raises(mobile.InvalidMobile, match=r"。$"):
        mobile.parse(typed)


class Ask(forms.Form):
    mobile = MobileField(required=False)


def test_the_field():
    assert Ask({"mobile": "138 0000 0000"}).is_valid()
    assert Ask({"mobile": ""}).is_valid()
    form = Ask({"mobile": "0538-0000000"})
    assert form.errors["mobile"] == ["请填写 11 位的中国大陆手机号，例如 13800000000。"]
    assert form["mobile"].value() == "0538-0000000"
    assert 'value="13800000000"' in str(Ask(initial={"mobile": "+8613800000000"}))

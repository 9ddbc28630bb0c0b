"""Unified social credit codes and temporary codes. Vectors are synthetic (identifiers.md 3.2's computed ones)."""

import random

import pytest
from django import forms
from hypothesis import given
from hypothesis import strategies as st

from orgs import uscc
from orgs.uscc import InvalidUscc, UsccField

VALID = ["1237090049500001X2", "91370983MA0000015X", "54370911MEA0000772", "N2370921MF0000128X"]


@pytest.mark.parametrize("code", VALID)
def test_a_valid_code_passes_both_checks(code):
    assert uscc.parse(code) == code
    assert uscc.warning(code) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1237090049500001X3", "check"),
        ("1237090045900001X2", "check"),
        ("111111111111111111", "check"),
        ("1237090049O00001X2", "letters"),
        ("1237090049500001X", "length"),
        ("1237090049500001X22", "length"),
        ("12370900495000?1X2", "characters"),
        ("12A7090049500001X2", "division"),
        ("", "empty"),
        (" - ", "empty"),
    ],
)
def test_an_invalid_code_is_refused_for_its_own_reason(text, reason):
    with pytest.raises(InvalidUscc) as refusal:
        uscc.parse(text)
    assert refusal.value.code == reason
    assert str(refusal.value).endswith("。")
    assert str(refusal.value).count("。") == 1


@pytest.mark.parametrize(
    "typed", ["1237 0900 4950 0001 X2", "12370900-49500001x2", "１２３７０９００４９５００００１Ｘ２"]
)
def test_what_people_type_is_normalised(typed):
    assert uscc.parse(typed) == "1237090049500001X2"


@pytest.mark.parametrize("code", VALID)
def test_no_single_slip_passes(code):
    for i in range(18):
        for char in set(uscc.ALPHABET) - {code[i]}:
            with pytest.raises(InvalidUscc):
                uscc.parse(code[:i] + char + code[i + 1 :])


def test_a_broken_inner_check_is_a_warning_not_an_error():
    body = "12370900495000012"  # X expected before the last place
    code = body + uscc.outer_check(body)
    assert uscc.parse(code) == code
    assert "组织机构代码" in uscc.warning(code)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_sentence(text):
    try:
        outcome = uscc.parse(text)
    except InvalidUscc as refusal:
        outcome = str(refusal)
    assert len(outcome) == 18 or outcome.endswith("。")


@given(st.sampled_from(["370902", "370983", "3709A1"]), st.integers(0, 999_999_999))
def test_a_temporary_code_is_recognised_and_never_a_credit_code(division, serial):
    code = uscc.make_temporary(division, serial)
    assert len(code) == 18
    assert uscc.is_temporary(code)
    assert uscc.warning(code) == ""
    with pytest.raises(InvalidUscc):
        uscc.parse(code)


def test_no_single_slip_in_a_temporary_code_passes():
    code = uscc.make_temporary("3709A1", random.Random(1).randrange(10**9))
    for i in range(18):
        for char in set(uscc.BASE36) - {code[i]}:
            assert not uscc.is_temporary(code[:i] + char + code[i + 1 :])


@pytest.mark.parametrize(
    ("division", "serial"), [("37090", 1), ("3709AA", 1), ("370902", -1), ("370902", 10**9)]
)
def test_a_temporary_code_needs_a_division_and_a_serial(division, serial):
    with pytest.raises(ValueError, match=r"division|serial"):
        uscc.make_temporary(division, serial)


class Ask(forms.Form):
    code = UsccField()
    certified = UsccField(temporary=False, required=False)


def test_the_field_takes_both_kinds_where_it_may():
    temporary = uscc.make_temporary("370902", 1)
    form = Ask({"code": temporary.lower(), "certified": "54370911MEA0000772"})
    assert form.is_valid()
    assert form.cleaned_data == {"code": temporary, "certified": "54370911MEA0000772"}
    form = Ask({"code": temporary[:-1] + "#", "certified": temporary})
    assert form.errors["code"] == ["临时代码有误，请对照平台发放的代码逐位核对。"]
    assert "I、O、S、V、Z" in form.errors["certified"][0]


@pytest.mark.parametrize("typed", ["", "123", "1237090049500001X3", "1" * 5000])
def test_the_field_answers_with_one_sentence_and_keeps_what_was_typed(typed):
    form = Ask({"code": typed})
    (sentence,) = form.errors["code"]
    assert sentence.endswith("。")
    assert form["code"].value() == typed

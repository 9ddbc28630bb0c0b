"""Numbers, codes and days as people write them, against implementations that are not ours (trust.md 4.5).

The check characters are computed here from the standards anew, by another way than the product's: MOD 11-2 as the
recursion of ISO 7064, GB 32100 by powers of 3.
"""

import contextlib
import datetime
import re
import unicodedata
from decimal import Decimal, InvalidOperation

import pytest
from django import forms
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.iso7064 import mod_11_2

from accounts import mobile
from accounts.id_number import IdKind, IdNumber, InvalidIdNumber
from credits.forms.deciding import HoursApproveForm
from orgs import uscc
from tests.tiers import times
from workflow.dates import WrittenDateField

EXAMPLES = settings(max_examples=times(150, 1_000), deadline=None)
SIGNS = "0123456789X"


def check_by_recursion(first17: str) -> str:
    """ISO 7064, pure system: P = (P + digit) * 2 mod 11, and the sign that makes the whole 1."""
    rest = 0
    for digit in first17:
        rest = (rest + int(digit)) * 2 % 11
    return SIGNS[(12 - rest) % 11]


@pytest.mark.parametrize("head", ["37090219000112", "11010119560229", "82000020000229", "65010119881231"])
def test_every_sequence_with_every_check_character(head):
    """All 1,000 sequences of one day and place × all 11 check characters: one is right, and only that one is taken."""
    kind = IdKind.PERMIT if head.startswith("82") else IdKind.RESIDENT
    wrong = 0
    for sequence in range(1_000):
        first = f"{head}{sequence:03d}"
        right = check_by_recursion(first)
        assert mod_11_2.calc_check_digit(first) == right
        for sign in SIGNS:
            try:
                taken = IdNumber.parse(first + sign, kind).reveal() == first + sign
            except InvalidIdNumber as refusal:
                taken = refusal.code != "check"
            wrong += taken != (sign == right)
    assert not wrong


@EXAMPLES
@given(st.dates(datetime.date(1890, 1, 1), datetime.date(2050, 12, 31)), st.integers(0, 999))
def test_days_of_birth(born, sequence):
    first = f"370902{born:%Y%m%d}{sequence:03d}"
    text = first + check_by_recursion(first)
    if datetime.date(1900, 1, 1) <= born <= datetime.date.today():  # noqa: DTZ011
        assert IdNumber.parse(text).birth_date == born
    else:
        with pytest.raises(InvalidIdNumber) as refusal:
            IdNumber.parse(text)
        assert refusal.value.code in ("date", "future")


@EXAMPLES
@given(
    st.text(max_size=40) | st.text("0123456789０１２３xXｘＸ -\u200b٣²", min_size=14, max_size=22),
    st.sampled_from(IdKind),
)
def test_any_text_is_read_or_refused_without_repeating_it(text, kind):
    try:
        number = IdNumber.parse(text, kind)
    except InvalidIdNumber as refusal:
        sentence, number = str(refusal), None
    if number is None:
        assert sentence.endswith("。")
        assert set(re.findall(r"\d{6}", sentence)) <= {
            "810000",
            "820000",
            "830000",
            "123456",
        }  # examples in the sentences
        return
    assert number.reveal().isascii()
    assert number.reveal() == IdNumber.parse(number.reveal(), kind).reveal(), "reading again changes nothing"
    assert IdNumber.parse(unicodedata.normalize("NFKC", text), kind) == number


# --- codes of units -------------------------------------------------------------------------------------

CODE_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def outer_by_powers(first17: str) -> str:
    return CODE_SIGNS[
        -sum(CODE_SIGNS.index(sign) * pow(3, place, 31) for place, sign in enumerate(first17)) % 31
    ]


@EXAMPLES
@given(
    st.text(CODE_SIGNS, min_size=2, max_size=2),
    st.integers(0, 999_999),
    st.text(CODE_SIGNS, min_size=9, max_size=9),
)
def test_of_all_last_signs_one_is_right(head, division, body):
    first = f"{head}{division:06d}{body}"
    taken, reasons = [], set()
    for sign in CODE_SIGNS:
        try:
            taken.append(uscc.parse(first + sign)[-1])
        except uscc.InvalidUscc as refusal:
            reasons.add(refusal.code)
    assert reasons == {"check"}
    assert taken == [outer_by_powers(first)]


# --- days, hours, telephones ------------------------------------------------------------------------------

day_texts = st.text("0123456789-/.年月日 　０１２９—–٠²", max_size=14) | st.from_regex(
    r"\A\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?\Z"
)


@EXAMPLES
@given(day_texts)
def test_any_day_is_read_or_refused(text):
    field = WrittenDateField(required=False)
    try:
        day = field.clean(text)
    except forms.ValidationError:
        return
    if day is not None:
        assert field.clean(str(day)) == day
        assert field.clean(f"{day.year:04d}年{day.month}月{day.day}日") == day


WAYS = [
    "{y:04d}-{m:02d}-{d:02d}",
    "{y:04d}/{m}/{d}",
    "{y:04d}.{m}.{d:02d}",
    "{y:04d}{m:02d}{d:02d}",
    " {y:04d}年{m}月{d}日 ",
]
WIDE = str.maketrans("0123456789/.", "０１２３４５６７８９／．")


@EXAMPLES
@given(st.dates(), st.sampled_from(WAYS), st.booleans())
def test_every_day_in_every_way_of_writing_it(day, way, wide):
    text = way.format(y=day.year, m=day.month, d=day.day)
    assert WrittenDateField().clean(text.translate(WIDE) if wide else text) == day


@EXAMPLES
@given(
    st.text("0123456789.,-+eE_ 　０１５．٣²∞NaInf", max_size=12)
    | st.decimals(allow_nan=True, allow_infinity=True).map(str)
)
def test_recognised_hours_are_tenths_in_range_or_refused(text):
    field = next(one for name, one in HoursApproveForm.base_fields.items() if name == "hours")
    try:
        found = field.clean(text)
    except forms.ValidationError:
        return
    if found is not None:
        assert found.is_finite()
        assert found * 10 == int(found * 10)
        assert 0 <= found <= 10_000
        with contextlib.suppress(
            InvalidOperation
        ):  # what is written as no other program would read it: 6 学时
            assert found == Decimal(unicodedata.normalize("NFKC", text).strip())


@EXAMPLES
@given(st.text("0123456789+86 -０１３（）().\u200b", max_size=20))
def test_any_telephone_is_eleven_digits_or_refused(text):
    try:
        number = mobile.parse(text)
    except mobile.InvalidMobile:
        return
    assert number.startswith("+861")
    assert len(number) == 14
    assert mobile.parse(number) == number

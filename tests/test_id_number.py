"""ID numbers: reading, masking, sealing, finding. Vectors: births 1900-1911 or sequence 000, nobody's numbers."""

import logging
import pickle
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from django import forms
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts import crypto
from accounts.id_number import IdKind, IdNumber, IdNumberField, InvalidIdNumber, normalise
from accounts.models import User

RESIDENTS = [
    "370902190001011234",
    "370983190212310013",
    "37092119011111003X",
    "370902199001010005",
    "370911198506150005",
    "37092320000229000X",
]
OTHERS = [
    (IdKind.PERMIT, "810000190307150021"),
    (IdKind.PERMIT, "820000190402291211"),
    (IdKind.PERMIT, "83000019050815003X"),
    (IdKind.FOREIGN, "937840190107150025"),
    (IdKind.FOREIGN, "911826190212310012"),
    (IdKind.FOREIGN, "937392190306300179"),
    (IdKind.FOREIGN_OLD, "ABC000000000001"),
    (IdKind.HK_MACAU, "H00000001"),
    (IdKind.HK_MACAU, "M0000000101"),
    (IdKind.TAIWAN, "00000001"),
    (IdKind.TAIWAN, "0000000001B"),
    (IdKind.PASSPORT, "UTO/L898902C"),  # Utopia, ICAO's specimen country
]
ALL = [(IdKind.RESIDENT, text) for text in RESIDENTS] + OTHERS


def last_character(first17: str) -> str:
    """MOD 11-2 a second time, by the standard's recursive form instead of its weights."""
    p = 0
    for digit in first17:
        p = (p + int(digit)) * 2 % 11
    return "0123456789X"[(12 - p) % 11]


@pytest.mark.parametrize(("kind", "text"), ALL)
def test_a_valid_number_is_read_back_whole(kind, text):
    number = IdNumber.parse(text, kind)
    assert (number.kind, number.reveal()) == (kind, text)


@pytest.mark.parametrize(("kind", "text"), ALL)
def test_a_page_without_a_choice_of_kind_reads_it_by_shape(kind, text):
    assert IdNumber.read(text) == IdNumber.parse(text, kind)


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        (IdKind.RESIDENT, "370902190001011235", "check"),
        (IdKind.RESIDENT, "370902190002291231", "date"),
        (IdKind.RESIDENT, "370902000101010000", "date"),
        (IdKind.RESIDENT, "000902190101011238", "province"),
        (IdKind.RESIDENT, "370902190001011", "old"),
        (IdKind.RESIDENT, "37090219000101123", "length"),
        (IdKind.RESIDENT, "3709021900010112345", "length"),
        (IdKind.RESIDENT, "37090219000101123A", "characters"),
        (IdKind.RESIDENT, "3709021X0001011234", "characters"),
        (IdKind.RESIDENT, "三七零九零二一九零零零一零一一二三四", "characters"),
        (IdKind.RESIDENT, "٣٧٠٩٠٢١٩٠٠٠١٠١١٢٣٤", "characters"),
        (IdKind.RESIDENT, "", "empty"),
        (IdKind.RESIDENT, " \u200b- ", "empty"),
        (IdKind.RESIDENT, "810000190307150021", "kind"),
        (IdKind.RESIDENT, "937840190107150025", "kind"),
        (IdKind.PERMIT, "810000190307150022", "check"),
        (IdKind.PERMIT, "840000190307150021", "province"),
        (IdKind.PERMIT, "710000190307150021", "province"),
        (IdKind.PERMIT, "820000190002291211", "date"),
        (IdKind.FOREIGN, "937840190107150026", "check"),
        (IdKind.FOREIGN, "937840190113150025", "date"),
        (IdKind.FOREIGN, "93784019010715002", "length"),
        (IdKind.FOREIGN, "837840190107150025", "province"),
        (IdKind.FOREIGN, "900840190107150025", "province"),
        (IdKind.FOREIGN_OLD, "AB0000000000001", "characters"),
        (IdKind.HK_MACAU, "K00000001", "characters"),
        (IdKind.HK_MACAU, "H000000001", "characters"),
        (IdKind.TAIWAN, "0000001", "characters"),
        (IdKind.PASSPORT, "L898902C", "characters"),
        (IdKind.PASSPORT, "UTO/1234", "characters"),
    ],
)
def test_an_invalid_number_is_refused_for_its_own_reason(kind, text, code):
    with pytest.raises(InvalidIdNumber) as refusal:
        IdNumber.parse(text, kind)
    assert refusal.value.code == code
    assert str(refusal.value).endswith("。")
    assert str(refusal.value).count("。") == 1
    assert text == "" or text not in str(refusal.value)


def test_born_today_is_possible_born_tomorrow_is_not():
    today = timezone.localdate()
    body = f"370902{today:%Y%m%d}000"
    assert IdNumber.parse(body + last_character(body)).birth_date == today
    body = f"370902{today + timedelta(days=1):%Y%m%d}000"
    with pytest.raises(InvalidIdNumber) as refusal:
        IdNumber.parse(body + last_character(body))
    assert refusal.value.code == "future"


@given(
    st.sampled_from(["370902", "110101", "659001", "710000"]),
    st.dates(date(1900, 1, 1), date(2020, 12, 31)),
    st.integers(0, 999),
)
def test_check_characters_agree_with_a_second_implementation(address, born, sequence):
    body = f"{address}{born:%Y%m%d}{sequence:03d}"
    right = last_character(body)
    assert IdNumber.parse(body + right).birth_date == born
    for wrong in set("0123456789X") - {right}:
        with pytest.raises(InvalidIdNumber):
            IdNumber.parse(body + wrong)


@pytest.mark.parametrize("text", RESIDENTS)
def test_no_single_slip_and_no_swap_of_neighbours_passes(text):
    slips = {text[:i] + d + text[i + 1 :] for i in range(18) for d in "0123456789X"}
    swaps = {text[:i] + text[i + 1] + text[i] + text[i + 2 :] for i in range(17)}
    for wrong in (slips | swaps) - {text}:
        with pytest.raises(InvalidIdNumber):
            IdNumber.parse(wrong)


@pytest.mark.parametrize(
    "typed",
    [
        "37092119011111003x",
        " 370921 19011111 003X ",
        "370921-19011111-003X",
        "３７０９２１１９０１１１１１００３Ｘ",
        "\u200b370921\u00a019011111\ufeff003X\u202c",
        "370921\u201319011111\u2014003X\r\n",
    ],
)
def test_what_people_type_is_normalised(typed):
    assert IdNumber.parse(typed) == IdNumber.parse("37092119011111003X")


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_sentence(text):
    for kind in IdKind:
        try:
            outcome = IdNumber.parse(text, kind).reveal()
        except InvalidIdNumber as refusal:
            outcome = str(refusal)
        assert outcome == normalise(text) or outcome.endswith("。")


@pytest.mark.parametrize(("kind", "text"), ALL)
def test_the_mask_shows_the_ends_only(kind, text):
    number = IdNumber.parse(text, kind)
    assert len(number.masked) == len(text) <= 32
    assert number.masked.count("*") >= len(text) - 8 >= 0
    assert number.masked.count("*") >= 5
    assert number.last_four == text[-4:]
    assert number.last_six == text[-6:]


def test_the_mask_of_a_resident_number():
    assert IdNumber.parse("370902190001011234").masked == "3709**********1234"
    assert IdNumber.parse("00000001", IdKind.TAIWAN).masked == "0*****01"


def test_printing_and_logging_show_the_mask(caplog):
    number = IdNumber.parse("370902190001011234")
    logging.getLogger("test").warning("%s %r %s", number, number, [{"number": number}])
    assert "370902190001011234" not in caplog.text + f"{number} {number!r}" + str([number])
    assert "3709**********1234" in caplog.text


def test_a_number_cannot_be_changed_and_is_equal_by_kind_and_text():
    number = IdNumber.parse("370902190001011234")
    with pytest.raises(AttributeError):
        number.kind = IdKind.PASSPORT
    assert number == pickle.loads(pickle.dumps(number))
    assert len({number, IdNumber.parse("370902190001011234")}) == 1
    assert number != IdNumber(IdKind.TAIWAN, "370902190001011234")


@pytest.mark.parametrize(("kind", "text"), ALL)
def test_the_seal_opens_and_the_index_is_stable(kind, text):
    number = IdNumber.parse(text, kind)
    assert crypto.open_sealed(number.sealed, "id-number") == text
    assert number.sealed != number.sealed
    assert number.index == IdNumber.parse(text, kind).index
    assert len(number.index) == 64
    assert text.encode() not in number.sealed
    assert text not in number.index


def test_the_index_depends_on_the_kind_the_purpose_and_the_key(settings):
    number = IdNumber.parse("00000001", IdKind.TAIWAN)
    before = number.index
    assert before != IdNumber(IdKind.PASSPORT, "00000001").index
    assert crypto.blind_index("x", "one") != crypto.blind_index("x", "two")
    settings.INDEX_KEY = "11" * 32
    assert number.index != before


@pytest.mark.parametrize("position", range(0, 50, 3))
def test_a_changed_seal_does_not_open(position):
    blob = bytearray(crypto.seal("370902190001011234", "id-number"))
    blob[position % len(blob)] ^= 1
    with pytest.raises(crypto.SealBroken):
        crypto.open_sealed(bytes(blob), "id-number")


@pytest.mark.parametrize(
    "blob", [b"", b"\x01", b"\x01\x01", b"\x01\xff1", b"\x02\x011" + b"0" * 40, b"\x01\x01\xff1234"]
)
def test_what_is_no_seal_does_not_open(blob):
    with pytest.raises(crypto.SealBroken):
        crypto.open_sealed(blob, "id-number")


def test_a_seal_opens_for_its_purpose_only():
    with pytest.raises(crypto.SealBroken):
        crypto.open_sealed(crypto.seal("x", "mobile"), "id-number")


def test_keys_rotate_and_old_seals_stay_readable(settings):
    settings.FIELD_KEYS, settings.FIELD_KEY_CURRENT = {"a": "aa" * 32}, "a"
    old = crypto.seal("甲", "p")
    settings.FIELD_KEYS = {"a": "aa" * 32, "b": "u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7s="}  # base64
    settings.FIELD_KEY_CURRENT = "b"
    new = crypto.seal("甲", "p")
    assert crypto.open_sealed(old, "p") == crypto.open_sealed(memoryview(new), "p") == "甲"
    assert (crypto.sealed_with(old), crypto.sealed_with(new)) == ("a", "b")
    settings.FIELD_KEYS = {"b": settings.FIELD_KEYS["b"]}
    with pytest.raises(crypto.SealBroken):
        crypto.open_sealed(old, "p")


# --- in the database -----------------------------------------------------------------------------


def test_a_person_is_found_by_the_number_and_it_stands_nowhere_in_clear(db):
    number = IdNumber.parse("370902199001010005")
    User.objects.create_user(number, name="甲一")
    person = User.objects.by_id_number(IdNumber.parse("３７０９０２ 19900101 0005")).get()
    assert person.id_number == number
    assert (person.id_masked, person.id_last4, person.id_kind) == ("3709**********0005", "0005", "resident")
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounts_user::text, encode(id_sealed, 'escape') FROM accounts_user")
        assert number.reveal() not in "".join(cursor.fetchone())


def test_one_number_has_one_person_and_the_database_does_not_print_it(db):
    number = IdNumber.parse("370902199001010005")
    User.objects.create_user(number, name="甲一")
    with pytest.raises(IntegrityError, match="user_id_number_once") as refusal, transaction.atomic():
        User.objects.create_user(number, name="乙二")
    assert number.reveal() not in str(refusal.value)


def test_a_seal_moved_to_another_person_does_not_open(db):
    one = User.objects.create_user(IdNumber.parse("370902199001010005"), name="甲一")
    two = User.objects.create_user(IdNumber.parse("370911198506150005"), name="乙二")
    User.objects.filter(pk=two.pk).update(id_sealed=one.id_sealed)
    two.refresh_from_db()
    with pytest.raises(crypto.SealBroken):
        _ = two.id_number


def test_only_one_module_touches_ciphers():
    root = Path(crypto.__file__).parents[1]
    apps = ["accounts", "config", "orgs", "workflow", "registration", "transfers", "credits", "desk"]
    found = {
        str(path.relative_to(root))
        for app in apps
        for path in (root / app).rglob("*.py")
        if re.search(r"^\s*(import|from) (cryptography|hmac)\b", path.read_text(), re.M)
    }
    assert found == {"accounts/crypto.py", "credits/api/signing.py", "credits/paper/signing.py"}


# --- in forms ------------------------------------------------------------------------------------


class Ask(forms.Form):
    number = IdNumberField()


class AskAny(forms.Form):
    number = IdNumberField(kind=None, required=False)


def test_the_field_cleans_to_a_number():
    form = Ask({"number": "37092119011111003x"})
    assert form.is_valid()
    assert form.cleaned_data["number"] == IdNumber.parse("37092119011111003X")


@pytest.mark.parametrize("typed", ["", "  ", "123", "370902190001011235", "1" * 5000, "\x00" * 18])
def test_the_field_answers_with_one_sentence_and_keeps_what_was_typed(typed):
    form = Ask({"number": typed})
    (sentence,) = form.errors["number"]
    assert sentence.endswith("。")
    assert form["number"].value() == typed


def test_the_field_of_any_kind():
    assert AskAny({"number": "H00000001"}).is_valid()
    assert AskAny({"number": ""}).is_valid()
    assert AskAny({"number": "370902190001011235"}).errors["number"][0].startswith("身份证号")


def test_the_box_is_made_for_shared_computers():
    box = str(Ask()["number"])
    assert 'autocomplete="off"' in box
    assert 'spellcheck="false"' in box
    assert "maxlength" in box


def test_a_prefilled_number_is_masked_unless_revealed():
    assert "370902190001011234" not in str(Ask(initial={"number": IdNumber.parse("370902190001011234")}))

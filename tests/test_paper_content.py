"""What a certificate says: one text that is signed, its number, its verification code."""

import dataclasses
import random
import unicodedata
from datetime import date, timedelta

import pytest

from credits.paper.content import (
    CODE_ALPHABET,
    Content,
    ContentRefused,
    canonical,
    grouped,
    new_code,
    numbered,
    read_code,
    read_number,
    restored,
    stored,
    verification_address,
)
from credits.paper.signing import public_keys, sign, verify
from tests.test_paper_signing import KEY

TEXTS = ("number", "name", "id_number_masked", "unit", "relief", "basis", "issuer")


def content(**changes) -> Content:
    return Content(
        **{
            "number": numbered(2026, "370900", 123),
            "name": "王晓妮",
            "id_number_masked": "3709**********2233",
            "unit": "泰安市保障性住房管理服务中心",
            "year": 2026,
            "lines": (("公需科目", "30", "30"), ("专业科目", "62.5", "60"), ("合计", "92.5", "90")),
            "relief": "产假，本年度要求减为 45 学时",
            "basis": "鲁人社字〔2021〕167号",
            "issued_on": date(2026, 12, 20),
            "issuer": "泰安市人力资源和社会保障局",
        }
        | changes
    )


def spoiled(text: str) -> set[str]:
    """The text with one character changed, dropped, doubled or swapped with the next, at every place."""
    found = set()
    for place, character in enumerate(text):
        before, after = text[:place], text[place + 1 :]
        for other in ("甲", "0", "9", "X", " ", "\n", "\\", ":", character * 2, ""):
            found.add(before + other + after)
        found.add(before + after[:1] + character + after[1:])
    return found - {text}


def mutations() -> list[Content]:
    one = content()
    found = []
    for field in TEXTS:
        found += [(field, text) for text in spoiled(getattr(one, field))]
        found.append((field, getattr(one, field) + " "))
    for place, line in enumerate(one.lines):
        for column, text in enumerate(line):
            for other in spoiled(text):
                changed = line[:column] + (other,) + line[column + 1 :]
                found.append(("lines", one.lines[:place] + (changed,) + one.lines[place + 1 :]))
        found.append(("lines", one.lines[:place] + one.lines[place + 1 :]))
        found.append(("lines", one.lines[:place] + (line,) + one.lines[place:]))
    found.append(("lines", one.lines[::-1]))
    found += [("year", 2026 + by) for by in (-10, -1, 1, 10)]
    found += [("issued_on", one.issued_on + timedelta(days=by)) for by in range(-31, 32) if by]
    return [dataclasses.replace(one, **{field: value}) for field, value in found]


def test_every_mutation_breaks_the_signature(settings):
    settings.SIGNING_KEY, settings.VERIFYING_KEYS = KEY, []
    keys = public_keys()
    signature = sign(canonical(content()))
    assert verify(canonical(content()), signature, keys)
    changed = mutations()
    assert len(changed) >= 1000
    held = [one for one in changed if verify(canonical(one), signature, keys)]
    assert held == []


def test_different_contents_have_different_texts():
    texts = {canonical(one) for one in [content(), *mutations()]}
    assert len(texts) == len({*mutations(), content()})


def test_every_byte_of_the_text_counts(settings):
    settings.SIGNING_KEY, settings.VERIFYING_KEYS = KEY, []
    text = canonical(content())
    signature, keys = sign(text), public_keys()
    for place in range(len(text)):
        for bit in (0x01, 0x20, 0x80):
            changed = text[:place] + bytes([text[place] ^ bit]) + text[place + 1 :]
            assert not verify(changed, signature, keys)


def test_the_text_itself():
    """Golden: a change of this text would make every certificate issued before invalid."""
    assert canonical(content(relief="")).decode() == (
        "CPE-CERTIFICATE 1\n"
        "number: SD-2026-370900-0000123\n"
        "name: 王晓妮\n"
        "id: 3709**********2233\n"
        "unit: 泰安市保障性住房管理服务中心\n"
        "year: 2026\n"
        "lines: 3\n"
        "line 1 label: 公需科目\n"
        "line 1 hours: 30\n"
        "line 1 required: 30\n"
        "line 2 label: 专业科目\n"
        "line 2 hours: 62.5\n"
        "line 2 required: 60\n"
        "line 3 label: 合计\n"
        "line 3 hours: 92.5\n"
        "line 3 required: 90\n"
        "relief: \n"
        "basis: 鲁人社字〔2021〕167号\n"
        "issued: 2026-12-20\n"
        "issuer: 泰安市人力资源和社会保障局\n"
    )


@pytest.mark.parametrize("break_", ["\n", "\r", "\u2028", "\x85", "\x0b", "\x1e"])
def test_no_field_can_pretend_to_be_two(break_):
    one = canonical(content(name=f"王{break_}id: 1", unit="x"))
    assert len(one.decode().splitlines()) == len(canonical(content()).decode().splitlines())
    assert one != canonical(content(name=f"王\\u{ord(break_):04x}id: 1", unit="x"))


def test_composed_and_decomposed_are_the_same_name():
    name = "José·王"
    assert canonical(content(name=unicodedata.normalize("NFD", name))) == canonical(content(name=name))


@pytest.mark.parametrize(
    "changes",
    [
        {"id_number_masked": "370902199001010005"},
        {"id_number_masked": "证件 37090219900101000x"},
        {"id_number_masked": "370902900101000"},
        {"name": " "},
        {"issuer": ""},
        {"name": "王" * 61},
        {"unit": "王" * 141},
        {"basis": "王" * 401},
        {"lines": ()},
        {"lines": (("公需科目", "30"),)},
        {"lines": (("公需科目", "30", "30"),) * 13},
        {"year": 26},
    ],
)
def test_what_cannot_be_a_certificate(changes):
    with pytest.raises(ContentRefused) as refusal:
        content(**changes)
    assert "3709" not in str(refusal.value)


def test_kept_and_read_again():
    assert restored(stored(content())) == content()
    with pytest.raises(ContentRefused):
        restored({"number": "x"})
    with pytest.raises(ContentRefused):
        restored(stored(content()) | {"more": 1})


def test_numbers():
    assert numbered(2026, "370900", 123) == "SD-2026-370900-0000123"
    assert numbered(2026, "3709", 1, prefix="HN") == "HN-2026-3709-0000001"
    for wrong in [(2026, "370900", 0), (2026, "37-09", 1), (26, "370900", 1), (2026, "370900", 10_000_000)]:
        with pytest.raises(ValueError, match=r"range|digits"):
            numbered(*wrong)
    assert read_number(" ｓｄ－２０２６-370900 —0000123\n") == "SD-2026-370900-0000123"
    assert read_number("SD-2026-370900-000012") == read_number("SD-٢٠٢٦-370900-0000123") == ""


def test_codes_have_sixty_bits_and_no_look_alikes():
    assert len(set(CODE_ALPHABET)) == 32
    assert not set("0O1I") & set(CODE_ALPHABET)
    codes = [new_code() for _ in range(5000)]
    assert len(set(codes)) == 5000
    assert {len(code) for code in codes} == {12}
    # every place uses every character: 60 bits
    assert all({code[place] for code in codes} == set(CODE_ALPHABET) for place in range(12))


def test_codes_as_people_type_them():
    code = "7K3MQ9TD4XWA"
    assert grouped(code) == "7K3M-Q9TD-4XWA"
    for typed in [
        code,
        "7k3m-q9td-4xwa",
        " 7K3M Q9TD 4XWA\n",
        "７Ｋ３Ｍ－Ｑ９ＴＤ－４ＸＷＡ",
        "７ｋ３ｍ　q9td—4xwa",
        "7K3M–Q9TD‑4XWA",
    ]:
        assert read_code(typed) == code
    for wrong in [
        "",
        "7K3MQ9TD4XW",
        "7K3MQ9TD4XWAA",
        "7K3MQ9TD4XW0",
        "7K3MQ9TD4XWI",
        "7K3MQ9TD4XW王",
        "ß" * 6,
    ]:
        assert read_code(wrong) == ""


def test_mutated_codes_are_never_the_same_code():
    """Characters that look alike are among those typed: none stands for another."""
    luck = random.Random(20261220)
    typed = CODE_ALPHABET + CODE_ALPHABET.lower() + "０１２９ＡＺａｚ" + "0O1Ioil｜*王éſK①"
    kinds = {"dropped": 0, "added": 0, "changed": 0, "shuffled": 0}
    while sum(kinds.values()) < 10_000:
        code, place, kind = new_code(), luck.randrange(12), luck.choice([*kinds])
        before, here, after = code[:place], code[place], code[place + 1 :]
        if kind == "dropped":
            other = before + after
        elif kind == "added":
            other = before + luck.choice(CODE_ALPHABET) + here + after
        elif kind == "changed":
            other = before + luck.choice(typed) + after
        else:
            other = "".join(luck.sample(code, 12))
        if unicodedata.normalize("NFKC", other).upper() == code:
            continue  # the same, only written otherwise
        kinds[kind] += 1
        assert read_code(other) != code, (code, other)
    assert min(kinds.values()) > 2000


def test_the_address_carries_number_and_code():
    assert (
        verification_address("https://x.cn/verify/", "SD-1", "A&B")
        == "https://x.cn/verify/?number=SD-1&code=A%26B"
    )
    assert verification_address("https://x.cn/?a=1", "SD-1", "AB") == "https://x.cn/?a=1&number=SD-1&code=AB"

"""Numbers on proofs: two spellings of one number have one key, two numbers have two, a journal's has none."""

import pytest

from credits.numbers import LONGEST, key_of

SAME = [
    ["ISBN 978-7-111-07575-2", "9787111075752", "7-111-07575-7", "ＩＳＢＮ：７１１１０７５７５７"],
    ["ZL 2021 1 0123456.6", "ZL202110123456.6", "专利号：ZL2021 1 0123456.6", "CN 202110123456.6"],
    ["https://doi.org/10.1000/xyz123", "DOI:10.1000/XYZ123", "doi 10.1000/xyz123", "10.1000/xyz123"],
    ["证书编号：TA-2026-00123", "ta 2026 00123", "ＴＡ２０２６－００１２３", "No. TA/2026/00123"],
    ["鲁培证字〔2026〕12号", "鲁培证字[2026]12", "鲁培证字（2026）12号"],
]


@pytest.mark.parametrize("spellings", SAME, ids=lambda one: one[0])
def test_spellings_of_one_number(spellings):
    keys = {key_of(one) for one in spellings}
    assert len(keys) == 1, keys
    assert keys != {""}


def test_different_numbers_stay_different():
    keys = [key_of(group[0]) for group in SAME]
    others = ["TA-2026-00124", "10.1000/xyz124", "ZL202110123457.4", "9787111075769"]
    keys += [key_of(one) for one in others]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "number",
    ["", "无", "暂无", "—", "12", "№ 1", "ISSN 1000-1234", "CN 37-1234/TU", "刊号 CN37-1234", "见附件"],
)
def test_what_names_no_single_proof_is_no_key(number):
    assert key_of(number) == ""


@pytest.mark.parametrize(
    "hostile", ["9" * 60, "10.1000/" + "长" * 52, "ZL" * 30, "\u202e12345", "ISBN" + "9" * 56, "𝟗𝟖𝟕𝟔𝟓"]
)
def test_no_key_is_longer_than_its_column(hostile):
    assert len(key_of(hostile)) <= LONGEST

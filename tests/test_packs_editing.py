"""Changing one part of a pack leaves the rest as it was."""

import pytest

from credits.rules.editing import (
    shape_of,
    with_activity,
    with_basis,
    with_most,
    with_rates,
    without_activity,
)
from credits.rules.pack import read
from credits.rules.shapes import Rate
from credits.rules.writing import write
from tests.rules import dec, pack


def again(changed):
    return read(write(changed))


def table(rows: str):
    head = 'code="x"\nname="x"\nbasis="x"\norigin="x"\nmark="stated"\nyear_from=2021\n[subjects]\npublic="公需"\n'
    return read(head + f'[activity.a]\nname="x"\nsubjects=["public"]\n{rows}').activities["a"].rates


@pytest.mark.parametrize(
    ("rows", "shape"),
    [
        ("", "none"),
        ("rates = [{ hours = 90 }]", "fixed"),
        ("rates = [{ hours = 20, last = 3 }]", "fixed"),
        ('rates = [{ hours = 6, per = "day" }]', "per"),
        ('rates = [{ hours = 5, per = "1000-characters", only_full = true }]', "per"),
        ("rates = [{ hours = 10, least = { points = 2000 } }]", "fixed"),
        ("rates = [{ ranks = [64, 56] }]", "ranks"),
        ("rates = [{ alone = 30, first = 30, others = 10 }]", "others"),
        ("rates = [{ first = 30, others = 10, last = 4 }]", "others"),
        ("rates = [{ first = 40, less = 6 }]", "less"),
        ("rates = [{ fills = true }]", "fills"),
        ('rates = [{ level = "national", hours = 6 }, { level = "city", hours = 3 }]', "fixed"),
        # One form cannot show these: they are changed in the text.
        ('rates = [{ level = "national", hours = 6 }, { level = "city", ranks = [3] }]', ""),
        ('rates = [{ ranks = [6, 3], per = "1000-characters" }]', ""),
        (
            'rates = [{ level = "national", hours = 6, least = { points = 9 } }, { level = "city", hours = 6 }]',
            "",
        ),
    ],
)
def test_the_shape_of_a_table(rows, shape):
    assert shape_of(table(rows)) == shape


def test_another_basis_is_followed_by_what_had_the_old_one():
    now = pack("shandong")
    one = with_activity(now, with_rates(now.activities["paper"], [Rate(hours=dec(30))], {}))
    then = again(with_basis(one, "鲁人社发〔2027〕1号"))
    assert then.basis == "鲁人社发〔2027〕1号"
    assert {activity.basis for activity in then.activities.values()} == {then.basis}
    assert {minimum.basis for minimum in then.minimums} == {then.basis}


def test_the_most_of_one_declaration_follows_its_table():
    paper = pack("accounting").activities["paper"]
    assert paper.max_hours == 30
    dearer = with_rates(paper, [Rate(alone=dec(40), first=dec(40), others=dec(10))], {})
    assert dearer.max_hours == 40
    held = with_rates(with_most(paper, dec(25)), [Rate(hours=dec(40))], {})
    assert held.max_hours == 25
    assert with_most(held, None).max_hours == 40
    assert with_rates(paper, [], {}).conversion is None


def test_an_activity_is_put_in_place_switched_off_and_on_again():
    now = pack("shandong")
    off = again(without_activity(now, "book"))
    assert "book" not in off.activities
    assert off.remove == ()
    # The same code exists above: without `remove` the one above would come back.
    dropped = again(without_activity(now, "book", above=["book", "paper"]))
    assert dropped.remove == ("book",)
    back = again(with_activity(dropped, now.activities["book"]))
    assert back.remove == ()
    assert list(back.activities)[-1] == "book"
    assert set(back.activities) == set(now.activities)
    renamed = again(
        with_activity(
            now, now.activities["paper"].__class__(**{**vars(now.activities["paper"]), "name": "论文"})
        )
    )
    assert list(renamed.activities) == list(now.activities)

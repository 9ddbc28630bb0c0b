"""What people are found by is always what their name, number, place and status say, whoever changed them, in any order."""

import random
import threading
import time
import unicodedata

import pytest
from django.db import connection, transaction

from accounts.id_number import IdNumber
from accounts.models import User
from orgs.models import Organization, PersonKey, Practitioner, Status
from orgs.name_parts import LONGEST, NUMBER, parts_to_find, plain
from orgs.tree import move, settle
from tests.race import at_once
from tests.town import Town, synthetic_id

ALPHABET = "甲乙丙·ＡbＣ（） "


def by_hand() -> set[tuple]:
    """The keys of everybody, cut by Python."""
    return {
        (key, person.path, person.pk)
        for person in Practitioner.objects.active().select_related("user")
        for key in {
            *(
                plain(person.user.name)[start : start + length]
                for length in range(1, LONGEST + 1)
                for start in range(len(plain(person.user.name)) - length + 1)
            ),
            NUMBER + person.user.id_last4,
        }
    }


def kept() -> set[tuple]:
    return set(PersonKey.objects.values_list("key", "path", "practitioner"))


def test_every_part_of_the_name_and_the_last_four(town):
    person = town.practitioner(at=town.employer(), user=town.user("甲晓妮"))
    keys = set(person.keys.values_list("key", flat=True))
    assert keys == {"甲", "晓", "妮", "甲晓", "晓妮", "甲晓妮", f"#{person.user.id_last4}"}
    assert kept() == by_hand()


def test_nobody_is_found_before_approval_or_after_leaving(town):
    unit = town.employer()
    person = town.practitioner(at=unit, status=Status.PENDING)
    assert not kept()
    for status in (Status.ACTIVE, Status.CLOSED, Status.ACTIVE):
        person.status = status
        person.save()
        assert kept() == by_hand()
    assert kept()
    Practitioner.objects.filter(pk=person.pk).delete()
    assert not kept()


def test_a_new_name_and_a_new_number(town):
    person = town.practitioner(at=town.employer(), user=town.user("甲晓妮"))
    person.user.name = "甲小妮"
    person.user.set_id_number(IdNumber.parse(synthetic_id(4_321)))
    person.user.save()
    assert kept() == by_hand()
    assert not person.keys.filter(key="晓").exists()
    User.objects.update(name="乙")
    assert kept() == by_hand()


def test_a_branch_that_moves_takes_its_keys_along(town):
    here, there = town.authority(), town.authority()
    unit = town.employer(under=here)
    for place in (unit, town.employer(under=unit)):
        town.practitioner(at=place)
    move(Organization.objects.get(pk=unit.pk), there)
    assert kept() == by_hand()
    there.refresh_from_db()
    assert PersonKey.objects.filter(path__startswith=there.path).count() == PersonKey.objects.count() > 0


def test_python_and_the_database_cut_alike(db):
    chance = random.Random(5)
    names = ["".join(chance.choices(ALPHABET, k=chance.randint(0, 6))) for _ in range(300)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, orgs_name_parts(name) FROM unnest(%s::text[]) AS name", [names])
        found = dict(cursor.fetchall())
    for name, parts in found.items():
        text = unicodedata.normalize("NFKC", name).lower().strip(" ")
        assert set(parts) == {text[i : i + n] for n in (1, 2, 3) for i in range(len(text) - n + 1)}, name
        assert set(parts_to_find(name)) <= set(parts)


def test_a_hundred_changes_in_any_order(town):
    chance = random.Random(3)
    authorities = [town.authority(), town.authority()]
    units = [town.employer(under=chance.choice(authorities)) for _ in range(4)]
    people = [town.practitioner(at=chance.choice(units), user=town.user(f"甲{n}")) for n in range(6)]
    for _ in range(100):
        person = Practitioner.objects.select_related("user").get(pk=chance.choice(people).pk)
        change = chance.randrange(4)
        if change == 0:
            settle(person, Organization.objects.get(pk=chance.choice(units).pk))
        elif change == 1:
            person.user.name = "".join(chance.choices(ALPHABET, k=chance.randint(1, 5)))
            person.user.save()
        elif change == 2:
            person.status = chance.choice([Status.ACTIVE, Status.CLOSED])
            person.save()
        else:
            move(
                Organization.objects.get(pk=chance.choice(units).pk),
                Organization.objects.get(pk=chance.choice(authorities).pk),
            )
        assert kept() == by_hand()


@pytest.fixture
def unlocked(transactional_db):
    """The control: the change of a name does not wait for who moves the person."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('orgs_keys_renamed'::regproc)")
        locked = cursor.fetchone()[0]
        assert "FOR NO KEY UPDATE" in locked
        cursor.execute(locked.replace("FOR NO KEY UPDATE", ""))
        yield
        cursor.execute(locked)


def move_while_the_name_changes() -> None:
    town = Town()
    units = [town.employer(), town.employer()]
    person = town.practitioner(at=units[0], user=town.user("甲"))
    moved = threading.Event()

    def moves():
        with transaction.atomic():
            settle(Practitioner.objects.get(pk=person.pk), units[1])
            moved.set()
            time.sleep(0.5)  # the other one is at the row, or through with it when nothing keeps it

    def renames():
        moved.wait(timeout=10)
        User.objects.filter(pk=person.user_id).update(name="乙")

    assert at_once(moves, renames) == ["ok", "ok"]


@pytest.mark.django_db(transaction=True)
def test_a_move_and_a_new_name_at_the_same_moment():
    move_while_the_name_changes()
    assert kept() == by_hand()


def test_without_the_lock_that_would_be_wrong(unlocked):
    move_while_the_name_changes()
    assert kept() != by_hand()

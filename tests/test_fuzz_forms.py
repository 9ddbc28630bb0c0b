"""Every form × what nobody should send (trust.md 4.5): no answer of 500 or more, and no row that should not be.

The forms are those of the permission matrix, so a new one is fuzzed as soon as it has its row there. Each is opened by
whoever may, filled in with good will, spoilt, and sent; what it did is undone. What was taken is looked at first: by
the constraints that wait for a commit, and by the invariants.
"""

import pytest
from django.db import connection, transaction

from tests import fuzz_places
from tests.fuzz_places import Place
from tests.fuzzing import NAMES, Asked, answers, chance, encoded, forms_of, improved, shown, spoilt
from tests.race import check_invariants
from tests.test_matrix import MATRIX
from tests.tiers import figure, times

pytestmark = pytest.mark.django_db
folder, private_files, world = fuzz_places.folder, fuzz_places.private_files, fuzz_places.world

POSTED = [name for name, page in MATRIX.items() if page.post is not None and not name.startswith("api:")]
# A form gets as many requests as it has fields; one without any is a button.
PER_FIELD, FEWEST, MOST = times(2, 8), times(4, 14), times(24, 100)
PLACES, TRIES = times(3, 5), times(3, 5)  # places of one form; attempts at answers that it takes
LOOKED_AT = times(2, 6)  # taken requests of one form after which all invariants are looked at


def asked_at(place: Place, name: str) -> list[Asked]:
    """The forms that lead to this address, on the page that stands there; at least what is known to be sent."""
    found = []
    if place.read or MATRIX[name].get is not None:
        with transaction.atomic():
            answer = place.client.get(place.read if place.read.startswith("/") else place.url + place.read)
            transaction.set_rollback(True)
        if "html" in answer.headers.get("Content-Type", ""):
            path = place.url.split("?")[0]
            found = [
                one
                for one in forms_of(answer.content.decode())
                if one.method == "post" and (one.action.split("?")[0] or path) == path
            ]
    found = found or [Asked("", "post")]
    for one in found:
        one.fields |= {field: ("select", values) for field, values in place.fields.items()}
    return found


class Sent:
    """One request, its answer, and afterwards nothing of either."""

    def __init__(self, place: Place, filled: dict, dice, *, look: bool = False):
        self.place, self.filled, self.problem, self.complaints = place, filled, "", {}
        cookies = place.client.cookies.copy()
        body, kind = encoded(filled, dice)
        try:
            with transaction.atomic():
                answer = place.client.post(place.url, body, content_type=kind)
                self.status, self.taken = answer.status_code, 300 <= answer.status_code < 400
                self.complaints = complaints_of(answer)
                if self.taken:
                    with connection.cursor() as cursor:
                        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                    if look:
                        check_invariants()
                transaction.set_rollback(True)
        except Exception as error:  # whatever it is: in production it is a page that says 500
            self.status, self.taken, self.problem = 500, False, f"{type(error).__name__}: {error}"[:300]
        finally:
            place.client.cookies = cookies
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        if self.status >= 500 and not self.problem:
            self.problem = f"answered {self.status}"

    def __str__(self) -> str:
        return f"{self.problem}\n    POST {self.place.url} " + " & ".join(shown(self.filled))


def complaints_of(answer) -> dict:
    """The fields that the page complains about."""
    forms = [one["form"] for one in answer.context or () if "form" in one]
    return getattr(forms[0], "errors", None) or {} if forms else {}


class Form:
    """One form as it stands at one place, and the best answers to it so far: those that the page took."""

    def __init__(self, place: Place, asked: Asked, dice):
        self.place, self.asked, self.dice = place, asked, dice
        self.best, self.taken = answers(asked, dice), False

    def tried(self) -> Sent:
        """One more attempt at answers that are taken."""
        sent = Sent(self.place, self.best, self.dice)
        self.taken = sent.taken
        if not sent.taken:
            self.best = improved(answers(self.asked, self.dice), self.asked, sent.complaints, self.dice)
        return sent

    def spoilt(self, ids: list[int], *, look: bool) -> Sent:
        good = self.best if self.taken or self.dice.random() < 0.5 else answers(self.asked, self.dice)
        return Sent(self.place, spoilt(good, self.dice, ids, NAMES), self.dice, look=look)


@pytest.mark.parametrize("name", POSTED)
def test_form(world, name):
    dice, wrong = chance(name), []
    with figure("fuzz_forms") as counted, transaction.atomic():
        places = world.places(name)
        dice.shuffle(places)
        forms = [Form(place, one, dice) for place in places[:PLACES] for one in asked_at(place, name)]
        requests = min(max(FEWEST, PER_FIELD * max(len(form.asked.fields) for form in forms)), MOST)
        looks = LOOKED_AT
        for number in range(requests):
            form = forms[number % len(forms)]
            if not form.taken and number < TRIES * len(forms):
                sent = form.tried()
            else:
                sent = form.spoilt(world.ids, look=looks > 0)
                looks -= sent.taken
            counted.tried += 1
            if sent.problem:
                counted.failed += 1
                wrong.append(str(sent))
        transaction.set_rollback(True)
    assert not wrong, f"{len(wrong)} of {requests}:\n" + "\n".join(wrong[:10])


def test_every_form_of_the_matrix_is_fuzzed():
    """The interface for platforms has a fuzz of its own (tests/test_fuzz_api.py)."""
    left = {name for name, page in MATRIX.items() if page.post is not None} - set(POSTED)
    assert left == {"api:hours", "api:corrections"}
    assert set(fuzz_places.ARRANGED) <= set(POSTED)

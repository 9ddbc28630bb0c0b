"""People who register find what was reported of them before (F-108).

Who becomes active is looked at in that very transaction (orgs/arrivals.py). That misses a batch which is being entered
at the same moment and not committed yet, as the batch misses them. So both sides leave a job that looks once more after
their own commit: whoever commits last sees both. Attaching is safe to repeat: a record is attached once.
"""

from django.db import transaction
from procrastinate.contrib.django import app

from accounts.queue import PATIENT, enqueue
from credits.models import IntakeRecord
from credits.posting import LOOK_AGAIN, attach
from orgs import arrivals
from orgs.models import Practitioner, Status

ATTACH = "credits.attach_person"
AT_ONCE = 500


def arrived(practitioner: Practitioner) -> None:
    """Called in the transaction in which a person becomes active or gets another name or number; their row is locked."""
    attach([practitioner.pk])
    enqueue(ATTACH, [{"practitioner_id": practitioner.pk}])


arrivals.register(arrived)


@app.task(name=ATTACH, retry=PATIENT)
def attach_person(practitioner_id: int) -> int:
    """Attach what waits for one person; returns how many records."""
    return attach_people([practitioner_id])


@app.task(name=LOOK_AGAIN, retry=PATIENT)
def attach_records(first: int, last: int) -> int:
    """Attach those of these records whose person became active while they were entered."""
    waiting = IntakeRecord.objects.filter(pk__gte=first, pk__lte=last, practitioner=None)
    people = Practitioner.objects.filter(
        status=Status.ACTIVE, user__id_index__in=waiting.values("person_index")
    )
    found = list(people.order_by("pk").values_list("pk", flat=True))
    return sum(attach_people(found[start : start + AT_ONCE]) for start in range(0, len(found), AT_ONCE))


def attach_waiting() -> int:
    """Attach whatever waits for somebody who is here: after a rotation of keys, which may have hidden one from the other."""
    waiting = IntakeRecord.objects.filter(practitioner=None)
    people = Practitioner.objects.filter(
        status=Status.ACTIVE, user__id_index__in=waiting.values("person_index")
    )
    found = list(people.order_by("pk").values_list("pk", flat=True))
    return sum(attach_people(found[start : start + AT_ONCE]) for start in range(0, len(found), AT_ONCE))


@transaction.atomic
def attach_people(practitioner_ids: list[int]) -> int:
    """Lock these people and attach what waits for them."""
    locked = Practitioner.objects.filter(pk__in=practitioner_ids).order_by("pk")
    return attach(list(locked.select_for_update(no_key=True).values_list("pk", flat=True)))

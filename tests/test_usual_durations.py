"""通常几天: from the last decisions of an organisation, however many it ever made."""

import datetime

from django.core.management import call_command
from django.utils import timezone

from tests.test_inbox import declare, first_step
from workflow import slip
from workflow.models import Step, StepState


def decided(town, unit, person, days: int, ago: int = 1) -> None:
    """One declaration that this unit decided `ago` days ago, after so many days."""
    step = first_step(declare(town, person))
    at = timezone.now() - datetime.timedelta(days=ago)
    Step.objects.filter(pk=step.pk).update(
        state=StepState.APPROVED,
        decided_by=town.super_admin(unit).user,
        decided_at=at,
        opened_at=at - datetime.timedelta(days=days),
    )


def usual(unit) -> str:
    return slip.usual_for({(unit.pk, "hours-declaration")}).get((unit.pk, "hours-declaration"), "")


def test_the_middle_half_of_at_least_five(town):
    call_command("load_hours", verbosity=0)
    unit, other = town.employer(), town.employer()
    person = town.practitioner(at=unit)
    for days in (2, 3, 5, 6):
        decided(town, unit, person, days)
    assert usual(unit) == ""
    decided(town, unit, person, 30)
    assert usual(unit) == "3–6 天"
    for _ in range(5):
        decided(town, unit, person, 50, ago=91)  # longer ago than ninety days
    assert usual(unit) == "3–6 天"
    assert usual(other) == ""
    both = slip.usual_for({(unit.pk, "hours-declaration"), (other.pk, "unit-transfer")})
    assert both == {(unit.pk, "hours-declaration"): "3–6 天"}


def test_only_the_last_decisions_are_looked_at(town, monkeypatch):
    monkeypatch.setattr(slip, "LATEST", 6)
    call_command("load_hours", verbosity=0)
    unit = town.employer()
    person = town.practitioner(at=unit)
    for _ in range(8):
        decided(town, unit, person, 40, ago=20)
    assert usual(unit) == "40 天内"
    for _ in range(6):
        decided(town, unit, person, 2, ago=3)
    assert usual(unit) == "2 天内"

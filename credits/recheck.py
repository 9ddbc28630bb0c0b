"""Whether people's years are complete, looked at again after rules changed above them or they moved.

The triggers and credits/packs.py leave the people in Recheck; the worker comes by every minute. Pages that show a
person's own year measure it afresh, so what waits here delays lists and counters only.
"""

from django.db import transaction

from credits.models import Recheck, RulePack, Standing
from credits.required import is_met, rules_among
from orgs.models import Practitioner

AT_ONCE = 2_000


def recheck(at_once: int = AT_ONCE) -> int:
    """Look again at up to so many people; returns how many. 0: nobody is waiting (or another worker has them)."""
    with transaction.atomic():
        waiting = list(
            Recheck.objects.order_by("pk")
            .select_for_update(skip_locked=True)
            .values_list("pk", "practitioner")[:at_once]
        )
        # In the order of their ids, as everybody who locks many people does.
        people = {
            one.pk: one
            for one in Practitioner.objects.filter(pk__in=[person for _, person in waiting])
            .order_by("pk")
            .select_for_update(of=("self",), no_key=True)
        }
        packs = list(RulePack.objects.published())
        rules: dict[tuple, object] = {}
        changed = []
        for standing in Standing.objects.filter(practitioner__in=people):
            one = people[standing.practitioner_id]
            key = (one.path, one.title_series_id, standing.year)
            if key not in rules:
                rules[key] = rules_among(packs, *key)
            complete = is_met(rules[key], standing.hours, standing.imported, standing.relief, one.title_level)
            if complete != standing.complete:
                standing.complete = complete
                changed.append(standing)
        Standing.objects.bulk_update(changed, ["complete"], batch_size=500)
        Recheck.objects.filter(pk__in=[pk for pk, _ in waiting]).delete()
    return len(waiting)

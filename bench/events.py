"""What the chain of the log costs and how long it takes to verify: `python -m bench.events [number of events]`.

Uses a scratch database on the same server. Prints the time of one INSERT per transaction and of one INSERT for many,
each with the chain's trigger and without, then the time and the memory of seal_day and verify_events. The
announcement's trigger is off: it is the queue's cost.
"""

import os
import resource
import statistics
import sys
import time

EVENTS = 200_000
PER_APPLICATION = 4
SINGLE = 3_000


def main(events: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ["CPE_TESTING"] = "1"
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test.utils import setup_test_environment

    setup_test_environment()
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        person, unit = a_person_and_a_unit()
        first = applications(events // PER_APPLICATION, person, unit)
        for round_ in (1, 2, 3):
            for chained in (False, True):
                with_trigger(chained)
                say(
                    f"{'with' if chained else 'without'} the chain, round {round_}",
                    *one_by_one(first, person),
                )
        for chained in (False, True):
            with_trigger(chained)
            empty()
            say(f"{'with' if chained else 'without'} the chain, {events} events in {PER_APPLICATION} statements",
                all_at_once(person, unit) / events * 1e6, None)  # fmt: skip
        for command in ("seal_day", "verify_events"):
            started = time.perf_counter()
            call_command(command, stdout=open(os.devnull, "w"))  # noqa: SIM115, the process ends
            sys.stdout.write(f"{command}: {time.perf_counter() - started:.1f} s for {count()} events, ")
            sys.stdout.write(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB\n")
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def say(what: str, middle: float, slow: float | None) -> None:
    sys.stdout.write(f"{what}: {middle:.1f} µs per event" + (f" (p95 {slow:.1f})\n" if slow else "\n"))


def run(sql: str, params=()) -> list:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


def a_person_and_a_unit() -> tuple[int, int]:
    from tests.town import Town

    town = Town()
    return town.user().pk, town.employer().pk


def applications(number: int, person: int, unit: int) -> int:
    """So many applications; the id of the first."""
    run("ALTER TABLE workflow_event DISABLE TRIGGER workflow_event_announce")
    return run(
        "WITH made AS (INSERT INTO workflow_application (kind, duty, state, organization_id, person_id, summary,"
        " exclusive_key, confidential, submitted_by_id, submitted_at, closed_at)"
        " SELECT 'superior-change', 'transfers', 'withdrawn', %s, %s, 'x', '', false, %s, now(), now()"
        " FROM generate_series(1, %s) RETURNING id) SELECT min(id) FROM made",
        [unit, person, person, number],
    )[0][0]


def with_trigger(on: bool) -> None:
    run(f"ALTER TABLE workflow_event {'ENABLE' if on else 'DISABLE'} TRIGGER workflow_event_chain")


def empty() -> None:
    run("TRUNCATE workflow_event")
    run("ALTER TABLE workflow_event DROP CONSTRAINT IF EXISTS event_number_once")
    run("ALTER TABLE workflow_event ADD CONSTRAINT event_number_once UNIQUE (application_id, number)")


def one_by_one(first: int, person: int) -> tuple[float, float]:
    """One INSERT and its commit after the other, as decisions come; the number is given where no trigger gives it."""
    empty()
    times = []
    for place in range(SINGLE):
        started = time.perf_counter()
        run(
            "INSERT INTO workflow_event (application_id, verb, user_id, comment, at, number)"
            " VALUES (%s, 'approve', %s, '同意', now(), %s)",
            [first + place // PER_APPLICATION, person, place % PER_APPLICATION + 1],
        )
        times.append((time.perf_counter() - started) * 1e6)
    return statistics.median(times), sorted(times)[int(SINGLE * 0.95)]


def all_at_once(person: int, unit: int) -> float:
    started = time.perf_counter()
    for place in range(1, PER_APPLICATION + 1):
        verb = {1: "submit", PER_APPLICATION: "withdraw"}.get(place, "approve")
        run(
            "INSERT INTO workflow_event (application_id, verb, user_id, organization_id, comment, at, number)"
            " SELECT id, %s, %s, %s, '同意', now() - interval '2 days' + id * interval '1 second', %s"
            " FROM workflow_application ORDER BY id",
            [verb, person, unit, place],
        )
    return time.perf_counter() - started


def count() -> int:
    return run("SELECT count(*) FROM workflow_event")[0][0]


if __name__ == "__main__":
    from config import embedded

    with embedded.database():
        main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)

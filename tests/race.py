"""One harness for races: several threads with connections of their own start at the same moment.

A race test brings its own proof: the same clicks once with the lock (one wins) and once without it (several win),
so that it cannot pass by luck. `without_lock` is the control.
"""

import contextlib
import threading
import time
from collections.abc import Callable

from django.db import connection, transaction

from accounts.consistency import all_invariants
from workflow import engine

_at_once = 0  # how often clicks were made at the same moment in this process


def so_far() -> int:
    return _at_once


def at_once(*clicks: Callable[[], object]) -> list[str]:
    """Run the clicks in threads at the same time; what each one came to: "ok" or the exception's name."""
    global _at_once
    _at_once += 1
    outcomes: list[str] = [""] * len(clicks)
    start = threading.Barrier(len(clicks))

    def run(number: int, click: Callable[[], object]) -> None:
        try:
            start.wait(timeout=10)
            click()
            outcomes[number] = "ok"
        except Exception as error:  # the name is the outcome
            outcomes[number] = type(error).__name__
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(clicks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive(), "a click never came back"
    return sorted(outcomes)


def one_in_the_other(first: Callable[[], object], second: Callable[[], object]) -> list[str]:
    """`second` begins when `first` has done everything but commit; `first` commits once that one is through or waits for it.

    With its lock `second` waits and then sees what `first` did. Without it, it acts upon what was true before.
    """
    written, through = threading.Event(), threading.Event()

    def holding():
        try:
            with transaction.atomic():
                first()
                written.set()
                _until(lambda: through.is_set() or _somebody_waits_for_me())
        finally:
            written.set()

    def following():
        assert written.wait(timeout=20)
        try:
            second()
        finally:
            through.set()

    return at_once(holding, following)


def _somebody_waits_for_me() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
        )
        return cursor.fetchone()[0]


def _until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < end, "the other one neither came through nor waits"
        time.sleep(0.005)


@contextlib.contextmanager
def without_lock(monkeypatch, parties: int = 2):
    """The control: no row lock, and every thread waits before its first write until all have read.

    The log's own constraint is off as well: it lets one of two events through that both follow the same one.
    """
    together, met = threading.Barrier(parties), threading.local()

    def after_all_have_read(write):
        def waiting(*args, **kwargs):
            if not getattr(met, "done", False):
                met.done = True
                together.wait(timeout=10)
            return write(*args, **kwargs)

        return waiting

    def unlocked(model):
        return model._base_manager.select_related(*engine._WITH.get(model, ()))

    with monkeypatch.context() as patch, forked_log():
        patch.setattr(engine, "_locked", unlocked)
        patch.setattr(engine, "_sign", after_all_have_read(engine._sign))
        patch.setattr(engine, "_record", after_all_have_read(engine._record))
        yield


@contextlib.contextmanager
def forked_log():
    """Inside, two events may have the same number; afterwards they are numbered again, without fitting digests."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE workflow_event DROP CONSTRAINT event_number_once")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE workflow_event DISABLE TRIGGER workflow_event_append_only")
            cursor.execute(
                "UPDATE workflow_event SET number = place FROM (SELECT id AS one, row_number() OVER"
                " (PARTITION BY application_id ORDER BY id) AS place FROM workflow_event) AS places WHERE id = one"
            )
            cursor.execute("ALTER TABLE workflow_event ENABLE TRIGGER workflow_event_append_only")
            cursor.execute(
                "ALTER TABLE workflow_event ADD CONSTRAINT event_number_once UNIQUE (application_id, number)"
            )


# --- after the race --------------------------------------------------------------------------------------


def is_honest_race(item) -> bool:
    """Whether this test commits, and nothing that protects the data was taken away for it.

    A control says in its name what it does without, or has a protection as a parameter that is False.
    """
    marker = item.get_closest_marker("django_db")
    commits = bool(marker and marker.kwargs.get("transaction")) or "transactional_db" in item.fixturenames
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    control = any(word in item.originalname for word in ("without", "control")) or any(
        parameters.get(protection) is False for protection in ("locked", "exclusive", "again")
    )
    return commits and not control


class Inconsistent(AssertionError):
    """The race itself may have come out as expected; the data that it left contradict each other."""


def check_invariants() -> None:
    """All invariants that are looked at always (`manage.py check_invariants`): less than 100 ms with the few rows of a test."""
    wrong = [
        f"{one.name} {one.sentence}: {'; '.join(found.shown)}"
        for one, found in ((one, one.look(None)) for one in all_invariants())
        if found.total
    ]
    if wrong:
        raise Inconsistent("\n".join(wrong))

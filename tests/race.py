"""One harness for races: several threads with connections of their own start at the same moment.

A race test brings its own proof: the same clicks once with the lock (one wins) and once without it (several win),
so that it cannot pass by luck. `without_lock` is the control: it turns the engine's lock into a plain read and makes
every thread wait inside the critical section until all have read.
"""

import contextlib
import threading
from collections.abc import Callable

from django.db import connection

from workflow import engine


def at_once(*clicks: Callable[[], object]) -> list[str]:
    """Run the clicks in threads at the same time; what each one came to: "ok" or the exception's name."""
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


@contextlib.contextmanager
def without_lock(monkeypatch, parties: int = 2):
    """The control: no row lock, and all threads read before any of them writes."""
    together = threading.Barrier(parties)

    def unlocked(model):
        return _Unlocked(model._base_manager.select_related(*engine._WITH.get(model, ())), together)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_locked", unlocked)
        yield


class _Unlocked:
    def __init__(self, queryset, together: threading.Barrier):
        self.queryset, self.together = queryset, together

    def get(self, **lookup):
        row = self.queryset.get(**lookup)
        # Later reads of a thread that is already alone go on.
        with contextlib.suppress(threading.BrokenBarrierError):
            self.together.wait(timeout=1)
        return row

"""Who is told when a practitioner becomes active here: what waited for them elsewhere is theirs from that moment.

Floors above register a callable once, at start. It runs in the transaction in which the person becomes active, or gets
another name or ID number as an active one, with the person's row locked, after the change was saved.
"""

from collections.abc import Callable

from orgs.models import Practitioner, Status

_CALLS: list[Callable[[Practitioner], None]] = []


def register(call: Callable[[Practitioner], None]) -> None:
    """Have `call` run at each arrival."""
    if call not in _CALLS:
        _CALLS.append(call)


def arrived(practitioner: Practitioner) -> None:
    """Say that this person is active now. The caller holds the lock of the person's row."""
    if practitioner.status == Status.ACTIVE:
        for call in _CALLS:
            call(practitioner)

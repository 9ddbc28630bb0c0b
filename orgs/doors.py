"""Which kind of person may open a page at all. What they find behind it is decided by visible_to().

A page of another role answers 403 and says who can grant it; a foreign object answers 404 like a missing one.
"""

from collections.abc import Callable
from functools import wraps

from django.core.exceptions import PermissionDenied


def _door(may_enter: Callable) -> Callable:
    def decorate(view):
        @wraps(view)
        def guarded(request, *args, **kwargs):
            if not may_enter(request.actor):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate


for_practitioners = _door(lambda actor: actor.practitioner is not None)
for_admins = _door(lambda actor: actor.organization is not None)
for_super_admins = _door(lambda actor: actor.organization is not None and actor.is_super)
for_operators = _door(lambda actor: actor.is_operator)
for_any_role = _door(bool)


def for_admins_with(duty: str) -> Callable:
    """Admins who hold this duty (F-77)."""
    return _door(lambda actor: actor.can(duty))

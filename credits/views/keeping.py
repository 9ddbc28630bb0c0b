"""The door to the pages of learning platforms: admins of bureaus and of the platform with the duty for hours."""

from functools import wraps

from django.core.exceptions import PermissionDenied

from credits.intake.asking import may_keep


def for_keepers(view):
    """403 for everybody else."""

    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not may_keep(request.actor):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded

"""Opening a session in one role. The session remembers the role account and its epoch, nothing else."""

from django.contrib.auth import login, logout
from django.http import HttpRequest

from accounts.models import RoleAccount

ACCOUNT = "account"
EPOCH = "epoch"


def enter(request: HttpRequest, account: RoleAccount) -> None:
    """Log the person in with this role. The caller has checked the password and the role's status."""
    login(request, account.user, backend="django.contrib.auth.backends.ModelBackend")
    request.session[ACCOUNT] = account.pk
    request.session[EPOCH] = account.epoch


def leave(request: HttpRequest) -> None:
    """Log out and forget the session's contents."""
    logout(request)

"""Opening a session in one role. The session remembers the role account and its epoch, and what its owner is shown."""

from django.contrib.auth import login, logout
from django.http import HttpRequest

from accounts import sessions
from accounts.models import RoleAccount

ACCOUNT = "account"
EPOCH = "epoch"


def enter(request: HttpRequest, account: RoleAccount) -> None:
    """Log the person in with this role. The caller has checked the password, the second factor and the role's status."""
    login(request, account.user, backend="django.contrib.auth.backends.ModelBackend")
    request.session[ACCOUNT] = account.pk
    request.session[EPOCH] = account.epoch
    sessions.note_opened(request, account)


def leave(request: HttpRequest) -> None:
    """Log out and forget the session's contents."""
    logout(request)

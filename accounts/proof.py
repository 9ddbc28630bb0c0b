"""A proof: this browser gave this person's right password a short while ago. It is not a login.

Pages before the login rest on it: the progress of a registration, its withdrawal, registering anew. It ends
after 30 minutes, with the password it was given for, and with the next login.
"""

import time

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from accounts.models import User

SESSION = "proof"
SECONDS = 30 * 60


def prove(request: HttpRequest, user: User, purpose: str = "registration") -> None:
    """Remember that `user`'s right password was given here. The caller has checked it.

    `purpose` keeps proofs for different pages apart; a new proof replaces the one of the same purpose.
    """
    request.session.cycle_key()  # whoever planted a session id beforehand does not share the proof
    request.session[f"{SESSION}:{purpose}"] = {
        "user": user.pk,
        "at": int(time.time()),
        "password": user.get_session_auth_hash(),
    }


def proved_user(request: HttpRequest, purpose: str = "registration") -> User | None:
    """The person whose right password was given in this browser within 30 minutes, or None."""
    found = request.session.get(f"{SESSION}:{purpose}")
    if not found or found["at"] < time.time() - SECONDS:
        return None
    user = User.objects.filter(pk=found["user"], is_active=True).first()
    # A new password (a reset, a registration anew) ends what the old one proved.
    if user is None or not constant_time_compare(found["password"], user.get_session_auth_hash()):
        return None
    return user


def end_proof(request: HttpRequest, purpose: str) -> None:
    """Forget one proof: what it was for is done."""
    request.session.pop(f"{SESSION}:{purpose}", None)


def end_proofs(request: HttpRequest) -> None:
    """Forget every proof of this browser."""
    for name in sorted(request.session.keys()):
        if name.startswith(f"{SESSION}:"):
            del request.session[name]

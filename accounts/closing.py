"""The end of an account (F-87, decision 13): what opens it and where it was reached are forgotten, the person stays.

The row stays because what was signed and learned hangs on it. Without a live role it counts as unknown at the login,
so the same ID number may register anew (accounts/login.py).
"""

from django.utils import timezone

from accounts import sessions
from accounts.models import Authenticator, OneUseSecret, PasswordReset, RecoveryCode, User


def retire(user: User) -> None:
    """Forget password, second factor, contacts, open resets and rights on reference data; end every session.

    In the caller's transaction. The caller has closed the roles, and told the owner before the addresses go.
    """
    now = timezone.now()
    OneUseSecret.objects.filter(user=user, closed_at=None).update(closed_at=now)
    PasswordReset.objects.filter(user=user, used_at=None).update(used_at=now)
    Authenticator.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()
    user.set_unusable_password()
    user.email = user.mobile = ""
    user.is_staff = user.is_superuser = False
    user.save(update_fields=["password", "email", "mobile", "is_staff", "is_superuser"])
    user.groups.clear()
    user.user_permissions.clear()
    sessions.end_others(user)

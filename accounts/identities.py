"""Which identities one human may act as (decision 5)."""

from accounts.models import RoleAccount, User


def identities_of(user: User, role: str = "") -> list[RoleAccount]:
    """The person's active role accounts, of `role` alone when given: by role, then oldest first."""
    accounts = user.accounts.active()
    if role:
        accounts = accounts.filter(role=role)
    return list(accounts.order_by("role", "pk"))

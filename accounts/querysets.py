"""Filters over people and their login roles."""

from django.conf import settings
from django.contrib.auth.base_user import BaseUserManager
from django.db import IntegrityError, connection, models

from accounts.id_number import IdNumber


def keep_unique(number: IdNumber) -> None:
    """Raise IntegrityError when somebody has this number, whatever index key it stands under.

    With one index key in use the constraint alone sees to it and nothing is asked. With two, processes that were
    started before and after a change of keys write different ones: they come one after the other here, in a
    transaction. The caller writes the number in the same one.
    """
    if not settings.INDEX_LAYERS:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [number.lasting_index])
        cursor.execute("SELECT 1 FROM accounts_user WHERE id_index = ANY(%s)", [number.indexes])
        if cursor.fetchone():
            raise IntegrityError("user_id_number_once: under another index key")


class UserManager(BaseUserManager):
    """Find and make people by ID number, without the number ever standing in a query or a log."""

    def by_id_number(self, number: IdNumber):
        """The people with this document: at most one (unique blind index)."""
        return self.filter(id_index__in=number.indexes)

    def create_user(self, number: IdNumber, password: str | None = None, **fields):
        """Make a person. Raises IntegrityError (user_id_number_once) when the ID number is known already."""
        keep_unique(number)
        user = self.model(**fields)
        user.set_id_number(number)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, number: IdNumber, password: str, **fields):
        """Make a platform administrator for the reference-data admin."""
        return self.create_user(number, password, is_staff=True, is_superuser=True, **fields)


class RoleAccountQuerySet(models.QuerySet):
    def live(self):
        """Accounts that occupy their role: under review, in use or suspended."""
        return self.filter(status__in=["pending", "active", "suspended"])

    def active(self):
        return self.filter(status="active")

    def end_sessions(self):
        """Every open session of these roles stops at its next request."""
        return self.update(epoch=models.F("epoch") + 1)

    def move_to(self, place: str):
        """These roles now belong to another unit: the chooser shows it, and old sessions end."""
        return self.update(place=place, epoch=models.F("epoch") + 1)


class MessageQuerySet(models.QuerySet):
    def of(self, user):
        """What this person was told, whatever role they are logged in with."""
        return self.filter(user=user)

    def unread(self):
        return self.filter(read_at=None)

    def newest_first(self):
        return self.order_by("-created_at", "-pk")

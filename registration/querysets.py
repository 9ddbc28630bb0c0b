"""Which registrations belong to whom."""

from django.db import models


class RegistrationQuerySet(models.QuerySet):
    def of(self, user):
        """Registrations that this person filed, newest first."""
        return self.filter(application__submitted_by=user).order_by("-application__submitted_at", "-pk")

    def for_page(self):
        return self.select_related("application", "account")

"""Which registrations belong to whom, and which temporary codes still count."""

from django.db import models


class RegistrationQuerySet(models.QuerySet):
    def of(self, user):
        """Registrations that this person filed, newest first."""
        return self.filter(application__submitted_by=user).order_by("-application__submitted_at", "-pk")

    def for_page(self):
        return self.select_related("application__submitted_by", "account")


class TemporaryCodeQuerySet(models.QuerySet):
    def usable(self):
        """Neither revoked nor replaced by a real code."""
        return self.filter(revoked_at__isnull=True, replaced_at__isnull=True)

    def visible_to(self, actor):
        """The platform sees all; a unit and those above it see the unit's own."""
        if actor.is_operator:
            return self
        if actor.organization:
            return self.filter(organization__path__startswith=actor.organization.path)
        return self.none()

    def for_list(self):
        """As dicts for workflow.keyset, newest first by ("-pk",)."""
        return self.values(
            "pk", "code", "name", "issued_at", "revoked_at", "replaced_at", "replaced_by",
            division_name=models.F("division__name"), status=models.F("organization__status"),
        )  # fmt: skip

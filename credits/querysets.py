"""Who may see which hours."""

from django.db import models


class _OfPractitioner(models.QuerySet):
    def visible_to(self, actor):
        """The person's own; for admins those of their people and of everybody below (F-88, F-89)."""
        if actor.practitioner:
            return self.filter(practitioner=actor.practitioner)
        if actor.organization:
            return self.filter(practitioner__path__startswith=actor.organization.path)
        return self.none()


class DeclarationQuerySet(_OfPractitioner):
    def pending(self):
        return self.filter(application__state="pending")


class LedgerEntryQuerySet(_OfPractitioner):
    pass


class StandingQuerySet(_OfPractitioner):
    pass

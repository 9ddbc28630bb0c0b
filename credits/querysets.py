"""Who may see which hours."""

from django.db import models
from django.db.models import OuterRef, Q, Subquery


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


class ReliefRequestQuerySet(_OfPractitioner):
    pass


class CertificateQuerySet(models.QuerySet):
    def visible_to(self, actor):
        """The person's own; for those of a bureau who answer for hours, everybody's below it."""
        if actor.practitioner:
            return self.filter(practitioner=actor.practitioner)
        if actor.organization and actor.organization.kind == "bureau" and actor.can("hours"):
            return self.filter(practitioner__path__startswith=actor.organization.path)
        return self.none()

    def with_state(self):
        """`state`, `reason` and `state_at`: the certificate's last event."""
        events = self.model.events.rel.related_model
        last = events.objects.filter(certificate=OuterRef("pk")).order_by("-pk")
        return self.annotate(
            state=Subquery(last.values("state")[:1]),
            reason=Subquery(last.values("reason")[:1]),
            state_at=Subquery(last.values("at")[:1]),
        )

    def in_state(self, state: str):
        """Those whose last event is this one. A certificate comes to each state at most once."""
        return self.filter(events__state=state).with_state().filter(state=state)


class CertificateCheckQuerySet(models.QuerySet):
    def visible_to(self, actor):
        """For those of a bureau who answer for hours: of everybody below it."""
        if actor.organization and actor.organization.kind == "bureau" and actor.can("hours"):
            return self.filter(certificate__practitioner__path__startswith=actor.organization.path)
        return self.none()


class UnitDeclarationQuerySet(models.QuerySet):
    def visible_to(self, actor):
        """Those of the admin's own organisation and of everybody below."""
        if actor.organization:
            return self.filter(organization__path__startswith=actor.organization.path)
        return self.none()


class _OfBureau(models.QuerySet):
    def above(self, path: str):
        """What holds at a place in the tree: the whole province's, and those of the bureaus above it."""
        ids = [int(part) for part in path.strip("/").split("/") if part]
        return self.filter(Q(bureau__isnull=True) | Q(bureau__in=ids))

    def visible_to(self, actor):
        """For admins what holds where they are, and what bureaus below them made."""
        if actor.organization is None:
            return self.none()
        path = actor.organization.path
        return (self.above(path) | self.filter(bureau__path__startswith=path)).distinct()

    def editable_by(self, actor):
        """Their own bureau's; the platform's staff, the whole province's as well."""
        if actor.is_operator:
            return self.all()
        return self.filter(bureau=actor.organization) if actor.organization else self.none()


class RulePackQuerySet(_OfBureau):
    def published(self):
        return self.filter(state="published")


class WindowQuerySet(_OfBureau):
    pass


class ProviderQuerySet(_OfBureau):
    def listed(self):
        return self.filter(is_listed=True)


class IntakeBatchQuerySet(models.QuerySet):
    def visible_to(self, actor):
        """Those that the admin's own organisation or one below uploaded."""
        if actor.organization:
            return self.filter(organization__path__startswith=actor.organization.path)
        return self.none()

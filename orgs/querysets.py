"""Who may see which organisation and which person: once, here."""

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone


class OrganizationQuerySet(models.QuerySet):
    def active(self):
        return self.filter(status="active")

    def visible_to(self, actor):
        """Own organisation and everything below it; others nothing."""
        if actor.organization:
            return self.filter(path__startswith=actor.organization.path)
        return self.none()

    def choosable(self, *kinds):
        """Organisations that a registration may name: approved ones of these kinds (F-04)."""
        return self.active().filter(kind__in=kinds)

    def search(self, text: str):
        """Organisations whose name contains the text or whose code is the text."""
        text = text.strip()
        return self.filter(Q(name__icontains=text) | Q(uscc=text.upper()))


class PractitionerQuerySet(models.QuerySet):
    def active(self):
        return self.filter(status="active")

    def visible_to(self, actor):
        """People of the actor's organisation and below (F-88, F-89); a practitioner sees themselves."""
        if actor.organization:
            return self.filter(path__startswith=actor.organization.path)
        if actor.practitioner:
            return self.filter(pk=actor.practitioner.pk)
        return self.none()

    def having(self, parts):
        """Whose names hold all of these parts (orgs/name_parts.py): asked of each person alone."""
        keys, found = self.model.keys.rel.related_model.objects, self
        for part in parts:
            its = keys.filter(key=part, path=OuterRef("path"), practitioner=OuterRef("pk"))
            found = found.filter(Exists(its))
        return found

    def ever_at(self, organization):
        """Everybody whom this unit ever had after their registration or transfer was approved (F-88).

        Also who left since: of those the unit may read that they were here, not what has become of them.
        """
        were_here = self.model.history.filter(employer=organization, status="active").values("id")
        still = Q(employer=organization, status__in=["active", "closed"])
        return self.filter(still | Q(pk__in=were_here))


class OrgAdminQuerySet(models.QuerySet):
    def active(self):
        return self.filter(account__status="active")

    def holding(self, duty: str):
        """Admins who may do this duty: super admins, and those it was given to (F-77)."""
        return self.filter(Q(is_super=True) | Q(duties__contains=[duty]))

    def visible_to(self, actor):
        """The admins of the actor's own organisation."""
        return self.filter(organization=actor.organization) if actor.organization else self.none()

    def for_list(self):
        """With everything a list row shows; the super admin first, then by name."""
        return self.select_related("user__authenticator", "account", "role").order_by(
            "-is_super", "user__name", "pk"
        )


class AdminRoleQuerySet(models.QuerySet):
    def ready_made(self):
        return self.filter(organization__isnull=True)

    def own(self, actor):
        """The roles that the actor's organisation made for itself."""
        return self.filter(organization=actor.organization) if actor.organization else self.none()

    def offered_to(self, actor):
        """The roles that an admin of the actor's organisation may be given: own ones first."""
        if not actor.organization:
            return self.none()
        mine = Q(organization=actor.organization) | Q(organization__isnull=True)
        return self.filter(mine).order_by(models.F("organization").asc(nulls_last=True), "pk")


class SuperSwapQuerySet(models.QuerySet):
    def pending(self):
        return self.filter(state="pending")

    def cancel(self):
        """The offers are void; how many there were."""
        return self.update(state="cancelled", closed_at=timezone.now())

    def waiting_for(self, user):
        """Offers that this person has not answered, whatever role they are logged in with."""
        return self.pending().filter(successor=user).select_related("organization", "outgoing")

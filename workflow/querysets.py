"""Who may see which application, and what waits for whom."""

from django.db import models
from django.db.models import F, Q


class ApplicationQuerySet(models.QuerySet):
    def pending(self):
        return self.filter(state="pending")

    def about(self, subject):
        """Applications whose subject is this organisation or practitioner."""
        return self.filter(**{type(subject)._meta.model_name: subject})

    def visible_to(self, actor):
        """The person's own; for admins also those about their subtree and those they sign or signed.

        A practitioner sees only what is about themselves. An admin of the old employer keeps seeing what that
        employer signed (谁审核谁负责, F-102), nothing newer. What is confidential is seen by the person concerned and by
        who signs it.
        """
        if actor.practitioner:
            return self.filter(practitioner=actor.practitioner)
        if actor.organization:
            path = actor.organization.path
            below = Q(organization__path__startswith=path) | Q(practitioner__path__startswith=path)
            return self.filter(
                (below & (Q(confidential=False) | Q(person=actor.user)))
                | models.Exists(
                    self.model.steps.rel.related_model.objects.filter(
                        application=models.OuterRef("pk"), approver=actor.organization
                    ).exclude(state="waiting")
                )
            )
        return self.none()

    def for_list(self):
        """With everything a list row shows, so that the number of queries does not grow with the rows."""
        return self.select_related("practitioner__user", "practitioner__employer", "organization")


class StepQuerySet(models.QuerySet):
    def addressed_to(self, actor):
        """Steps that the actor's organisation signs, decided or open, within the actor's duties."""
        if not actor.organization:
            return self.none()
        mine = self.filter(approver=actor.organization)
        return mine if actor.is_super else mine.filter(application__duty__in=list(actor.duties))

    def decided_for(self, actor):
        """已办: what the actor's organisation decided, within the actor's duties."""
        return self.addressed_to(actor).filter(decided_at__isnull=False)

    def awaiting(self, actor):
        """待办审核: open steps that this actor may decide; never the actor's own matter (decision 8)."""
        if not actor.user:
            return self.none()
        return self.addressed_to(actor).filter(state="open").exclude(person=actor.user)

    def oldest_first(self):
        return self.order_by("opened_at", "pk")

    def for_list(self):
        return self.select_related(
            "application__practitioner__user",
            "application__practitioner__employer",
            "application__organization",
        )


class EventQuerySet(models.QuerySet):
    def in_order(self):
        return self.order_by(F("at"), "pk")

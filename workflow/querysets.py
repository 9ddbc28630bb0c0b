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
        """The person's own; for admins also those about their subtree and those they sign or signed, by duty.

        An admin sees the matters of the own duties alone (F-77); with 查询人员 whatever people below filed. A step shows
        its application to its organisation once it was opened there, not before and not without. A practitioner sees
        only what is about themselves. An admin of the old employer keeps seeing what that employer signed
        (谁审核谁负责, F-102), nothing newer; a unit that was asked to take somebody in sees nothing but that question
        before it agreed. What is confidential is seen by the person concerned, in whatever role, and by who signs it
        and holds the duty.
        """
        own = Q(confidential=True, person=actor.user)
        if actor.practitioner:
            return self.filter(Q(practitioner=actor.practitioner) | own)
        if actor.organization:
            path = actor.organization.path
            taken_in = Q(practitioner__path__startswith=path, practitioner__status__in=["active", "closed"])
            below = (Q(organization__path__startswith=path) | taken_in) & Q(confidential=False)
            signs = Q(
                models.Exists(
                    self.model.steps.rel.related_model.objects.filter(
                        application=models.OuterRef("pk"),
                        approver=actor.organization,
                        opened_at__isnull=False,
                    )
                )
            )
            if not actor.is_super:
                granted = Q(duty__in=list(actor.duties))
                signs &= granted
                below &= granted | Q(practitioner__isnull=False) if actor.can("people") else granted
            return self.filter(below | own | signs)
        return self.none()

    def for_list(self):
        """With everything a list row shows, so that the number of queries does not grow with the rows."""
        return self.select_related("practitioner__user", "practitioner__employer", "organization")


class StepQuerySet(models.QuerySet):
    def addressed_to(self, actor):
        """Steps that reached the actor's organisation, decided or open, within the actor's duties."""
        if not actor.organization:
            return self.none()
        mine = self.filter(approver=actor.organization, opened_at__isnull=False)
        return mine if actor.is_super else mine.filter(duty__in=list(actor.duties))

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

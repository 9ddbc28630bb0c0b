"""Which moves an admin or a practitioner finds."""

from django.db import models

from workflow.models import Application


class UnitTransferQuerySet(models.QuerySet):
    def visible_to(self, actor):
        """Transfers whose application the actor may see; a coming one is not seen before the old unit signed."""
        return self.filter(application__in=Application.objects.visible_to(actor))

    def out_of(self, organization):
        return self.filter(old_employer=organization)

    def into(self, organization):
        return self.filter(new_employer=organization)


class ReleaseQuerySet(models.QuerySet):
    def visible_to(self, actor):
        """What the actor's own unit released."""
        return self.filter(organization=actor.organization) if actor.organization else self.none()

    def counted(self):
        """With `people`: how many each was for."""
        return self.annotate(people=models.Count("rows"))


class ReleaseRowQuerySet(models.QuerySet):
    def open(self):
        """Rows that nothing was done about yet, in the order in which people are locked."""
        return self.filter(application__isnull=True, refusal="").order_by("practitioner_id")

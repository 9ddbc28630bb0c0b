"""Which moves an admin or a practitioner finds."""

from django.db import models

from workflow.models import Step


class UnitTransferQuerySet(models.QuerySet):
    def out_of(self, organization):
        """What left this unit: it was asked at once, so it knows of all."""
        return self.filter(old_employer=organization)

    def into(self, organization):
        """What was offered to this unit: a coming transfer is not seen before the old unit signed."""
        asked = Step.objects.filter(application=models.OuterRef("pk"), order=2, opened_at__isnull=False)
        return self.filter(models.Exists(asked), new_employer=organization)


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

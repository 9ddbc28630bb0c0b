"""The files of a unit's declaration: uploaded once, kept with it, shared by every application that comes of it.

They are Attachments whose `draft` is the declaration's own key instead of a form's, so that they belong to no browser.
Each application has rows of its own that name the same stored file: nothing is copied.
"""

import secrets

from django.db.models import QuerySet

from accounts.refused import Refused
from credits.models import UnitDeclaration
from orgs.actor import Actor
from orgs.models import Duty
from workflow.attachments import KEPT, WithAttachments
from workflow.models import Application, Attachment


def keep_files(form: WithAttachments) -> str:
    """Take the files of a valid form out of its draft; returns the key they are kept under.

    Of two submissions of one form the second is Refused: the first took the files.
    """
    key = KEPT + secrets.token_hex(16)
    files = [one.pk for one in form.cleaned_data["files"]]
    taken = Attachment.objects.filter(pk__in=files, application=None).exclude(draft__startswith=KEPT)
    if not taken.update(draft=key):
        raise Refused("这件单位申报已经提交过了，请在列表中查看；需要再次申报请重新上传证明材料。")
    return key


def files_of(declaration: UnitDeclaration) -> QuerySet[Attachment]:
    return Attachment.objects.filter(draft=declaration.draft).order_by("pk")


def share(declaration: UnitDeclaration, application: Application) -> None:
    """Give an application rows of its own for the same files."""
    Attachment.objects.bulk_create(
        Attachment(
            application=application,
            file=one.file.name,
            name=one.name,
            content_type=one.content_type,
            extension=one.extension,
            size=one.size,
            sha256=one.sha256,
            uploaded_at=one.uploaded_at,
        )
        for one in files_of(declaration)
    )


def files_for(actor: Actor) -> QuerySet[Attachment]:
    """The kept files that somebody may open: who is asked to confirm; admins for hours of the unit and above it."""
    if actor.practitioner is not None:
        declared = UnitDeclaration.objects.filter(persons__practitioner=actor.practitioner)
    elif actor.can(Duty.HOURS):
        declared = UnitDeclaration.objects.visible_to(actor)
    else:
        declared = UnitDeclaration.objects.none()
    return Attachment.objects.filter(draft__in=declared.exclude(draft="").values("draft"))

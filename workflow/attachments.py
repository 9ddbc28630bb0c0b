"""Files that come with a form: kept from the first try on, tied to the application when it is submitted.

A form that wants files inherits from `WithAttachments`. Good files are stored under a draft as soon as they
arrive, also when the form has other errors, so that nobody chooses a file twice. A draft belongs to the person
who is logged in, or to the browser session of somebody who is not: its token opens nothing for anybody else.
"""

import secrets

from django import forms
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from accounts.refused import Refused
from workflow.models import Application, Attachment
from workflow.uploads import Unacceptable, examine
from workflow.virus_scan import NotScanned

_OWNER = "drafts_of"
# Files under a key that begins so wait for applications to come (credits/unit_files.py): no leftovers of a form.
KEPT = "unit:"


class FilesInput(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.Field):
    """The control only: WithAttachments reads, judges and stores the files. `kept_files` is what it holds already."""

    widget = FilesInput(attrs={"accept": ".pdf,.jpg,.jpeg,.png"})
    kept_files = ()

    def validate(self, value):
        """Whether a file is missing is known after the new ones were judged (WithAttachments.clean_files)."""


class WithAttachments:
    """Mixin for forms, before forms.Form: `class DeclareForm(WithAttachments, forms.Form)`.

    Bind with `DeclareForm(form_data(request), request=request)`; the files are taken from the request.
    To carry a form to a check page keep `form.data`, not request.POST: the draft's token is in it.
    With a crispy layout of your own name the fields "files", "draft" and "files_shown" in it.
    `cleaned_data["files"]` is the list of stored attachments.
    """

    attachments_label = "证明材料"
    attachments_required = True
    attachments_hint = ""

    def __init__(self, data=None, files=None, *args, request: HttpRequest, **kwargs):
        if data is not None and files is None:
            files = request.FILES
        super().__init__(data, files, *args, **kwargs)
        self.request = request
        limit = f"PDF、JPG 或 PNG，每个不超过 {settings.ATTACHMENT_MAX_BYTES // 1024 // 1024} MB"
        self.fields["files"] = FilesField(
            label=self.attachments_label,
            required=self.attachments_required,
            help_text=f"{self.attachments_hint}{limit}，最多 {settings.ATTACHMENT_MAX_FILES} 个。",
        )
        self.fields["draft"] = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
        # What the page listed: only a listed file whose box is empty was removed by the person.
        self.fields["files_shown"] = forms.CharField(required=False, max_length=400, widget=forms.HiddenInput)
        if self.is_bound:
            self.data = self.data.copy()
        self._stored()

    @property
    def draft_token(self) -> str:
        """The token of this form's draft, "" as long as there is none."""
        if self.is_bound:
            return self.data.get(self.add_prefix("draft")) or ""
        return self.get_initial_for_field(self.fields["draft"], "draft") or ""

    def clean_files(self) -> list[Attachment]:
        name = self.add_prefix("files")
        stored = self._without_removed(self._stored(), name)
        problems = []
        for upload in self.files.getlist(name):
            try:
                if len(stored) >= settings.ATTACHMENT_MAX_FILES:
                    raise Unacceptable(
                        f"最多 {settings.ATTACHMENT_MAX_FILES} 个文件，“{upload.name[-60:]}”没有收下，"
                        "请先去掉不需要的文件。"
                    )
                examined = examine(upload)
                # The same file chosen twice, for example after going back, is one file.
                if examined.sha256 not in {one.sha256 for one in stored}:
                    stored.append(self._store(examined))
            except Refused as refusal:
                problems.append(str(refusal))
                if isinstance(refusal, NotScanned):
                    break  # nobody waits for the same silence five times; the sentence asks for the files anew
        self._list(stored)
        # The answer as it stands now: shown again, or kept for the check page, it removes nothing more.
        keys = [one.key for one in stored]
        self.data.setlist(f"{name}_keep", keys)
        self.data[self.add_prefix("files_shown")] = ",".join(keys)
        if problems:
            raise forms.ValidationError(problems)
        if self.attachments_required and not stored:
            raise forms.ValidationError(f"请上传{self.attachments_label}")
        return stored

    def _stored(self) -> list[Attachment]:
        if not self.draft_token:
            return []
        stored = list(Attachment.objects.filter(draft=_draft(self.draft_token, self.request)).order_by("pk"))
        self._list(stored)
        return stored

    def _without_removed(self, stored: list[Attachment], name: str) -> list[Attachment]:
        shown = set((self.data.get(self.add_prefix("files_shown")) or "").split(",")) - {""}
        removed = shown - set(self.data.getlist(f"{name}_keep"))
        staying = []
        for one in stored:
            if one.key in removed:
                discard(one)
            else:
                staying.append(one)
        return staying

    def _store(self, examined) -> Attachment:
        if not self.draft_token:
            self.data[self.add_prefix("draft")] = secrets.token_hex(16)
        return _save(
            Attachment(
                draft=_draft(self.draft_token, self.request),
                name=examined.name,
                content_type=examined.content_type,
                extension=examined.extension,
                sha256=examined.sha256,
            ),
            examined.content,
        )

    def _list(self, stored: list[Attachment]) -> None:
        """Let the page show what is stored, and the next answer tell what the page had shown."""
        for one in stored:
            one.key = str(one.pk)
        self.fields["files"].kept_files = stored
        self.initial["files_shown"] = ",".join(one.key for one in stored)


def claim(form: WithAttachments, application: Application) -> int:
    """Tie the files of a submitted form to its application; returns how many. Call in submit's transaction.

    Refused when files are needed and the draft has none left: it was submitted already (a double click), or
    purged after a week.
    """
    count = Attachment.objects.filter(draft=_draft(form.draft_token, form.request)).update(
        application=application, draft=""
    )
    if form.attachments_required and not count:
        raise Refused(f"{form.attachments_label}已随另一件申请提交或已过期，请重新上传后再提交。")
    return count


def attach(application: Application, upload: UploadedFile) -> Attachment:
    """Tie one file to an application without a form. Raises Refused."""
    examined = examine(upload)
    return _save(
        Attachment(
            application=application,
            name=examined.name,
            content_type=examined.content_type,
            extension=examined.extension,
            sha256=examined.sha256,
        ),
        examined.content,
    )


def copy_to_draft(application: Application, request: HttpRequest) -> str:
    """Copy an application's files for filing it anew; returns the token to pass as `initial={"draft": token}`.

    The caller has checked that this person may see the application. Asked again, it returns the same draft.
    """
    token = salted_hmac("workflow.attachments.copy", str(application.pk), algorithm="sha256").hexdigest()[:32]
    draft = _draft(token, request)
    if not Attachment.objects.filter(draft=draft).exists():
        for one in application.attachments.order_by("pk"):
            with one.file.open() as source:
                content = source.read()
            copy = Attachment(
                draft=draft,
                name=one.name,
                content_type=one.content_type,
                extension=one.extension,
                sha256=one.sha256,
            )
            _save(copy, content)
    return token


def discard(attachment: Attachment) -> None:
    """Delete a draft's file, row first: a file without its row is swept later, a row without its file is an error."""
    attachment.delete()
    transaction.on_commit(lambda: attachment.file.storage.delete(attachment.file.name))


def _save(attachment: Attachment, content: bytes) -> Attachment:
    """File, then row. Raises Unacceptable when the disk takes no file; half of one does not stay then."""
    storage, field = attachment.file.storage, attachment.file.field
    name = storage.get_available_name(field.generate_filename(attachment, attachment.name), field.max_length)
    attachment.size = len(content)
    try:
        attachment.file = storage.save(name, ContentFile(content), max_length=field.max_length)
    except OSError as error:
        storage.delete(name)
        raise Unacceptable(
            f"文件“{attachment.name[-60:]}”这次没有保存成功：平台的存储空间暂时不足。填写的内容还在，请过几分钟重新选择文件再提交。"
        ) from error
    attachment.save()
    return attachment


def _draft(token: str, request: HttpRequest) -> str:
    """What the database knows a draft by: worthless without being its owner."""
    if request.user.is_authenticated:
        owner = f"user:{request.user.pk}"
    else:
        owner = "session:" + request.session.setdefault(_OWNER, secrets.token_hex(16))
    return salted_hmac("workflow.attachments", f"{owner}:{token}", algorithm="sha256").hexdigest()

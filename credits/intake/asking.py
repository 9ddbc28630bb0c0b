"""Uploading, confirming and cancelling a batch: who may, and what is queued.

Providers are kept by bureaus and by the platform's staff, by admins with the duty for hours: each bureau its own, the
platform's staff all of them, those of the whole province alone. Whoever keeps a provider uploads for it; its keys are
made and revoked by super admins.
"""

from hashlib import sha256

from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet

from accounts.queue import enqueue
from accounts.refused import Refused
from credits.intake.reading import MOST_BYTES
from credits.models import BatchState, IntakeBatch, IntakeError, Provider
from orgs.actor import Actor, hold_right
from orgs.models import Duty, Kind
from workflow import virus_scan
from workflow.uploads import clean_name

MOST_OPEN = 5  # batches of one organisation that are not over
OPEN = (BatchState.CHECKING, BatchState.CHECKED, BatchState.COMMITTING)


def may_keep(actor: Actor) -> bool:
    """Whether this admin keeps learning platforms at all."""
    place = actor.organization
    return place is not None and place.kind in (Kind.BUREAU, Kind.OPERATOR) and actor.can(Duty.HOURS)


def kept_by(actor: Actor) -> QuerySet[Provider]:
    """The providers that this admin keeps."""
    return Provider.objects.editable_by(actor) if may_keep(actor) else Provider.objects.none()


def batches_of(actor: Actor) -> QuerySet[IntakeBatch]:
    """The batches that this admin sees: of the providers they keep and of their own organisation and below."""
    return IntakeBatch.objects.visible_to(actor) if may_keep(actor) else IntakeBatch.objects.none()


def upload(provider: Provider, file: UploadedFile, *, by: Actor) -> IntakeBatch:
    """Store a spreadsheet and queue its check. Raises Refused."""
    if not file.size:
        raise Refused("文件是空的，请重新选择。")
    if file.size > MOST_BYTES:
        raise Refused(f"文件超过 {MOST_BYTES // 1024 // 1024} MB，请分成几个文件上传，并删除多余的格式。")
    virus_scan.check(file, clean_name(file.name)[-60:])
    digest = sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    with transaction.atomic():
        hold_right(by)
        if not kept_by(by).filter(pk=provider.pk).exists():
            raise PermissionDenied
        if not provider.is_active:
            raise Refused(f"“{provider.name}”已停止报送学时，不能导入。需要恢复请先在学习平台管理中启用。")
        if IntakeBatch.objects.filter(organization=by.organization, state__in=OPEN).count() >= MOST_OPEN:
            raise Refused(f"本单位已有 {MOST_OPEN} 个批次没有办完，请先入账或取消其中一个。")
        batch = IntakeBatch(
            provider=provider,
            organization=by.organization,
            by=by.user,
            name=clean_name(file.name)[-120:],
            size=file.size,
            digest=digest.hexdigest(),
        )
        batch.file.save(f"{digest.hexdigest()[:32]}.upload", file, save=False)
        batch.save()
        enqueue("credits.check_batch", [{"batch_id": batch.pk}])
    return batch


@transaction.atomic
def confirm(batch: IntakeBatch, *, by: Actor) -> None:
    """入账: queue the entry of a batch without problems. Raises Refused."""
    now = _held(batch, by)
    if now.state != BatchState.CHECKED:
        raise Refused("这个批次已经不在待确认状态，请刷新后查看。")
    if now.rows_wrong:
        raise Refused(f"有 {now.rows_wrong:,} 行需要改正，整个批次不能入账。请改正文件后重新上传。")
    if not now.rows_new:
        raise Refused("这个批次的记录以前都已经入账，不用再次入账。")
    now.state = BatchState.COMMITTING
    now.save(update_fields=["state"])
    enqueue("credits.commit_batch", [{"batch_id": now.pk}])


@transaction.atomic
def cancel(batch: IntakeBatch, *, by: Actor) -> None:
    """Give a batch up that was not confirmed yet. Raises Refused."""
    now = _held(batch, by)
    if now.state not in (BatchState.CHECKING, BatchState.CHECKED):
        raise Refused("这个批次已经开始入账或已经结束，不能取消。")
    now.state = BatchState.CANCELLED
    now.save(update_fields=["state"])
    now.checked.all().delete()
    IntakeError.objects.filter(batch=now).delete()
    if now.file:
        transaction.on_commit(lambda: _drop(now))


def _drop(batch: IntakeBatch) -> None:
    batch.file.delete(save=False)
    IntakeBatch.objects.filter(pk=batch.pk).update(file="")


def _held(batch: IntakeBatch, by: Actor) -> IntakeBatch:
    hold_right(by)
    if not batches_of(by).filter(pk=batch.pk, provider__in=kept_by(by)).exists():
        raise PermissionDenied
    return IntakeBatch.objects.select_for_update(of=("self",), no_key=True).get(pk=batch.pk)

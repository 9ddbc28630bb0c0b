"""批量签发: certificates for everybody below a bureau whose year is complete, as a background job.

It goes through the people by their ids, some hundreds in a transaction of their own, and keeps its place in that same
transaction. Killed at any moment, it goes on where it stopped: what was not committed had no number. Two workers on
one batch take turns; two batches of a city and its county find each other's certificates and pass over them.
"""

import logging

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import JobAborted

from accounts.models import AccountStatus
from accounts.outbox import notify
from accounts.queue import PATIENT, enqueue
from accounts.refused import Refused
from credits.certificates import is_office, issue_many
from credits.models import CertificateBatch, IssueState, Standing
from credits.years import current_year
from orgs.actor import Actor, actor_of, hold_right
from orgs.models import Status

logger = logging.getLogger(__name__)

AT_A_TIME = 200  # people in one transaction: whoever issues in the same division waits for no longer
AFTER_MAILS = -10
TASK = "credits.issue_batch"
RUNNING = (IssueState.WAITING, IssueState.RUNNING)


def start(year: int, *, by: Actor) -> CertificateBatch:
    """Queue a batch for everybody below the admin's bureau; the one that is running when there is one.

    Raises Refused for a year to come and for who lost the right meanwhile.
    """
    if year > current_year():
        raise Refused(f"{year} 年度还没有开始，不能签发证书。")
    try:
        with transaction.atomic():
            hold_right(by)
            batch = CertificateBatch.objects.create(
                organization=by.organization, year=year, by=by.user, account=by.account
            )
            enqueue(TASK, [{"batch_id": batch.pk}], priority=AFTER_MAILS)
    except IntegrityError as error:
        if "certificate_batch_one_at_a_time" not in str(error):
            raise
        return CertificateBatch.objects.get(organization=by.organization, year=year, state__in=RUNNING)
    return batch


@app.task(name=TASK, retry=PATIENT, pass_context=True)
def issue_batch(context, batch_id: int) -> None:
    """Issue until nobody is left. Run twice it adds nothing."""
    try:
        while _go_on(batch_id):
            if context.should_abort():  # the worker was told to stop: another one goes on from here
                raise JobAborted
    except JobAborted:
        raise
    except Exception as error:
        logger.warning("batch of certificates %s: %s", batch_id, type(error).__name__)
        if not PATIENT.is_last(context.job.attempts):
            raise
        _give_up(batch_id)


def _go_on(batch_id: int) -> bool:
    """The next few people, and the place after them, in one transaction; False when nothing is left to do."""
    with transaction.atomic():
        batch = _held(batch_id)
        if batch is None:
            return False
        actor = actor_of(batch.account)
        if not _still_may(batch, actor):
            return _end(batch, "您已没有签发证书的权限，批量签发没有完成。")
        below = _below(batch)
        if batch.state == IssueState.WAITING:
            batch.state, batch.total = IssueState.RUNNING, below.count()
        people = list(
            below.filter(practitioner__gt=batch.place)
            .order_by("practitioner")
            .values_list("practitioner", flat=True)[:AT_A_TIME]
        )
        if not people:
            return _end(batch)
        outcome = issue_many(people, batch.year, by=batch.by, under=batch.organization.path)
        batch.place = people[-1]
        batch.looked += len(people)
        batch.issued += len(outcome.certificates)
        batch.save(update_fields=["state", "total", "place", "looked", "issued"])
        return True


def _give_up(batch_id: int) -> None:
    with transaction.atomic():
        batch = _held(batch_id)
        if batch is not None:
            _end(
                batch,
                "批量签发多次中断，没有全部完成。已签发的证书有效，请再次批量签发；仍不成功请联系技术支持。",
            )


def _held(batch_id: int) -> CertificateBatch | None:
    return (
        CertificateBatch.objects.select_for_update(of=("self",), no_key=True)
        .select_related("by", "account", "organization")
        .filter(pk=batch_id, state__in=RUNNING)
        .first()
    )


def _below(batch: CertificateBatch):
    """Everybody with hours in the year: whether it is complete is measured under the lock, not read from the flag."""
    return Standing.objects.filter(year=batch.year, practitioner__path__startswith=batch.organization.path)


def _still_may(batch: CertificateBatch, actor: Actor) -> bool:
    return (
        is_office(actor)
        and actor.organization.pk == batch.organization_id
        and actor.organization.status == Status.ACTIVE
        and actor.account.status == AccountStatus.ACTIVE
        and actor.user.is_active
    )


def _end(batch: CertificateBatch, why: str = "") -> bool:
    batch.state = IssueState.FAILED if why else IssueState.DONE
    batch.why_failed, batch.finished_at = why, timezone.now()
    batch.save(update_fields=["state", "total", "why_failed", "finished_at"])
    notify(
        batch.by,
        f"{batch.year} 年度电子证书：批量签发{'没有完成' if why else '已完成'}",
        why or f"核对 {batch.looked:,} 人，签发 {batch.issued:,} 张。",
        key=f"certificate-batch:{batch.pk}",
        url=reverse("credits:certificate_batch", args=[batch.pk]),
        account=batch.account,
    )
    return False

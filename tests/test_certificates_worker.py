"""批量签发 with the real worker: everybody once, killed and taken up again without a gap, told of, refused in a sentence.

Transactional tests: the worker has connections of its own and sees only what is committed.
"""

import re
import signal

import pytest

from accounts.models import Message
from accounts.queue import PATIENT
from credits import certificate_batches, certificates
from credits.certificate_batches import start
from credits.certificates import issue
from credits.models import Certificate, CertificateBatch, CertificateEvent
from orgs.models import Duty, Practitioner
from tests import test_certificates, test_exports_worker, test_messages_worker
from tests.test_certificates import YEAR, gaps, is_signed, reported
from tests.test_credits_pages import text
from tests.test_exports import crowd
from tests.test_exports_worker import rescued, until
from tests.test_messages_worker import due, jobs, run_worker, sql

pytestmark = pytest.mark.django_db(transaction=True)
town, unit, signing_key = test_certificates.town, test_certificates.unit, test_certificates.signing_key
empty_queue = test_messages_worker.empty_queue
no_connection_left = test_messages_worker.no_connection_left
post_at_commit = test_messages_worker.post_at_commit
server = test_messages_worker.server
worker = test_messages_worker.worker
elsewhere = test_exports_worker.elsewhere


def many(unit, count) -> None:
    """So many people whose year is complete."""
    crowd(unit, count)
    reported(Practitioner.objects.filter(employer=unit, standings=None).select_related("user"))


def complete(town, at, **hours):
    person = town.practitioner(at=at)
    reported([person], **hours)
    return person


def test_a_batch_issues_to_everybody_below_once_and_tells(town, unit, monkeypatch):
    monkeypatch.setattr(certificate_batches, "AT_A_TIME", 7)
    many(unit, 20)
    incomplete = complete(town, unit, professional=50)
    had = complete(town, unit)
    first = issue(had, YEAR, by=town.actor(had))
    revoked = complete(town, unit)
    certificates.revoke(
        issue(revoked, YEAR, by=town.actor(revoked)), by=town.actor(town.bureau), reason="材料不实"
    )
    elsewhere = complete(town, town.employer(under=town.bureau_under(town.platform)))
    browser = town.login(town.bureau)
    answer = browser.post("/hours/certificates/issuing/all/", {"year": YEAR})
    page = browser.get(answer.url)
    assert "排队中" in text(page)
    assert page["Refresh"] == "3"
    run_worker()
    batch = CertificateBatch.objects.get()
    assert (batch.state, batch.total, batch.looked, batch.issued) == ("done", 23, 23, 20)
    page = browser.get(answer.url)
    for part in ("已完成", "23 人，共 23 人", "20 张"):
        assert part in text(page), part
    assert "Refresh" not in page
    assert Certificate.objects.count() == 22
    assert not Certificate.objects.filter(practitioner__in=[incomplete, elsewhere]).exists()
    assert first.events.count() == 1
    assert gaps() == []
    assert all(is_signed(one) for one in Certificate.objects.all())
    told = Message.objects.filter(subject__contains="批量签发已完成")
    assert [(one.user, one.text) for one in told] == [(batch.by, "核对 23 人，签发 20 张。")]
    # Those who got one hear of it on the page, not by twenty thousand mails.
    assert Message.objects.filter(subject__contains="证书已签发", by_mail=False).count() == 20
    run_worker()
    start(YEAR, by=town.actor(town.bureau))  # a second one finds nothing left to do
    run_worker()
    assert CertificateBatch.objects.latest("pk").issued == 0
    assert Certificate.objects.count() == 22


def test_while_one_runs_a_second_click_finds_it(town, unit):
    by = town.actor(town.bureau)
    assert start(YEAR, by=by) == start(YEAR, by=by)
    assert start(YEAR - 1, by=by).year == YEAR - 1
    with pytest.raises(certificates.Refused, match="还没有开始"):
        start(YEAR + 1, by=by)
    assert jobs("todo") == ["credits.issue_batch"] * 2
    other = town.bureau_under(town.platform)
    assert (
        town.login(other)
        .get(f"/hours/certificates/batches/{CertificateBatch.objects.first().pk}/")
        .status_code
        == 404
    )


def test_a_killed_worker_is_followed_by_another_without_a_gap(town, unit, elsewhere):
    """kill -9 of the worker's own process in the middle, twice; F3 of trust.md §4.4."""
    many(unit, 3_000)
    batch = start(YEAR, by=town.actor(town.bureau))

    def issued() -> int:
        batch.refresh_from_db()
        return batch.issued

    for at_least in (1, 800):
        process = elsewhere()
        until(lambda limit=at_least: issued() >= limit)
        process.send_signal(signal.SIGKILL)
        process.wait()
        batch.refresh_from_db()
        assert batch.state == "running"
        # What is committed is whole: place, counter, certificates, events and numbers.
        assert Certificate.objects.count() == CertificateEvent.objects.count() == batch.issued == batch.looked
        assert 0 < batch.issued < 3_000
        assert gaps() == []
        assert jobs("doing") == ["credits.issue_batch"]
        sql("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '31 seconds'")
        if at_least == 1:
            sql("UPDATE procrastinate_jobs SET status = 'todo', worker_id = NULL WHERE status = 'doing'")
    rescued()
    batch.refresh_from_db()
    assert (batch.state, batch.looked, batch.issued) == ("done", 3_000, 3_000)
    assert Certificate.objects.count() == 3_000
    assert Certificate.objects.values("practitioner").distinct().count() == 3_000
    assert gaps() == []
    assert Certificate.objects.order_by("serial").last().serial == 3_000
    assert Message.objects.filter(subject__contains="批量签发").count() == 1
    assert jobs() == []


def test_two_workers_on_one_batch_take_turns(town, unit, monkeypatch):
    monkeypatch.setattr(certificate_batches, "AT_A_TIME", 5)
    many(unit, 40)
    batch = start(YEAR, by=town.actor(town.bureau))
    certificate_batches.enqueue(
        certificate_batches.TASK, [{"batch_id": batch.pk}]
    )  # given away while it still ran
    run_worker(2)
    batch.refresh_from_db()
    assert (batch.state, batch.looked, batch.issued) == ("done", 40, 40)
    assert gaps() == []


def test_a_right_that_is_gone_on_the_way_ends_it_with_a_sentence(town, unit, monkeypatch):
    monkeypatch.setattr(certificate_batches, "AT_A_TIME", 5)
    many(unit, 20)
    account = town.admin(town.bureau, duties=[Duty.HOURS])
    batch = start(YEAR, by=town.actor(account))
    honest = certificate_batches.issue_many

    def and_then_lose_it(*args, **kwargs):
        admin = account.org_admin
        admin.duties = [Duty.PEOPLE]
        admin.save()
        return honest(*args, **kwargs)

    monkeypatch.setattr(certificate_batches, "issue_many", and_then_lose_it)
    run_worker()
    batch.refresh_from_db()
    assert (batch.state, batch.issued) == ("failed", 5)
    assert "没有签发证书的权限" in batch.why_failed
    assert "没有完成" in Message.objects.get(user=account.user).subject
    assert gaps() == []
    # Not stuck: somebody else goes on.
    monkeypatch.setattr(certificate_batches, "issue_many", honest)
    start(YEAR, by=town.actor(town.bureau))
    run_worker()
    assert Certificate.objects.count() == 20
    assert gaps() == []


def test_a_fault_is_tried_again_and_given_up_at_last(town, unit, monkeypatch):
    many(unit, 3)
    batch = start(YEAR, by=town.actor(town.bureau))
    with monkeypatch.context() as patch:
        patch.setattr(certificate_batches, "issue_many", lambda *_, **__: 1 / 0)
        run_worker()
        batch.refresh_from_db()
        assert (batch.state, batch.issued, jobs("todo")) == ("waiting", 0, ["credits.issue_batch"])
        sql("UPDATE procrastinate_jobs SET attempts = %s", len(PATIENT.MINUTES))
        due()
        run_worker()
    batch.refresh_from_db()
    assert batch.state == "failed"
    assert "已签发的证书有效" in batch.why_failed
    assert jobs() == []
    page = text(town.login(town.bureau).get(f"/hours/certificates/batches/{batch.pk}/"))
    assert "多次中断" in page
    assert re.search("未完成", page)

"""Reports that come at the same moment as others, and as registrations: exact with the locks, wrong without them."""

import contextlib
import threading

import pytest
from django.db import connection

from credits import posting
from credits.intake import attaching
from credits.intake.columns import RowReader
from credits.intake.judging import of_events
from credits.models import IntakeRecord, LedgerEntry, Provider, Standing
from credits.posting import NotEntered, enter
from orgs.models import Practitioner
from tests import test_messages_worker
from tests.race import at_once
from tests.test_intake import hours_of, registered, registration, row, true_to_the_ledger
from tests.test_messages_worker import run_worker, sql
from tests.town import synthetic_id
from workflow import engine

pytestmark = pytest.mark.django_db(transaction=True)
empty_queue = test_messages_worker.empty_queue
no_connection_left = test_messages_worker.no_connection_left
post_at_commit = test_messages_worker.post_at_commit
ROUNDS = 15


@pytest.fixture
def provider(town) -> Provider:
    return Provider.objects.create(code="test", name="示例学习平台")


def report(provider, *rows):
    """A click that enters these rows."""
    reader = RowReader(provider)
    checked = [reader.read(index, cells) for index, cells in enumerate(rows)]
    return lambda: enter(of_events(provider, None, checked))


@contextlib.contextmanager
def without_the_lock(monkeypatch, after: str, parties: int = 2):
    """The control: nobody's row is locked, and everybody waits after `after` until all have come so far."""
    together = threading.Barrier(parties)
    honest = getattr(posting, after)

    def waiting(*args):
        found = honest(*args)
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(timeout=5)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(posting, "_LOCK", "SELECT count(*) FROM ({arriving}) one")
        patch.setattr(posting, after, waiting)
        yield


# --- the same person ------------------------------------------------------------------------------------------


def test_two_reports_of_one_person_at_once_are_both_in_the_sum(town, provider):
    person = town.practitioner(at=town.employer())
    for turn in range(ROUNDS):
        clicks = [report(provider, row(person, f"{turn}-{side}", 1)) for side in "ab"]
        assert at_once(*clicks) == ["ok", "ok"]
    assert hours_of(person) == {"public": f"{2 * ROUNDS}.0"}
    true_to_the_ledger()


def test_without_the_lock_one_of_them_is_lost_from_the_sum(town, provider, monkeypatch):
    person = town.practitioner(at=town.employer())
    town.stands(person, year=2025)  # without a row the unique constraint alone would put them in order
    with without_the_lock(monkeypatch, "_who_meets"):
        outcomes = at_once(*[report(provider, row(person, side, 1)) for side in "ab"])
    entered = sum(one.hours for one in LedgerEntry.objects.all())
    assert (outcomes, entered) == (["ok", "ok"], 2)
    assert Standing.objects.get().total == 1


def test_many_people_in_opposite_orders_never_wait_for_each_other(town, provider):
    people = [town.practitioner(at=town.employer()) for _ in range(6)]
    for turn in range(ROUNDS):
        there = [row(person, f"{turn}-a{n}", 1) for n, person in enumerate(people)]
        back = [row(person, f"{turn}-b{n}", 1) for n, person in enumerate(reversed(people))]
        assert at_once(report(provider, *there), report(provider, *back)) == ["ok", "ok"]
    assert {str(hours_of(person)) for person in people} == {str({"public": f"{2 * ROUNDS}.0"})}
    true_to_the_ledger()


# --- the same event (R21) -------------------------------------------------------------------------------------


def test_one_event_sent_several_times_at_once_counts_once(town, provider):
    person = town.practitioner(at=town.employer())
    for turn in range(ROUNDS):
        # Beside others of their own, in another order.
        clicks = [
            report(provider, row(person, f"{turn}-{side}", 1), row(person, f"{turn}-same", 5))
            for side in "abc"
        ]
        assert at_once(*clicks) == ["ok", "ok", "ok"]
    assert IntakeRecord.objects.count() == 4 * ROUNDS
    assert hours_of(person) == {"public": f"{8 * ROUNDS}.0"}
    true_to_the_ledger()


def test_one_event_of_who_is_not_registered_sent_several_times_at_once_is_kept_once(town, provider):
    """Nobody's row is there to be locked: the constraint decides."""
    for turn in range(ROUNDS):
        who = (synthetic_id(800 + turn), "等待者")
        clicks = [
            report(provider, row(who, f"{turn}-{side}", 1), row(who, f"{turn}-same", 5)) for side in "abc"
        ]
        assert at_once(*clicks) == ["ok", "ok", "ok"]
    assert IntakeRecord.objects.count() == 4 * ROUNDS


def test_of_two_contents_of_one_event_at_once_one_is_refused(town, provider):
    person = town.practitioner(at=town.employer())
    for turn in range(ROUNDS):
        for who in (person, (synthetic_id(850 + turn), "等待者")):
            event = f"{turn}-{isinstance(who, tuple)}"
            clicks = [report(provider, row(who, event, hours)) for hours in (1, 2)]
            assert at_once(*clicks) == ["NotEntered", "ok"]
    assert IntakeRecord.objects.count() == 2 * ROUNDS
    true_to_the_ledger()


def test_without_the_constraint_one_event_counts_twice(town, provider, monkeypatch):
    """The control: neither lock nor constraint."""
    person = town.practitioner(at=town.employer())
    plain = posting._INSERT.replace("ON CONFLICT (provider_id, event_id) DO NOTHING", "")
    sql("ALTER TABLE credits_intakerecord DROP CONSTRAINT intake_event_once")
    try:
        with without_the_lock(monkeypatch, "judge"):
            monkeypatch.setattr(posting, "_INSERT", plain)
            outcomes = at_once(*[report(provider, row(person, "same", 5)) for _ in range(2)])
        assert outcomes == ["ok", "ok"]
        assert IntakeRecord.objects.count() == 2
        assert sum(one.hours for one in LedgerEntry.objects.all()) == 10
    finally:
        sql("TRUNCATE credits_intakerecord CASCADE")
        sql(
            "ALTER TABLE credits_intakerecord ADD CONSTRAINT intake_event_once UNIQUE (provider_id, event_id)"
        )


def test_of_two_corrections_of_one_record_at_once_one_is_refused(town, provider):
    person = town.practitioner(at=town.employer())
    for turn in range(ROUNDS):
        for who in (person, (synthetic_id(870 + turn), "等待者")):
            first = f"{turn}-{isinstance(who, tuple)}"
            report(provider, row(who, first, 9))()
            clicks = [report(provider, row(who, f"{first}-{side}", 1, corrects=first)) for side in "ab"]
            assert at_once(*clicks) == ["NotEntered", "ok"]
    assert hours_of(person) == {"public": f"{ROUNDS}.0"}
    true_to_the_ledger()


# --- a registration at the same moment (R22) ------------------------------------------------------------------


def waiting_registration(unit, turn: int):
    application = registration(unit, synthetic_id(1200 + turn), "新来者")
    return application, application.steps.get().pk


def test_a_report_and_the_approval_of_its_person_at_once_meet(town, provider):
    """Whoever comes second waits for the first, and then sees it: nothing is left for the worker."""
    unit = town.employer()
    by = town.actor(unit)
    for turn in range(ROUNDS):
        application, step = waiting_registration(unit, turn)
        arriving = report(provider, row((synthetic_id(1200 + turn), "新来者"), f"{turn}", 5))
        assert at_once(arriving, lambda step=step: engine.approve(step, by=by)) == ["ok", "ok"]
        assert hours_of(application.practitioner) == {"public": "5.0"}
    run_worker()
    assert LedgerEntry.objects.count() == ROUNDS
    true_to_the_ledger()


def lost(town, provider, monkeypatch, turn: int) -> Practitioner:
    """A report and an approval that do not see each other: both look before either commits."""
    unit = town.employer()
    application, step = waiting_registration(unit, turn)
    by = town.actor(unit)
    looked, written = threading.Event(), threading.Event()
    post, attach = posting._post, attaching.attach

    def late(ids):
        written.set()
        assert looked.wait(10)
        return post(ids)

    def early(people):
        assert written.wait(10)
        found = attach(people)
        looked.set()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(posting, "_LOCK", "SELECT count(*) FROM ({arriving}) one")
        patch.setattr(posting, "_post", late)
        patch.setattr(attaching, "attach", early)
        arriving = report(provider, row((synthetic_id(1200 + turn), "新来者"), f"{turn}", 5))
        assert at_once(arriving, lambda: engine.approve(step, by=by)) == ["ok", "ok"]
    return application.practitioner


def test_without_lock_and_worker_the_report_is_lost_and_the_worker_finds_it_once(town, provider, monkeypatch):
    """The control of the test above; and that the jobs of either side alone make it good."""
    for turn, left in enumerate(("credits.attach_person", "credits.attach_records")):
        person = lost(town, provider, monkeypatch, turn)
        assert hours_of(person) == {}
        assert IntakeRecord.objects.filter(practitioner=None).count() == 1
        sql(
            "DELETE FROM procrastinate_jobs WHERE task_name LIKE 'credits.attach%%' AND task_name <> %s", left
        )
        run_worker()
        assert hours_of(person) == {"public": "5.0"}
    assert LedgerEntry.objects.count() == 2
    true_to_the_ledger()


def test_who_registered_and_was_approved_while_a_batch_was_entered_is_found(town, provider, monkeypatch):
    """There was no row to lock when the batch began."""
    post = posting._post
    unit, people = town.employer(), []

    def meanwhile(ids):
        post(ids)
        if not people:
            thread = threading.Thread(target=lambda: people.append(arrives(unit, town.actor(unit))))
            thread.start()
            thread.join(20)
            assert people

    monkeypatch.setattr(posting, "_post", meanwhile)
    report(provider, row((synthetic_id(1300), "新来者"), "late", 5))()
    monkeypatch.setattr(posting, "_post", post)
    assert hours_of(people[0]) == {}
    run_worker()
    assert hours_of(people[0]) == {"public": "5.0"}
    true_to_the_ledger()


def arrives(unit, by) -> Practitioner:
    try:
        application = registration(unit, synthetic_id(1300), "新来者")
        engine.approve(application.steps.get().pk, by=by)
        return application.practitioner
    finally:
        connection.close()


def test_one_persons_records_are_attached_once_by_two_workers_at_once(town, provider):
    for turn in range(ROUNDS):
        digits = synthetic_id(1400 + turn)
        report(provider, row((digits, "新来者"), f"{turn}", 5))()
        person = registered(town.employer(), digits, "新来者")
        clicks = [lambda person=person: attaching.attach_people([person.pk])] * 3
        assert at_once(*clicks) == ["ok", "ok", "ok"]
        assert hours_of(person) == {"public": "5.0"}
    assert LedgerEntry.objects.count() == ROUNDS


def test_nothing_of_a_refused_report_stays(town, provider):
    person = town.practitioner(at=town.employer())
    with pytest.raises(NotEntered):
        report(
            provider,
            row(person, "good", 5),
            row((synthetic_id(1), "x"), "y", 5),
            row(person, "bad", 5, corrects="none"),
        )()
    assert not IntakeRecord.objects.exists()
    assert not Standing.objects.exists()

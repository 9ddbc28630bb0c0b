"""Fault drill F10 (trust.md 4.4): the website's clock jumps by two hours, either way, and across the new year.

The clock is set in the running website (tests/faults_clock.py). Which links and codes still open how much later:
test_kept.py, test_passwords.py, test_second_factor.py, test_sessions.py.
"""

import datetime
import re
import time
import zoneinfo

import pytest

from credits.models import Certificate, CertificateEvent
from tests import faults
from tests.faults import YEAR
from workflow.models import Event

stage = faults.stage
HOUR = 3600
SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")
NEGATIVE = re.compile(r"[-−–]\s?\d+ ?(天|小时|分钟|秒)")


class Clock:
    """A website of its own whose clock can be set: by seconds, or to a time in Shanghai."""

    def __init__(self, stage):
        self.file, self.stage, self.port = stage.folder / "clock", stage, faults.free_port()
        self.set(0)
        self.website = stage.gunicorn(
            self.port, "tests.faults_clock", CPE_CLOCK=str(self.file), WEB_CONCURRENCY="1"
        )

    def set(self, wanted) -> None:
        if isinstance(wanted, datetime.datetime):
            wanted = wanted.timestamp() - time.time()
        aside = self.file.with_suffix(".new")
        aside.write_text(str(float(wanted)))
        aside.replace(self.file)

    def login(self, who):
        return self.stage.browser(who, port=self.port)

    def stop(self) -> None:
        self.website.terminate()
        self.website.wait(60)


_clocks: list[Clock] = []


@pytest.fixture
def clock(stage, request):
    if not _clocks:
        _clocks.append(Clock(stage))
        request.config.add_cleanup(_clocks[0].stop)
    _clocks[0].set(0)
    return _clocks[0]


def complete(stage):
    """A person whose year is."""
    with stage.inside():
        [person] = stage.people(1)
        stage.town.stands(person, public=30, professional=60, year=YEAR)
    return person


def issued(stage, browser, person) -> int:
    """Press the button; the one certificate that there is."""
    answer = browser.post("/hours/certificates/issue/", year=YEAR)
    with stage.inside():
        one = Certificate.objects.get(practitioner=person, year=YEAR)
        assert CertificateEvent.objects.filter(certificate=one).count() == 1
    assert answer.to == f"/hours/certificates/{one.pk}/"
    return one.pk


def filed(stage, browser) -> int:
    answer = browser.post(
        "/moves/unit/", new_unit=stage.new.name, reason="家庭原因", chosen=stage.new.pk, do="submit"
    )
    return int(re.fullmatch(r"/applications/(\d+)/", answer.to)[1])


def signed_by(clock, unit, application: int, order: int, ledger) -> None:
    """By somebody who logs in with the clock as it is, and reads nothing strange."""
    reviewer = clock.login(unit)
    for path in ("/inbox/", f"/applications/{application}/"):
        page = reviewer.get(path)
        assert page.status == 200
        assert not NEGATIVE.search(page.text), NEGATIVE.search(page.text)
    with clock.stage.inside():
        step = clock.stage.step_of(application, order)
    assert reviewer.post(f"/steps/{step}/approve/", comment="").status == 302
    ledger.note("approve", step)


def test_back_and_forth_by_two_hours(stage, clock):
    person = complete(stage)
    with stage.drill() as ledger:
        browser = clock.login(person)
        certificate = issued(stage, browser, person)
        application = filed(stage, browser)
        ledger.note("submit", application)
        clock.set(-2 * HOUR)
        signed_by(clock, stage.old, application, 1, ledger)
        page = browser.get(
            f"/applications/{application}/"
        )  # the session lives on, though it began in the future
        assert page.status == 200
        assert not NEGATIVE.search(page.text)
        assert issued(stage, browser, person) == certificate
        clock.set(2 * HOUR)
        late = browser.post(f"/applications/{application}/withdraw/")
        assert late.to.startswith("/login/")  # half an hour without a click is long over
        signed_by(clock, stage.new, application, 2, ledger)
        with stage.inside():
            person.refresh_from_db()
            assert person.employer_id == stage.new.pk
            log = Event.objects.filter(application=application).order_by("number")
            assert [one.verb for one in log] == ["submit", "approve", "approve"]
        assert issued(stage, clock.login(person), person) == certificate


def test_across_the_new_year(stage, clock):
    person = complete(stage)
    with stage.drill() as ledger:
        clock.set(datetime.datetime(YEAR, 12, 31, 23, 58, tzinfo=SHANGHAI))
        browser = clock.login(person)
        certificate = issued(stage, browser, person)
        application = filed(stage, browser)
        ledger.note("submit", application)
        assert f'value="{YEAR + 1}"' not in browser.get("/hours/years/").text
        clock.set(datetime.datetime(YEAR + 1, 1, 1, 0, 0, 1, tzinfo=SHANGHAI))
        assert issued(stage, browser, person) == certificate
        signed_by(clock, stage.old, application, 1, ledger)
        assert str(YEAR + 1) in browser.get("/hours/years/").text
        clock.set(datetime.datetime(YEAR, 12, 31, 23, 59, 59, tzinfo=SHANGHAI))  # and back again
        assert issued(stage, browser, person) == certificate
        signed_by(clock, stage.new, application, 2, ledger)

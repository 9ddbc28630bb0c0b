"""Fixtures for all tests. The database is a real PostgreSQL (tests/embedded_plugin.py)."""

import os

import pytest
from django.core.cache import cache
from django.db import transaction
from whitenoise.middleware import WhiteNoiseMiddleware

from accounts import outbox
from tests import postman, race
from tests.tiers import figure
from tests.town import Town


@pytest.fixture
def town(db) -> Town:
    return Town()


@pytest.fixture
def unit(town):
    return town.employer(name="测试房产中心")


@pytest.fixture
def person(town, unit):
    return town.practitioner(at=unit, user=town.user(name="测试甲乙"))


@pytest.fixture(autouse=True, scope="session")
def static_files_read_once():
    """Every browser of a test loads the middleware anew; looking at all static files took more than a login itself."""
    kept, read = {}, WhiteNoiseMiddleware.add_files_from_finders

    def read_once(self):
        if not kept:
            read(self)
            kept.update(self.files)
        self.files.update(kept)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", read_once)
        yield


@pytest.fixture(autouse=True)
def private_files(settings, tmp_path):
    """Uploads of a test live and die with it."""
    settings.MEDIA_ROOT = tmp_path / "files"


@pytest.fixture(autouse=True)
def nothing_remembered():
    """What a process remembers for a minute (orgs/title_series.py) ends with the test that put it into the database."""
    cache.clear()


@pytest.fixture(autouse=True)
def post_at_commit(monkeypatch):
    """Where a test lets commits happen (django_capture_on_commit_callbacks), mail and SMS go out with them."""
    for name in ("notify_all", "enqueue"):
        _followed(monkeypatch, outbox, name)


def _followed(monkeypatch, module, name: str) -> None:
    queue = getattr(module, name)

    def queue_and_deliver(*args, **kwargs):
        before = postman.newest()
        queue(*args, **kwargs)
        transaction.on_commit(lambda: postman.deliver(after=before))

    monkeypatch.setattr(module, name, queue_and_deliver)


@pytest.fixture
def round_of_races(request):
    """Which one of several; without any meaning for the test."""
    return request.param


def pytest_generate_tests(metafunc):
    """`manage.py gate races` runs each of its tests several times: pytest itself runs a name that is given twice only once."""
    if rounds := int(os.environ.get("CPE_ROUNDS", "0")):
        metafunc.fixturenames.append("round_of_races")
        metafunc.parametrize("round_of_races", range(rounds), indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """After every race the data as a whole must be right, whoever won (trust.md 4.2)."""
    if not race.is_honest_race(item):
        return (yield)
    with figure("races") as races:
        before, races.tried = race.so_far(), 1
        result = yield
        races.tried = max(races.tried, race.so_far() - before)
        race.check_invariants()
    return result

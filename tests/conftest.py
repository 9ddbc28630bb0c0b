"""Fixtures for all tests. The database is a real PostgreSQL (tests/embedded_plugin.py)."""

import pytest
from django.db import transaction

from accounts import outbox
from tests import postman
from tests.town import Town


@pytest.fixture
def town(db) -> Town:
    return Town()


@pytest.fixture(autouse=True)
def private_files(settings, tmp_path):
    """Uploads of a test live and die with it."""
    settings.MEDIA_ROOT = tmp_path / "files"


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

"""Fixtures for all tests. The database is a real PostgreSQL (tests/embedded_plugin.py)."""

import pytest

from tests.town import Town


@pytest.fixture
def town(db) -> Town:
    return Town()


@pytest.fixture(autouse=True)
def private_files(settings, tmp_path):
    """Uploads of a test live and die with it."""
    settings.MEDIA_ROOT = tmp_path / "files"

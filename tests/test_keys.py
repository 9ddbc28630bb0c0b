"""Keys and database belong together."""

import secrets

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError


def test_the_right_keys_pass(town):
    assert run_checks(tags=[Tags.database], databases=["default"]) == []


def test_foreign_keys_stop_the_migration(town, settings):
    """A fresh data folder beside somebody's database made fresh keys: nothing may be written with them."""
    settings.FIELD_KEYS = {settings.FIELD_KEY_CURRENT: secrets.token_hex(32)}
    with pytest.raises(SystemCheckError, match="CPE_KEYS_FILE"):
        call_command("migrate", verbosity=0, skip_checks=False)


def test_a_foreign_index_key_stops_it_too(town, settings):
    settings.INDEX_KEY = secrets.token_hex(32)
    assert [error.id for error in run_checks(tags=[Tags.database], databases=["default"])] == [
        "accounts.E001"
    ]


def test_an_empty_database_takes_any_keys(db):
    assert run_checks(tags=[Tags.database], databases=["default"]) == []

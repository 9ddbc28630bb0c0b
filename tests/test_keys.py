"""Keys and database belong together."""

import secrets

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from accounts.checks import keys_open_what_is_sealed


def test_the_right_keys_pass(town):
    assert keys_open_what_is_sealed(databases=["default"]) == []


def test_foreign_keys_stop_the_migration(town, settings):
    """A fresh data folder beside somebody's database made fresh keys: nothing may be written with them."""
    settings.FIELD_KEYS = {settings.FIELD_KEY_CURRENT: secrets.token_hex(32)}
    with pytest.raises(SystemCheckError, match="CPE_KEYS_FILE"):
        call_command("migrate", verbosity=0, skip_checks=False)


def test_a_foreign_index_key_stops_it_too(town, settings):
    settings.INDEX_KEY = secrets.token_hex(32)
    assert [error.id for error in keys_open_what_is_sealed(databases=["default"])] == ["accounts.E001"]


def test_an_empty_database_takes_any_keys(db):
    assert keys_open_what_is_sealed(databases=["default"]) == []

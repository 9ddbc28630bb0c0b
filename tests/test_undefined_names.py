"""Every page test fails on a name that its view did not give (`--fail-on-template-vars` in pyproject.toml)."""

import pytest
from django.template import engines


def test_a_name_that_nobody_gave_fails():
    with pytest.raises(pytest.fail.Exception):
        engines["django"].from_string("{{ nobody_gave_this }}").render({})

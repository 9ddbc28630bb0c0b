"""pytest plugin: one embedded PostgreSQL for the whole run.

It is loaded with `-p` (pyproject.toml), since the server must be up before pytest-django reads the settings,
which is before any conftest.py. The workers of pytest-xdist inherit DATABASE_URL from their controller, so one
server serves all. With DATABASE_URL set beforehand, that server is used.
"""

import contextlib
import os

import pytest

from config import embedded

os.environ["CPE_TESTING"] = "1"
if "PYTEST_XDIST_WORKER" not in os.environ:
    # keys, files and the cluster of tests lie apart from the demo's
    folder = embedded.data_folder() / "test"
    os.environ["CPE_DATA_DIR"] = str(folder)
    (folder / "static").mkdir(parents=True, exist_ok=True)  # whitenoise warns at each client without it

_server = contextlib.ExitStack()


@pytest.hookimpl(wrapper=True)  # wrappers come before everything else, pytest-django too
def pytest_load_initial_conftests():
    try:
        _server.enter_context(embedded.database(durable=False))
    except embedded.EmbeddedError as error:
        raise pytest.UsageError(str(error)) from None
    return (yield)


def pytest_unconfigure():
    _server.close()

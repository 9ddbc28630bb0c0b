"""The log of who looked, the forgetting and the rotation of keys under the roles of production (deploy/roles.sql)."""

import pytest
from psycopg.errors import InsufficientPrivilege, RestrictViolation

from tests.test_operations_roles import installation, pytestmark  # noqa: F401 (the same conditions)

PEOPLE = """
import django
django.setup()
from django.core.management import call_command
from tests.town import Town
from orgs import access
town = Town()
unit = town.employer()
person = town.practitioner(at=unit)
left = town.practitioner(at=unit)
access.note(town.actor(unit), [person.user_id], "number", "核对社保缴费记录")
from registration.leaving import close_account
close_account(left.user)
from datetime import timedelta
from django.conf import settings
settings.FORGET_PEOPLE_AFTER = timedelta(0)
call_command("forget")
"""


@pytest.fixture(scope="module")
def peopled(installation):  # noqa: F811
    done = installation.python("cpe_app", "-c", PEOPLE)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "账户 1" in done.stdout
    return installation


def test_the_website_forgets_and_cannot_do_more(peopled):
    assert peopled.sql("cpe_app", "SELECT count(*) FROM accounts_user WHERE name = '已注销'") == [(1,)]
    assert peopled.sql("cpe_app", "SELECT count(*) FROM orgs_accessentry") == [(1,)]
    for statement in (
        "UPDATE orgs_accessentry SET reason = 'x'",
        "DELETE FROM orgs_accessentry",
        "DELETE FROM orgs_historicalpractitioner",
        "UPDATE registration_numbershown SET at = now()",
        "INSERT INTO accounts_indexstep VALUES ('a', 'b')",
    ):
        with pytest.raises(InsufficientPrivilege):
            peopled.sql("cpe_app", statement)
    assert peopled.sql("cpe_app", "SELECT forget_access(now())") == [(0,)]
    with pytest.raises(RestrictViolation):
        peopled.sql("cpe_owner", "DELETE FROM orgs_accessentry")


def test_the_owner_rotates_the_keys_and_the_website_goes_on(peopled):
    for step in (["--new"], [], ["--finish"]):
        done = peopled.python("cpe_owner", "manage.py", "rotate_keys", *step)
        assert done.returncode == 0, done.stderr[-3000:]
    assert "完成。" in done.stdout  # a letter that waits keeps the old field key for three days
    script = "import django; django.setup(); from accounts.models import User; [u.id_number.reveal() for u in User.objects.all()]"
    assert peopled.python("cpe_app", "-c", script).returncode == 0
    indexes = peopled.sql("postgres", "SELECT count(*) FROM accounts_user WHERE id_index NOT LIKE '2:%'")
    assert indexes == [(0,)]
    readable = peopled.sql(
        "cpe_readonly",
        "SELECT column_name FROM information_schema.column_privileges WHERE grantee = 'cpe_readonly'"
        " AND column_name IN ('id_index', 'new_id_index', 'person_index', 'before', 'after') AND table_name <> 'credits_lowering'",
    )
    assert {name for (name,) in readable} <= {"after"}  # of the day seals

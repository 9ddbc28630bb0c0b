"""What one approval costs, on the demo town: every kind that the town files is approved within ten statements."""

from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from workflow import engine

MOST = 10
# What happens once to a unit or a person may cost more: a code is issued, a whole record changes hands, what platforms
# reported before somebody registered is looked for; the place above is read after the lock.
RARE = {
    ("authority-registration", "approved"): 11,
    ("employer-registration", "pending"): 18,
    ("employer-registration", "approved"): 11,
    ("unit-transfer", "approved"): 14,
    ("practitioner-registration", "approved"): 13,
}


def test_no_approval_of_the_town_costs_more_than_ten_statements(db, monkeypatch):
    for command in ("load_reference", "load_hours", "load_bureaus"):
        call_command(command, verbosity=0)
    honest, cost = engine.approve, {}

    def counted(step_id, **how):
        with CaptureQueriesContext(connection) as queries:
            application = honest(step_id, **how)
        statements = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
        kind = application.kind, str(application.state)
        cost[kind] = max(cost.get(kind, []), statements, key=len)
        return application

    monkeypatch.setattr(engine, "approve", counted)
    call_command("load_town", verbosity=0)
    kinds = {kind for kind, state in cost if state == "approved"}
    assert kinds >= {
        "authority-registration",
        "employer-registration",
        "practitioner-registration",
        "hours-declaration",
    }
    dear = {
        kind: len(statements) for kind, statements in cost.items() if len(statements) > RARE.get(kind, MOST)
    }
    assert dear == {}

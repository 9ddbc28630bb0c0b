"""What a load needs in the province, in a process with its database: `python -m bench.load_world WHAT [JSON]`.

`people` names so many sessions of each kind and so many ID numbers that may log in, and fills the queues of the admins
among them; `queue` fills one queue and counts the statements of its pages; `leave` ends the sessions. The sessions are
rows written here, with what a login leaves in them: hashing the passwords of hundreds before the load would only heat
the machine. Answers with one line "RESULT " and JSON.
"""

import json
import secrets
import sys

DEVICE = "测量"


def main(what: str, wanted: dict) -> dict:
    import django

    django.setup()
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_IN_OFFICE)
    return {"people": people, "queue": queue, "leave": leave}[what](**wanted)


# Who signs has been admin before (I10); make_province writes the admins, not the history that they became it.
_IN_OFFICE = """
INSERT INTO orgs_historicalorgadmin (id, is_super, duties, history_date, history_type, account_id, role_id, user_id,
    organization_id)
SELECT id, is_super, duties, now() - interval '1 year', '+', account_id, role_id, user_id, organization_id
  FROM orgs_orgadmin a WHERE NOT EXISTS (SELECT FROM orgs_historicalorgadmin h WHERE h.id = a.id)
"""


def people(practitioner: int, unit: int, authority: int, bureau: int, logins: int, waiting: int) -> dict:
    """The sessions by kind. The units are the largest, the bureaus first theirs, the practitioners all of these units:
    what those declare is what these sign. Of each admin at least `waiting` declarations wait."""
    from orgs.models import Kind, Organization, Practitioner

    units = _largest(Kind.EMPLOYER, unit)
    theirs = {_bureau_of(one): None for one in units}
    bureaus = list(dict.fromkeys([*theirs, *_largest(Kind.BUREAU, bureau + 1)[1:]]))[:bureau]
    for place in units:
        fill(place, waiting, at_unit=True)
    for place in Organization.objects.filter(pk__in=bureaus):
        fill(place.pk, waiting, at_unit=False)
    _look_again()
    employed = Practitioner.objects.filter(employer__in=units, status="active").order_by("?")
    others = Practitioner.objects.filter(status="active").exclude(employer__in=units).order_by("?")
    return {
        "practitioner": open_for(
            [one.account for one in employed.select_related("account__user")[:practitioner]]
        ),
        "unit": open_for(_admins(units)),
        "authority": open_for(_admins(_largest(Kind.AUTHORITY, authority))),
        "bureau": open_for(_admins(bureaus)),
        "logins": [one.user.id_number.reveal() for one in others.select_related("user")[:logins]],
    }


def _largest(kind: str, count: int) -> list[int]:
    from credits.models import Tally

    rows = Tally.objects.filter(organization__kind=kind, organization__status="active", year=0, series="*")
    return list(rows.order_by("-people", "organization").values_list("organization", flat=True)[:count])


def _bureau_of(unit: int) -> int:
    from orgs.models import Kind, Organization

    path = Organization.objects.values_list("path", flat=True).get(pk=unit)
    above = Organization.objects.filter(pk__in=path.strip("/").split("/"), kind=Kind.BUREAU)
    return max(above, key=lambda one: len(one.path)).pk


def _admins(places: list[int]) -> list:
    from orgs.models import OrgAdmin

    admins = OrgAdmin.objects.filter(organization__in=places, is_super=True).select_related("account__user")
    found = {one.organization_id: one.account for one in admins}
    return [found[place] for place in places]


# --- sessions -----------------------------------------------------------------------------------------------------


def open_for(accounts: list) -> list[str]:
    """The keys of new sessions of these accounts: as accounts.entrance.enter leaves them."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.utils import timezone

    from accounts.entrance import ACCOUNT, EPOCH
    from accounts.models import Session
    from accounts.sessions import OPENED, SessionStore

    rows = []
    for account in accounts:
        store = SessionStore(session_key=secrets.token_hex(16))
        opened = {"at": timezone.now().isoformat(), "handle": secrets.token_urlsafe(9), "role": account.role}
        rows.append(
            store.create_model_instance(
                {
                    SESSION_KEY: str(account.user_id),
                    BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
                    HASH_SESSION_KEY: account.user.get_session_auth_hash(),
                    ACCOUNT: account.pk,
                    EPOCH: account.epoch,
                    OPENED: opened | {"device": DEVICE, "place": "127.0.0.*"},
                }
            )
        )
    Session.objects.bulk_create(rows)
    return [row.session_key for row in rows]


def leave() -> dict:
    from accounts.models import Session

    return {"ended": Session.objects.filter(device=DEVICE).delete()[0]}


# --- queues -------------------------------------------------------------------------------------------------------


def fill(place: int, wanted: int, at_unit: bool) -> None:
    """Let at least so many declarations wait for this unit or bureau: the missing ones as make_province writes its own,
    with their steps and their log."""
    from django.db import connection, transaction

    from config.province import hours
    from credits.years import current_year
    from workflow.models import Step

    missing = wanted - Step.objects.filter(approver=place, state="open", duty="hours").count()
    if missing <= 0:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        # Nobody is told of what is only there to be measured.
        cursor.execute("ALTER TABLE workflow_event DISABLE TRIGGER workflow_event_announce")
        cursor.execute(_CHOSEN, {"place": place, "count": missing, "at_unit": at_unit})
        cursor.execute(hours._APPLICATIONS)
        cursor.execute(hours._DECLARATIONS, {"year": current_year()})
        cursor.execute(hours._STEPS)
        hours.write_log()
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('workflow_application', 'id'), max(id)) FROM workflow_application"
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE workflow_event ENABLE TRIGGER workflow_event_announce")


# The table that config.province.hours writes from; people of the place, one after the other until there are enough.
_CHOSEN = """
CREATE TEMPORARY TABLE chosen AS
WITH near AS (
    SELECT p.id, p.user_id, p.employer_id, b.id AS bureau
      FROM orgs_practitioner p JOIN orgs_organization place ON place.id = %(place)s
      JOIN LATERAL (SELECT o.id FROM orgs_organization o
                     WHERE o.id = ANY(string_to_array(trim(both '/' from p.path), '/')::bigint[]) AND o.kind = 'bureau'
                     ORDER BY length(o.path) DESC LIMIT 1) b ON true
     WHERE p.status = 'active' AND p.path LIKE place.path || '%%' AND %(place)s IN (p.employer_id, b.id)
)
SELECT n.id AS person, n.user_id, n.employer_id, n.bureau, eu.user_id AS unit_admin, bu.user_id AS bureau_admin,
       row_number() OVER () + (SELECT max(id) FROM workflow_application) AS application, true AS waits,
       %(at_unit)s AS at_unit, now() - interval '1 day' - interval '1 minute' * (random() * 30000)::integer AS filed,
       8 + (random() * 20)::integer AS hours
  FROM near n
  JOIN orgs_orgadmin eu ON eu.organization_id = n.employer_id AND eu.is_super
  JOIN orgs_orgadmin bu ON bu.organization_id = n.bureau AND bu.is_super
 CROSS JOIN generate_series(1, 1 + %(count)s / (SELECT count(*) FROM near)) AS turn
 ORDER BY turn LIMIT %(count)s
"""


def _look_again() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE workflow_application; ANALYZE workflow_step; ANALYZE credits_declaration")


def queue(wanted: int) -> dict:
    """A city's bureau for which so many declarations wait, and the one of a place where hardly any do: a session of each,
    and how many statements each page of their queues takes."""
    from django.db.models import Count, Q

    from orgs.models import Kind, Organization

    waits = Count("steps", filter=Q(steps__state="open"))
    large = _largest(Kind.BUREAU, 2)[1]  # the first is the province's
    fill(large, wanted, at_unit=False)
    _look_again()
    bureaus = Organization.objects.filter(kind=Kind.BUREAU).annotate(waits=waits)
    small = bureaus.filter(waits__gt=0).order_by("waits", "pk").first()
    sessions = open_for(_admins([large, small.pk]))
    return {
        "session": sessions[0],
        "waiting": bureaus.get(pk=large).waits,
        "few": small.waits,
        "queries": {path: [_statements(one, path) for one in sessions] for path in PAGES},
    }


PAGES = ["/", "/inbox/", "/inbox/?duty=hours", "/inbox/?all=1", "/inbox/?name=甲", "/inbox/done/"]


def _statements(session: str, path: str) -> int:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"host": "127.0.0.1"})
    client.cookies["sessionid"] = session
    client.get(path)  # the first one may fill caches
    with CaptureQueriesContext(connection) as caught:
        answer = client.get(path)
    if answer.status_code != 200:
        raise SystemExit(f"{path}: {answer.status_code}")
    return len(caught)


if __name__ == "__main__":
    print("RESULT " + json.dumps(main(sys.argv[1], json.loads(sys.argv[2]) if sys.argv[2:] else {})))

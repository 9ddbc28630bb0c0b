"""试算: what comes out is right, and the database itself refuses that anything is written by it."""

import datetime
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.urls import reverse

from accounts.replica import WrittenWhileReading
from credits import pack_editing, trial
from credits.models import ActivityKind, Declaration, LedgerEntry, RuleTrial, Standing, TallyDelta
from credits.years import current_year
from tests.test_credits import sign
from workflow import engine
from workflow.flow import Refused

YEAR = current_year()
LAST = YEAR - 1


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


@pytest.fixture
def draft(town):
    return pack_editing.start_blank(by=town.actor(town.bureau), name="泰安市规则", year_from=YEAR + 1)


def rewritten(town, draft, extra):
    return pack_editing.rewrite(
        draft, draft.text + extra, by=town.actor(town.bureau), seen=pack_editing.digest_of(draft.text)
    )


def tried(town, draft, year=LAST) -> dict:
    one = trial.start(draft, year, by=town.actor(town.bureau))
    assert one.state == "done", one.why_failed
    return one.result


def declared(town, person, hours=20, **fields):
    day = datetime.date(LAST, 3, 2)
    payload = Declaration(
        **{
            "practitioner": person,
            "year": LAST,
            "subject": "professional",
            "kind": ActivityKind.objects.get(code="paper"),
            "title": "混凝土耐久性研究",
            "organiser": "测试学报",
            "started_on": day,
            "ended_on": day,
            "hours": Decimal(hours),
            **fields,
        }
    )
    return sign(town, engine.submit("hours-declaration", payload, by=town.actor(person)))


# --- what comes out -------------------------------------------------------------------------------------------


def test_years_that_would_be_complete(town, draft):
    unit = town.employer()
    for public, professional in ((30, 60), (40, 60), (40, 70), (10, 60), (30, 66)):
        town.stands(town.practitioner(at=unit), public=public, professional=professional, year=LAST)
    town.stands(town.practitioner(at=unit), public=90, professional=90, year=YEAR)
    elsewhere = town.employer(under=town.bureau_under(town.platform))
    town.stands(town.practitioner(at=elsewhere), public=90, professional=90, year=LAST)
    higher = rewritten(
        town, draft, '[[minimum]]\nhours = 100\n[[minimum]]\nhours = 40\nsubjects = ["public"]\n'
    )
    found = tried(town, higher)
    assert {name: found[name] for name in ("people", "now", "then", "gained", "lost")} == {
        "people": 5,
        "now": 4,
        "then": 2,
        "gained": 0,
        "lost": 2,
    }
    lower = (
        rewritten(town, higher, "")
        .text.replace("hours = 100", "hours = 60")
        .replace("hours = 40", "hours = 10")
    )
    found = tried(
        town,
        pack_editing.rewrite(
            higher, lower, by=town.actor(town.bureau), seen=pack_editing.digest_of(higher.text)
        ),
    )
    assert (found["now"], found["then"], found["gained"], found["lost"]) == (4, 5, 1, 0)


def test_declarations_that_would_be_worth_something_else(town, draft):
    person = town.practitioner(at=town.employer())
    first = declared(town, person, 20)
    declared(town, person, 30, title="另一篇论文")
    declared(town, person, 12, kind=ActivityKind.objects.get(code="academic-forum"), title="论坛")
    paper = '[activity.paper]\nname = "发表论文"\nsubjects = ["professional"]\nrates = [{ hours = 30 }]\ncap = 40\n'
    found = tried(town, rewritten(town, draft, paper))
    assert (found["declarations"], found["whole"], found["changed"]) == (3, True, 2)
    rows = [(row["title"], row["now"], row["then"]) for row in found["rows"]]
    # 30 instead of 20, and what the cap of 40 leaves instead of 30.
    assert rows == [("混凝土耐久性研究", "20", "30"), ("另一篇论文", "30", "10")]
    assert found["rows"][0]["application"] == first.pk
    assert "只计 10 学时" in found["rows"][1]["account"]


def test_what_is_missing_is_told(town, draft):
    declared(town, town.practitioner(at=town.employer()), 20)
    ranked = '[activity.paper]\nname = "发表论文"\nsubjects = ["professional"]\nrates = [{ first = 30, others = 10 }]\n'
    found = tried(town, rewritten(town, draft, ranked))
    assert found["rows"][0]["then"] == "0"
    assert found["rows"][0]["account"].startswith("资料不全：请填写本人是第几")


def test_an_unchanged_draft_changes_nothing(town, draft):
    town.stands(town.practitioner(at=town.employer()), public=30, professional=60, year=LAST)
    declared(town, town.practitioner(at=town.employer()))
    found = tried(town, draft)
    assert (found["now"], found["then"], found["changed"], found["rows"]) == (1, 1, 0, [])


def test_rules_of_a_bureau_below_go_before_the_draft(town, draft):
    county = town.bureau_under(town.bureau)
    town.rules(county, total=50)
    town.stands(town.practitioner(at=town.employer(under=county)), public=30, professional=20, year=LAST)
    found = tried(town, rewritten(town, draft, "[[minimum]]\nhours = 500\n"))
    assert (found["people"], found["now"], found["then"]) == (1, 1, 1)


def test_only_so_many_declarations_and_rows(town, draft, monkeypatch):
    monkeypatch.setattr(trial, "MOST_DECLARATIONS", 3)
    monkeypatch.setattr(trial, "MOST_ROWS", 2)
    person = town.practitioner(at=town.employer())
    for number in range(4):
        declared(town, person, 20, title=f"论文{number}")
    paper = '[activity.paper]\nname = "论文"\nsubjects = ["professional"]\nrates = [{ hours = 5 }]\n'
    found = tried(town, rewritten(town, draft, paper))
    assert (found["declarations"], found["whole"], found["changed"], len(found["rows"])) == (3, False, 3, 2)


def test_a_year_to_come_cannot_be_tried(town, draft):
    with pytest.raises(Refused, match="还没有开始"):
        trial.start(draft, YEAR + 1, by=town.actor(town.bureau))


# --- it only reads ----------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE credits_standing SET total = total WHERE false RETURNING 1",
        "DELETE FROM credits_ledgerentry WHERE false RETURNING 1",
        "INSERT INTO credits_recheck (practitioner_id, at) SELECT 1, now() WHERE false RETURNING 1",
    ],
)
def test_the_database_refuses_to_be_written_to(change):
    """Whatever the program tries in there; and with the control that outside of it the same goes through."""

    def write():
        with connection.cursor() as cursor:
            cursor.execute(f"WITH change AS ({change}) SELECT * FROM change")

    with pytest.raises(DatabaseError, match="read-only transaction"), trial.only_reading():
        write()
    write()


def test_the_program_refuses_it_too(town):
    person = town.practitioner(at=town.employer())
    with pytest.raises(WrittenWhileReading), trial.only_reading():
        Standing.objects.create(practitioner=person, year=LAST)


def test_the_reckoning_happens_in_there(town, draft, monkeypatch):
    """Every statement of the reckoning finds the transaction read-only."""
    found = []

    def look(*args):
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            found.append(cursor.fetchone()[0])
        return {}

    monkeypatch.setattr(trial, "outcome", look)
    tried(town, draft)
    assert found == ["on"]
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        assert cursor.fetchone()[0] == "off", "and it ends with the reading"


def test_nothing_but_the_trial_itself_is_left(town, draft):
    person = town.practitioner(at=town.employer())
    declared(town, person, 20)
    before = _everything()
    tried(town, rewritten(town, draft, "[[minimum]]\nhours = 5\n"))
    assert _everything() == before
    assert RuleTrial.objects.count() == 1


def _everything() -> tuple:
    tables = (Declaration, LedgerEntry, Standing, TallyDelta)
    return tuple(list(model.objects.order_by("pk").values()) for model in tables)


# --- the pages --------------------------------------------------------------------------------------------------


def test_the_page_tries_and_shows(town, draft):
    person = town.practitioner(at=town.employer())
    town.stands(person, public=30, professional=60, year=LAST)
    office = town.login(town.bureau)
    address = reverse("credits:try_pack", args=[draft.pk])
    assert f'value="{LAST}" selected' in office.get(address).content.decode()
    answer = office.post(address, {"year": LAST}, follow=True)
    shown_page = answer.content.decode()
    assert "1 人在" in shown_page
    assert "没有改变任何人的学时、达标和证书" in shown_page
    one = RuleTrial.objects.get()
    assert (
        reverse("credits:trial", args=[one.pk])
        in office.get(reverse("credits:pack", args=[draft.pk])).content.decode()
    )
    rewritten(town, draft, "[[minimum]]\nhours = 5\n")
    again = office.get(reverse("credits:trial", args=[one.pk])).content.decode()
    assert "试算以后草稿又修改过" in again


def test_a_trial_is_seen_by_who_made_it(town, draft):
    one = trial.start(draft, LAST, by=town.actor(town.bureau))
    other = town.login(town.bureau_under(town.platform))
    assert other.get(reverse("credits:trial", args=[one.pk])).status_code == 404

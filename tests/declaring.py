"""Walking a declaration through its pages: cards, form, check, submitted. Packs by name, answers by activity."""

import datetime
import re
from decimal import Decimal

from django.core.files.uploadedfile import SimpleUploadedFile

from credits import packs
from credits.models import ActivityKind, IntakeRecord, LedgerEntry, Provider, RulePack
from credits.numbers import key_of
from credits.reckoning import proofs_asked
from credits.required import rules_of
from credits.rules.shapes import Activity
from credits.years import current_year
from tests.rules import EXAMPLES, PACKS
from tests.test_attachments import pdf
from workflow.attachments import attach
from workflow.models import Application

DECLARE, CHECK = "/hours/declare/", "/hours/declare/check/"
YEAR = current_year()
DAY = datetime.date(YEAR, 1, 2)


def publish(name: str, bureau=None) -> RulePack:
    """A shipped pack or an example of the tests, put into force under a code of its own for a bureau."""
    folder = PACKS if (PACKS / f"{name}.toml").exists() else EXAMPLES
    text = (folder / f"{name}.toml").read_text("utf-8")
    if bureau:
        text = re.sub(r'^code = "(.+)"', r'code = "local-\1"', text, count=1, flags=re.M)
    return packs.publish(packs.draft(text, bureau=bureau))


def put(text: str, bureau=None, code: str = "test") -> RulePack:
    """Publish rules of one's own: what follows the head."""
    head = (
        f'code = "{code}"\nname = "测试标准"\nbasis = "测试文号"\norigin = "测试"\nmark = "unverified"\nyear_from = 2021\n'
        'inherits = false\n[subjects]\npublic = "公需科目"\nprofessional = "专业科目"\n'
    )
    return packs.publish(packs.draft(head + text, bureau=bureau))


def proof(name="证书.pdf", content=None) -> SimpleUploadedFile:
    """A file like no other, unless its content is given."""
    proof.count += 1
    own = pdf().replace(b"\n", b"\n%% %d\n" % proof.count, 1)
    return SimpleUploadedFile(name, own if content is None else content)


proof.count = 0


def answers(kind: str, **changed) -> dict:
    """What everybody is asked for; the rest comes from the caller."""
    return {
        "kind": kind,
        "subject": "professional",
        "title": f"测试活动 {kind}",
        "organiser": "测试学会",
        "started_on": str(DAY),
        "ended_on": "",
        "year": YEAR,
        "files": [proof()],
        **changed,
    }


def usual(activity: Activity, **changed) -> dict:
    """Good answers to all that an activity may ask: the first of each choice, alone, two of what is counted."""
    last = DAY + datetime.timedelta(days=1)
    given = {
        "subject": activity.subjects[0],
        "variant": next(iter(activity.variants), ""),
        "level": next(iter(activity.levels), ""),
        "people": "3",
        "rank": "1",
        "quantity": "2500" if activity.measure() == "字" else "2",
        "graduated_on": str(last),
        "filed_in_advance": "yes",
        "in_plan": "yes",
        "stated_hours": "6",
        "organiser": next(iter(activity.providers), "测试学会"),
        "ended_on": str(last),
    }
    return answers(activity.code, **(given | changed))


def text(answer) -> str:
    return answer.content.decode()


def proved(application: Application, short: int = 0) -> Application:
    """Give it as many files as its rule asks proofs for in any case, `short` fewer."""
    for number in range(proofs_asked(application.declaration.reckoning) - short):
        attach(application, proof(f"材料{number}.pdf"))
    return application


def errors_of(answer) -> dict:
    return {name: list(sentences) for name, sentences in answer.context["form"].errors.items()}


def fill_in(browser, filled: dict):
    """Send the form; returns the check page."""
    answer = browser.post(DECLARE, filled)
    assert answer.status_code == 302, errors_of(answer)
    assert answer.url == CHECK, answer.url
    return browser.get(CHECK)


def hidden(page) -> dict:
    """What the check page's form would send."""
    inputs = re.findall(r'<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?', text(page))
    return {name: value for name, value in inputs if name != "csrfmiddlewaretoken"}


def send(browser, page) -> Application:
    """Press the check page's button; the application that came of it."""
    answer = browser.post(CHECK, hidden(page))
    found = re.search(r"/done/(\d+)/$", answer.url)
    assert found, text(browser.get(answer.url))
    return Application.objects.get(pk=found[1])


def submit(browser, filled: dict) -> Application:
    return send(browser, fill_in(browser, filled))


def shown_hours(page) -> Decimal:
    """The large figure of the account."""
    return Decimal(re.search(r'<span class="big">([\d.]+) <', text(page))[1])


def activities_of(person, year: int = YEAR) -> dict[str, Activity]:
    return rules_of(person, [year])[year].activities


def kind_of(code: str) -> ActivityKind:
    return ActivityKind.objects.get(code=code)


def reported(town, person, hours=8, provider="测试平台", **facts) -> IntakeRecord:
    """A platform's record that was entered: the record, the ledger's line, the year."""
    platform, _ = Provider.objects.get_or_create(code="test", defaults={"name": provider})
    number = IntakeRecord.objects.count() + 1
    record = IntakeRecord.objects.create(
        **{
            "provider": platform,
            "event_id": f"event-{number}",
            "digest": f"{number:064}",
            "person_index": "0" * 64,
            "practitioner": person,
            "year": YEAR,
            "subject": "professional",
            "hours": Decimal(str(hours)),
            "title": "平台课程",
            "started_on": DAY,
            "completed_on": DAY,
            **facts,
            "number_key": key_of(facts.get("certificate_number", "")),
        }
    )
    LedgerEntry.objects.create(
        practitioner=person,
        year=record.year,
        subject=record.subject,
        hours=record.hours,
        verb="granted",
        source="import",
        record=record,
    )
    return record

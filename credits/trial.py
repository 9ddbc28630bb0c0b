"""试算: a draft of a policy pack tried on the data of a past year, in a transaction that the database lets only read.

Two questions, both for the people below who is asking: how many years would be complete by the hours that they have,
and how many of up to 2,000 approved declarations would be worth something else. Nothing is written but the trial's own
row, after the reading has ended.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app

from accounts import replica
from accounts.outbox import notify
from accounts.queue import PATIENT, enqueue
from credits.hours_field import ZERO, as_hours
from credits.models import Declaration, IssueState, RulePack, RuleTrial, Standing
from credits.pack_editing import digest_of
from credits.reckoning import facts_of
from credits.required import is_met, packs_at, rules_among
from credits.rules.facts import Already
from credits.rules.reckon import Reckoning, reckon
from credits.rules.shapes import Pack
from credits.rules.writing import with_top
from credits.years import current_year
from orgs.actor import Actor, hold_right
from workflow.flow import Refused
from workflow.models import State
from workflow.wording import hours as shown

logger = logging.getLogger(__name__)

TASK = "credits.try_pack"
MOST_DECLARATIONS = 2_000
MOST_ROWS = 50
AT_ONCE = 2_000  # people with hours in the year; with more the worker does it
GOING = (IssueState.WAITING, IssueState.RUNNING)


def last_trial(pack: RulePack, actor: Actor) -> RuleTrial | None:
    """The newest trial of a pack that this person's organisation made."""
    return RuleTrial.objects.filter(pack=pack, organization=actor.organization).order_by("-pk").first()


def start(pack: RulePack, year: int, *, by: Actor) -> RuleTrial:
    """Try the pack as it is now on a year; at once for few people, else by the worker. Raises Refused."""
    if year > current_year():
        raise Refused(f"{year} 年度还没有开始，没有数据可以试算。")
    with transaction.atomic():
        hold_right(by)
        trial = RuleTrial.objects.create(
            pack=pack,
            organization=by.organization,
            year=year,
            seen=digest_of(pack.text),
            by=by.user,
            account=by.account,
        )
        place = pack.bureau or by.organization
        below = Standing.objects.filter(year=year, practitioner__path__startswith=place.path)
        if len(below.values_list("pk")[: AT_ONCE + 1]) > AT_ONCE:
            enqueue(TASK, [{"trial_id": trial.pk}])
            return trial
    _run(trial)
    return trial


@app.task(name=TASK, retry=PATIENT, pass_context=True)
def try_pack(context, trial_id: int) -> None:
    """Run a queued trial and tell who asked for it. Run twice it comes to the same."""
    trial = RuleTrial.objects.filter(pk=trial_id, state__in=GOING).first()
    if trial is None:
        return
    RuleTrial.objects.filter(pk=trial.pk).update(state=IssueState.RUNNING)
    try:
        _run(trial)
    except Exception as error:
        logger.warning("trial of rules %s: %s", trial_id, type(error).__name__)
        if not PATIENT.is_last(context.job.attempts):
            raise
        _end(trial, why="试算多次中断，没有完成。请再试一次；仍不成功请联系技术支持。")
    notify(
        trial.by,
        f"试算{'没有完成' if trial.why_failed else '已完成'}：{trial.pack.name}",
        trial.why_failed or f"按 {trial.year} 年度的数据试算已完成，可以查看结果。",
        key=f"rule-trial:{trial.pk}",
        url=reverse("credits:trial", args=[trial.pk]),
        account=trial.account,
    )


def _run(trial: RuleTrial) -> None:
    with only_reading():
        pack = RulePack.objects.select_related("bureau").get(pk=trial.pack_id)
        changed = digest_of(pack.text) != trial.seen
        result = {} if changed else outcome(pack, (pack.bureau or trial.organization).path, trial.year)
    _end(trial, result, why="试算开始前草稿又修改了，请再试一次。" if changed else "")


def _end(trial: RuleTrial, result: dict | None = None, why: str = "") -> None:
    trial.state = IssueState.FAILED if why else IssueState.DONE
    trial.result, trial.why_failed, trial.finished_at = result or {}, why, timezone.now()
    trial.save(update_fields=["state", "result", "why_failed", "finished_at"])


@contextmanager
def only_reading() -> Iterator[None]:
    """Inside, the database refuses every change, whatever the program tries; outside a replica as on one."""
    with replica.reading(), replica.connection().cursor() as cursor:
        cursor.execute("SET LOCAL transaction_read_only = on")
        yield


# --- what comes out -------------------------------------------------------------------------------------------


def outcome(pack: RulePack, path: str, year: int) -> dict:
    """Numbers and rows of one trial, ready to be kept as JSON."""
    rules = Both(pack, path, year)
    return {**_years(rules, path, year), **_declarations(rules, path, year)}


class Both:
    """The rules of a year as they are and as the draft would make them, for people anywhere below; each looked up once."""

    def __init__(self, pack: RulePack, path: str, year: int):
        self.year = year
        # As if it had been in force then, and for good.
        begun = with_top(pack.text, year_from=min(pack.year_from, year), year_to=None)
        tried = RulePack(
            pk=pack.pk,
            code=pack.code,
            bureau_id=pack.bureau_id,
            text=begun,
            year_from=min(pack.year_from, year),
        )
        below = RulePack.objects.published().filter(bureau__path__startswith=path)
        self.now = list((packs_at(path) | below).distinct())
        self.then = [one for one in self.now if one.code != pack.code] + [tried]
        self.places = {one.bureau_id for one in self.then + self.now if one.bureau_id}
        self._known: dict[tuple, tuple[Pack, Pack]] = {}

    def of(self, path: str, series: str | None) -> tuple[Pack, Pack]:
        """Now and then, for people of this title series at this place."""
        above = tuple(part for part in path.strip("/").split("/") if int(part) in self.places)
        if (above, series) not in self._known:
            self._known[above, series] = (
                rules_among(self.now, path, series, self.year),
                rules_among(self.then, path, series, self.year),
            )
        return self._known[above, series]


def _years(rules: Both, path: str, year: int) -> dict:
    """How many years are complete by the hours that people have: now, then, and who gains or loses."""
    counts = dict.fromkeys(("people", "now", "then", "gained", "lost"), 0)
    rows = Standing.objects.filter(year=year, practitioner__path__startswith=path).values_list(
        "practitioner__path",
        "practitioner__title_series_id",
        "practitioner__title_level",
        "hours",
        "imported",
        "relief",
    )
    for place, series, level, hours, imported, relief in rows.iterator(chunk_size=5_000):
        measured = [
            is_met(one, as_hours(hours), as_hours(imported), relief, level) for one in rules.of(place, series)
        ]
        counts["people"] += 1
        counts["now"] += measured[0]
        counts["then"] += measured[1]
        counts["gained"] += measured[1] and not measured[0]
        counts["lost"] += measured[0] and not measured[1]
    return counts


def _declarations(rules: Both, path: str, year: int) -> dict:
    """Approved declarations reckoned once more by both, person by person in the order they were filed."""
    found = list(
        Declaration.objects.filter(
            year=year, application__state=State.APPROVED, practitioner__path__startswith=path
        )
        .select_related("kind", "practitioner__employer")
        .order_by("practitioner", "pk")[: MOST_DECLARATIONS + 1]
    )
    whole = len(found) <= MOST_DECLARATIONS
    counted: dict[int, tuple[Pots, Pots]] = defaultdict(lambda: (Pots(), Pots()))
    rows, changed = [], 0
    for one in found[:MOST_DECLARATIONS]:
        person = one.practitioner
        facts = facts_of(one, person)
        both = [
            (pack, pots, reckon(pack, facts, pots.already))
            for pack, pots in zip(
                rules.of(person.path, person.title_series_id), counted[person.pk], strict=True
            )
        ]
        for pack, pots, result in both:
            pots.add(pack, facts, result)
        now, then = both[0][2], both[1][2]
        if now.hours != then.hours:
            changed += 1
            if len(rows) < MOST_ROWS:
                rows.append(_row(one, now, then))
    return {"declarations": len(found[:MOST_DECLARATIONS]), "whole": whole, "changed": changed, "rows": rows}


class Pots:
    """What one person has in the year so far, by each key that a cap can have."""

    def __init__(self):
        self.by = {
            name: defaultdict(lambda: ZERO) for name in ("subject", "kind", "group", "source", "provider")
        }

    @property
    def already(self) -> Already:
        return Already(**{f"by_{name}": dict(sums) for name, sums in self.by.items()})

    def add(self, pack: Pack, facts, result: Reckoning) -> None:
        activity = pack.activities.get(facts.kind)
        keys = {
            "subject": result.subject,
            "kind": facts.kind,
            "group": activity.group if activity else "",
            "source": facts.source,
            "provider": facts.provider,
        }
        for name, key in keys.items():
            if key:
                self.by[name][key] += result.hours


def _row(one: Declaration, now: Reckoning, then: Reckoning) -> dict:
    return {
        "application": one.pk,
        "title": one.title,
        "kind": one.kind.name,
        "unit": one.practitioner.employer.name,
        "now": shown(now.hours),
        "then": shown(then.hours),
        "account": _account(then),
    }


def _account(result: Reckoning) -> str:
    """Why it would be worth that much: the lines of the account, or what stands against it."""
    if result.wants:
        return "资料不全：" + "".join(result.wants)
    return result.refusal or "；".join(step.text for step in result.steps) + "。"

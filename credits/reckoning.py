"""From a declaration to the rules and back: what it is worth, by which version of which pack, and what is suspicious.

The same account is shown before submitting, settled again under the person's lock when it is filed, and kept in
Declaration.reckoning:
{"name": the activity, "line": its rule, "basis": …, "pack": "… 第 1 版", "steps": [[text, hours]], "cap": sentence or "",
 "evidence": […], "words": {"variant": …, "measure": …, "member": …, "surcharge": …}, "signals": [sentence, …]}
Hours are text with one decimal. Nothing in it names anybody else: the person reads it.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from credits.duplicates import Signal, already_imported, signals_of
from credits.models import Declaration, RulePack
from credits.numbers import key_of
from credits.past import already, past_of
from credits.required import packs_at, parsed, rules_among
from credits.rules.caps import label_of, tightest
from credits.rules.facts import Already, Facts
from credits.rules.reckon import Reckoning, reckon
from credits.rules.shapes import Activity, Pack
from orgs.models import Practitioner
from workflow.flow import Refused


def proofs_asked(reckoning: dict) -> int:
    """How many proofs the rule of a filed declaration wants in any case: what it asks for “（如有）” may be missing."""
    return sum("如有" not in proof for proof in reckoning.get("evidence", []))


@dataclass(frozen=True)
class Room:
    """What the tightest cap leaves: at most `limit` a year under `label`, `counted` of it are taken."""

    label: str
    limit: Decimal
    counted: Decimal

    @property
    def left(self) -> Decimal:
        return max(self.limit - self.counted, Decimal(0))


@dataclass(frozen=True)
class Account:
    """What one declaration comes to. `problems`: what is missing or why it cannot count, empty when it can."""

    rules: Pack
    activity: Activity | None
    pack: RulePack | None
    facts: Facts
    already: Already
    result: Reckoning
    refusal: str = ""
    signals: list[Signal] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        refusal = self.refusal or self.result.refusal
        return [*self.result.wants, *([refusal] if refusal else [])]

    @property
    def room(self) -> Room | None:
        """What caps leave for this activity, itself not counted; None without any."""
        return room_of(self.rules, self.activity, self.facts, self.already) if self.activity else None

    @property
    def kept(self) -> dict:
        """As Declaration.reckoning keeps it."""
        result, activity = self.result, self.activity
        measure = activity.measure(self.facts.level, self.facts.variant)
        return {
            "name": activity.name,
            "line": activity.line,
            "basis": activity.basis,
            "pack": str(self.pack) if self.pack else "",
            "steps": [[one.text, "" if one.hours is None else f"{one.hours:.1f}"] for one in result.steps],
            "cap": result.steps[-1].text if result.cap else "",
            "evidence": list(activity.evidence),
            "words": {
                "variant": activity.variants.get(self.facts.variant, ""),
                "measure": measure,
                "member": activity.member,
                "surcharge": activity.surcharge_name,
            },
            "signals": list(dict.fromkeys(one.text for one in self.signals)),
        }


def account_of(
    declaration: Declaration, packs: Iterable[RulePack] | None = None, without: int | None = None
) -> Account:
    """Reckon it for its practitioner as things stand now. Five queries at most; `packs` (packs_at) saves one.

    `without`: the application itself, once it is filed.
    """
    person = declaration.practitioner
    packs = list(packs_at(person.path) if packs is None else packs)
    declaration.number_key = key_of(declaration.certificate_number)
    rules = rules_among(packs, person.path, person.title_series_id, declaration.year)
    activity = rules.activities.get(declaration.kind.code)
    years = {declaration.year, declaration.started_on.year, declaration.ended_on.year}
    past = past_of(person, years, without)
    facts, counted = facts_of(declaration, person), already(past, rules, declaration)
    result = reckon(rules, facts, counted)
    refusal, signals = "", []
    if not result.wants:
        refusal = already_imported(declaration, past)
        raw = result.hours if result.raw is None else result.raw
        signals = signals_of(declaration, raw, rules, past, declaration.digests)
    pack = _saying(activity, packs, rules)
    return Account(rules, activity, pack, facts, counted, result, refusal, signals)


def settle(declaration: Declaration, practitioner: Practitioner) -> None:
    """Fix hours, number, pack and account of a declaration that is being filed; its practitioner is locked.

    Refused when something is missing, or when it cannot count as the rules and the year are now.
    """
    declaration.practitioner = practitioner
    account = account_of(declaration)
    if account.problems:
        raise Refused("".join(account.problems))
    declaration.hours = account.result.hours
    declaration.subject = account.result.subject
    declaration.pack = account.pack
    declaration.reckoning = account.kept


def room_of(rules: Pack, activity: Activity, facts: Facts, counted: Already) -> Room | None:
    """Of the caps that hold for these facts the one that leaves least; what is not known yet is under no cap."""
    subject = facts.subject or (activity.subjects[0] if len(activity.subjects) == 1 else "")
    cap, taken = tightest(rules, activity, facts, subject, counted)
    return Room(label_of(cap, rules, activity, facts), cap.hours, taken) if cap else None


def facts_of(declaration: Declaration, practitioner: Practitioner) -> Facts:
    """What the rules may know of it. Who gives hours alone, without a form, means those on the proof."""
    stated = declaration.hours if declaration.stated_hours is None else declaration.stated_hours
    return Facts(
        kind=declaration.kind.code,
        year=declaration.year,
        subject=declaration.subject,
        started_on=declaration.started_on,
        ended_on=declaration.ended_on,
        stated=stated,
        level=declaration.level,
        variant=declaration.variant,
        rank=declaration.rank,
        people=declaration.people,
        quantity=declaration.quantity,
        surcharge_quantity=declaration.surcharge_quantity,
        graduated_on=declaration.graduated_on,
        filed_in_advance=declaration.filed_in_advance,
        in_plan=declaration.in_plan,
        provider=declaration.organiser.strip(),
        title_level=practitioner.title_level,
    )


def token_of(declaration: Declaration) -> str:
    """Short name of an account as it was shown: what is filed may differ only after the person saw it."""
    shown = [f"{declaration.hours:.1f}", declaration.subject, declaration.pack_id, declaration.reckoning]
    text = json.dumps(shown, sort_keys=True, ensure_ascii=False)
    return f"{shown[0]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _saying(activity: Activity | None, packs: list[RulePack], rules: Pack) -> RulePack | None:
    """The version that says this activity: of the packs laid over one another one gave it, whole."""
    if activity is None:
        return None
    saying = [
        one for one in packs if _bare(parsed(one.text).activities.get(activity.code)) == _bare(activity)
    ]
    return next((one for one in saying if one.code == rules.code), saying[0] if saying else None)


def _bare(activity: Activity | None) -> tuple | None:
    """Without the line, which names caps of other packs too."""
    if activity is None:
        return None
    return tuple(value for name, value in vars(activity).items() if name != "line")

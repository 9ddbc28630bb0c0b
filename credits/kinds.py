"""申报形式 as cards to choose from (U2): the rule in one line, what proves it, what its cap leaves this year."""

from dataclasses import dataclass

from credits.past import counted_in, past_of
from credits.reckoning import Room, room_of
from credits.required import rules_of
from credits.rules.facts import Facts
from credits.rules.shapes import Pack
from orgs.models import Practitioner


@dataclass(frozen=True)
class Card:
    """One kind. `line` is "" where nothing is published for any kind: then the page says so once."""

    code: str
    name: str
    line: str
    evidence: str
    room: Room | None


def kinds_for(practitioner: Practitioner, year: int) -> tuple[Pack, list[Card]]:
    """The rules of the year and its kinds in their order. Two queries."""
    rules = rules_of(practitioner, [year])[year]
    counted = counted_in(past_of(practitioner, [year]), rules, year)
    cards = [
        Card(
            code=one.code,
            name=one.name,
            line="" if rules.empty_conversions else one.line,
            evidence="、".join(one.evidence),
            room=room_of(rules, one, Facts(kind=one.code, year=year), counted),
        )
        for one in rules.activities.values()
    ]
    return rules, cards

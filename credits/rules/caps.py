"""At most so many hours a year: of a kind, a group of kinds, a source, a subject, a provider."""

from decimal import Decimal

from credits.rules.amounts import ZERO
from credits.rules.facts import Already, Facts
from credits.rules.shapes import Activity, Cap, Pack
from credits.rules.words import SOURCES, source_of


def tightest(
    pack: Pack, activity: Activity, facts: Facts, subject: str, already: Already
) -> tuple[Cap | None, Decimal]:
    """The cap that leaves the least room, and the hours counted under it; (None, 0) without any."""
    keys = {
        "kind": activity.code,
        "group": activity.group,
        "source": source_of(facts.source),
        "subject": subject,
        "provider": facts.provider,
    }
    counted = {
        "kind": already.by_kind,
        "group": already.by_group,
        "source": {},
        "subject": already.by_subject,
        "provider": already.by_provider,
    }
    for source, hours in already.by_source.items():
        word = source_of(source)
        counted["source"][word] = counted["source"].get(word, ZERO) + hours
    held = [
        (cap, counted[cap.per].get(keys[cap.per], ZERO))
        for cap in (*activity.caps, *pack.caps)
        if keys[cap.per] and cap.name in ("", keys[cap.per])
    ]
    return min(held, key=lambda one: one[0].hours - one[1], default=(None, ZERO))


def label_of(cap: Cap, pack: Pack, activity: Activity, facts: Facts) -> str:
    names = {
        "kind": activity.name,
        "group": pack.groups.get(cap.name, cap.name),
        "source": SOURCES.get(cap.name, cap.name),
        "subject": pack.subjects.get(cap.name, cap.name),
        "provider": facts.provider,
    }
    return names[cap.per]

"""What who signs many declarations should look at first, as things stand now: the sentences of the review page.

Others may have declared since this one was filed, so what was frozen then is not enough. Six queries, however many there
are. The sentences are those for the person who declared: they name nobody else.
"""

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import prefetch_related_objects

from credits.duplicates import InCommon, already_imported, signals_of
from credits.in_common import in_common
from credits.models import Declaration, RulePack
from credits.past import Counted, already, pasts_of
from credits.reckoning import facts_of
from credits.required import rules_once
from credits.rules.reckon import reckon
from credits.rules.shapes import Pack
from workflow.models import Attachment


def doubts_of(declarations: Iterable[Declaration]) -> dict[int, list[str]]:
    """By application, those with none left out. Their `practitioner` is loaded."""
    declarations = list(declarations)
    if not declarations:
        return {}
    prefetch_related_objects(declarations, "kind")
    digests: dict[int, list[str]] = defaultdict(list)
    files = Attachment.objects.filter(application__in=[one.pk for one in declarations])
    for application, digest in files.values_list("application_id", "sha256"):
        digests[application].append(digest)
    common = in_common(declarations, {pk: set(found) for pk, found in digests.items()})
    years = {year for one in declarations for year in (one.year, one.started_on.year, one.ended_on.year)}
    pasts = pasts_of(list({one.practitioner_id for one in declarations}), years)
    rules_of = rules_once(RulePack.objects.published())
    found = {}
    for one in declarations:
        person = one.practitioner
        past = [other for other in pasts[person.pk] if other.application_id != one.pk]
        rules = rules_of(person.path, person.title_series_id, one.year)
        sentences = _duplicates(one, rules, past, common[one.pk])
        if sentences := list(dict.fromkeys(filter(None, sentences))):
            found[one.pk] = sentences
    return found


def _duplicates(declaration: Declaration, rules: Pack, past: list[Counted], common: InCommon) -> list[str]:
    result = reckon(rules, facts_of(declaration, declaration.practitioner), already(past, rules, declaration))
    if result.wants:
        return []
    raw = result.hours if result.raw is None else result.raw
    signals = signals_of(declaration, raw, rules, past, common=common)
    return [already_imported(declaration, past), *(one.text for one in signals)]

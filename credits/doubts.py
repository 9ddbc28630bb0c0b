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
from credits.reckoning import facts_of, proofs_asked, room_of
from credits.required import rules_once
from credits.rules.reckon import reckon
from credits.rules.shapes import Pack
from workflow.models import Attachment
from workflow.wording import hours as shown


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
        sentences = [
            *_duplicates(one, rules, past, common[one.pk]),
            over_cap(one, rules, past),
            too_few_files(one, len(digests[one.pk])),
        ]
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


def over_cap(declaration: Declaration, rules: Pack, past: list[Counted]) -> str:
    """Whether a cap cut it when it was filed, or would now: a platform may have reported since; "" where none does."""
    activity = rules.activities.get(declaration.kind.code)
    facts = facts_of(declaration, declaration.practitioner)
    room = room_of(rules, activity, facts, already(past, rules, declaration)) if activity else None
    if room and declaration.recognised > room.left:
        return (
            f"本年度“{room.label}”最多计 {shown(room.limit)} 学时，其他申报已计 {shown(room.counted)} 学时，"
            f"本件 {shown(declaration.recognised)} 学时超过上限。"
        )
    cap = declaration.reckoning.get("cap")
    return f"已到上限：{cap}。" if cap else ""


def too_few_files(declaration: Declaration, files: int) -> str:
    """Whether fewer files came than the rules ask proofs for."""
    asked = proofs_asked(declaration.reckoning)
    return f"只上传了 {files} 个文件，少于 {asked} 项应附材料。" if files < asked else ""

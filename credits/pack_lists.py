"""What rule makers see of packs: what holds where they are, their own versions, examples, and one pack in readable form."""

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse

from credits.models import PackState, RulePack
from credits.pack_editing import bureau_of, rules_above, rules_around
from credits.required import asked_in_words, parsed
from credits.rules.compare import cap_in_words, minimum_in_words
from credits.rules.lines import UNPUBLISHED
from credits.rules.shapes import Activity, Pack
from credits.rules.words import MARKS
from credits.years import current_year
from orgs.actor import Actor
from orgs.models import TitleSeries
from workflow.wording import hours as shown
from workflow.wording import masked_name, shown_time

TAGS = {
    PackState.DRAFT: ("draft", "草稿"),
    PackState.PUBLISHED: ("ok", "已发布"),
    PackState.SUPERSEDED: ("draft", "已被新版本代替"),
    PackState.RETIRED: ("draft", "已停用"),
}
MOST = 200  # versions of one's own on the list


def seen_by(actor: Actor) -> QuerySet:
    """What they may read: all that was published where they are or below, own drafts, and examples."""
    found = RulePack.objects.visible_to(actor).select_related("bureau")
    own = RulePack.objects.editable_by(actor).values("pk")
    return found.filter(~Q(state=PackState.DRAFT) | Q(pk__in=own) | Q(pk__in=examples().values("pk")))


def examples() -> QuerySet:
    """Drafts of the whole province of which no version was ever in force: to be taken over, or to be read."""
    ever = RulePack.objects.filter(code=OuterRef("code")).exclude(state=PackState.DRAFT)
    return RulePack.objects.filter(~Exists(ever), bureau=None, state=PackState.DRAFT).order_by("name")


def in_force(actor: Actor) -> list[dict]:
    """The packs that may hold for people right below, the nearest first."""
    above = actor.organization.path
    found = RulePack.objects.published().above(above).select_related("bureau")
    depth = [int(part) for part in above.strip("/").split("/")]
    rows = sorted(
        found,
        key=lambda one: (depth.index(one.bureau_id) if one.bureau_id else -1, one.year_from),
        reverse=True,
    )
    return [_row(one) for one in rows]


def own_versions(actor: Actor) -> list[dict]:
    """Drafts first, then every version, newest first."""
    found = RulePack.objects.filter(bureau=bureau_of(actor)).select_related("bureau", "published_by")
    if actor.is_operator:
        found = found.exclude(pk__in=examples().values("pk"))
    rows = sorted(found[:MOST], key=lambda one: (one.state != PackState.DRAFT, one.code, -one.version))
    return [_row(one) for one in rows]


def of_bureaus() -> QuerySet:
    """What bureaus have published, for the platform; dicts for `keyset.page`."""
    found = RulePack.objects.published().filter(bureau__isnull=False)
    return found.values("pk", "name", "version", "year_from", "year_to", "bureau__name")


def _row(pack: RulePack) -> dict:
    rules = parsed(pack.text)
    return {
        "pack": pack,
        "url": reverse("credits:pack", args=[pack.pk]),
        "scope": scope_of(pack),
        "years": years_in_words(pack),
        "tag": TAGS[pack.state],
        "asked": asked_in_words(rules) or "沿用上级的年度要求",
        "empty": rules.empty_conversions,
    }


def scope_of(pack: RulePack) -> str:
    """For whom it holds."""
    return f"{pack.bureau.name}及下级" if pack.bureau else "全省"


def years_in_words(pack: RulePack) -> str:
    if pack.year_to is None:
        return f"{pack.year_from} 年起"
    return f"{pack.year_from} 年" if pack.year_to == pack.year_from else f"{pack.year_from}–{pack.year_to} 年"


def facts_of(pack: RulePack, rules: Pack) -> list[dict]:
    """The head of a pack for the summary list."""
    published = f"{shown_time(pack.published_at)}" if pack.published_at else ""
    if published and pack.published_by:
        published += f"，{masked_name(pack.published_by.name)}"
    named = dict(TitleSeries.objects.filter(pk__in=rules.series).values_list("pk", "name"))
    old = rules.transition
    rows = [
        ("适用范围", scope_of(pack)),
        ("适用年度", years_in_words(pack)),
        ("适用的职称系列", "、".join(named.get(code, code) for code in rules.series)),
        ("与上级规则的关系", "" if rules.inherits else "自成一套，不叠加上级的规则"),
        ("新旧衔接", f"{old.newcomers_from} 年以前进入的人到 {old.until} 年仍按“{old.keeps}”" if old else ""),
        ("依据", rules.basis),
        ("数值来源", f"{rules.origin}（{MARKS[rules.mark]}）"),
        ("说明", rules.note),
        ("这一版改了什么", pack.note),
        ("发布", published),
        ("代码", pack.code),
    ]
    return [{"label": label, "value": value} for label, value in rows if value]


def minimum_rows(rules: Pack) -> list[dict]:
    return [
        {
            "label": minimum_in_words(one, rules.subjects),
            "hours": shown(one.hours),
            "basis": one.basis if one.basis != rules.basis else "",
        }
        for one in rules.minimums
    ]


def activity_rows(rules: Pack) -> list[dict]:
    return [_activity_row(one, rules) for one in rules.activities.values()]


def _activity_row(one: Activity, rules: Pack) -> dict:
    return {
        "code": one.code,
        "name": one.name,
        "line": "" if one.line == f"{UNPUBLISHED}。" else one.line,
        "empty": one.conversion is None,
        "subjects": "、".join(rules.subjects.get(code, code) for code in one.subjects),
        "cap": "、".join(shown(cap.hours) for cap in one.caps),
        "evidence": "、".join(one.evidence),
        "basis": one.basis if one.basis != rules.basis else "",
    }


def cap_rows(rules: Pack) -> list[dict]:
    return [{"label": cap_in_words(one, rules), "hours": shown(one.hours)} for one in rules.caps]


def switches(pack: RulePack, rules: Pack, before: Pack | None) -> list[dict]:
    """Activities that a draft does not have itself: inherited, dropped, or those that the version before had."""
    above = rules_above(pack).activities if rules.inherits else {}
    old = before.activities if before else {}
    rows = []
    for code in dict.fromkeys([*above, *old, *rules.remove]):
        if code in rules.activities:
            continue
        one = above.get(code) or old.get(code)
        if one is None:
            continue
        inherited = code in above and code not in rules.remove
        line = "" if one.line == f"{UNPUBLISHED}。" else one.line
        rows.append({"code": code, "name": one.name, "line": line, "inherited": inherited})
    return rows


def asked_here(actor: Actor) -> dict:
    """This year's requirement of people right below, in words, with its basis."""
    year = current_year()
    rules = rules_around(bureau_of(actor), year)
    return {
        "year": year,
        "asked": asked_in_words(rules),
        "basis": rules.basis,
        "empty": rules.empty_conversions,
    }

"""规则与年度: who may change which packs, and the verbs of its pages.

A bureau's super admin changes the packs of the own bureau, the platform's those of the whole province and of every
bureau. Whoever changes a draft changes it as it is at that moment, under the one lock of all packs: of two officials
who change two parts of it at once, neither undoes the other's.
"""

import hashlib
from collections.abc import Callable
from contextlib import contextmanager

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction

from credits import packs
from credits.models import PackState, RulePack, Subject
from credits.packs import PACK_LOCK
from credits.required import packs_at, parsed, rules_among
from credits.rules.pack import Malformed, read
from credits.rules.shapes import Pack
from credits.rules.writing import head_of, with_top, write
from credits.years import current_year
from orgs.actor import Actor, hold_right
from orgs.models import Kind, Organization
from workflow.flow import Refused

CHANGED_MEANWHILE = "这份草稿刚刚被修改，您的修改没有保存。请对照现在的内容再改。"


def may_make_rules(actor: Actor) -> bool:
    """Whether this person makes rules at all: super admins of bureaus and of the platform."""
    unit = actor.organization
    return unit is not None and actor.is_super and unit.kind in (Kind.BUREAU, Kind.OPERATOR)


def bureau_of(actor: Actor) -> Organization | None:
    """Whose rules this person makes: the own bureau's; None is the whole province's."""
    return None if actor.is_operator else actor.organization


def rules_around(bureau: Organization | None, year: int, series: str | None = None) -> Pack:
    """What holds in a year for people right below a bureau (None: where no bureau has rules of its own)."""
    path = bureau.path if bureau else "/"
    return rules_among(packs_at(path), path, series, year)


def rules_above(pack: RulePack) -> Pack:
    """What would hold in the pack's first year if it were not there."""
    path = pack.bureau.path if pack.bureau else "/"
    found = packs_at(path).exclude(code=pack.code)
    return rules_among(found, path, _one_of(parsed(pack.text).series), pack.year_from)


def around_with(pack: RulePack) -> tuple[Pack, Pack]:
    """What holds in the pack's first year where it is meant for: now, and once it is published."""
    path = pack.bureau.path if pack.bureau else "/"
    series = _one_of(parsed(pack.text).series)
    found = list(packs_at(path))
    others = [one for one in found if one.code != pack.code or one.year_from < pack.year_from]
    return (
        rules_among(found, path, series, pack.year_from),
        rules_among([*others, pack], path, series, pack.year_from),
    )


def around_without(pack: RulePack) -> tuple[Pack, Pack]:
    """What holds where a published pack is meant for, this year or from its first one on: now, and without it."""
    path = pack.bureau.path if pack.bureau else "/"
    series, year = _one_of(parsed(pack.text).series), max(pack.year_from, current_year())
    found = list(packs_at(path))
    others = [one for one in found if one.pk != pack.pk]
    return rules_among(found, path, series, year), rules_among(others, path, series, year)


def digest_of(text: str) -> str:
    """Short name of a text, to tell whether it is still the one that somebody looked at."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def version_before(pack: RulePack) -> RulePack | None:
    """The newest earlier version of the same code that was published."""
    earlier = RulePack.objects.filter(code=pack.code, version__lt=pack.version)
    return earlier.exclude(state=PackState.DRAFT).order_by("-version").first()


# --- the verbs ------------------------------------------------------------------------------------------------


@transaction.atomic
def start_version(base: RulePack, *, by: Actor, year_from: int, note: str = "") -> RulePack:
    """A draft of the next version of a pack, saying the same. Refused when a draft of it waits already."""
    _hold(by, base)
    waiting = RulePack.objects.filter(code=base.code, state=PackState.DRAFT).order_by("-version").first()
    if waiting:
        raise Refused(f"“{waiting}”还是草稿，请先改完并发布，或删除它。")
    text = with_top(base.text, year_from=year_from)
    return packs.draft(text, bureau=base.bureau, by=by.user, note=note)


@transaction.atomic
def take_over(base: RulePack, *, by: Actor, name: str, year_from: int) -> RulePack:
    """A draft for one's own bureau that says what an example says, under a code of its own."""
    _hold(by)
    bureau = bureau_of(by)
    if bureau is None:
        raise Refused("样例就是全省的草稿，请直接修改并发布它。")
    text = with_top(
        base.text, code=_own_code(bureau, base.code), name=name, year_from=year_from, year_to=None
    )
    return packs.draft(text, bureau=bureau, by=by.user, note=f"取用“{base.name}”")


@transaction.atomic
def start_blank(*, by: Actor, name: str, year_from: int) -> RulePack:
    """A draft that says nothing of its own yet: everything goes on as the packs above have it."""
    _hold(by)
    bureau = bureau_of(by)
    around = rules_around(bureau, year_from)
    empty = Pack(
        code=_own_code(bureau, "rules"),
        name=name,
        basis=around.basis[:500] or "待填写",
        origin="待填写",
        mark="unverified",
        year_from=year_from,
        subjects=around.subjects or {one.value: one.label for one in list(Subject)[:2]},
    )
    return packs.draft(write(empty), bureau=bureau, by=by.user)


@transaction.atomic
def change(pack: RulePack, how: Callable[[Pack], Pack], *, by: Actor, note: str | None = None) -> RulePack:
    """Change one part of a draft. Raises Malformed when what comes out is no pack; Refused once it is published."""
    now = _held_draft(pack, by)
    text = write(how(read(now.text)), head_of(now.text))
    return packs.rewrite(now, text, now.note if note is None else note)


@transaction.atomic
def rewrite(pack: RulePack, text: str, *, by: Actor, seen: str) -> RulePack:
    """Put another text in a draft's place. Refused when it is no longer the one that was `seen` (its digest)."""
    now = _held_draft(pack, by)
    if digest_of(now.text) != seen:
        raise Refused(CHANGED_MEANWHILE)
    return packs.rewrite(now, text, now.note)


@transaction.atomic
def publish(pack: RulePack, *, by: Actor, seen: str) -> RulePack:
    """Put a draft into force, as the check page showed it (`seen`: the digest of its text)."""
    now = _held_draft(pack, by)
    if digest_of(now.text) != seen:
        raise Refused("这份草稿刚刚被修改，还没有发布。请再核对一遍。")
    return packs.publish(now, by=by.user)


@transaction.atomic
def retire(pack: RulePack, *, by: Actor) -> RulePack:
    """Take a published pack out of force."""
    _hold(by, pack)
    return packs.retire(pack)


@transaction.atomic
def discard(pack: RulePack, *, by: Actor) -> None:
    """Delete a draft. Nothing was ever decided under it."""
    _held_draft(pack, by).delete()


@contextmanager
def malformed_to(form):
    """What a pack's reader refuses becomes an error of the form, place by place."""
    try:
        yield
    except Malformed as error:
        for sentence in dict.fromkeys(sentence for _, sentence in error.errors):
            form.add_error(None, sentence)


def _hold(by: Actor, pack: RulePack | None = None) -> None:
    """Nobody takes this right away until the transaction ends, and nobody else changes packs."""
    hold_right(by)
    allowed = pack is None or RulePack.objects.editable_by(by).filter(pk=pack.pk).exists()
    if not (may_make_rules(by) and allowed):
        raise PermissionDenied
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PACK_LOCK])


def _held_draft(pack: RulePack, by: Actor) -> RulePack:
    _hold(by, pack)
    now = RulePack.objects.select_related("bureau").filter(pk=pack.pk).first()
    if now is None:
        raise Refused("这份草稿已被删除。")
    if now.state != PackState.DRAFT:
        raise Refused("已发布的版本不能修改，请另建新版本。")
    return now


def _own_code(bureau: Organization | None, code: str) -> str:
    """A code that no other bureau can have."""
    if bureau is None:
        return f"province-{RulePack.objects.filter(bureau=None).count() + 1}"
    return f"b{bureau.pk}-{code}"[:40].rstrip("-_")


def _one_of(series: tuple[str, ...]) -> str | None:
    return series[0] if series else None

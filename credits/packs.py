"""Policy packs as they are kept: new versions as drafts, one published version of each code, nothing ever overwritten."""

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from credits.models import ActivityKind, PackState, RulePack
from credits.rules.pack import Pack, read
from orgs.models import Organization
from workflow.flow import Refused

PACK_LOCK = 722262


@transaction.atomic
def draft(
    text: str, *, bureau: Organization | None = None, by: User | None = None, note: str = ""
) -> RulePack:
    """Keep a text as the next version of its code, as a draft. Raises Malformed, naming each place to correct.

    Refused when the code belongs to another bureau.
    """
    rules = read(text)
    _one_at_a_time()
    last = RulePack.objects.filter(code=rules.code).order_by("-version").first()
    if last and last.bureau_id != (bureau.pk if bureau else None):
        raise Refused(f"代码“{rules.code}”已由其他人社部门使用，请换一个代码。")
    return RulePack.objects.create(
        code=rules.code,
        version=last.version + 1 if last else 1,
        bureau=bureau,
        text=text,
        note=note,
        created_by=by,
        **_repeated(rules),
    )


@transaction.atomic
def rewrite(pack: RulePack, text: str, note: str = "") -> RulePack:
    """Change a draft. Raises Malformed; Refused once it was published, or when the text names another code."""
    rules = read(text)
    _one_at_a_time()
    pack.refresh_from_db()
    if pack.state != PackState.DRAFT:
        raise Refused("已发布的版本不能修改，请另建新版本。")
    if rules.code != pack.code:
        raise Refused(f"代码应为“{pack.code}”；另一个代码请新建政策包。")
    pack.text, pack.note = text, note
    for name, value in _repeated(rules).items():
        setattr(pack, name, value)
    pack.save()
    return pack


@transaction.atomic
def publish(pack: RulePack, *, by: User | None = None) -> RulePack:
    """Put a draft into force from its first year on. What was decided under earlier versions stays as it is.

    A version that begins in the same year or later is superseded; an earlier one goes on for the years before.

    Whether people's years are complete is looked at again by the worker (credits/recheck.py).
    """
    _one_at_a_time()
    pack.refresh_from_db()
    if pack.state != PackState.DRAFT:
        raise Refused("这个版本已经发布过了。")
    later = RulePack.objects.filter(code=pack.code, state=PackState.PUBLISHED, year_from__gte=pack.year_from)
    later.update(state=PackState.SUPERSEDED)
    pack.state, pack.published_by, pack.published_at = PackState.PUBLISHED, by, timezone.now()
    pack.save()
    _name_activities(read(pack.text))
    _look_again(pack.bureau)
    return pack


@transaction.atomic
def retire(pack: RulePack) -> RulePack:
    """Take a published pack out of force without a successor."""
    _one_at_a_time()
    pack.refresh_from_db()
    if pack.state != PackState.PUBLISHED:
        raise Refused("只有已发布的版本可以停用。")
    pack.state = PackState.RETIRED
    pack.save(update_fields=["state"])
    _look_again(pack.bureau)
    return pack


def _repeated(rules: Pack) -> dict:
    return {"name": rules.name, "year_from": rules.year_from, "year_to": rules.year_to}


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PACK_LOCK])


def _name_activities(rules: Pack) -> None:
    ActivityKind.objects.bulk_create(
        [
            ActivityKind(code=one.code, name=one.name, order=10 * place)
            for place, one in enumerate(rules.activities.values(), 1)
        ],
        ignore_conflicts=True,
    )


def _look_again(bureau: Organization | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_LOOK_AGAIN, {"path": bureau.path if bureau else "/"})


_LOOK_AGAIN = """
INSERT INTO credits_recheck (practitioner_id, at)
SELECT p.id, now() FROM orgs_practitioner p
 WHERE p.path LIKE %(path)s || '%%' AND EXISTS (SELECT FROM credits_standing s WHERE s.practitioner_id = p.id)
ON CONFLICT (practitioner_id) DO UPDATE SET at = EXCLUDED.at
"""

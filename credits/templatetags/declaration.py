"""What the detail page of a declaration shows beside its workflow: to the person and to who signs the same."""

from django import template

from credits.duplicates import told
from credits.models import LedgerEntry
from credits.reckoning import account_of, proofs_asked
from credits.required import packs_at, rules_of
from credits.shown import account, facts
from credits.standing import named_subject, standing_of
from workflow.models import State

register = template.Library()


@register.inclusion_tag("credits/declaration_facts.html", takes_context=True)
def declaration_facts(context, payload, application):
    """The facts, the account they were filed with, what is suspicious, what was lowered and by whom (F-97, F-102)."""
    actor, files = context["actor"], context.get("attachments") or []
    frozen, packs = payload.reckoning, None
    shown = {
        "rows": facts(payload),
        "account": account(frozen),
        "payload": payload,
        "year": payload.year,
        "subject": named_subject(payload.subject),
        "deciding": context.get("step") is not None,
        "files": len(files),
        "asked": proofs_asked(frozen),
        "basis": frozen.get("basis"),
        "signals": [{"text": text, "url": ""} for text in frozen.get("signals", [])],
        # There are some exactly where one of them lowered it (credits/lowering.py).
        "lowerings": payload.lowerings.select_related("step__approver").order_by("pk")
        if payload.lowered_to is not None
        else [],
        "entries": [],
    }
    if application.state == State.PENDING:
        packs = list(packs_at(application.practitioner.path))
        shown |= _while_pending(payload, application, actor, packs, files)
    elif application.state == State.APPROVED:
        shown["entries"] = list(LedgerEntry.objects.filter(declaration=payload).order_by("pk"))
    if not shown["basis"]:
        shown["basis"] = rules_of(application.practitioner, [payload.year], packs)[payload.year].basis
    return shown


def _while_pending(payload, application, actor, packs, files) -> dict:
    """As things stand now: others may have declared since, the year may have moved on. What was reckoned stays."""
    person = application.practitioner
    payload.practitioner = person
    payload.digests = tuple(one["sha256"] for one in files)
    now = account_of(payload, packs, without=payload.pk)
    seen = {one.text for one in now.signals}
    before = standing_of(person, payload.year, packs)
    after = before.with_hours(payload.subject, payload.recognised)
    label = named_subject(payload.subject, now.rules)
    rows = [
        {"label": one.label, "now": one.earned, "after": then.earned, "required": one.required}
        for one, then in zip(before.rows, after.rows, strict=True)
        if one.label == label
    ]
    total = {
        "label": "合计",
        "now": before.total_earned,
        "after": after.total_earned,
        "required": before.total_required,
    }
    return {
        "signals": told(now.signals, actor, person),
        "gone": [text for text in payload.reckoning.get("signals", []) if text not in seen],
        "room": now.room,
        "standing": before,
        "lines": [*rows, total],
    }

"""What the detail page of a declaration shows beside its workflow."""

from django import template

from credits.models import LedgerEntry
from credits.required import rules_of
from credits.shown import facts
from credits.standing import named_subject, standing_of
from workflow.models import State

register = template.Library()


@register.inclusion_tag("credits/declaration_facts.html")
def declaration_facts(payload, application):
    """The declared facts, the legal basis, the person's year and what this would bring (F-97)."""
    practitioner = application.practitioner
    context = {
        "rows": facts(payload),
        "year": payload.year,
        "subject": named_subject(payload.subject),
        "rules": rules_of(practitioner, [payload.year])[payload.year],
        "entries": [],
    }
    if application.state == State.PENDING:
        now = standing_of(practitioner, payload.year)
        after = now.with_hours(payload.subject, payload.recognised)
        label = named_subject(payload.subject)
        context |= {
            "standing": now,
            "lines": [
                {"label": one.label, "now": one.earned, "after": then.earned, "required": one.required}
                for one, then in zip(now.rows, after.rows, strict=True)
                if one.label == label
            ]
            + [
                {
                    "label": "合计",
                    "now": now.total_earned,
                    "after": after.total_earned,
                    "required": now.total_required,
                }
            ],
        }
    elif application.state == State.APPROVED:
        context["entries"] = list(LedgerEntry.objects.filter(declaration=payload).order_by("pk"))
    return context

"""What the detail page of a reduction shows beside its workflow."""

from django import template

from credits.relief_effects import facts, lines, relieved
from credits.required import rules_of
from credits.standing import standing_of
from workflow.models import State

register = template.Library()


@register.inclusion_tag("credits/relief_facts.html")
def relief_facts(payload, application):
    """What was asked for, by which rule, and what it changes while it can still be decided."""
    practitioner = application.practitioner
    rules = rules_of(practitioner, [payload.year])[payload.year]
    relief = rules.reliefs.get(payload.code)
    context = {
        "rows": facts(payload),
        "year": payload.year,
        "relief": relief,
        "lines": [],
        "approved": application.state == State.APPROVED,
    }
    if application.state == State.PENDING and relief is not None:
        now = standing_of(practitioner, payload.year)
        context["lines"] = lines(now, relieved(now, payload))
    return context

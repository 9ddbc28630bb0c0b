"""The way from a declaration's page to taking its hours back, for who may."""

from django import template

from credits.revoking import may_take_back
from workflow.models import State

register = template.Library()


@register.inclusion_tag("credits/revoke_link.html", takes_context=True)
def revoke_link(context, payload, application):
    """A button for admins who signed the declaration and hold the duty; nothing for everybody else."""
    actor = context["actor"]
    shown = bool(actor) and actor.organization is not None and application.state == State.APPROVED
    return {"application": application, "may": shown and may_take_back(payload, actor)}

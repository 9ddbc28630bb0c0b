"""Rows with boxes, made in Python: in a template they would cost more than the query (speed.md, "Pages")."""

from django import template
from django.utils.html import format_html_join

register = template.Library()

_PICK = (
    '<tr><td class="ck" data-l="选择"><input class="form-check-input" type="checkbox" name="person" value="{}"'
    ' aria-label="选择 {} {}"{}></td><td class="hd nw">{}</td><td class="nw" data-l="证件号码">{}</td>'
    '<td data-l="职称">{}</td></tr>\n'
)


@register.simple_tag
def people_to_pick(rows):
    """Rows of workflow.picking.shown_rows."""
    return format_html_join(
        "",
        _PICK,
        (
            (pk, name, number, " checked" if ticked else "", name, number, title)
            for pk, ticked, name, number, title in rows
        ),
    )

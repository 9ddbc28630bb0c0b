"""Rows of long tables, made in Python: in a template they would cost more than the query (speed.md, "Pages")."""

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from workflow.wording import NOTHING

register = template.Library()

_BOX = '<td class="ck"><input class="form-check-input" type="checkbox" name="step" value="{}" aria-label="选择 {}，{}"{}></td>'
_CELLS = (
    '<td class="hd{}"><a href="{}">{}</a></td><td class="nw" data-l="身份证号">{}</td>{}<td data-l="事项">{}</td>'
    '<td class="nw" data-l="提交">{}</td><td class="nw num" data-l="已等">{}</td></tr>\n'
)
_UNIT = '<td data-l="单位">{}</td>'
_INBOX = {
    (with_unit, boxes): "<tr>"
    + (_BOX if boxes else "")
    + _CELLS.replace('{}<td data-l="事项">', (_UNIT if with_unit else "") + '<td data-l="事项">')
    for with_unit in (True, False)
    for boxes in (True, False)
}
_DONE = (
    '<tr><td class="hd{}"><a href="{}">{}</a></td><td class="nw" data-l="身份证号">{}</td><td data-l="事项">{}</td>'
    '<td data-l="结果"><span class="tag t-{}">{}</span></td><td data-l="审核人">{}</td>'
    '<td class="nw" data-l="审核时间">{}</td><td class="no-print" data-l="已办列表">'
    '<button type="submit" class="aslink nw" name="step" value="{}">{}<span class="visually-hidden">：{}，{}</span></button>'
    "</td></tr>\n"
)


@register.simple_tag
def inbox_rows(rows, with_unit=False, boxes=False):
    """Table rows of workflow.inbox.Row; the unit's column only where people of several units come together.

    With `boxes` each begins with a box to tick, for deciding many at once.
    """

    def cells(row):
        first = (row.step, row.who, row.summary, mark_safe(row.checked)) if boxes else ()  # noqa: S308  our own word
        unit = (row.unit,) if with_unit else ()
        return (
            *first,
            _unbroken(row),
            row.url,
            row.who,
            row.id_masked,
            *unit,
            row.summary,
            row.submitted,
            row.waited,
        )

    return format_html_join("", _INBOX[with_unit, boxes], map(cells, rows))


@register.simple_tag
def done_rows(rows, verb):
    """Table rows of workflow.inbox.DoneRow; `verb` is what the button of a row does (移除, 恢复)."""
    return format_html_join("", _DONE, ((_unbroken(row), *row, verb, row.who, row.summary) for row in rows))


def _unbroken(row):
    """A person's name stays on one line, an organisation's may break."""
    return "" if row.id_masked == NOTHING else " nw"

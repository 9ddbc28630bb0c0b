"""Rows of 未达标名单, made in Python (speed.md, "Pages")."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

register = template.Library()

_ROW = (
    '<tr><td class="ck">{}</td><td class="hd nw"><a href="{}">{}</a></td><td class="nw" data-l="身份证号">{}</td>{}'
    '<td class="num" data-l="已获学时">{}</td><td data-l="还差">{}</td><td class="nw" data-l="提醒">{}</td></tr>\n'
)
_BOX = '<input class="form-check-input" type="checkbox" name="person" value="{}" aria-label="选择 {}，{}"{}>'
_UNIT = '<td data-l="单位">{}</td>'
_DONE = "—"


@register.simple_tag
def unmet_rows(rows, with_unit=False, ticked=True):
    """Table rows of desk.unmet.Row; who was reminded within the week has no box."""
    checked = mark_safe(" checked" if ticked else "")  # noqa: S308  our own word
    return format_html_join("", _ROW, (_cells(row, with_unit, checked) for row in rows))


def _cells(row, with_unit, checked):
    box = "" if row.reminded else format_html(_BOX, row.person, row.who, row.id_masked, checked)
    unit = format_html(_UNIT, row.unit) if with_unit else ""
    told = f"{row.reminded} 已提醒" if row.reminded else _DONE
    return box, row.url, row.who, row.id_masked, unit, row.earned, row.lacks, told

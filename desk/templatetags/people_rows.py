"""Rows of the people's table, made in Python (speed.md, "Pages")."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

register = template.Library()

_ROW = '<tr><td class="hd nw">{}</td><td class="nw" data-l="身份证号">{}</td>{}{}{}{}</tr>\n'
_STANDS = mark_safe('<td class="num nw" data-l="学时">{}</td>')
_MET = mark_safe('<td class="num nw" data-l="学时"><span><span class="tag t-ok">已达标</span> {}</span></td>')


@register.simple_tag
def people_rows(rows, with_unit=False, with_reset=False):
    """Table rows of desk.people.Row; the columns 单位 and 操作 only where they say something."""
    return format_html_join("", _ROW, (_cells(row, with_unit, with_reset) for row in rows))


def _cells(row, with_unit, with_reset):
    unit = format_html('<td data-l="单位">{}</td>', row.unit) if with_unit else ""
    reset = mark_safe("")
    if with_reset and row.reset_url:
        reset = format_html(
            '<td data-l="操作"><a href="{}">重置密码<span class="visually-hidden"> {}</span></a></td>',
            row.reset_url,
            row.who,
        )
    elif with_reset:
        reset = format_html('<td class="muted" data-l="操作">{}</td>', "—")
    title = format_html('<td data-l="职称">{}</td>', row.title) if row.title else ""
    stands = format_html(_MET if row.met else _STANDS, row.stands) if row.stands else ""
    who = format_html('<a href="{}">{}</a>', row.url, row.who) if row.url else row.who
    return who, row.id_masked, unit, title, stands, reset

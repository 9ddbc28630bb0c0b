"""Rows of the tree's table, made in Python (speed.md, "Pages")."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

register = template.Library()

_ROW = (
    '<tr><td class="hd"><a href="{}">{}</a> <span class="muted fw-normal nw">{}</span>{}</td>'
    '<td data-l="状态"><span>{}</span></td><td class="num" data-l="下级">{}</td><td class="num" data-l="在册人员">{}</td>'
    '<td class="num" data-l="达标率">{}</td>'
    '<td class="num nw" data-l="待办">{}</td><td class="nw" data-l="管理员最近登录">{}</td></tr>\n'
)
_TAG = '<span class="tag t-{}">{}</span> '


@register.simple_tag
def unit_rows(rows):
    """Table rows of desk.units.Row."""
    return format_html_join("", _ROW, (_cells(row) for row in rows))


def _cells(row):
    above = format_html('<br><span class="muted fw-normal">{}</span>', row.above) if row.above else ""
    state = format_html_join("", _TAG, row.tags) or "正常"
    if row.review_url:
        review = '<a href="{}">去审核<span class="visually-hidden"> {}</span></a>'
        state = format_html("{}{}", state, format_html(review, row.review_url, row.name))
    return (
        row.url,
        row.name,
        row.kind,
        above or mark_safe(""),
        state,
        _linked(row.below_url, row.below, f"{row.name}的下级"),
        _linked(row.people_url, row.people, f"{row.name}的人员"),
        _linked(row.rate_url, row.rate, f"{row.name}的学时统计"),
        _linked(row.waiting_url, row.waiting, f"{row.name}的待办"),
        row.last_login,
    )


def _linked(url, text, label):
    if not url:
        return text
    return format_html('<a href="{}" aria-label="{}，{}">{}</a>', url, text, label, text)

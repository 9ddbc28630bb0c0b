"""Rows of 学时统计, made in Python (speed.md, "Pages")."""

from django import template
from django.utils.html import format_html, format_html_join

register = template.Library()

_ROW = (
    '<tr><th scope="row">{}</th><td class="num" data-l="在册">{}</td><td class="num" data-l="已达标">{}</td>'
    '<td class="num" data-l="未达标">{}</td><td class="nw" data-l="达标率"><span>{} {}</span></td>{}'
    '<td class="num" data-l="人均学时">{}</td></tr>\n'
)
_HOURS = '<td class="num" data-l="{}">{}</td>'


@register.simple_tag
def figure_rows(rows):
    """Table rows of desk.statistics.Row."""
    return format_html_join("", _ROW, (_cells(row) for row in rows))


def _cells(row):
    return (
        _linked(row.url, row.name, ""),
        _linked(row.people_url, row.people, f"{row.name}，在册"),
        _linked(row.met_url, row.met, f"{row.name}，已达标"),
        _linked(row.unmet_url, row.unmet, f"{row.name}，未达标"),
        row.bar,
        row.rate,
        format_html_join("", _HOURS, row.hours),
        row.average,
    )


def _linked(url, text, label):
    if not url:
        return text
    if not label:
        return format_html('<a href="{}">{}</a>', url, text)
    return format_html('<a href="{}" aria-label="{} {}">{}</a>', url, label, text, text)

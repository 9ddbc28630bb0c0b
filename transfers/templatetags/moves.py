"""Rows of the lists of moves, made in Python: in a template they would cost more than the query (speed.md, "Pages")."""

from django import template
from django.utils.html import format_html, format_html_join

register = template.Library()

_PICK = (
    '<tr><td class="ck" data-l="选择"><input class="form-check-input" type="checkbox" name="person" value="{}"'
    ' aria-label="选择 {} {}"{}></td><td class="hd nw">{}</td><td class="nw" data-l="证件号码">{}</td>'
    '<td data-l="职称">{}</td></tr>\n'
)
_INCOMING = (
    '<tr><td class="hd nw"><a href="{}">{}</a></td><td class="nw" data-l="证件号码">{}</td><td data-l="原单位">{}</td>'
    '<td data-l="原单位意见">{}</td><td data-l="调转原因">{}</td><td class="nw num" data-l="已等">{}</td></tr>\n'
)
_RECORD = (
    '<tr><td class="hd nw"><a href="{}">{}</a></td><td class="nw" data-l="证件号码">{}</td><td data-l="{}">{}</td>'
    '<td data-l="方式">{}</td><td class="nw" data-l="提交">{}</td>'
    '<td data-l="状态"><span class="tag t-{}">{}</span></td></tr>\n'
)
_RELEASED = (
    '<tr><td class="hd nw">{}</td><td class="nw" data-l="证件号码">{}</td>'
    '<td data-l="结果"><span class="tag t-{}">{}</span></td><td data-l="说明">{}</td></tr>\n'
)
_STAYING = (
    '<tr><td class="hd nw">{}</td><td class="nw" data-l="证件号码">{}</td><td data-l="原因">{}</td></tr>\n'
)
_GOING = '<tr><td class="hd">{}</td><td class="nw" data-l="证件号码">{}</td></tr>\n'


@register.simple_tag
def pick_rows(rows):
    """Rows with boxes: transfers.picking.shown_rows."""
    return format_html_join(
        "",
        _PICK,
        (
            (pk, name, number, " checked" if ticked else "", name, number, title)
            for pk, ticked, name, number, title in rows
        ),
    )


@register.simple_tag
def incoming_rows(rows):
    """Rows of transfers.lists.shown_incoming."""
    return format_html_join("", _INCOMING, rows)


@register.simple_tag
def record_rows(rows, other):
    """Rows of transfers.lists.shown_records; `other` is the heading of the other unit's column."""
    return format_html_join("", _RECORD, ((*row[:3], other, *row[3:]) for row in rows))


@register.simple_tag
def released_rows(rows):
    """Rows of transfers.lists.shown_release."""
    return format_html_join(
        "",
        _RELEASED,
        (
            (
                name,
                number,
                kind,
                tag,
                format_html('<a href="{}">详情<span class="visually-hidden"> {}</span></a>', url, name)
                if url
                else reason,
            )
            for name, number, kind, tag, reason, url in rows
        ),
    )


@register.simple_tag
def staying_rows(rows):
    """Who is left out of a 人员调出: name, number, reason."""
    return format_html_join("", _STAYING, rows)


@register.simple_tag
def going_rows(rows):
    """Who goes: name, number."""
    return format_html_join("", _GOING, rows)

"""Charts drawn on the server as SVG of attributes alone: no style, no script (the CSP allows neither inside a page).

Each says in one sentence what it shows (role=img), and stands beside a table with the same numbers. Colours are those
of the tokens in static/cpe.css, at least 3:1 on a sheet.
"""

from decimal import Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

FULL, EMPTY, QUIET = "#175A6B", "#ECEEEE", "#5F6E74"  # --cpe-shiqing, --cpe-hui-l, --cpe-ink-3
BAR = 96  # width of a share's bar
MONTH, GAP, TALL, FOOT, HEAD, TEXT = 24, 6, 190, 22, 20, 14  # of the months' chart, in user units
WIDER = 1.25  # than that it is drawn where there is room

_SHARE = (
    '<svg width="{}" height="12" viewBox="0 0 {} 12" role="img" aria-label="{}"><rect width="{}" height="12" fill="{}"/>'
    '<rect width="{}" height="12" fill="{}"/></svg>'
)
_COLUMN = '<rect x="{}" y="{}" width="{}" height="{}" fill="{}"/>'
_TEXT = '<text x="{}" y="{}" font-size="{}" text-anchor="middle" fill="{}">{}</text>'


def share(part: int | Decimal, whole: int | Decimal, sentence: str) -> SafeString:
    """A bar as full as `part` of `whole`."""
    filled = round(BAR * min(part, whole) / whole) if whole else 0
    return format_html(_SHARE, BAR, BAR, sentence, BAR, EMPTY, max(filled, 0), FULL)


def months(values: list[tuple[str, Decimal]], sentence: str) -> SafeString:
    """Columns for the months; the highest is as tall as the chart and has its value above it. None below zero."""
    highest = max((value for _, value in values), default=Decimal(0))
    columns, texts = [], []
    for place, (label, value) in enumerate(values):
        left = GAP + place * (MONTH + GAP)
        height = round(TALL * max(value, Decimal(0)) / highest) if highest > 0 else 0
        columns.append((left, HEAD + TALL - height, MONTH, height, FULL))
        texts.append((left + MONTH // 2, HEAD + TALL + 17, TEXT, QUIET, label))
        if value == highest and highest > 0:
            texts.append((left + MONTH // 2, HEAD + TALL - height - 5, TEXT, QUIET, f"{value:,.0f}"))
    width, tall = GAP + len(values) * (MONTH + GAP), HEAD + TALL + FOOT
    return format_html(
        '<svg class="img-fluid" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}"><rect x="0" y="{}" width="{}" height="1" fill="{}"/>'
        "{}{}</svg>",
        width,
        tall,
        round(width * WIDER),
        round(tall * WIDER),
        sentence,
        HEAD + TALL,
        width,
        QUIET,
        format_html_join("", _COLUMN, columns),
        format_html_join("", _TEXT, texts),
    )

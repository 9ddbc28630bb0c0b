"""常见问题: the questions of faq.txt, searchable.

The file's marks: `# ` a question, `- ` a line of a list, `> ` what this platform adds to the usual answer, any
other line a paragraph; `[words](view:name)` a link to a page; `{email}` and `{phone}` from settings.SITE.
"""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from django.conf import settings
from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

FILE = Path(__file__).with_name("faq.txt")
LINK = re.compile(r"\[([^\]]+)\]\(([a-z_:]+)\)")


@dataclass
class Block:
    """Part of an answer. `mark` is "p", "ul" or "added"; each line is HTML."""

    mark: str
    lines: list[SafeString]


@dataclass
class Question:
    number: int
    title: str
    blocks: list[Block] = field(default_factory=list)
    text: str = ""


@cache
def questions() -> list[Question]:
    """All questions in the file's order."""
    found: list[Question] = []
    for line in filter(None, map(str.strip, FILE.read_text(encoding="utf-8").splitlines())):
        if line.startswith("# "):
            found.append(Question(len(found) + 1, line[2:]))
        else:
            _add(found[-1], line)
    return found


def search(words: str) -> list[Question]:
    """The questions that contain every word, in the question or the answer; all of them for no word."""
    wanted = words.casefold().split()
    return [
        one for one in questions() if all(word in f"{one.title}\n{one.text}".casefold() for word in wanted)
    ]


def _add(question: Question, line: str) -> None:
    mark = {"- ": "ul", "> ": "added"}.get(line[:2], "p")
    line = (line if mark == "p" else line[2:]).format(**settings.SITE)
    question.text += LINK.sub(r"\1", line) + "\n"
    if mark == "ul" and question.blocks and question.blocks[-1].mark == "ul":
        question.blocks[-1].lines.append(_html(line))
    else:
        question.blocks.append(Block(mark, [_html(line)]))


def _html(line: str) -> SafeString:
    parts = LINK.split(line)  # text, words, page, text, words, page, …, text
    html = escape(parts[0])
    for words, page, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        html += format_html('<a href="{}">{}</a>', reverse(page), words) + escape(text)
    return mark_safe(html)  # noqa: S308 - put together from escaped parts above

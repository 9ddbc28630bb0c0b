"""Every page × what nobody should write into its address (trust.md 4.5): no answer of 500 or more.

The parameters are those of the page's own links and filters, and those that any view reads; the values are as hostile
as in forms, and places of long lists (workflow/keyset.py) that no list ever gave out.
"""

import re
from urllib.parse import parse_qsl, quote_from_bytes, urlsplit

import pytest
from django.db import transaction

from tests import fuzz_places
from tests.fuzzing import NAMES, chance, forms_of, hostile, links_of
from tests.test_matrix import EVERYBODY, MATRIX
from tests.tiers import figure, times

pytestmark = pytest.mark.django_db
folder, private_files, world = fuzz_places.folder, fuzz_places.private_files, fuzz_places.world

READ = [name for name, page in MATRIX.items() if page.get is not None]
REQUESTS = times(4, 20)
PARTS = [
    "", "0", "1", "-1", "2147483648", "9" * 18, "9" * 19, "x", "2026-01-08", "2026-01-08T00:00:00", "2026-01-08T00:00:00+08:00",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "2026-01-08T00:00:00+00:00:01", "20260108T00Z", "2026-W01-1T00:00Z",
]  # fmt: skip


def place(dice) -> bytes:
    """A place of a long list, well formed or nearly."""
    return "~".join(dice.choice(PARTS) for _ in range(dice.choice([1, 1, 2, 2, 3, 9]))).encode()


def parameters_of(html: str) -> list[str]:
    found = {name for form in forms_of(html) if form.method == "get" for name in form.fields}
    for link in links_of(html):
        found |= {name for name, _ in parse_qsl(urlsplit(link).query, keep_blank_values=True)}
    return sorted(found | {"after", "before"})


def query(own: list[str], dice, ids: list[int]) -> str:
    pairs = []
    for _ in range(dice.randrange(1, 5)):
        name = dice.choice(own if dice.random() < 0.7 else NAMES)
        value = place(dice) if name in ("after", "before") and dice.random() < 0.8 else hostile(dice, ids)
        pairs.append(f"{name}={quote_from_bytes(value[:20_000])}")
    return "&".join(pairs)


def path(url: str, dice) -> str:
    """Now and then another object's key, or none that could be one."""
    if dice.random() < 0.8 or not re.search(r"\d", url):
        return url
    key = dice.choice(
        [
            "0",
            "00001",
            "2147483648",
            "9223372036854775807",
            "9223372036854775808",
            "9" * 60,
            "9" * 5_000,
            "１",
        ]
    )
    return re.sub(r"\d+", key, url, count=1)


@pytest.mark.parametrize("name", READ)
def test_page(world, name):
    page, dice, wrong = MATRIX[name], chance("get", name), []
    right = [who for who in EVERYBODY if page.expected(who, "get") == "open"] or list(EVERYBODY)
    asked: dict[str, list[str]] = {}
    with figure("fuzz_forms") as counted:
        for _ in range(REQUESTS):
            who = dice.choice(right)
            client, url = world.clients[who], world.url(name)
            if who in asked:
                url = f"{path(url, dice)}?{query(asked[who], dice, world.ids)}"
            client.cookies = world.cookies[who].copy()
            counted.tried += 1
            try:
                with transaction.atomic():
                    answer = client.get(url)
                    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
                    transaction.set_rollback(True)
                problem = f"answered {answer.status_code}" if answer.status_code >= 500 else ""
            except Exception as error:  # whatever it is: in production it is a page that says 500
                problem, content = f"{type(error).__name__}: {error}"[:300], b""
            if who not in asked:
                asked[who] = parameters_of(content.decode("utf-8", "replace"))
            if problem:
                counted.failed += 1
                wrong.append(f"{who}: {problem}\n    GET {url[:400]}")
    assert not wrong, f"{len(wrong)} of {REQUESTS}:\n" + "\n".join(wrong[:10])


@pytest.mark.parametrize("url", ["/inbox/", "/inbox/done/", "/moves/incoming/"])
@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-08T00:00:00+23:59"]
)
def test_a_place_in_a_time_zone_that_the_database_does_not_know(world, url, moment):
    answer = world.clients["unit"].get(url, {"after": f"{moment}~1"})
    assert answer.status_code == 200

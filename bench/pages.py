"""Every page of unit, authority, bureau and province: its time at the large scale against its own at the small one.

Both websites run at the same time and are asked in turn, so that whatever else the machine does meets both alike. A unit
of forty people is compared with a unit of forty people: what is measured is the size of the province, not that a page
with fifty rows costs more than one with ten. Where the large province has no organisation whose page shows as many rows,
the page is reported with both numbers and not taken for the ratio.
"""

import re
from statistics import median
from typing import NamedTuple
from urllib.parse import quote

import psycopg

from bench.servers import Browser, Province

ROUNDS = 40
LOGINS = {"unit": "employer", "authority": "authority", "bureau": "bureau", "province": "bureau"}
# What the menus of these roles lead to, beside the home page.
PAGES = [
    "/",
    "/inbox/",
    "/inbox/done/",
    "/people/",
    "/people/?name=甲",
    "/people/?last_four=0009",
    "/people/?standing=unmet",
    "/people/?series=03&level=middle",
    "/people/unmet/",
    "/statistics/",
    "/organizations/",
    "/organizations/waiting/",
    "/exports/",
    "/hours/sampling/",
    "/hours/certificates/issuing/",
    "/search/",
    "/messages/",
]
FOUND = [("/inbox/", r'href="(/applications/\d+/)"'), ("/people/", r'href="(/people/\d+/)"')]
ALIKE = 0.2  # rows may differ by this share


def measure(small: Province, large: Province, rounds: int = ROUNDS) -> dict[str, dict]:
    """For each role its worst page and all of them: milliseconds large and small, and their ratio."""
    results = {}
    _choose(small, large)
    with small.serving() as port_small, large.serving() as port_large:
        for label, role in LOGINS.items():
            theirs = Browser(port_small).log_in(role, small.known[label])
            # The largest of its kind, and one of the size that it has in the small province.
            ours = [
                Browser(port_large).log_in(role, large.known[one])
                for one in (label, f"{label} alike")
                if one in large.known
            ]
            here, there = _pages(theirs), _pages(ours[-1])
            rows = [
                _compared(theirs, ours, here[name], there[name], rounds) for name in here if name in there
            ]
            for row in rows:
                print(f"{label:10} {row.text}", flush=True)
            taken = [row for row in rows if row.alike]
            worst = max(taken, key=lambda row: row.ratio)
            results[f"page_scale_{label}"] = {
                "ours": round(worst.large, 2),
                "yardstick": round(worst.small, 2),
                "ratio": round(worst.ratio, 2),
                "unit": f"ms, slowest of {len(taken)} pages: {worst.path}",
                "people": large.people,
                "pages": [[*row] for row in rows],
            }
    return results


def _choose(small: Province, large: Province) -> None:
    """The organisations that are looked at: in the small province the fullest of its kind, in the large one the known
    one and that which is most like the small one's, with as many people (a page shows fifty) and units below it."""
    with psycopg.connect(small.url) as here, psycopg.connect(large.url) as there:
        for label, kind in (("unit", "employer"), ("authority", "authority"), ("bureau", "bureau")):
            fullest, people, below = here.execute(_FULLEST, {"kind": kind}).fetchone()
            like = {"kind": kind, "people": people, "below": below}
            small.known[label] = _admin(here, fullest)
            large.known[f"{label} alike"] = _admin(there, there.execute(_MOST_ALIKE, like).fetchone()[0])


# Of the bureaus a city's: the province's own is looked at by itself.
_PLACES = """
SELECT o.id, t.people, (SELECT count(*) FROM orgs_organization s WHERE s.superior_id = o.id) AS below
  FROM orgs_organization o JOIN credits_tally t ON t.organization_id = o.id AND t.year = 0 AND t.series = '*'
 WHERE o.kind = %(kind)s AND o.division_id IS DISTINCT FROM '370000' AND (o.kind <> 'bureau' OR o.division_id LIKE '%%00')
"""
_FULLEST = f"{_PLACES} ORDER BY t.people DESC LIMIT 1"
_MOST_ALIKE = f"""
SELECT id FROM ({_PLACES}) place
 ORDER BY abs(least(below, 60) - least(%(below)s, 60)) * 10 + abs(least(people, 60) - least(%(people)s, 60)), id LIMIT 1
"""


def _admin(connection: psycopg.Connection, organization: int) -> str:
    """The ID number of its admin: organisations and their admins are numbered alike."""
    import django

    django.setup()
    from config.province.people import number_of

    first = connection.execute("SELECT min(organization_id) FROM orgs_orgadmin").fetchone()[0]
    return number_of(organization - first)


class Compared(NamedTuple):
    """One page: milliseconds and rows, small and large, and the milliseconds of the largest organisation's page."""

    path: str
    small: float
    large: float
    small_rows: int
    large_rows: int
    largest: float

    @property
    def ratio(self) -> float:
        return self.large / self.small

    @property
    def alike(self) -> bool:
        return abs(self.large_rows - self.small_rows) <= max(2, ALIKE * self.small_rows)

    @property
    def text(self) -> str:
        return (
            f"{self.path:34} {self.small:7.1f} ms ({self.small_rows}) {self.large:7.1f} ms ({self.large_rows})"
            f" {self.ratio:5.2f}{'' if self.alike else ' rows differ'}  largest {self.largest:.1f} ms"
        )


def _compared(theirs: Browser, ours: list[Browser], path: str, other: str, rounds: int) -> Compared:
    wanted = _rows(theirs, path)
    # One matter and one person are other rows in each province, and open to the organisation they were found by.
    single = path not in PAGES
    counts = {one: _rows(one, other) for one in (ours[-1:] if single else ours)}
    chosen = min(counts, key=lambda one: abs(counts[one] - wanted))
    largest = ours[-1] if single else ours[0]
    times = [
        (theirs.timed(quoted(path)), chosen.timed(quoted(other)), largest.timed(quoted(other)))
        for _ in range(rounds + 5)
    ][5:]
    at_small, at_large, at_largest = (median(column) for column in zip(*times, strict=True))
    return Compared(re.sub(r"\d{2,}", "…", path), at_small, at_large, wanted, counts[chosen], at_largest)


def _pages(browser: Browser) -> dict[str, str]:
    """The pages this role may open, found by asking; one matter and one person besides, by the list they stand in."""
    found = {path: path for path in PAGES if browser.ask(quoted(path))[0] == 200}
    for listed, pattern in FOUND:
        hit = re.search(pattern, browser.ask(listed)[1])
        if hit:
            found[pattern] = hit[1]
    return found


def _rows(browser: Browser, path: str) -> int:
    return len(re.findall(r"<tr|<li", browser.ask(quoted(path))[1]))


def quoted(path: str) -> str:
    return quote(path, safe="/?=&")

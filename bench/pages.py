"""Every page of unit, authority, bureau and province: its time at the large scale against its own at the small one.

Both websites run at the same time and are asked in turn, so that whatever else the machine does meets both alike.
"""

import re
from statistics import median

from bench.servers import Browser, Province

ROUNDS = 40
LOGINS = {"unit": "employer", "authority": "authority", "bureau": "bureau", "province": "bureau"}
# What the menus of these roles lead to, beside the home page; `{…}` is found on the list page before it.
PAGES = [
    "/",
    "/inbox/",
    "/inbox/done/",
    "/people/",
    "/people/?name=甲",
    "/people/?last_four=0009",
    "/people/?unmet=1",
    "/organizations/",
    "/exports/",
    "/hours/sampling/",
    "/hours/certificates/issuing/",
    "/search/",
    "/messages/",
]
FOUND = [("/inbox/", r'href="(/applications/\d+/)"'), ("/people/", r'href="(/people/\d+/)"')]


def pages_of(browser: Browser) -> list[str]:
    """The pages this role may open, found by asking; one matter and one person besides."""
    found = []
    for path in PAGES:
        status, _ = browser.ask(_quoted(path))
        if status == 200:
            found.append(path)
    for listed, pattern in FOUND:
        _, text = browser.ask(listed)
        hit = re.search(pattern, text)
        if hit:
            found.append(hit[1])
    return found


def measure(small: Province, large: Province, rounds: int = ROUNDS) -> dict[str, dict]:
    """For each role its worst page and all of them: milliseconds large and small, and their ratio."""
    results = {}
    with small.serving() as port_small, large.serving() as port_large:
        for label, role in LOGINS.items():
            ours = Browser(port_large).log_in(role, large.known[label])
            theirs = Browser(port_small).log_in(role, small.known[label])
            rows = []
            # One matter and one person are different rows in each province: the n-th page of the one is that of the other.
            for path, other in zip(pages_of(ours), pages_of(theirs), strict=False):
                times = [
                    (ours.timed(_quoted(path)), theirs.timed(_quoted(other))) for _ in range(rounds + 5)
                ][5:]
                at_large, at_small = (median(column) for column in zip(*times, strict=True))
                rows.append((re.sub(r"\d+", "…", path), at_large, at_small, at_large / at_small))
                print(
                    f"{label:10} {path:26} {at_small:7.1f} ms {at_large:7.1f} ms {rows[-1][3]:5.2f}",
                    flush=True,
                )
            worst = max(rows, key=lambda row: row[3])
            results[f"page_scale_{label}"] = {
                "ours": round(worst[1], 2),
                "yardstick": round(worst[2], 2),
                "ratio": round(worst[3], 2),
                "unit": f"ms, slowest of {len(rows)} pages: {worst[0]}",
                "people": large.people,
                "pages": rows,
            }
    return results


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path, safe="/?=&")

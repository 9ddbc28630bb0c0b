"""The list of fifty people: requests per second of the product, of a bare Django view, of Django's admin; in turn."""

import re
import threading
import time
from statistics import median

from bench.servers import Browser, Province

CONNECTIONS, SECONDS, ROUNDS = 8, 6, 3
LIST = "/people/"


def measure(province: Province) -> dict[str, float]:
    """Requests per second of each, on the first city's list, over the same session."""
    with province.serving() as port:
        browser = Browser(port).log_in("bureau", province.known["bureau"])
        _, page = browser.ask(LIST)
        template = province.folder / "list.html"
        template.write_text(_looped(page), encoding="utf-8")
        yardstick = {"DJANGO_SETTINGS_MODULE": "bench.bare_settings", "BENCH_TEMPLATE": str(template)}
        with province.serving("bench.bare_wsgi:application", **yardstick) as other:
            targets = {
                "ours": (port, LIST),
                "bare": (other, "/bare/"),
                "admin": (other, "/peer/orgs/practitioner/"),
            }
            for where, path in targets.values():
                _check(where, path, browser.cookies)
            rates = {name: [] for name in targets}
            for _ in range(ROUNDS):
                for name, (where, path) in targets.items():
                    rates[name].append(_rate(where, path, browser.cookies))
    return {name: median(found) for name, found in rates.items()}


def _looped(page: str) -> str:
    """The product's page as a template: the markup of one row in a loop, everything else literally."""
    head, body, tail = re.split(r"(<tbody>.*?</tbody>)", page, maxsplit=1, flags=re.DOTALL)
    row = re.search(r"<tr>.*?</tr>", body, re.DOTALL)[0]
    cells = iter(["r.1", "r.2", "r.3", "r.4"])
    row = re.sub(
        r"(<t[dh][^>]*>(?:<a[^>]*>)?)[^<]+", lambda hit: hit[1] + "{{ " + next(cells, "r.4") + " }}", row
    )
    row = re.sub(r"/people/\d+/", "/people/{{ r.0 }}/", row)
    loop = "<tbody>{% for r in rows %}" + row + "\n{% endfor %}</tbody>"
    return (
        "{% verbatim %}" + head + "{% endverbatim %}" + loop + "{% verbatim %}" + tail + "{% endverbatim %}"
    )


def _check(port: int, path: str, cookies: dict) -> None:
    browser = Browser(port)
    browser.cookies = dict(cookies)
    status, text = browser.ask(path)
    rows = len(re.findall(r"<tr", text))
    if status != 200 or rows < 50:
        raise SystemExit(f"{path}: {status}, {rows} rows")
    print(f"{path:28} {len(text.encode()):7} bytes, {rows} rows", flush=True)


def _rate(port: int, path: str, cookies: dict) -> float:
    """Requests per second over persistent connections."""
    counts, stop = [0] * CONNECTIONS, time.perf_counter() + SECONDS + 1
    begun = time.perf_counter() + 1

    def client(number: int) -> None:
        browser = Browser(port)
        browser.cookies = dict(cookies)
        while time.perf_counter() < stop:
            status, _ = browser.ask(path)
            if status != 200:
                raise SystemExit(f"{path}: {status}")
            if begun <= time.perf_counter() < stop:
                counts[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CONNECTIONS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return sum(counts) / SECONDS

"""/metrics: figures for Prometheus in its text format (version 0.0.4), on what happened and on what waits.

Requests are counted in memory that all workers of this gunicorn share (config/tally.py); what waits comes from the
database and is the same on every host. Labels are names of views, statuses and tasks: nothing that a person typed.
"""

import logging
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from config import figures
from config.tally import BUCKETS, REQUESTS
from workflow import virus_scan

logger = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NO_VIEW = "-"  # an address that is none of ours, a redirect to HTTPS, a static file


class CountRequestsMiddleware:
    """Counts each answer by view and status, with how long it took."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter_ns()
        response = self.get_response(request)
        view = request.resolver_match.view_name if request.resolver_match else NO_VIEW
        REQUESTS.count(view, response.status_code, (time.perf_counter_ns() - began) // 1000)
        return response


def metrics(request: HttpRequest) -> HttpResponse:
    """The page. When the database does not answer it says so and shows the rest."""
    lines = [*_requests(), *_folder(), *_scanner()]
    try:
        lines += _from_database()
        up = 1
    except DatabaseError as error:
        logger.warning("no figures from the database: %s", type(error).__name__)
        up = 0
    lines += _metric("cpe_database_up", "gauge", "whether the database answered", [({}, up)])
    return HttpResponse("\n".join(lines) + "\n", content_type=CONTENT_TYPE)


def _requests() -> Iterable[str]:
    sums = REQUESTS.sums()
    yield from _metric(
        "cpe_http_requests_total",
        "counter",
        "answers by view and status",
        [
            ({"view": view, "status": status}, sum(counts))
            for (view, status), (_, counts) in sorted(sums.items())
        ],
    )
    by_view = defaultdict(lambda: [0, [0] * (len(BUCKETS) + 1)])
    for (view, _), (microseconds, counts) in sums.items():
        by_view[view][0] += microseconds
        by_view[view][1] = [a + b for a, b in zip(by_view[view][1], counts, strict=True)]
    name = "cpe_http_request_duration_seconds"
    yield f"# HELP {name} how long the answers of a view took"
    yield f"# TYPE {name} histogram"
    for view, (microseconds, counts) in sorted(by_view.items()):
        label, below = f'view="{_escaped(view)}"', 0
        for bound, count in zip(BUCKETS, counts, strict=False):
            below += count
            yield f'{name}_bucket{{{label},le="{_seconds(bound)}"}} {below}'
        yield f'{name}_bucket{{{label},le="+Inf"}} {sum(counts)}'
        yield f"{name}_sum{{{label}}} {_seconds(microseconds)}"
        yield f"{name}_count{{{label}}} {sum(counts)}"


def _folder() -> Iterable[str]:
    try:
        free = shutil.disk_usage(settings.DATA_DIR).free
    except OSError:
        free = 0
    return _metric("cpe_data_free_bytes", "gauge", "room on the disk of the data folder", [({}, free)])


def _scanner() -> Iterable[str]:
    if not settings.CLAMD_ADDRESS:
        return []
    return _metric("cpe_scanner_up", "gauge", "whether clamd answered", [({}, int(virus_scan.answers()))])


def _from_database() -> list[str]:
    steps, jobs = figures.steps(), figures.jobs()

    def per_task(field: str) -> list:
        return [({"task": one.task}, getattr(one, field)) for one in jobs]

    return [
        *_metric("cpe_open_steps", "gauge", "sign-offs that wait for somebody", [({}, steps.open)]),
        *_metric(
            "cpe_oldest_open_step_seconds", "gauge", "since the oldest was opened", [({}, steps.oldest)]
        ),
        *_metric("cpe_jobs_waiting", "gauge", "jobs not done yet", per_task("waiting")),
        *_metric("cpe_jobs_failed", "gauge", "jobs given up", per_task("failed")),
        *_metric("cpe_jobs_oldest_seconds", "gauge", "since the oldest was queued", per_task("oldest")),
        *_metric(
            "cpe_queue_lag_seconds", "gauge", "how long a due job has waited", [({}, figures.queue_lag())]
        ),
    ]


def _metric(name: str, kind: str, about: str, values: Iterable[tuple[dict, int]]) -> Iterable[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
    for labels, value in values:
        written = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{name}{{{written}}} {value}" if written else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _seconds(microseconds: int) -> str:
    return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}".rstrip("0").rstrip(".")

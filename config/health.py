"""Three addresses for machines: /health/ (this process answers), /ready/ (it can do its work), /metrics.

They are no pages. They answer before sessions, redirects and host names are looked at, so that they set no cookie,
read none, and a probe by IP address over plain HTTP gets an answer; and only to the networks of
CPE_MONITOR_NETWORKS. Everybody else gets the page for an address that does not exist.

/ready/ is 503 when this process should get no requests: no database, a schema older than the code, a data folder that
takes no file. A queue that stands still is told but leaves it at 200: the pages work, and taking every host out of
service would end them too. Nor does a virus scanner that is away: uploads alone are refused then.
"""

import ipaddress
import os
import secrets
import shutil
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from accounts.address import network_of
from config import figures
from config.metrics import metrics
from workflow import virus_scan

FULL = 100 * 1024 * 1024  # bytes: with less, ten people's attachments no longer fit
LATE = 15 * 60  # seconds: a worker that lives does a due job within one


class MonitorMiddleware:
    """Answers the three addresses; stands before everything that looks at who asks."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = ANSWERS.get(request.path_info.rstrip("/"))
        if answer is None or not is_allowed(request):
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        response = answer(request)
        response.headers["Cache-Control"] = "no-store"
        return response


def is_allowed(request: HttpRequest) -> bool:
    """Whether the request comes from this machine or from a network of settings.MONITOR_NETWORKS."""
    forwarded = "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META
    if forwarded and not settings.TRUSTED_PROXIES:
        return False  # a proxy nobody told us of: the address is its own, not the client's
    network = network_of(request)
    if network == "unknown":
        return request.META.get("REMOTE_ADDR") == "" and not forwarded  # this machine's own socket
    found = ipaddress.ip_network(network)
    return any(found.version == one.version and found.overlaps(one) for one in _networks())


def _networks() -> list:
    return [ipaddress.ip_network(one.strip()) for one in settings.MONITOR_NETWORKS]


def health(request: HttpRequest) -> HttpResponse:
    """This process answers. Asks nothing of anybody."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


def ready(request: HttpRequest) -> HttpResponse:
    """Words, or JSON for whoever accepts that: {"ready": true, "database": "ok", …}."""
    found = {name: check() for name, check in CHECKS.items()}
    if found["database"] != "ok":
        found |= dict.fromkeys(("migrations", "queue"), "unknown")
    if settings.CLAMD_ADDRESS:
        found["scanner"] = "ok" if virus_scan.answers() else "no answer"
    well = all(found[name] == "ok" for name in ("database", "migrations", "files"))
    status = 200 if well else 503
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"ready": well, **found}, status=status)
    lines = [f"ready: {'yes' if well else 'no'}", *(f"{name}: {words}" for name, words in found.items())]
    return HttpResponse("\n".join(lines) + "\n", status=status, content_type="text/plain; charset=utf-8")


def _told(check: Callable[[], str]) -> Callable[[], str]:
    """What went wrong is for the log of the database; the answer says only that it did."""

    def checked() -> str:
        try:
            return check()
        except OperationalError:
            return "no answer"
        except DatabaseError:
            return "refused"

    return checked


@_told
def database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


@_told
def migrations() -> str:
    """Older than the code is not ready; newer is: that is how an update looks to the process not yet replaced."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        missing = len(_needed() - set(cursor.fetchall()))
    return f"{missing} not applied" if missing else "ok"


@cache
def _needed() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).disk_migrations)


@_told
def queue() -> str:
    lag = figures.queue_lag()
    return f"{lag // 60} minutes late" if lag > LATE else "ok"


def files() -> str:
    """Write a file where attachments go, and take it away again."""
    probe = settings.MEDIA_ROOT / f".ready-{secrets.token_hex(8)}"
    try:
        settings.MEDIA_ROOT.mkdir(parents=True, exist_ok=True)
        try:
            with open(probe, "xb") as file:
                file.write(b"ready")
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
        free = shutil.disk_usage(settings.MEDIA_ROOT).free
    except OSError as error:
        return f"not writable ({error.strerror})"
    return "ok" if free > FULL else "almost full"


CHECKS = {"database": database, "migrations": migrations, "queue": queue, "files": files}
ANSWERS = {"/health": health, "/ready": ready, "/metrics": metrics}

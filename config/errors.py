"""Pages for what went wrong: what happened, what to do, whom to ask."""

import errno
import sys

from django.core.exceptions import BadRequest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import engines


def bad_request(request: HttpRequest, exception=None) -> HttpResponse:
    return render(request, "400.html", status=400)


def permission_denied(request: HttpRequest, exception=None) -> HttpResponse:
    # A door that knows who can help says so in its exception.
    return render(request, "403.html", {"exception": str(exception or "")}, status=403)


def page_not_found(request: HttpRequest, exception=None) -> HttpResponse:
    # The address is left out: a missing object and somebody else's answer with the same bytes.
    return render(request, "404.html", status=404)


# A database that is away, full or holds for somebody else what this request needs, a disk without room.
PASSING = (OperationalError, InterfaceError)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
SECONDS_UNTIL_AGAIN = 30


def passing_fault(error: BaseException | None) -> str:
    """What kind of fault this is when the same request may go well in a while, though nobody changed anything in the program.

    "" for a defect of ours. The kind is made of names alone: what an exception says may hold what somebody typed.
    """
    while error is not None:
        if isinstance(error, PASSING):
            return "/".join(type(one).__name__ for one in (error, error.__cause__) if one is not None)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return f"{type(error).__name__}/{errno.errorcode[error.errno]}"
        error = error.__cause__ or error.__context__
    return ""


def server_error(request: HttpRequest) -> HttpResponse:
    """500 for a defect of ours, 503 for what passes. Both pages stand alone: whatever broke may break the context too."""
    if passing_fault(sys.exception()):
        page = engines["django"].get_template("503.html")
        return HttpResponse(page.render(), status=503, headers={"Retry-After": str(SECONDS_UNTIL_AGAIN)})
    page = engines["django"].get_template("500.html")
    return HttpResponse(page.render({"request_id": getattr(request, "request_id", "")}), status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403_csrf.html", status=403)


class NoNulMiddleware:
    """An address with a NUL in its query is no address: PostgreSQL takes none in a text, whatever page asks for it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest
        return self.get_response(request)

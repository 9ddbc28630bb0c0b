"""Logs: one line of JSON each in production, every request with a number, no ID or mobile number on any handler.

Used by the settings and by gunicorn's own configuration, which is read before there are settings: this file must not
touch them when it is imported.
"""

import contextvars
import datetime
import json
import logging
import re
import uuid

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.log_filter import without_numbers

REQUEST_ID = contextvars.ContextVar("request_id", default="")
_ACCEPTABLE = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{7,63}")
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
STYLES = ("text", "json")


class RequestIdMiddleware:
    """Names each request: in its log lines, on the page for errors of ours, in the answer's X-Request-ID.

    What a proxy of ours has named keeps its name, so that nginx's log and ours agree. Nobody else is believed.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = _name_of(request)
        token = REQUEST_ID.set(request.request_id)
        try:
            response = self.get_response(request)
        finally:
            REQUEST_ID.reset(token)
        response.headers["X-Request-ID"] = request.request_id
        return response


def _name_of(request: HttpRequest) -> str:
    said = request.headers.get("X-Request-ID", "")
    if settings.TRUSTED_PROXIES and _ACCEPTABLE.fullmatch(said) and without_numbers(said) == said:
        return said
    return uuid.uuid4().hex


class Named(logging.Filter):
    """Puts the request's name on the record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = REQUEST_ID.get()
        return True


class OneLineForPassing(logging.Filter):
    """A request that met what passes (a database that is away, a full disk) is one warning; a defect keeps its traceback.

    In a fault every request has the same traceback: thousands of them hide the line that matters, and fill the disk.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "django.request" and record.exc_info:
            # Needs Django, which gunicorn's own process has not loaded.
            from config.errors import passing_fault

            fault = passing_fault(record.exc_info[1])
            if fault:
                record.levelno, record.levelname = logging.WARNING, "WARNING"
                record.exc_info = record.exc_text = None
                # The path, without query and with control characters escaped, is what Django says last.
                record.msg, record.args = "will pass, answered 503: %s: %s", (fault, record.args[-1])
        return True


class JsonFormatter(logging.Formatter):
    """One line of JSON: time, level, logger, message, request_id, what `extra` brought, exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(
                "T", "milliseconds"
            ),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        for name, value in vars(record).items():
            # an object, such as the request itself, would print more than was meant
            if name not in _OWN and isinstance(value, (str, int, float, bool, list, dict)) and value != "":
                line.setdefault(name, value)
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, ensure_ascii=False, default=lambda value: f"<{type(value).__name__}>")


def configuration(style: str, level: str, loggers: dict | None = None) -> dict:
    """A dictConfig whose only handler is filtered. `loggers` are further ones, {name: level}, on the same handler."""
    if style not in STYLES:
        raise ValueError(f"CPE_LOG_FORMAT is {' or '.join(STYLES)}")
    named = {"django": "WARNING", "django.server": "INFO", **(loggers or {})}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "named": {"()": "config.logs.Named"},
            "one_line_for_passing": {"()": "config.logs.OneLineForPassing"},
            "no_id_numbers": {"()": "accounts.log_filter.NoIdNumbers"},
        },
        "formatters": {
            "text": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s"},
            "json": {"()": "config.logs.JsonFormatter"},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "filters": ["named", "one_line_for_passing", "no_id_numbers"],
                "formatter": style,
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            name: {"handlers": ["console"], "level": at, "propagate": False} for name, at in named.items()
        },
    }

"""Logs (config/logs.py, accounts/log_filter.py): no ID or mobile number in any of them, every request with a name."""

import http.client
import json
import logging
import logging.config
import os
import random
import re
import signal
import subprocess
import sys
import time
from io import StringIO

import pytest
from django.conf import settings
from django.test import Client

from accounts.id_number import check_character
from accounts.log_filter import HIDDEN, without_numbers
from config import logs
from tests.town import synthetic_id

ROOT = settings.BASE_DIR
NUMBER = synthetic_id(7)
WITH_X = next(one for one in map(synthetic_id, range(100)) if one.endswith("X"))
MOBILE = "13800138000"
WIDE = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
# How people write them, and how programs print them.
WRITTEN = {
    "as it is": NUMBER,
    "small x": WITH_X.lower(),
    "full-width": NUMBER.translate(WIDE),
    "full-width x": WITH_X.translate(WIDE),
    "blanks": f"{NUMBER[:6]} {NUMBER[6:14]} {NUMBER[14:]}",
    "full-width blanks": f"{NUMBER[:6]}　{NUMBER[6:14]}　{NUMBER[14:]}",
    "every digit apart": " ".join(NUMBER),
    "hyphens": f"{NUMBER[:6]}-{NUMBER[6:14]}-{NUMBER[14:]}",
    "zero-width": f"{NUMBER[:6]}\u200b{NUMBER[6:]}",
    "after an escape": f"\\n{NUMBER}\\t",
    "after another number": f"5 {NUMBER}",
    "before another number": f"{NUMBER} 5",
    "mobile": MOBILE,
    "mobile, stored": f"+86{MOBILE}",
    "mobile, blanks": "138 0013 8000",
    "mobile, hyphens": "+86 138-0013-8000",
    "mobile, full-width": MOBILE.translate(WIDE),
    "mobile in a word": f"tel{MOBILE}",
}
PLAIN = [
    "2026-11-24 08:46:46,123",
    "20261124-000123 办理",
    "0531-12345678",
    "1234567890123456789012",
    "0a13800138000f0a13800138000f0a13800138000f0a13800138000f",
    "91370100MA3C000016",
    "pid 13800 138000",
]


def digits(text: str) -> str:
    """What a reader could put together again."""
    narrow = {ord(wide): one for one, wide in zip("0123456789X", "０１２３４５６７８９Ｘ", strict=True)}
    half = text.translate(narrow)
    return re.sub(r"[^0-9X]", "", half.upper())


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_number_is_hidden_however_it_is_written(written):
    said = without_numbers(f"登录 {written} 失败")
    assert HIDDEN in said
    assert NUMBER[6:14] not in digits(said)
    assert MOBILE[3:] not in digits(said)


@pytest.mark.parametrize("text", PLAIN)
def test_other_numbers_stay(text):
    assert without_numbers(text) == text


def test_the_check_is_that_of_the_id_number():
    """2,000 random numbers: hidden in any writing when the check character is right, else only when it stands alone."""
    draw = random.Random(5)
    for _ in range(2000):
        first = f"370902{draw.randint(1900, 2020)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}{draw.randint(0, 999):03}"
        right = check_character(first)
        wrong = draw.choice([one for one in "0123456789X" if one != right])
        assert without_numbers(f"x{first}{right}x") == f"x{HIDDEN}x"
        assert without_numbers(f"x{first}{wrong}x") == f"x{first}{wrong}x"


# --- handlers ----------------------------------------------------------------------------------------


@pytest.fixture
def log():
    """(logger, what it has written) with the production's only handler."""
    handler = logging.StreamHandler(StringIO())
    built = logging.config.DictConfigurator(logs.configuration("json", "INFO"))
    built.config["filters"] = {
        name: built.configure_filter(one) for name, one in built.config["filters"].items()
    }
    for one in built.config["filters"].values():
        handler.addFilter(one)
    handler.setFormatter(logs.JsonFormatter())
    logger = logging.Logger("cpe.test", "DEBUG")
    logger.addHandler(handler)
    return logger, lambda: [json.loads(line) for line in handler.stream.getvalue().splitlines()]


class Person:
    def __str__(self):
        return f"person {NUMBER}"


def raise_it():
    try:
        raise LookupError(f"no {NUMBER}")
    except LookupError as error:
        raise ValueError(f"call {MOBILE}") from error


def test_everything_on_the_record_is_hidden(log):
    logger, written = log
    logger.info("message %s", NUMBER)
    logger.info("argument %s", Person())
    logger.info("extra", extra={"number": NUMBER, "deep": {"a": [MOBILE, {NUMBER: 1}]}, "int": int(MOBILE)})
    logger.info("does not fit %s %s", NUMBER)
    logger.info("stack", stack_info=True)
    try:
        raise_it()
    except ValueError:
        logger.exception("exception")
    lines = written()
    said = json.dumps(lines, ensure_ascii=False)
    assert NUMBER not in said
    assert MOBILE not in said
    assert [line["message"] for line in lines] == [
        f"message {HIDDEN}",
        f"argument person {HIDDEN}",
        "extra",
        f"does not fit %s %s ('{HIDDEN}',)",
        "stack",
        "exception",
    ]
    assert lines[2]["number"] == lines[2]["int"] == HIDDEN
    assert lines[2]["deep"] == {"a": [HIDDEN, {HIDDEN: 1}]}
    assert "LookupError" in lines[5]["exception"]
    assert "ValueError" in lines[5]["exception"]


def test_the_address_of_a_reset_is_hidden(log):
    """Whoever has it may set the password."""
    logger, written = log
    logger.error("Internal Server Error: %s", "/reset/TOKEN-xyz_1/")
    assert written()[0]["message"] == "Internal Server Error: /reset/…/"


def test_every_handler_of_the_settings_is_filtered():
    """In a process of its own: whatever is set up by then, Django's and the libraries' loggers included."""
    script = """
import django, logging
django.setup()
found = {id(h): h for l in [logging.root, *logging.root.manager.loggerDict.values()] for h in getattr(l, "handlers", [])}
bare = [h for h in found.values() if "NoIdNumbers" not in str([type(f).__name__ for f in h.filters])]
print(len(found), bare)
"""
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert found.stdout.strip() == "1 []"


# --- a real server -----------------------------------------------------------------------------------

CANARY_SITE = """
import errno
import logging

import psycopg
from django.db import OperationalError
from django.http import HttpResponse
from django.urls import path

def boom(request, number):
    raise ValueError("nobody has " + number)

def fine(request, number):
    logging.getLogger("cpe.site").warning("looked at %s", number, extra={"who": number})
    return HttpResponse("ok")

def held(request, number):
    try:
        raise psycopg.errors.LockNotAvailable("somebody holds " + number)
    except psycopg.Error as error:
        raise OperationalError(str(error)) from error

def full(request, number):
    try:
        raise OSError(errno.ENOSPC, "no room for " + number)
    except OSError as error:
        raise ValueError("not stored") from error

urlpatterns = [path(f"{view.__name__}/<number>", view) for view in (boom, fine, held, full)]
handler500 = "config.errors.server_error"

def handler404(request, exception):
    return HttpResponse("no", status=404)
"""
CANARY_WSGI = """
import os
from django.core.wsgi import get_wsgi_application
from django.conf import settings
site = get_wsgi_application()
settings.ROOT_URLCONF = "canary_site"
settings.MIDDLEWARE = settings.MIDDLEWARE[:3]
site.load_middleware()

def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/below/"):
        raise RuntimeError("below Django: " + environ["RAW_URI"])
    return site(environ, start_response)
"""


class Server:
    """gunicorn with the production's configuration, on loopback, around a site that says numbers aloud."""

    def __init__(self, folder, **environment):
        (folder / "canary_site.py").write_text(CANARY_SITE)
        (folder / "canary_wsgi.py").write_text(CANARY_WSGI)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn", "--bind", "127.0.0.1:0"]
                + ["canary_wsgi"],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "PYTHONPATH": f"{ROOT}:{folder}",
                    "CPE_LOG_FORMAT": "json",
                    "CPE_ACCESS_LOG": "1",
                    **environment,
                },
            )
        deadline = time.monotonic() + 60
        while not (found := re.search(r"Listening at: http://127.0.0.1:(\d+)", self.log.read_text())):
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        self.port = int(found[1])

    def get(self, path: str, **headers) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        answer.content = answer.read().decode(errors="replace")
        connection.close()
        return answer

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return self.log.read_text()


@pytest.fixture
def server(tmp_path):
    started = []

    def start(**environment):
        started.append(Server(tmp_path, **environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()


def test_no_number_comes_out_of_a_real_server(server):
    one = server()
    said = {"Referer": f"http://x/?id={NUMBER}", "User_Agent": f"x {NUMBER}"}
    broken = one.get(f"/boom/{NUMBER}?id={NUMBER}&tel={MOBILE}", **said)
    assert broken.status == 500
    assert one.get(f"/fine/{NUMBER}?name=zhangsan", **said).status == 200
    assert one.get(f"/nothing/{NUMBER}", **said).status == 404
    below = one.get(f"/below/{NUMBER}?id={NUMBER}", **said)
    assert below.status == 500
    log = one.stop()
    assert NUMBER not in log
    assert MOBILE not in log
    assert "zhangsan" not in log  # no query in the access log
    assert "id=" not in log.replace("request_id=", "")
    lines = [json.loads(line) for line in log.splitlines()]  # each of them is JSON, tracebacks included
    by_logger = {
        name: [one for one in lines if one["logger"] == name] for name in {one["logger"] for one in lines}
    }
    assert f"GET /boom/{HIDDEN}" in str(by_logger["gunicorn.access"])
    assert "nobody has [已隐去]" in by_logger["django.request"][0]["exception"]
    assert "below Django" in str(by_logger["gunicorn.error"])
    assert by_logger["cpe.site"][0]["who"] == HIDDEN
    # The page for the error names the request; its lines do too.
    name = broken.headers["X-Request-ID"]
    assert name in broken.content
    assert by_logger["django.request"][0]["request_id"] == name
    assert name in str(by_logger["gunicorn.access"])


def test_what_passes_is_one_line_and_a_defect_keeps_its_traceback(server):
    one = server()
    asked = [
        one.get(f"/{view}/{NUMBER}?id={NUMBER}&who=zhangsan")
        for view in ("held", "full", "boom", "held", "full")
    ]
    assert [answer.status for answer in asked] == [503, 503, 500, 503, 503]
    lines = [json.loads(line) for line in one.stop().splitlines()]
    said = [line for line in lines if line["logger"] == "django.request"]
    assert [(line["level"], line["message"]) for line in said] == [
        ("WARNING", f"will pass, answered 503: OperationalError/LockNotAvailable: /held/{HIDDEN}"),
        ("WARNING", f"will pass, answered 503: OSError/ENOSPC: /full/{HIDDEN}"),
        ("ERROR", f"Internal Server Error: /boom/{HIDDEN}"),
    ] + [
        ("WARNING", f"will pass, answered 503: OperationalError/LockNotAvailable: /held/{HIDDEN}"),
        ("WARNING", f"will pass, answered 503: OSError/ENOSPC: /full/{HIDDEN}"),
    ]
    assert [line["request_id"] for line in said] == [answer.headers["X-Request-ID"] for answer in asked]
    assert ["Traceback" in line.get("exception", "") for line in said] == [False, False, True, False, False]
    assert sum("Traceback" in str(line) for line in lines) == 1
    assert "zhangsan" not in str(lines)


def test_the_control_without_the_filter_shows_numbers(server, tmp_path):
    """The canaries would be seen if they were let out."""
    (tmp_path / "sitecustomize.py").write_text(
        "from accounts import log_filter\nlog_filter.NoIdNumbers.filter = lambda self, record: True\n"
    )
    one = server()
    one.get(f"/boom/{NUMBER}")
    one.get(f"/below/{NUMBER}?id={NUMBER}")
    assert NUMBER in one.stop()


# --- names of requests -------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("proxies", "said", "believed"),
    [
        (1, "0123456789abcdef0123456789abcdef", True),
        (0, "0123456789abcdef0123456789abcdef", False),
        (1, "short", False),
        (1, "with blank and \u4e2d", False),
        (1, "x" * 65, False),
        (1, "a/../../b'\"<script>", False),
        (1, f"id-{NUMBER}", False),
    ],
)
def test_only_a_trusted_proxy_names_a_request(settings, proxies, said, believed):
    settings.TRUSTED_PROXIES = proxies
    name = Client().get("/faq/", headers={"X-Request-ID": said}).headers["X-Request-ID"]
    assert (name == said) is believed
    assert re.fullmatch(r"[0-9a-f]{32}", name) or believed


@pytest.mark.django_db
def test_every_request_has_another_name():
    names = {Client().get("/health/").headers["X-Request-ID"] for _ in range(5)}
    assert len(names) == 5

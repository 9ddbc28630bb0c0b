"""Broken HTTP over raw sockets against the real thing: gunicorn as in production, on loopback, with a database.

Every answer is a 2xx to 4xx of ours or of gunicorn's, or a closed connection; never a 500, never a worker that died,
and the next honest request is answered. What was said before stays said: one request is one request, also where a body
lies about its length.
"""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client

from tests.fuzzing import VALUES, chance
from tests.test_attachments import pdf, picture
from tests.tiers import figure, times
from tests.town import Town

pytestmark = pytest.mark.django_db

REQUESTS = times(200, 3_000)
PATHS = [
    b"/", b"/login/", b"/hours/declare/", b"/my/correction/", b"/hours/verify/", b"/register/progress/", b"/api/v1/hours", b"/people/",
    b"/static/cpe.css", b"/no-such-page/", b"/health/",
]  # fmt: skip
TARGETS = [
    b"*", b"", b"/%", b"/%zz", b"/%00", b"/\x00", b"/%ff%fe", b"//", b"//evil.example/login/", b"http://evil.example/login/", b"/../../etc/passwd",
    b"/..%2f..%2fetc%2fpasswd", b"/static/../config/settings.py", b"/static/%2e%2e/%2e%2e/manage.py", b"/login/?" + b"a=b&" * 2_000,
    b"/" + b"a" * 9_000, b"/login/;x=y", b"/login/\xe4\xb8\xad", b"/?%00", b"/?a=%ED%A0%80", b"/login/#x", b"login/", b"/\\", b"/login/ x",
]  # fmt: skip
METHODS = [
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"TRACE",
    b"OPTIONS",
    b"PATCH",
    b"CONNECT",
    b"get",
    b"G\x00ET",
    b"G" * 60,
    b"",
    b"\xff",
    b"GET POST",
]
HEADERS = [
    b"Host: evil.example", b"Host: 127.0.0.1", b"Host:", b"Host: a b", b"Host: 127.0.0.1:99999", b"Host: [::1", b"Host: \xff",
    b"Content-Length: -1", b"Content-Length: 1e3", b"Content-Length: 99999999999999999999", b"Content-Length: 0, 0", b"Content-Length: +5",
    b"Content-Length: 0x10", "Content-Length: １２".encode(), b"Transfer-Encoding: chunked", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding : chunked", b"Expect: 100-continue", b"Expect: 200-ok",
    b"X-A: b\r\nX-C: d", b"X-A: b\nX-C: d", b"X-A: b\rX-C: d", b" folded: yes", b"X A: b", b": empty", b"no colon", b"X\x00: y", b"X: \x00\x01\x02",
    b"Cookie: " + b"a=" + b"x" * 65_536, b"Cookie: " + b"a=b; " * 1_500, b"Cookie: sessionid=" + b"\xff" * 40, b"Cookie: csrftoken=\x01",
    b"Cookie: sessionid=../../x; sessionid=y", b"X-HTTP-Method-Override: DELETE", b"X-HTTP-Method: PUT", b"X-Method-Override: TRACE",
    b"X-Forwarded-For: " + b"1," * 400, b"X-Forwarded-For: \xff", b"X-Forwarded-Host: evil.example", b"X-Forwarded-Proto: https", b"X-Request-ID: \r\n",
    b"X-Request-ID: " + b"x" * 4_000, b"X-Original-URL: /people/", b"X-Rewrite-URL: /people/", b"Accept-Language: " + b"zh," * 1_200,
    b"Accept-Language: \xff", b"Accept: " + b"*/*," * 900, b"User-Agent: \xf0\x9f\x92\xa9\x1b[31m", b"Referer: \x7f\xff//", b"If-Modified-Since: never",
    b"If-None-Match: " + b'"x",' * 900, b"Range: bytes=0-,1-,2-", b"Upgrade: websocket", b"Connection: close, keep-alive, x", b"Content-Type: ",
    b"Content-Type: multipart/form-data", b"Content-Type: multipart/form-data; boundary=", b"Content-Type: application/json; charset=xx",
    b"Content-Type: text/html; charset=\xff", b"Content-Encoding: gzip", b"X-CPE-Key: \xff", b"X-CPE-Timestamp: " + b"9" * 400,
]  # fmt: skip


class Website:
    """gunicorn with the production's configuration and one process, on this test's database."""

    def __init__(self, folder: Path):
        (folder / "static").mkdir()
        database = "/" + connection.settings_dict["NAME"]
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=database).geturl()
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn", "--bind", "127.0.0.1:0", "config.wsgi"],
                cwd=settings.BASE_DIR,
                stdout=log,
                stderr=log,
                env={
                    **os.environ, "DATABASE_URL": url, "CPE_TESTING": "1", "WEB_CONCURRENCY": "1", "CPE_THREADS": "4",
                    "CPE_DATA_DIR": str(folder), "CPE_KEYS_FILE": str(settings.DATA_DIR / "keys.json"),
                },
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not (
            found := re.search(r"Listening at: http://127.0.0.1:(\d+)", self.log.read_text(errors="replace"))
        ):
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")
            time.sleep(0.05)
        self.port = int(found[1])
        deadline = time.monotonic() + 60
        while self.honest() != 200:
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")
            time.sleep(0.1)

    def honest(self, cookie: str = "") -> int:
        """What an ordinary request is answered."""
        head = f"GET /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        return (self.say(head.encode()) or [0])[0]

    def say(self, request: bytes, *, patience: float = 20, slowly: bool = False) -> list[int]:
        """The statuses of all answers to these bytes; none when the connection was closed without a word."""
        heard = b""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as line:
                if slowly:
                    for start in range(min(len(request), 40)):
                        line.sendall(request[start : start + 1])
                    request = request[40:]
                line.sendall(request)
                line.shutdown(socket.SHUT_WR)
                while block := line.recv(65_536):
                    heard += block
        except TimeoutError:
            raise AssertionError(f"no answer in {patience} seconds to {request[:300]!r}") from None
        except OSError:
            pass  # closed in the middle of what we were saying, as it may
        self.heard = heard
        return [int(status) for status in re.findall(rb"(?m)^HTTP/1\.[01] (\d{3}) ", heard)]

    def children(self) -> list[str]:
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return tasks.read_text().split()

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return self.log.read_text(errors="replace")


@pytest.fixture(scope="module")
def website(django_db_setup, django_db_blocker, tmp_path_factory):
    """One for all tests: starting it takes longer than they do. Its rows are committed, so they are swept behind it."""
    with django_db_blocker.unblock():
        town = Town()
        client: Client = town.login(town.practitioner(at=town.employer()))
        site = Website(tmp_path_factory.mktemp("website"))
        site.cookie = f"sessionid={client.cookies['sessionid'].value}; csrftoken={'a' * 32}"
        try:
            yield site
        finally:
            log = site.stop()
            call_command(
                "flush", interactive=False, verbosity=0, inhibit_post_migrate=True, allow_cascade=False
            )
    assert site.process.returncode == 0, log[-3_000:]


# --- what is said -----------------------------------------------------------------------------------------


def multipart(dice: random.Random) -> tuple[bytes, bytes]:
    """A body that is nearly a form with a file; and its content type."""
    mark = dice.choice(
        [b"XX", b"----WebKitFormBoundary7MA4YWxkTrZu0gW", b"-", b"a" * 70, b"'()+_,-./:=?", b"X X"]
    )
    disposition = [
        b'form-data; name="files"; filename="a.pdf"', b'form-data; name="name"', b"form-data", b'form-data; name=""', b'form-data; name="a" ; name="b"',
        b'form-data; name="files"; filename="' + b"x" * 2_000 + b'"', b'attachment; filename="a"', b'form-data; name="csrfmiddlewaretoken"',
        b'form-data; name="files"; filename="\xff\x00.pdf"', b"form-data; name*=utf-8''%ff; filename*=x", b'form-data; name="' + dice.choice(VALUES)[:200] + b'"',
    ]  # fmt: skip
    contents = [
        pdf(),
        picture(),
        b"x",
        b"",
        dice.choice(VALUES),
        b"--" + mark,
        b"\r\n--" + mark + b"--",
        b"A" * 70_000,
        b"\x00" * 3_000,
    ]
    more = [
        b"", b"", b"Content-Type: image/png\r\n", b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: \xff\r\n", b"X: " + b"y" * 2_000 + b"\r\n",
        b"Content-Type: multipart/mixed; boundary=YY\r\n", b"Content-Length: 5\r\n", b"Content-Type: application/x; charset=nope\r\n",
    ]  # fmt: skip
    body = b""
    for _ in range(dice.choice([0, 1, 1, 2, 3, 12, 600])):
        body += (
            b"--"
            + mark
            + b"\r\nContent-Disposition: "
            + dice.choice(disposition)
            + b"\r\n"
            + dice.choice(more)
        )
        body += b"\r\n" + (dice.choice(contents) if len(body) < 500_000 else b"") + b"\r\n"
    body += dice.choice(
        [b"--" + mark + b"--\r\n", b"--" + mark + b"--", b"--" + mark, b"", b"--" + mark + b"--\r\nbehind"]
    )
    roll = dice.random()
    if roll < 0.2:
        body = body[: dice.randrange(len(body) + 1)]
    elif roll < 0.3 and body:
        place = dice.randrange(len(body))
        body = body[:place] + dice.choice(VALUES)[:500] + body[place:]
    elif roll < 0.4:
        body = body.replace(b"\r\n", b"\n")
    kinds = [
        b"multipart/form-data; boundary=" + mark, b"multipart/form-data; boundary=" + mark, b'multipart/form-data; boundary="' + mark + b'"', b"multipart/form-data",
        b"multipart/form-data; boundary=other", b"multipart/form-data; boundary=\xff", b"multipart/form-data; boundary=" + b"b" * 300, b"multipart/mixed; boundary=" + mark,
        b"multipart/form-data; charset=utf-16; boundary=" + mark, b"multipart/form-data; boundary=" + mark + b"; boundary=YY", b"application/x-www-form-urlencoded",
    ]  # fmt: skip
    return body, dice.choice(kinds)


def broken_body(dice: random.Random, cookie: bytes) -> bytes:
    """A POST whose body is malformed, in itself or by its length."""
    body, kind = multipart(dice)
    length = dice.choice([len(body)] * 5 + [0, max(len(body) - 7, 0), len(body) + 50, 11 * 1024 * 1024])
    head = [
        b"POST " + dice.choice(PATHS) + b" HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Connection: close",
        b"Content-Type: " + kind,
        b"Cookie: " + cookie,
    ]
    head.append(b"X-CSRFToken: " + b"a" * 32)
    if dice.random() < 0.15:
        head.append(b"Transfer-Encoding: chunked")
        size = dice.choice(
            [b"%x" % len(body), b"5", b"fffffffff", b"-1", b"zz", b"0", b"10000000000000000000000"]
        )
        body = (
            size
            + dice.choice([b"\r\n", b"\n", b";ext=\x00\r\n"])
            + body
            + dice.choice([b"\r\n0\r\n\r\n", b"", b"0\r\n\r\n", b"\r\n0\r\nX: y\r\n\r\n"])
        )
    else:
        head.append(b"Content-Length: %d" % length)
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def odd_head(dice: random.Random, cookie: bytes) -> bytes:
    """A request whose line or headers are odd."""
    line = dice.choice([b"GET", b"GET", b"POST", dice.choice(METHODS)]) + b" "
    line += dice.choice([dice.choice(PATHS), dice.choice(TARGETS)]) + b" "
    line += dice.choice(
        [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/9.9", b"HTTP/2", b"", b"http/1.1", b"HTTP/1.1\x00"]
    )
    headers = [b"Host: 127.0.0.1"] * dice.choice([0, 1, 1, 1, 1, 2]) + [b"Cookie: " + cookie] * dice.choice(
        [0, 1]
    )
    headers += dice.choices(HEADERS, k=dice.randrange(1, 5))
    if dice.random() < 0.05:
        headers += [b"X-%d: y" % number for number in range(dice.choice([99, 150, 2_000]))]
    dice.shuffle(headers)
    end = dice.choice([b"\r\n"] * 8 + [b"\n", b"\r"])
    return (
        end.join([line, *headers])
        + end
        + end
        + dice.choice([b"", b"", b"a=b", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"])
    )


def test_broken_requests_are_answered_and_nobody_dies(website):
    dice, wrong, cookie = chance("http"), [], website.cookie.encode()
    workers = website.children()
    with figure("fuzz_http") as counted:
        for number in range(REQUESTS):
            request = (broken_body if number % 3 else odd_head)(dice, cookie)
            if dice.random() < 0.02:  # not HTTP at all
                request = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 400)))
            statuses = website.say(request, slowly=dice.random() < 0.01)
            counted.tried += 1
            # 501 and 505 are gunicorn's words for a method or a version that it does not speak.
            if [status for status in statuses if status >= 500 and status not in (501, 505)]:
                counted.failed += 1
                wrong.append(f"{statuses}: {request[:600]!r}")
        assert website.honest(website.cookie) in (200, 302)
    log = website.log.read_text(errors="replace")
    assert not wrong, "\n".join(wrong[:10])
    assert website.children() == workers != []
    errors = [
        line
        for line in log.splitlines()
        if "Internal Server Error" in line or "Error handling request" in line
    ]
    assert not errors, "\n".join(errors[:10])


@pytest.mark.parametrize(
    "smuggled",
    [
        b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\nGET /health/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: xchunked\r\n\r\nGET /health/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding\x0b: chunked\r\nContent-Length: 0\r\n\r\nGET /health/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"GET /login/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"GET http://evil.example/login/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    ],
    ids=[
        "both lengths",
        "two lengths",
        "unknown coding",
        "odd name",
        "two hosts",
        "foreign host",
        "absolute target",
    ],
)
def test_what_proxies_disagree_about_is_refused(website, smuggled):
    """A front server and gunicorn may not see different requests in the same bytes."""
    with figure("fuzz_http") as counted:
        counted.tried += 1
        statuses = website.say(smuggled)
        assert all(400 <= status < 500 or status == 501 for status in statuses), website.heard[:400]
        assert len(statuses) <= 1


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_no_header_changes_the_method(website, name):
    with figure("fuzz_http") as counted:
        for written, allowed in ((b"GET", {200}), (b"POST", {403}), (b"DELETE", {403, 405})):
            counted.tried += 1
            head = b"%s /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n%s: TRACE\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            assert set(website.say(head % (written, name.encode()))) <= allowed

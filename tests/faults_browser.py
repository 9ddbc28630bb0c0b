"""A browser of the fault drills: cookies, forms and files over a real connection, and patience for broken ones."""

import http.client
import time
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart


@dataclass(frozen=True)
class Answer:
    """`status` is 0 when none came: the connection broke or was refused."""

    status: int
    text: str = ""
    to: str = ""
    seconds: float = 0.0
    headers: dict = field(default_factory=dict)


class Browser:
    """One person's browser. It follows no redirect, and sends a form with the token of its cookie."""

    def __init__(self, port: int, timeout: float = 40):
        self.port, self.timeout, self.cookies = port, timeout, {}
        self.local_port = 0  # of the connection now open or last used

    def copy(self) -> "Browser":
        """Another tab of the same browser."""
        other = Browser(self.port, self.timeout)
        other.cookies = dict(self.cookies)
        return other

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, **fields) -> Answer:
        """Send a form; `files` is a list of files."""
        fields = {"csrfmiddlewaretoken": self.cookies.get("csrftoken", ""), **fields}
        if "files" in fields:
            return self.ask("POST", path, encode_multipart(BOUNDARY, fields), MULTIPART_CONTENT)
        body = urlencode(fields, doseq=True).encode()
        return self.ask("POST", path, body, "application/x-www-form-urlencoded")

    def ask(self, method: str, path: str, body: bytes | None = None, content: str = "") -> Answer:
        started = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if content:
            headers["Content-Type"] = content
        try:
            connection.connect()
            self.local_port = connection.sock.getsockname()[1]
            connection.request(method, path, body, headers)
            got = connection.getresponse()
            text = got.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return Answer(0, seconds=time.monotonic() - started)
        finally:
            connection.close()
        for one in got.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(one).items():
                self.cookies[name] = morsel.value
        return Answer(
            got.status, text, got.headers.get("Location", ""), time.monotonic() - started, dict(got.headers)
        )

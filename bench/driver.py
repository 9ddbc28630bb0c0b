"""Virtual users of the load (bench/load.py): a light browser on asyncio, what it measured, the journeys that people take.

One virtual user is one connection that waits 3 to 8 seconds between two pages, as a reader does; a redirect is followed
at once. Forms are sent with what stands in the page, CSRF token and hidden answers included. A practitioner's journey is
somebody else's each time: nobody declares twenty times in a quarter of an hour.
"""

import asyncio
import itertools
import math
import os
import random
import re
import struct
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import quote, urlencode

THINK = 3.0, 8.0  # seconds
PATIENCE = 60.0  # seconds until an answer counts as none
PER_JOURNEY = 20  # seconds that a practitioner's journey takes or more: how many people a load needs
CHANCE = random.Random(1)  # noqa: S311 (who thinks how long, and looks for whom)
NAMES = [stem + branch for stem in "甲乙丙丁戊己庚辛壬癸" for branch in "子丑寅卯辰巳午未申酉戌亥"]


class Broken(Exception):
    """The answer is none of those that were wanted: the journey ends here."""


class Over(Exception):
    """The load is over; what was under way has had its answer."""


@dataclass
class Measured:
    """Milliseconds of every answer, reads and writes apart; what was no good answer, by what it was."""

    reads: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    errors: Counter = field(default_factory=Counter)
    shed: int = 0  # 503 with Retry-After: told to come back, no error
    pages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # by method and address

    @property
    def requests(self) -> int:
        return len(self.reads) + len(self.writes) + sum(self.errors.values()) + self.shed

    def count(self, method: str, path: str, milliseconds: float) -> None:
        (self.reads if method == "GET" else self.writes).append(milliseconds)
        self.pages[f"{method} {re.sub(r'[0-9]+', 'N', path.partition('?')[0])}"].append(milliseconds)


class Browser:
    """One person's browser: one connection that stays open, cookies, what it asks is measured."""

    def __init__(self, port: int, measured: Measured, session: str = "", until: float = math.inf):
        self.port, self.measured, self.until = port, measured, until
        self.cookies = {"sessionid": session} if session else {}
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def page(self, path: str) -> str:
        """The text of a page. Raises Broken unless it is one."""
        status, text = await self._ask("GET", path)
        if status != 200:
            raise self._broken("GET", path, status)
        return text

    async def send(self, path: str, body: bytes, kind: str, leads: str) -> str:
        """Send a form; the address it led to. Raises Broken when that does not begin with `leads`."""
        status, where = await self._ask("POST", path, body, kind)
        if status != 302 or not where.startswith(leads):
            raise self._broken("POST", path, f"{status} {where[:60] if status == 302 else ''}".strip())
        return where

    async def form(self, path: str, form: dict, leads: str = "/") -> str:
        body = urlencode(form, doseq=True).encode()
        return await self.send(path, body, "application/x-www-form-urlencoded", leads)

    async def think(self) -> None:
        """Read what is there. Raises Over instead of going on after the end."""
        await asyncio.sleep(CHANCE.uniform(*THINK))
        if time.monotonic() >= self.until:
            raise Over

    def _broken(self, method: str, path: str, what: object) -> Broken:
        said = f"{method} {re.sub(r'[0-9]+', 'N', path.partition('?')[0])}: {what}"
        self.measured.errors[said] += 1
        return Broken(said)

    async def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, str]:
        begun = time.perf_counter()
        try:
            status, headers, text = await asyncio.wait_for(self._exchange(method, path, body, kind), PATIENCE)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.close()
            raise self._broken(method, path, type(error).__name__) from error
        spent = (time.perf_counter() - begun) * 1000
        for name, value in headers:
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        fields = dict(headers)
        if status == 503 and "retry-after" in fields:
            self.measured.shed += 1
            raise Broken("shed")
        if status in (200, 302):
            self.measured.count(method, path, spent)
        return status, fields.get("location", "") if status == 302 else text

    async def _exchange(self, method: str, path: str, body: bytes, kind: str):
        """Send and read; once more on a new connection where the server had closed the idle one, as browsers do."""
        reused = self.streams is not None
        try:
            return await self._once(method, path, body, kind)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            self.close()
            if not reused or getattr(error, "partial", b""):
                raise
            return await self._once(method, path, body, kind)

    async def _once(self, method: str, path: str, body: bytes, kind: str):
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        reader, writer = self.streams
        home = f"127.0.0.1:{self.port}"
        head = [f"{method} {path} HTTP/1.1", f"Host: {home}", "User-Agent: Mozilla/5.0 Chrome/130 Linux"]
        head.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        if method == "POST":
            head += [f"Origin: http://{home}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await writer.drain()
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (one.partition(":") for one in lines)]
        fields = dict(headers)
        if fields.get("transfer-encoding") == "chunked":
            content = b"".join([chunk async for chunk in _chunks(reader)])
        else:
            content = await reader.readexactly(int(fields.get("content-length", 0)))
        if fields.get("connection", "").lower() == "close":
            self.close()
        return int(first.split()[1]), headers, content.decode("utf-8", "replace")

    def close(self) -> None:
        if self.streams:
            self.streams[1].close()
        self.streams = None


async def _chunks(reader: asyncio.StreamReader):
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()
    await reader.readline()


# --- forms and files ------------------------------------------------------------------------------------------


def answers_in(page: str, action: str) -> dict[str, str]:
    """What the form with this action (a pattern; "" for the page's own address) would send as it stands in the page."""
    found = re.search(
        rf'<form[^>]*action="{action}"[^>]*>(.*?)</form>' if action else _OWN_FORM, page, re.DOTALL
    )
    if found is None:
        return {}
    answers = {}
    for tag in re.findall(r"<input[^>]*>", found[1]):
        kind, name, value = (_attribute(tag, one) for one in ("type", "name", "value"))
        if name and kind != "file" and (kind not in ("radio", "checkbox") or " checked" in tag):
            answers[name] = value
    for name in re.findall(r'<textarea[^>]* name="([^"]+)"', found[1]):
        answers[name] = ""
    return answers


_OWN_FORM = r'<form method="post"(?![^>]* action=)[^>]*>(.*?)</form>'


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf' {name}="([^"]*)"', tag)
    return unescape(found[1]) if found else ""


def multipart(form: dict[str, str], name: str, file: bytes) -> tuple[bytes, str]:
    """Body and content type of a form with one picture."""
    line = f"----{os.urandom(12).hex()}"
    parts = [
        f'--{line}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in form.items()
    ]
    head = f'--{line}\r\nContent-Disposition: form-data; name="{name}"; filename="zm.png"\r\nContent-Type: image/png\r\n\r\n'
    return "".join(
        [*parts, head]
    ).encode() + file + f"\r\n--{line}--\r\n".encode(), f"multipart/form-data; boundary={line}"


def picture(width: int = 120, height: int = 90) -> bytes:
    """A small PNG of noise, about 32 KB: like no other, so that it is nobody's second proof."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + os.urandom(3 * width) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows, 1))
        + chunk(b"IEND", b"")
    )


# --- journeys ---------------------------------------------------------------------------------------------------


async def practitioner(own: Browser) -> None:
    """首页, 历年学时, 我的申报; every second one declares an activity with its proof."""
    for path in ("/", "/hours/years/", "/hours/"):
        await own.page(path)
        await own.think()
    if CHANCE.random() < 0.5:
        await own.page("/messages/")
        return
    await own.page("/hours/declare/")
    await own.think()
    address = "/hours/declare/?kind=academic-forum"
    form = answers_in(await own.page(address), "")
    await own.think()
    day = time.strftime(f"%Y-01-{CHANCE.randint(2, 28):02d}")
    form |= {
        "subject": "professional",
        "title": f"示例学术论坛 {CHANCE.randrange(10**6)}",
        "organiser": "示例学会",
    }
    form |= {"started_on": day, "ended_on": day, "year": day[:4], "stated_hours": "6", "level": ""}
    where = await own.send("/hours/declare/", *multipart(form, "files", picture()), "/hours/declare/check/")
    checked = await own.page(where)
    await own.think()
    await own.page(await own.form(where, answers_in(checked, ""), "/hours/declare/done/"))


async def admin(own: Browser) -> None:
    """首页, 待办审核, up to three of the oldest approved one after the other, then somebody is looked up."""
    await own.page("/")
    await own.think()
    listed = await own.page("/inbox/")
    await own.think()
    opened = re.search(r'href="(/applications/\d+/)"', listed)
    where = opened[1] if opened else ""
    for _ in range(3):
        if not where.startswith("/applications/"):
            break
        page = await own.page(where)
        await own.think()
        action = re.search(r'action="(/steps/\d+/approve/)"', page)
        if action is None:
            break
        where = await own.form(action[1], answers_in(page, action[1]) | {"next": "1"})
    if where == "/inbox/":
        await own.page(where)
        await own.think()
    await _look_up(own)


async def _look_up(own: Browser) -> None:
    people = await own.page(f"/people/?name={quote(CHANCE.choice(NAMES))}")
    await own.think()
    found = re.findall(r'href="(/people/\d+/)"', people)
    if found:
        await own.page(CHANCE.choice(found))
        await own.think()
    await own.page(CHANCE.choice(["/people/", "/people/unmet/", "/statistics/"]))
    await own.think()


async def office(own: Browser) -> None:
    """A bureau: what an admin does, the units below it, 综合查询."""
    await admin(own)
    await own.page("/organizations/")
    await own.think()
    await own.page(f"/search/?q={quote(CHANCE.choice(NAMES))}")
    await own.think()


async def authority(own: Browser) -> None:
    """A 主管部门 signs little: numbers, units and people."""
    for path in (
        "/",
        "/statistics/",
        "/organizations/",
        "/people/unmet/",
        f"/search/?q={quote(CHANCE.choice(NAMES))}",
    ):
        await own.page(path)
        await own.think()
    await _look_up(own)


JOURNEYS = {"practitioner": practitioner, "unit": admin, "authority": authority, "bureau": office}
SHARES = {"practitioner": 0.6, "unit": 0.24, "authority": 0.06, "bureau": 0.1}


async def live(port: int, kind: str, sessions: Iterator[str], measured: Measured, until: float) -> None:
    """One virtual user of that kind until the end (of time.monotonic): comes within the first think time, takes
    journey after journey; the next one begins with the next session."""
    await asyncio.sleep(CHANCE.uniform(0, THINK[1]))
    while time.monotonic() < until:
        own = Browser(port, measured, next(sessions), until)
        try:
            await JOURNEYS[kind](own)
        except Over:
            return
        except Broken:
            await asyncio.sleep(CHANCE.uniform(*THINK))
        finally:
            own.close()


async def log_in(port: int, id_number: str, password: str, measured: Measured) -> None:
    """A practitioner who comes in the morning: login page, password, home page."""
    own = Browser(port, measured)
    try:
        form = answers_in(await own.page("/login/"), "")
        form |= {"role": "practitioner", "id_number": id_number, "password": password}
        await own.page(await own.form("/login/", form))
    except Broken:
        pass
    finally:
        own.close()


def spread(sessions: list[str], users: int) -> list[Iterator[str]]:
    """Each user's own sessions, again from the first one when they are used up."""
    return [itertools.cycle(sessions[number::users]) for number in range(users)]

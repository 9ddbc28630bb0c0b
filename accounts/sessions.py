"""登录设备: sessions that their owner can see and end, and how long one lasts (ASVS 7.3.1, 7.3.2, 7.5.2).

This module is the session engine (settings.SESSION_ENGINE): Django's own database sessions in a table that also says
whose they are. Ending one deletes its row, so its next request finds nothing; the row brings the time of its last use
along, so a request costs no query more than before, and one short update a minute.
"""

import datetime
import re
import secrets
from functools import cache

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthenticationMiddleware
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject

from accounts import kept
from accounts.address import network_of
from accounts.joined import columns, read
from accounts.models import Role, RoleAccount, Session, User

OPENED = "opened"  # session: what stands in the row's columns, once somebody is logged in
NOTED_EVERY = datetime.timedelta(
    minutes=1
)  # how exact "last seen" is, and with it the end of an idle session


class SessionStore(DatabaseStore):
    """Database sessions whose rows name their owner. `row` is the one that was loaded, if any."""

    row: Session | None = None

    @classmethod
    def get_model_class(cls):
        return Session

    def _get_session_from_db(self):
        # As Django does it, with the owner in the same query.
        values = [self.session_key, timezone.now()]
        self.row, owner = next(read(_of_key(), values, Session, User), (None, None))
        if self.row is None:
            self._session_key = None
        else:
            self.row.user = owner
        return self.row

    def create_model_instance(self, data):
        row = super().create_model_instance(data)
        opened, user = data.get(OPENED), data.get("_auth_user_id")
        if opened and user:
            row.user_id = int(user)
            row.opened_at = datetime.datetime.fromisoformat(opened["at"])
            row.handle, row.role = opened["handle"], opened["role"]
            row.device, row.place = opened["device"], opened["place"]
        return row


@cache
def _of_key() -> str:
    return (
        f"SELECT {columns(Session, 's')}, {columns(User, 'u')} FROM accounts_session s"  # noqa: S608 (our own columns)
        " LEFT JOIN accounts_user u ON u.id = s.user_id WHERE s.session_key = %s AND s.expire_date > %s"
    )


class AuthenticationMiddleware(DjangoAuthenticationMiddleware):
    """Django's, but the user came with the session's row. Whatever does not fit at once goes the ordinary way."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        ordinary = request.user
        request.user = SimpleLazyObject(lambda: _owner(request) or ordinary)


def _owner(request: HttpRequest) -> User | None:
    """The session's owner, when the session says so itself and the password is still the one it was opened with."""
    session = request.session
    if session.get(SESSION_KEY) is None or session.row is None or session.row.user is None:
        return None
    user = session.row.user
    fits = str(user.pk) == session[SESSION_KEY] and user.is_active
    stamp = session.get(HASH_SESSION_KEY, "")
    if not fits or not constant_time_compare(stamp, user.get_session_auth_hash()):
        return None
    return user


# --- opening, looking, ending ------------------------------------------------------------------------


def note_opened(request: HttpRequest, account: RoleAccount) -> None:
    """Write down that this session belongs to `account`. Its age counts from the login, not from a change of role."""
    before = request.session.get(OPENED, {})
    request.session[OPENED] = {
        "at": before.get("at") or timezone.now().isoformat(),
        "handle": before.get("handle") or secrets.token_urlsafe(9),
        "role": account.role,
        "device": device_words(request.headers.get("User-Agent", "")),
        "place": shortened(network_of(request)),
    }


def open_sessions(user: User) -> list[Session]:
    """This person's sessions that are not over yet, the last used first."""
    now = timezone.now()
    rows = user.sessions.filter(opened_at__isnull=False, expire_date__gt=now).order_by("-seen_at")
    return [row for row in rows if not _over(row.role, row.opened_at, row.seen_at)]


def end(user: User, handle: str) -> bool:
    """End one session of this person; whether there was one."""
    return bool(user.sessions.filter(handle=handle).exclude(handle="").delete()[0])


def end_others(user: User, request: HttpRequest | None = None) -> int:
    """End every session of this person but the one of `request`; how many there were."""
    rows = user.sessions.all()
    if request is not None:
        rows = rows.exclude(session_key=request.session.session_key)
    return rows.delete()[0]


# --- how long -----------------------------------------------------------------------------------------


def limits(role: str) -> tuple[datetime.timedelta, datetime.timedelta]:
    """(longest pause, longest life) of a session in this role: admins and operators get less than practitioners."""
    if role == Role.PRACTITIONER:
        return settings.SESSION_IDLE, settings.SESSION_LONGEST
    return settings.ADMIN_SESSION_IDLE, settings.ADMIN_SESSION_LONGEST


def _over(role: str, opened_at: datetime.datetime, seen_at: datetime.datetime) -> str:
    """Why such a session is over, as a sentence for its owner; "" while it is not."""
    idle, longest = limits(role)
    now = timezone.now()
    if now - seen_at > idle:
        return f"您已超过 {idle.total_seconds() // 60:.0f} 分钟没有操作，为了安全已退出登录，请重新登录。"
    if now - opened_at > longest:
        return f"您已登录超过 {longest.total_seconds() // 3600:.0f} 小时，为了安全请重新登录。"
    return ""


class LimitsMiddleware:
    """Ends sessions that are over, and keeps every page of a logged-in person out of caches.

    Stands before whatever reads who is acting. The text of a form that is sent too late is kept
    (accounts.kept.KeepPostMiddleware), and so are the answers of pages that the person was in the middle of.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            self._look_at_the_clock(request)
        response = self.get_response(request)
        if request.user.is_authenticated and "no-store" not in response.headers.get("Cache-Control", ""):
            add_never_cache_headers(response)  # the back button of a shared computer shows nothing
        return response

    def _look_at_the_clock(self, request: HttpRequest) -> None:
        row = request.session.row
        if row is None or row.opened_at is None:
            why = "请重新登录。"  # opened by nothing of ours: it has no age
        else:
            why = _over(row.role, row.opened_at, row.seen_at)
        if why:
            kept.log_out(request)
            messages.warning(request, why)
        elif timezone.now() - row.seen_at > NOTED_EVERY:
            Session.objects.filter(pk=row.pk).update(seen_at=timezone.now())


# --- in words -------------------------------------------------------------------------------------------

# The more special name first: every browser claims to be several others.
_BROWSERS = (
    ("MicroMessenger", "微信"),
    ("DingTalk", "钉钉"),
    ("Edg", "Edge"),
    ("QQBrowser", "QQ 浏览器"),
    ("UCBrowser", "UC 浏览器"),
    ("QIHU|360SE|360EE", "360 浏览器"),
    ("MetaSr|SogouMobileBrowser", "搜狗浏览器"),
    ("HuaweiBrowser|ArkWeb", "华为浏览器"),
    ("MiuiBrowser", "小米浏览器"),
    ("OPR/", "Opera"),
    ("Firefox/|FxiOS", "Firefox"),
    ("Chrome/|CriOS|Chromium", "Chrome"),
    ("Safari/", "Safari"),
    ("Trident|MSIE", "IE"),
)
_SYSTEMS = (
    ("HarmonyOS|OpenHarmony", "鸿蒙"),
    ("Android", "安卓手机"),
    ("iPad", "iPad"),
    ("iPhone", "iPhone"),
    ("Windows", "Windows"),
    ("Mac OS X|Macintosh", "Mac"),
    ("UOS", "统信 UOS"),
    ("Kylin", "麒麟"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def device_words(agent: str) -> str:
    """A browser's User-Agent in words that its owner knows again: “Chrome，Windows”. Nothing of it is repeated."""
    found = [
        next((name for pattern, name in names if re.search(pattern, agent)), "")
        for names in (_BROWSERS, _SYSTEMS)
    ]
    return "，".join(filter(None, found)) or "未知设备"


def shortened(place: str) -> str:
    """A network as its owner may know it again, without the last part: 203.0.113.*, 2001:db8:*."""
    if "." in place:
        return f"{place.rpartition('.')[0]}.*"
    if ":" in place:
        return ":".join(place.split(":")[:2]) + ":*"
    return ""

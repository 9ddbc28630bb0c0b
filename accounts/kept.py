"""Nothing typed is lost (screens.md, G8): what was filled in waits, sealed, in the browser's session.

Two uses. A page may keep answers under a name (the check page before a submission). And a form that was sent
after the session had ended is kept under its path, so that it comes back filled in after the login.

What the middleware keeps is bound to the person who last worked in this browser: on a shared computer the next
one never sees it. Passwords are not kept unless the page asks for it, uploaded files never.
"""

import base64
import time
from collections.abc import Mapping

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from accounts import crypto
from accounts.browser import people_here, remember_person
from accounts.models import User

PURPOSE = "kept"
SESSION = "kept"
# How long a form waits for the login: long enough to reset a forgotten password meanwhile.
SECONDS = 2 * 60 * 60
MOST_BYTES = 100_000  # of one form, as it is sent
MOST_FORMS = 8
ARRIVED = "arrived"
NEVER = "csrfmiddlewaretoken"


def keep(request: HttpRequest, name: str, data: Mapping | QueryDict, *, keep_passwords: bool = False) -> None:
    """Keep a form's answers under `name`, in place of what was kept there before.

    `data` is a QueryDict or a mapping of field name to text or list of texts. Fields whose name contains
    "password" are left out unless `keep_passwords`. More than 100 kB are not kept (the oldest of nine forms
    goes as well).
    """
    _put(request, f"name:{name}", _query(data, keep_passwords))


def kept(request: HttpRequest, name: str) -> QueryDict | None:
    """Return the answers kept under `name`, or None."""
    return _get(request, f"name:{name}")


def forget(request: HttpRequest, name: str) -> None:
    """Drop the answers kept under `name`; no harm when there are none."""
    _drop(request, f"name:{name}")


def leave_only_to(request: HttpRequest, user: User) -> None:
    """Drop what others left in this session. Called when `user` logs in into a session that was open before."""
    records = request.session.get(SESSION, {})
    request.session[SESSION] = {
        slot: record | {"asleep": False} for slot, record in records.items() if record["owner"] == user.pk
    }


def log_out(request: HttpRequest) -> None:
    """Log out somebody whose time is over: what they were in the middle of waits for them, and for nobody else."""
    owner, since = request.user.pk, time.time() - SECONDS
    mine = {
        slot: record | {"asleep": True}
        for slot, record in request.session.get(SESSION, {}).items()
        if record["owner"] == owner and record["at"] >= since
    }
    logout(request)
    if mine:
        request.session[SESSION] = mine


def form_data(request: HttpRequest) -> QueryDict | None:
    """What to bind a page's form with: the POST, else what an ended session left for this path, else None.

    The second is given once and announced by a message. Act only on POST:
    `if request.method == "POST" and form.is_valid()`.
    """
    if request.method == "POST":
        return request.POST
    slot = f"path:{request.path}"
    record = request.session.get(SESSION, {}).get(slot)
    if record is None or not request.user.is_authenticated:
        return None
    data = _get(request, slot)
    _drop(request, slot)
    if data is None or record.get("owner") != request.user.pk or record["at"] < time.time() - SECONDS:
        return None
    sentence = "登录前填写的内容已恢复，请核对后重新提交。"
    if record.get("files"):
        sentence = "登录前填写的内容已恢复，但所选文件需重新选择。请核对后重新提交。"
    messages.info(request, sentence)
    return data


class KeepPostMiddleware:
    """Keeps a POST that LoginRequiredMiddleware is about to refuse. Stands right before it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        arrived = response.status_code == 405 and request.session.get(ARRIVED) == request.path
        if arrived and request.method == "GET":
            # The login led back to a page that takes POST alone (a button, not a form).
            back = request.session.pop(ARRIVED + "_from", None)
            del request.session[ARRIVED]
            messages.warning(request, "登录已过期，刚才的操作没有执行，请再做一次。")
            response = redirect(back or settings.LOGIN_REDIRECT_URL)
        if request.user.is_authenticated:
            remember_person(request, response, request.user)
        return response

    def process_view(self, request, view, args, kwargs):
        if request.method != "POST" or request.user.is_authenticated:
            return
        # Without an owner nobody ever worked in this browser: nothing of theirs can be lost.
        if _owner(request) is None or not getattr(view, "login_required", True):
            return
        keep_post(request)


def keep_post(request: HttpRequest) -> None:
    """Keep a POST that is about to be answered by another page first; `form_data` gives it back under its path."""
    referer = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(referer, {request.get_host()}, require_https=request.is_secure()):
        request.session[ARRIVED + "_from"] = referer
    data = _query(request.POST, keep_passwords=False)
    if any(text.strip() for _, texts in data.lists() for text in texts) or request.FILES:
        _put(request, f"path:{request.path}", data, files=bool(request.FILES))


def _owner(request: HttpRequest) -> int | None:
    """Whose words these are: the person logged in, else the one who last was."""
    return request.user.pk if request.user.is_authenticated else next(iter(people_here(request)), None)


def _query(data: Mapping | QueryDict, keep_passwords: bool) -> QueryDict:
    pairs = data.lists() if isinstance(data, QueryDict) else data.items()
    query = QueryDict(mutable=True)
    for field, value in pairs:
        if field != NEVER and (keep_passwords or "password" not in field.lower()):
            texts = value if isinstance(value, list | tuple) else [value]
            query.setlist(field, [str(text) for text in texts])
    return query


def _put(request: HttpRequest, slot: str, query: QueryDict, **facts) -> None:
    text = query.urlencode()
    records = {name: record for name, record in request.session.get(SESSION, {}).items() if name != slot}
    if len(text) <= MOST_BYTES:
        sealed = base64.b64encode(crypto.seal(text, PURPOSE)).decode("ascii")
        records[slot] = {"sealed": sealed, "at": int(time.time()), "owner": _owner(request), **facts}
    while len(records) > MOST_FORMS:
        del records[min(records, key=lambda name: records[name]["at"])]
    request.session[SESSION] = records


def _get(request: HttpRequest, slot: str) -> QueryDict | None:
    record = request.session.get(SESSION, {}).get(slot)
    if record is None or record.get("asleep"):
        return None
    try:
        return QueryDict(crypto.open_sealed(base64.b64decode(record["sealed"]), PURPOSE))
    except crypto.SealBroken:  # the key was taken out of use
        return None


def _drop(request: HttpRequest, slot: str) -> None:
    if slot in request.session.get(SESSION, {}):
        del request.session[SESSION][slot]
        request.session.modified = True

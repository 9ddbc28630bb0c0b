"""我的数据 (U13): what is held about me, a copy of it, and who looked at it."""

import json
import re
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import notices, throttle
from accounts.forms import OwnPasswordForm
from accounts.kept import form_data
from accounts.login import knows_own_password
from accounts.models import User
from desk.own.kinds import kinds_of, who_saw
from orgs.access import AccessEntry
from orgs.doors import for_any_role
from workflow import keyset
from workflow.wording import shown_time

ORDER = ("-at", "-pk")
NEWEST = 3
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+\d\d:\d\d")


@require_http_methods(["GET"])
@for_any_role
def my_data(request: HttpRequest) -> HttpResponse:
    """By kind, with purpose and time; the newest of who looked."""
    user = request.actor.user
    newest = list(AccessEntry.objects.about(user).select_related("by")[: NEWEST + 1])
    context = {
        "kinds": kinds_of(user),
        "seen": _shown(newest[:NEWEST]),
        "more": len(newest) > NEWEST,
    }
    return render(request, "desk/own/data.html", context)


@require_http_methods(["GET"])
@for_any_role
def my_data_seen(request: HttpRequest) -> HttpResponse:
    """谁看过我的信息, all of it."""
    rows = AccessEntry.objects.about(request.actor.user).order_by()
    page = keyset.page(rows.values("pk", "at"), ORDER, request.GET)
    found = AccessEntry.objects.select_related("by").in_bulk([row["pk"] for row in page.rows])
    context = {"page": page, "seen": _shown([found[row["pk"]] for row in page.rows])}
    return render(request, "desk/own/seen.html", context)


@never_cache
@sensitive_post_parameters("current_password")
@require_http_methods(["GET", "POST"])
@for_any_role
def my_data_copy(request: HttpRequest) -> HttpResponse:
    """下载本人数据: the password once more, then a JSON file or a page to print."""
    form, status, user = OwnPasswordForm(form_data(request)), 200, request.actor.user
    form.error_title = "没有下载"
    if request.method == "POST" and form.is_valid():
        try:
            if knows_own_password(request, form.cleaned_data["current_password"]):
                notices.security_changed(user, "您的全部个人数据刚刚被下载或打印。")
                return _page(request, user) if request.POST.get("do") == "print" else _file(user)
            form.add_error("current_password", "密码不对，请重新填写。")
        except throttle.TooMany as too_many:
            form.add_error(None, f"尝试次数太多，请在 {too_many.words} 后再试。")
            status = 429
    return render(request, "desk/own/copy.html", {"form": form}, status=status)


def _page(request: HttpRequest, user: User) -> HttpResponse:
    kinds = [(kind, [list(_lines(row)) for row in kind.rows(user)]) for kind in kinds_of(user)]
    return render(request, "desk/own/print.html", {"kinds": kinds, "now": shown_time(timezone.now())})


def _lines(row: dict) -> Iterator[tuple[str, str]]:
    """A row's labels and values, what is inside another below it."""
    for label, value in row.items():
        if isinstance(value, dict):
            yield from ((f"{label}：{inner}", text) for inner, text in _lines(value))
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            for number, one in enumerate(value, 1):
                yield from ((f"{label} {number}：{inner}", text) for inner, text in _lines(one))
        elif value not in ("", None, []):
            yield label, _text(value)


def _text(value) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return value[:16].replace("T", " ")
    return "、".join(map(str, value)) if isinstance(value, list) else str(value)


def _file(user: User) -> HttpResponse:
    response = StreamingHttpResponse(_json(user), content_type="application/json; charset=utf-8")
    name = f"我的数据 {timezone.localtime():%Y%m%d-%H%M}.json"
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _json(user: User) -> Iterator[str]:
    """One object, written row by row."""
    yield '{\n "说明": ' + json.dumps(
        f"截至 {shown_time(timezone.now())} 平台保存的本人信息", ensure_ascii=False
    )
    for kind in kinds_of(user):
        about = {"名称": kind.label, "用途": kind.purpose, "保存": kind.kept}
        yield f',\n "{kind.key}": ' + json.dumps(about, ensure_ascii=False)[:-1] + ', "数据": ['
        for number, row in enumerate(kind.rows(user)):
            yield (",\n  " if number else "\n  ") + json.dumps(row, ensure_ascii=False)
        yield "]}"
    yield "\n}\n"


def _shown(entries: list[AccessEntry]) -> list[dict]:
    return [
        {
            "at": shown_time(one.at),
            "who": who_saw(one),
            "what": one.get_what_display() + (f"（{one.about}）" if one.about else ""),
            "reason": one.reason,
        }
        for one in entries
    ]

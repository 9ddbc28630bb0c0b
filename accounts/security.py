"""安全设置 (U14): password, contacts, second factor and sessions of the person who is logged in."""

import time

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import kept, notices, second_factor, sessions, throttle
from accounts.contacts import mobile_of
from accounts.forms import ChangeSecondFactorForm, FirstCodeForm, OwnPasswordForm
from accounts.login import knows_own_password
from accounts.masked import masked_email, masked_mobile
from accounts.proof import end_proof, prove, proved_user
from accounts.refused import Refused

SET_UP = "set-up-second-factor"  # purpose of a proof, and the name under which the new key is kept
CODES = "recovery-codes"  # the name under which new recovery codes are kept until they are noted down
CODES_SHOWN = 10 * 60  # seconds


@require_http_methods(["GET"])
def security(request: HttpRequest) -> HttpResponse:
    user = request.user
    factor = second_factor.authenticator_of(user)
    rows = [
        {"session": row, "here": row.pk == request.session.session_key}
        for row in sessions.open_sessions(user)
    ]
    rows.sort(key=lambda row: not row["here"])
    idle, longest = sessions.limits(request.session[sessions.OPENED]["role"])
    context = {
        "mobile": masked_mobile(mobile_of(user)),
        "email": masked_email(user.email),
        "offered": second_factor.is_offered(),
        "factor": factor,
        "codes_left": second_factor.codes_left(user) if factor else 0,
        "demanded": second_factor.demanded(request),
        "sessions": rows,
        "idle": round(idle.total_seconds() / 60),
        "longest": round(longest.total_seconds() / 3600),
        "tag_on": ("ok", "已开启"),
        "tag_off": ("draft", "未开启"),
    }
    return render(request, "accounts/security.html", context)


# --- sessions -----------------------------------------------------------------------------------------


@require_http_methods(["POST"])
def end_session(request: HttpRequest) -> HttpResponse:
    """退出其他设备: one of them, or all; never the one in use, which has 退出."""
    handle = request.POST.get("handle", "").replace("\0", "")
    if handle and handle == request.session.get(sessions.OPENED, {}).get("handle"):
        messages.warning(request, "这是您正在使用的设备，请用页面上方的“退出”。")
    elif handle:
        if sessions.end(request.user, handle):
            notices.security_changed(request.user, "一台设备上的登录已被您在“安全设置”中退出。")
            messages.success(request, "这台设备已退出登录。")
        else:
            messages.info(request, "这台设备已经不在登录中。")
    elif ended := sessions.end_others(request.user, request):
        notices.security_changed(request.user, f"其他 {ended} 台设备上的登录已被您在“安全设置”中退出。")
        messages.success(request, f"其他 {ended} 台设备已退出登录。")
    else:
        messages.info(request, "没有其他设备在登录中。")
    return redirect("accounts:security")


# --- second factor --------------------------------------------------------------------------------------


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def set_up_second_factor(request: HttpRequest) -> HttpResponse:
    """设置两步验证, also on another telephone: the password (and a code of the old one), the QR code and a code of the
    app, then the recovery codes."""
    _only_where_offered()
    found = kept.kept(request, SET_UP)
    if found is None or proved_user(request, SET_UP) != request.user:
        return _begin_set_up(request)
    key, replaces = found["key"], found["replaces"]
    form = FirstCodeForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            codes = second_factor.set_up(
                request.user, key, form.cleaned_data["code"], int(replaces) if replaces else None
            )
        except Refused as refusal:
            form.add_error("code", str(refusal))
        else:
            kept.forget(request, SET_UP)
            end_proof(request, SET_UP)
            second_factor.remember(request, request.user)
            sessions.end_others(request.user, request)  # whoever came in without it stays no longer
            return _to_codes(request, codes)
    context = {
        "form": form,
        "step": 2,
        "picture": second_factor.picture(request.user, key),
        "key": " ".join(key[start : start + 4] for start in range(0, len(key), 4)),
        "issuer": settings.SECOND_FACTOR_ISSUER,
        "replaces": replaces,
        "demanded": second_factor.demanded(request),
    }
    return render(request, "accounts/second_factor_set_up.html", context, status=status)


def _begin_set_up(request: HttpRequest) -> HttpResponse:
    factor = second_factor.authenticator_of(request.user)
    form = (ChangeSecondFactorForm if factor else OwnPasswordForm)(request.POST or None)
    status = _check(request, form) if request.method == "POST" and form.is_valid() else 200
    if status == 0:
        prove(request, request.user, SET_UP)
        kept.keep(request, SET_UP, {"key": second_factor.new_key(), "replaces": factor.pk if factor else ""})
        return redirect("accounts:set_up_second_factor")
    context = {
        "form": form,
        "step": 1,
        "replaces": factor,
        "demanded": second_factor.demanded(request),
    }
    return render(request, "accounts/second_factor_set_up.html", context, status=status)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def renew_recovery_codes(request: HttpRequest) -> HttpResponse:
    """重新生成恢复码: with password and code."""
    _only_with_factor(request)
    form = ChangeSecondFactorForm(request.POST or None)
    status = _check(request, form) if request.method == "POST" and form.is_valid() else 200
    if status == 0:
        return _to_codes(request, second_factor.renew_codes(request.user))
    context = {"form": form, "codes_left": second_factor.codes_left(request.user)}
    return render(request, "accounts/recovery_codes_renew.html", context, status=status)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def turn_off_second_factor(request: HttpRequest) -> HttpResponse:
    """关闭两步验证: with password and code, unless the role in use may not be without it."""
    _only_with_factor(request)
    demanded = second_factor.demanded(request)
    form = ChangeSecondFactorForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid() and not demanded:
        status = _check(request, form)
        if status == 0:
            second_factor.remove(request.user)
            request.session.pop(second_factor.PASSED, None)
            sessions.end_others(request.user, request)
            messages.success(request, "两步验证已关闭，其他设备上的登录已全部退出。")
            return redirect("accounts:security")
    context = {"form": form, "demanded": demanded}
    return render(request, "accounts/second_factor_off.html", context, status=status)


@require_http_methods(["GET", "POST"])
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """恢复码: shown until they are noted down, ten minutes at most, then never again."""
    found = kept.kept(request, CODES)
    if request.method == "POST" or found is None or float(found["at"]) < time.time() - CODES_SHOWN:
        kept.forget(request, CODES)
        if request.method == "GET":
            messages.info(request, "恢复码只显示一次。没有记下的，可以重新生成。")
            return redirect("accounts:security")
        messages.success(request, "两步验证已设置好。")
        return redirect(_next(request))
    context = {
        "codes": second_factor.in_groups(found.getlist("code")),
        "made_at": timezone.now(),
    }
    return render(request, "accounts/recovery_codes.html", context)


def _to_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    kept.keep(request, CODES, {"code": codes, "at": time.time()})
    return redirect("accounts:recovery_codes")


def _next(request: HttpRequest) -> str:
    """Where somebody wanted to go who was led to set it up first; else the settings."""
    target = request.session.pop(second_factor.PENDING, {}).get("next", "")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if safe else "accounts:security"


def _check(request: HttpRequest, form: OwnPasswordForm) -> int:
    """Hold the password, and the code where the form has one, against the person's. 0 when right, else the status."""
    try:
        if not knows_own_password(request, form.cleaned_data["current_password"]):
            form.add_error("current_password", "密码不对，请重新填写。")
            return 200
        if "code" in form.fields:
            verdict = second_factor.check(request, request.user, form.cleaned_data["code"])
            if verdict not in second_factor.OPENING:
                form.add_error("code", verdict.value)
                return 200
    except throttle.TooMany as too_many:
        form.add_error(None, f"尝试次数太多，请在 {too_many.words} 后再试。")
        return 429
    return 0


def _only_where_offered() -> None:
    if not second_factor.is_offered():
        raise Http404


def _only_with_factor(request: HttpRequest) -> None:
    if not second_factor.has(request.user):
        raise Http404

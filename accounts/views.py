"""Pages around login and passwords."""

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts import kept, notices, second_factor, throttle
from accounts import password as passwords
from accounts.address import network_of
from accounts.entrance import ACCOUNT, enter, leave
from accounts.forms import (
    ChangePasswordForm,
    CodeAndPasswordForm,
    ForgotForm,
    LoginForm,
    NewPasswordForm,
    SecondFactorForm,
)
from accounts.identities import identities_of
from accounts.login import Verdict, attempt, knows_own_password
from accounts.models import AccountStatus, Role, RoleAccount, User
from accounts.proof import end_proofs, prove, proved_user
from accounts.refused import Refused

ROLE_COOKIE = "role"
CHOOSING = "choosing"  # session: {"role", "next"} between the password and the choice of an identity
RESET = "reset"  # session: the token of a reset under way
IDENTITY, SET_PASSWORD, CODE = "identity", "set-password", "second-factor"  # purposes of proofs
YEAR = 365 * 24 * 60 * 60

# --- login -------------------------------------------------------------------------------------------


@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    if request.method == "GET" and getattr(request, "actor", None):
        return redirect(_next(request) or settings.LOGIN_REDIRECT_URL)
    form = LoginForm(request.POST or None, initial={"role": _remembered_role(request)})
    context = {"form": form}
    status = 200
    if request.method == "POST" and form.is_valid():
        role = form.cleaned_data["role"]
        tried = attempt(request, form.cleaned_data["id_number"], role, form.cleaned_data["password"])
        response = _let_in(request, tried, role)
        if response is None:
            form.add_error(None, _refusal(tried))
            # The password was right: there is nothing to type again.
            form.nothing_kept = tried.verdict in (Verdict.PENDING, Verdict.NO_SUCH_ROLE, Verdict.SUSPENDED)
            context |= _help(request, tried)
            status = 429 if tried.verdict == Verdict.WAIT else 200
            response = render(request, "accounts/login.html", context, status=status)
        response.set_cookie(
            ROLE_COOKIE, role, max_age=YEAR, httponly=True, secure=bool(settings.SESSION_COOKIE_SECURE),
            samesite="Lax",
        )  # fmt: skip
        return response
    return render(request, "accounts/login.html", context)


def _let_in(request: HttpRequest, tried, role: str) -> HttpResponse | None:
    if tried.verdict == Verdict.ENTER:
        return _enter(request, tried.accounts[0], _next(request))
    if tried.verdict == Verdict.CHOOSE:
        return _to_choice(request, tried.user, role, _next(request))
    if tried.verdict == Verdict.SET_PASSWORD:
        prove(request, tried.user, SET_PASSWORD)
        return redirect("accounts:set_password")
    return None


def _refusal(tried) -> str:
    """The sentence of the FAQ (F-27, F-29, F-30, F-33), word for word, its words linked as there."""
    register, progress = reverse("registration:start"), reverse("registration:progress")
    forgot = reverse("accounts:forgot")
    if tried.verdict == Verdict.UNKNOWN:
        return format_html(
            '您的账号不存在，请核对是否输入有误!若未注册，可点此<a href="{}">立即注册</a>。', register
        )
    if tried.verdict == Verdict.NO_SUCH_ROLE:
        return "您选择的登录角色未注册，请选择正确的登录角色"
    if tried.verdict == Verdict.PENDING:
        return format_html('您的账号正在审核中，可点击<a href="{}">查询审核部门</a>', progress)
    if tried.verdict == Verdict.WRONG_PASSWORD:
        return format_html('密码错误请重新输入，若忘记登录密码，可<a href="{}">点此找回密码</a>。', forgot)
    if tried.verdict == Verdict.WAIT:
        return format_html(
            '尝试次数太多，请在 {} 后再试；若忘记登录密码，可<a href="{}">点此找回密码</a>。',
            throttle.wait_in_words(tried.wait),
            forgot,
        )
    if tried.verdict == Verdict.SUSPENDED:
        places = "、".join(account.place for account in tried.accounts if account.place)
        whom = f"{places}的管理员或平台技术支持" if places else "平台技术支持"
        return f"您的账号已停用，如需恢复请联系{whom}（{settings.SITE['phone']}）。"
    return format_html(
        "账号、角色或密码有误，或尝试次数太多。"
        '您可以<a href="{}">立即注册</a>、<a href="{}">查询审核部门</a>或<a href="{}">找回密码</a>。',
        register,
        progress,
        forgot,
    )


def _help(request: HttpRequest, tried) -> dict:
    """What the right password entitles to beyond the sentence: the reviewer, and the roles one has."""
    if tried.user is None or not tried.user.is_active:
        return {}
    if tried.verdict == Verdict.PENDING:
        prove(request, tried.user)  # 查询审核部门 opens without asking again
    active = [account for account in tried.others if account.status == AccountStatus.ACTIVE]
    if active:
        request.session[CHOOSING] = {"role": "", "next": _next(request)}
        prove(request, tried.user, IDENTITY)
    return {
        "waiting": tried.accounts if tried.verdict == Verdict.PENDING else [],
        "usable": active,
        "registered": tried.others if tried.verdict == Verdict.NO_SUCH_ROLE else [],
        "closed": tried.accounts if tried.verdict == Verdict.NO_SUCH_ROLE else [],
    }


def _enter(
    request: HttpRequest, account: RoleAccount, next_url: str, *, code_given: bool = False
) -> HttpResponse:
    """Open the session in this role and go where the person wanted to; who has a second factor gives it first.

    Every way in leads through here: password, choice of an identity, change of role, a new password by mail, SMS or
    the unit's secret.
    """
    if not code_given and second_factor.asks(request, account.user):
        return _ask_code(request, account, next_url)
    end_proofs(request)
    for left_over in (CHOOSING, RESET, second_factor.PENDING):
        request.session.pop(left_over, None)
    kept.leave_only_to(request, account.user)
    enter(request, account)
    if code_given:
        second_factor.remember(request, account.user)
    request.session.cycle_key()  # also when the same person only changes the role
    throttle.logged_in(account.user.id_index, network_of(request))
    if next_url:
        request.session[kept.ARRIVED] = urlsplit(next_url).path
    return redirect(next_url or settings.LOGIN_REDIRECT_URL)


def _next(request: HttpRequest) -> str:
    """The page that asked for the login, when it is one of ours (no open redirect)."""
    target = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    # A path alone: what has no slash would be looked up as the name of a page.
    return target if safe and target.startswith("/") else ""


def _remembered_role(request: HttpRequest) -> str:
    """The role of the last login in this browser; operators come by ?role=operator or to the reference data."""
    asked = request.GET.get("role") or request.COOKIES.get(ROLE_COOKIE)
    if _next(request).startswith(reverse("admin:index")):
        asked = Role.OPERATOR
    return asked if asked in Role.values else Role.PRACTITIONER


@login_not_required
@require_http_methods(["POST"])
def logout(request: HttpRequest) -> HttpResponse:
    leave(request)
    messages.success(request, "您已退出登录。")
    response = redirect("accounts:login")
    response.headers["Clear-Site-Data"] = '"cache"'  # the back button of a shared computer
    return response


# --- two-step verification (P3) ----------------------------------------------------------------------------


def _ask_code(request: HttpRequest, account: RoleAccount, next_url: str) -> HttpResponse:
    prove(request, account.user, CODE)
    request.session[second_factor.PENDING] = {"account": account.pk, "next": next_url}
    return redirect("accounts:second_factor")


@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def give_second_factor(request: HttpRequest) -> HttpResponse:
    """两步验证: between the right password and the role. Until then nobody is logged in."""
    pending = request.session.get(second_factor.PENDING, {})
    # Somebody already in, whose role has come to need it, has no proof: the session itself is one.
    user = proved_user(request, CODE) or (request.user if request.user.is_authenticated else None)
    account = user and user.accounts.active().filter(pk=pending.get("account")).first()
    if account is None:
        messages.warning(request, "登录的步骤已经超时，请重新登录。")
        return redirect("accounts:login")
    if not second_factor.has(user):  # turned off meanwhile, or never set up where the role needs it
        return redirect(
            "accounts:set_up_second_factor" if request.user.is_authenticated else "accounts:login"
        )
    form = SecondFactorForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            verdict = second_factor.check(request, user, form.cleaned_data["code"])
        except throttle.TooMany as too_many:
            form.add_error(None, f"尝试次数太多，请在 {too_many.words} 后再试。")
            second_factor.alarm(user)
            status = 429
        else:
            if verdict in second_factor.OPENING:
                if verdict == second_factor.Verdict.RECOVERED:
                    messages.warning(request, second_factor.advice_after_recovery(user))
                return _enter(request, account, pending["next"], code_given=True)
            form.add_error("code", verdict.value)
    context = {"form": form, "account": account, "inside": request.user.is_authenticated}
    return render(request, "accounts/second_factor.html", context, status=status)


# --- identities (decision 5) ----------------------------------------------------------------------------


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    """选择身份: after a login that fits several organisations, or to change the role."""
    user = _chooser(request)
    if user is None:
        return redirect("accounts:login")
    if request.method == "POST":
        chosen = request.POST.get("identity", "")
        if not chosen.isdecimal() or len(chosen) > 18:
            raise Http404
        return switch(request, int(chosen))
    role = "" if request.user.is_authenticated else request.session.get(CHOOSING, {}).get("role", "")
    return render(
        request,
        "accounts/choose.html",
        {"identities": identities_of(user, role), "current": request.session.get(ACCOUNT)},
    )


@login_not_required
@require_http_methods(["POST"])
def switch(request: HttpRequest, account_id: int) -> HttpResponse:
    """切换身份: go on as another of one's own active role accounts, without a second password."""
    user = _chooser(request)
    if user is None:
        return redirect("accounts:login")
    account = get_object_or_404(user.accounts.active(), pk=account_id)
    next_url = request.session.get(CHOOSING, {}).get("next", "")
    return _enter(request, account, next_url)


def _to_choice(request: HttpRequest, user: User, role: str, next_url: str) -> HttpResponse:
    prove(request, user, IDENTITY)
    request.session[CHOOSING] = {"role": role, "next": next_url}
    return redirect("accounts:choose")


def _chooser(request: HttpRequest) -> User | None:
    return request.user if request.user.is_authenticated else proved_user(request, IDENTITY)


# --- forgotten password (F-40) ------------------------------------------------------------------------------


@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def forgot(request: HttpRequest) -> HttpResponse:
    """忘记登录密码: the same answer whether the ID number is known or not."""
    form = ForgotForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            return _send_reset(request, form.cleaned_data["id_number"], form.cleaned_data["way"])
        except throttle.TooMany as too_many:
            form.add_error(None, f"找回密码的次数太多，请在 {too_many.words} 后再试，或联系单位管理员重置。")
            status = 429
    return render(request, "accounts/forgot.html", {"form": form}, status=status)


def _send_reset(request: HttpRequest, number, way: str) -> HttpResponse:
    place = network_of(request)
    throttle.spend_reset(number.index, place)
    user = User.objects.by_id_number(number).filter(
        accounts__in=RoleAccount.objects.live(), is_active=True
    ).first()  # fmt: skip
    if way == "email":
        token, _ = passwords.start_reset(user if user and user.email else None, with_code=False)
        if user:
            notices.reset_link(user, request.build_absolute_uri(reverse("accounts:reset", args=[token])))
        return redirect("accounts:sent")
    token, code = passwords.start_reset(user if user and user.mobile else None, with_code=True)
    if user:
        notices.reset_code(user, code)
    request.session[RESET] = token
    return redirect("accounts:set_password")


@login_not_required
@require_safe
def sent(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/sent.html")


@login_not_required
@never_cache
@require_safe
def reset(request: HttpRequest, token: str) -> HttpResponse:
    """The link of the mail: takes the token out of the address. Opening it uses nothing up (mail scanners do)."""
    if passwords.open_reset(token) is None:
        messages.warning(request, "链接已经用过或已过期，请重新获取。")
        return redirect("accounts:forgot")
    request.session.cycle_key()
    request.session[RESET] = token
    request.session.pop(f"proof:{SET_PASSWORD}", None)
    return redirect("accounts:set_password")


@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def set_password(request: HttpRequest) -> HttpResponse:
    """设置新密码: after the unit's secret, the mail's link or with the SMS code. Nothing else opens it."""
    user = proved_user(request, SET_PASSWORD)
    secret = user and passwords.open_secret_of(user)
    token = request.session.get(RESET, "")
    under_way = None if secret else passwords.open_reset(token)
    if secret is None and under_way is None:
        messages.warning(request, "链接、验证码或单位重置的密码已失效，请重新获取。")
        return redirect("accounts:forgot")
    with_code = bool(under_way and under_way.code)
    form_class = CodeAndPasswordForm if with_code else NewPasswordForm
    # With a code to come, nobody is known yet: the rules about own numbers wait for it.
    person = None if with_code else user if secret else under_way.user
    form = form_class(request.POST or None, user=person)
    if request.method == "POST" and form.is_valid() and _code_is_right(form, under_way, token):
        try:
            if secret:
                user = passwords.set_password_by_secret(secret, form.cleaned_data["new_password"])
            else:
                user = passwords.set_password_by_reset(under_way, form.cleaned_data["new_password"])
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect("accounts:forgot")
        return _welcome(request, user)
    return render(request, "accounts/set_password.html", {"form": form, "with_code": with_code})


def _code_is_right(form, under_way, token: str) -> bool:
    if not isinstance(form, CodeAndPasswordForm):
        return True
    if not passwords.code_fits(under_way, token, form.cleaned_data["code"]):
        form.add_error("code", "验证码不对，请核对短信。连续填错 5 次须重新获取。")
        return False
    return form.judge_for(under_way.user)


def _welcome(request: HttpRequest, user: User) -> HttpResponse:
    """After a new password: in, where there is one way in; to the choice, or to what is still under review."""
    request.session.pop(RESET, None)
    end_proofs(request)
    identities = identities_of(user)
    if len(identities) == 1:
        messages.success(request, "新密码已生效，您已登录。")
        return _enter(request, identities[0], "")
    if identities:
        messages.success(request, "新密码已生效，请选择身份。")
        return _to_choice(request, user, "", "")
    messages.success(request, "新密码已生效。")
    if user.accounts.filter(status=AccountStatus.PENDING).exists():
        prove(request, user)
        return redirect("registration:progress")
    return redirect("accounts:login")


# --- own password -------------------------------------------------------------------------------------------


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """修改密码: ends every other session of this person."""
    form = ChangePasswordForm(request.POST or None, user=request.user)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            if knows_own_password(request, form.cleaned_data["current_password"]):
                passwords.replace_password(request.user, form.cleaned_data["new_password"])
                update_session_auth_hash(request, request.user)
                messages.success(request, "密码已修改，其他设备上的登录已全部退出。")
                return redirect(settings.LOGIN_REDIRECT_URL)
            form.add_error("current_password", "当前密码不对，请重新填写。")
        except throttle.TooMany as too_many:
            form.add_error(None, f"尝试次数太多，请在 {too_many.words} 后再试。")
            status = 429
    context = {"form": form, "cancel_url": resolve_url(settings.LOGIN_REDIRECT_URL)}
    return render(request, "accounts/password.html", context, status=status)

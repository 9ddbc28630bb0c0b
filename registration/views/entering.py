"""Pages of the registration. All of them stand before the login and work for people who are logged in, too."""

import time
from functools import wraps
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import throttle
from accounts.address import network_of
from accounts.kept import forget, keep, kept
from accounts.models import Role, User
from accounts.proof import end_proofs, prove, proved_user
from accounts.refused import Refused
from orgs.actor import actor_of
from orgs.models import Kind, Organization
from registration import again as refill
from registration import notice, unit_search
from registration.enrol import already, enrol_organization, enrol_practitioner
from registration.forms.entering import FORMS, ProgressForm, RegistrationForm, UnitSearchForm, WithdrawForm
from registration.models import EmployerRegistration
from registration.progress import NOTHING, by_password, by_receipt, registrations_of, show, show_all
from registration.reviewer import issuer_of_code, reviewer_of
from registration.situations import Situation, check_choice, situation_of, situation_of_people, situations_of
from workflow import engine, reminders
from workflow.attachments import claim
from workflow.flow import payload_of
from workflow.models import Application
from workflow.told import told

SEEN = "registration_seen"  # the application that a receipt opened in this browser, and when
SEEN_SECONDS = 30 * 60
KEPT_SECONDS = 60 * 60  # on a shared computer nobody finds another person's form for longer
FILED = "registration_filed"


def public(view):
    """Before the login; nothing of it stays in a cache or a search engine (trust.md §3.3)."""

    @login_not_required
    @never_cache
    @wraps(view)
    def guarded(request, *args, **kwargs):
        response = view(request, *args, **kwargs)
        response["X-Robots-Tag"] = "noindex"
        return response

    return guarded


# --- choosing ------------------------------------------------------------------------------------


@login_not_required
@require_http_methods(["GET"])
def start(request: HttpRequest) -> HttpResponse:
    """注册：选择情况, first question: who are you?"""
    whose = _whose(request)
    return render(request, "registration/start.html", {"whose": whose, "own_unit": _own_unit(request, whose)})


@login_not_required
@require_http_methods(["GET"])
def another_role(request: HttpRequest) -> HttpResponse:
    """添加身份: an admin of a unit comes straight to the form of its practitioners, others to the first question."""
    return redirect(_own_unit(request, _whose(request)) or "registration:start")


def _own_unit(request: HttpRequest, whose: User | None) -> str:
    """Where an admin of a unit registers as one of its practitioners, all questions answered; "" for others (J18)."""
    unit = request.actor.organization if request.actor else None
    if unit is None or unit.kind != Kind.EMPLOYER or _second_role(whose, Role.PRACTITIONER):
        return ""
    filed = EmployerRegistration.objects.filter(application__organization=unit).order_by("-pk").first()
    return _form_address(situation_of_people(filed.situation if filed else ""), unit)


@login_not_required
@require_http_methods(["GET"])
def privacy(request: HttpRequest) -> HttpResponse:
    """个人信息处理告知: what the platform does with personal data (PIPL art. 17, 35)."""
    context = {"version": notice.VERSION, "periods": notice.periods()}
    return render(request, "registration/privacy.html", context)


@login_not_required
@require_http_methods(["GET"])
def situations(request: HttpRequest, role: str) -> HttpResponse:
    """Second question: which of the FAQ's situations? With one answer the question is not asked."""
    found = situations_of(role)
    if len(found) == 1:
        return redirect(_address("unit", role, situation=found[0].key))
    rows = [{"situation": one, "url": _address("unit", role, situation=one.key)} for one in found]
    whose = _whose(request)
    context = {"role": role, "label": Role(role).label, "rows": rows, "stop": _second_role(whose, role)}
    return render(request, "registration/situations.html", context)


@public
@require_http_methods(["GET"])
def unit(request: HttpRequest, role: str) -> HttpResponse:
    """选择单位: a search page. The choice travels in the address."""
    situation = situation_of(role, request.GET.get("situation", ""))
    if situation is None:
        return redirect("registration:situations", role)
    search = UnitSearchForm(request.GET)
    asked = search.is_valid() and any(search.cleaned_data.values())
    hits, more, names = [], False, []
    if asked or (situation.short and search.is_valid()):
        text = search.cleaned_data["q"].strip()
        hits, more = unit_search.find(situation, text, search.cleaned_data["division"])
        names = [] if hits else unit_search.waiting(situation, text)
    context = {
        "role": role,
        "situation": situation,
        "search": search,
        "asked": asked,
        "rows": [{"hit": hit, "url": _form_address(situation, hit.organization)} for hit in hits],
        "more": more,
        "most": unit_search.MOST,
        "waiting": names,
        "back_url": reverse("registration:situations" if situation.role != Role.AUTHORITY else "registration:start",
                            args=[role] if situation.role != Role.AUTHORITY else []),
        "filled": _kept(request, role) is not None,
    }  # fmt: skip
    return render(request, "registration/unit.html", context)


# --- the form ------------------------------------------------------------------------------------


@public
@require_http_methods(["GET", "POST"])
def form(request: HttpRequest, role: str) -> HttpResponse:
    """The form of one kind of registration, under the situation and the unit in the address."""
    try:
        situation, chosen = _choice(request, role)
    except Refused as refusal:
        if request.method == "POST":
            _keep(request, role, request.POST)
        if str(refusal):
            messages.error(request, str(refusal))
        return redirect(_address("unit", role, situation=request.GET.get("situation", "")))
    address = _form_address(situation, chosen)
    if request.method == "GET":
        before = _kept(request, role) or QueryDict()
        initial = {name: value for name, value in before.items() if name != "files_shown"}
        page = FORMS[role](
            request=request,
            situation=situation,
            chosen=chosen,
            whose=_whose(request),
            held=bool(before.get("password")),
            initial=initial,
        )
        return _form_page(request, page)
    if "clear" in request.POST:
        forget(request, _slot(role))
        end_proofs(request)
        return redirect(address)
    data, held = _with_held_password(request, role)
    page = FORMS[role](
        data, request=request, situation=situation, chosen=chosen, whose=_whose(request), held=held
    )
    good = page.is_valid()
    page_data = page.data
    right_passwords = not {"password", "password2"} & page.errors.keys()
    proved_now = good and page.person.proved and page.whose is None
    if proved_now:
        prove(request, page.person.user)
    _keep(request, role, page_data, keep_passwords=right_passwords and not proved_now)
    if "change_unit" in request.POST:
        return redirect(_address("unit", role, situation=situation.key))
    if good and _is_short(request, page):
        return _submit(request, page, address)
    if good:
        return redirect(_check_address(situation, chosen))
    if right_passwords and data.get("password"):
        page.hold()
    return _form_page(request, page)


@public
@require_http_methods(["GET", "POST"])
def check(request: HttpRequest, role: str) -> HttpResponse:
    """核对并提交: everything once more, each line with a way back to change it."""
    try:
        situation, chosen = _choice(request, role)
    except Refused as refusal:
        messages.error(request, str(refusal) or "请重新选择。")
        return redirect(_address("unit", role, situation=request.GET.get("situation", "")))
    address = _form_address(situation, chosen)
    data = _kept(request, role)
    if data is None:
        filed = request.session.get(FILED)
        if request.method == "POST" and filed:  # the button was pressed twice
            return redirect("registration:done", filed)
        messages.warning(request, "填写的内容已过期，请重新填写。")
        return redirect(address)
    page = FORMS[role](
        data,
        request=request,
        situation=situation,
        chosen=chosen,
        whose=_whose(request),
        held=bool(data.get("password")),
        count=False,
    )
    if not page.is_valid():
        # Something changed since the form was sent, for example the unit was registered meanwhile.
        return _form_page(request, page)
    if request.method == "POST":
        return _submit(request, page, address)
    payload = page.payload()
    rows = payload.rows
    for row in rows:
        row.change_url = _change_address(row.field, situation, chosen, page)
    rows += [
        {"label": page.attachments_label, "value": "\n".join(one.name for one in page.cleaned_data["files"]),
         "change_url": f"{address}#id_files"}
    ] if "files" in page.fields else []  # fmt: skip
    context = {
        "role": role,
        "label": Role(role).label,
        "rows": rows,
        "reviewer": reviewer_of(role, chosen, page.person.user),
        "issuer": issuer_of_code(role, page.person.user) if getattr(page, "wants_code", False) else None,
        "back_url": address,
    }
    return render(request, "registration/check.html", context)


def _is_short(request: HttpRequest, page: RegistrationForm) -> bool:
    """Whether the form itself is enough to check: somebody logged in, four answers, everything else known (J18)."""
    return bool(request.actor) and page.role == Role.PRACTITIONER


def _submit(request: HttpRequest, page: RegistrationForm, address: str) -> HttpResponse:
    try:
        application = _file(page)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect(address)
    forget(request, _slot(page.role))
    request.session[FILED] = application.pk
    if not request.actor:
        prove(request, application.submitted_by)
    return redirect("registration:done", application.pk)


def _change_address(field: str, situation: Situation, chosen: Organization, page: RegistrationForm) -> str:
    if field == "situation":
        return reverse("registration:situations", args=[situation.role])
    if field == "unit":
        return _address("unit", situation.role, situation=situation.key)
    return f"{_form_address(situation, chosen)}#id_{field}" if field in page.fields else ""


@transaction.atomic
def _file(page: RegistrationForm) -> Application:
    payload = page.payload()
    notice.acknowledged(payload)
    if page.role == Role.PRACTITIONER:
        return enrol_practitioner(page.person, payload)
    application = enrol_organization(page.person, payload, page.role)
    claim(page, application)
    return application


def _form_page(request: HttpRequest, page: RegistrationForm) -> HttpResponse:
    situation, chosen = page.situation, page.chosen
    whose = page.whose
    context = {
        "form": page,
        "role": page.role,
        "label": Role(page.role).label,
        "situation": situation,
        "chosen": chosen,
        "questions": _questions(page),
        "reviewer": reviewer_of(page.role, chosen, whose),
        "address": _form_address(situation, chosen),
        "situations_url": reverse("registration:situations", args=[page.role]),
        "whose": whose,
        "stop": _second_role(whose, page.role),
        "logged_in": bool(request.actor),
        "short": _is_short(request, page),
    }
    return render(request, "registration/form.html", context)


def _questions(page: RegistrationForm) -> list[dict]:
    """The FAQ's questions, answered by the choice that was made."""
    situation, chosen = page.situation, page.chosen
    rows = []
    if page.role == Role.EMPLOYER:
        rows.append({"label": "主管部门", "value": chosen.name if situation.asks == "authority" else "否"})
        if situation.asks != "authority":
            rows.append(
                {"label": "是否有上级单位", "value": "是" if situation.asks == "superior_unit" else "否"}
            )
    if situation.asks != "authority":
        label = "同级人社部门" if page.role == Role.AUTHORITY else situation.question
        rows.append({"label": label, "value": chosen.name})
    return rows


def _choice(request: HttpRequest, role: str) -> tuple[Situation, Organization]:
    """The situation and the unit that the address names. Raises Refused with the sentence ("" = nothing chosen yet)."""
    situation = situation_of(role, request.GET.get("situation", ""))
    text = request.GET.get(_parameter(role), "")
    if situation is None or not text:
        raise Refused("")
    found = (
        Organization.objects.filter(pk=int(text))
        if text.isascii() and text.isdigit() and len(text) < 12
        else []
    )
    if not found:
        raise Refused("没有找到所选的单位，请重新选择。")
    check_choice(situation, found[0])
    return situation, found[0]


def _parameter(role: str) -> str:
    return "employer" if role == Role.PRACTITIONER else "superior"


def _address(name: str, role: str, **query) -> str:
    return f"{reverse(f'registration:{name}', args=[role])}?{urlencode(query)}"


def _form_address(situation: Situation, chosen: Organization) -> str:
    query = {"situation": situation.key, _parameter(situation.role): chosen.pk}
    return _address("form", situation.role, **query)


def _check_address(situation: Situation, chosen: Organization) -> str:
    query = {"situation": situation.key, _parameter(situation.role): chosen.pk}
    return _address("check", situation.role, **query)


def _whose(request: HttpRequest) -> User | None:
    """The person whose right password is known in this browser: logged in, or proved a short while ago."""
    return request.actor.user if request.actor else proved_user(request)


def _second_role(whose: User | None, role: str) -> str:
    """Why this person need not register as a practitioner again, "" when they may."""
    if whose is None or role != Role.PRACTITIONER:
        return ""
    account = whose.accounts.live().filter(role=Role.PRACTITIONER).first()
    return already(account) if account else ""


# --- nothing typed is lost -----------------------------------------------------------------------


def _slot(role: str) -> str:
    return f"registration-{role}"


def _keep(request: HttpRequest, role: str, data: QueryDict, keep_passwords: bool = False) -> None:
    data = data.copy()
    for name in ("change_unit", "kept_at"):
        data.pop(name, None)
    data["kept_at"] = str(int(time.time()))
    keep(request, _slot(role), data, keep_passwords=keep_passwords)


def _kept(request: HttpRequest, role: str) -> QueryDict | None:
    data = kept(request, _slot(role))
    if data is not None and int(data.get("kept_at") or 0) < time.time() - KEPT_SECONDS:
        forget(request, _slot(role))
        return None
    return data


def _with_held_password(request: HttpRequest, role: str) -> tuple[QueryDict, bool]:
    """The POST, with the password that was typed before where its boxes were left empty."""
    data = request.POST.copy()
    before = _kept(request, role)
    if before and before.get("password") and not data.get("password") and not data.get("password2"):
        data["password"], data["password2"] = before["password"], before.get("password2", "")
        return data, True
    return data, False


# --- after submitting ----------------------------------------------------------------------------


@public
@require_http_methods(["GET"])
def done(request: HttpRequest, application_id: int) -> HttpResponse:
    """提交成功, at a permanent address. For everybody else it leads to the progress query."""
    for registration in registrations_shown_to(request):
        if registration.pk == application_id:
            shown = show(registration)
            # A receipt opens the state, not what was written.
            rows = registration.rows if _whose(request) else []
            return render(request, "registration/done.html", {"shown": shown, "rows": rows})
    return redirect("registration:progress")


@public
@require_http_methods(["GET", "POST"])
def progress(request: HttpRequest) -> HttpResponse:
    """综合查询 — 注册审核进度查询 (F-44)."""
    form = ProgressForm(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            if _found(request, form.cleaned_data):
                return redirect("registration:progress")
            form.add_error(None, NOTHING)
        except throttle.TooMany as stop:
            form.add_error(None, f"查询次数太多，请 {stop.words}后再试。")
            status = 429
    visible = [] if request.method == "POST" or "other" in request.GET else registrations_shown_to(request)
    context = {
        "form": form,
        "shown": show_all(visible),
        "proved": _whose(request) is not None,
    }
    return render(request, "registration/progress.html", context, status=status)


def _found(request: HttpRequest, asked: dict) -> bool:
    number, network = asked["id_number"], network_of(request)
    if asked["password"]:
        user = by_password(number, asked["password"], network)
        if user:
            prove(request, user)
        return user is not None
    application = by_receipt(number, asked["receipt"], asked["tail"], network)
    if application:
        end_proofs(request)
        request.session[SEEN] = {"application": application.pk, "at": int(time.time())}
    return application is not None


def registrations_shown_to(request: HttpRequest) -> list:
    """The registrations that this browser may see: of the proved person, or the one its receipt opened."""
    whose = _whose(request)
    if whose is not None:
        return registrations_of(whose)
    seen = request.session.get(SEEN)
    if not seen or seen["at"] < time.time() - SEEN_SECONDS:
        return []
    return [payload_of(Application.objects.get(pk=seen["application"]))]


@public
@require_http_methods(["GET", "POST"])
def withdraw(request: HttpRequest) -> HttpResponse:
    """撤回申请, with the password given at the registration (F-47 … F-50)."""
    source = request.POST if request.method == "POST" else request.GET
    registration = next(
        (one for one in registrations_shown_to(request) if str(one.pk) == source.get("application")), None
    )
    if registration is None:
        messages.warning(request, "请先查询到这条注册，再撤回。")
        return redirect("registration:progress")
    form = WithdrawForm(
        request.POST if request.method == "POST" else None, initial={"application": registration.pk}
    )
    status = 200
    if request.method == "POST" and form.is_valid():
        user = registration.account.user
        try:
            throttle.admit(user.id_index, network_of(request))
            if user.check_password(form.cleaned_data["password"]):
                throttle.was_right(user.id_index, network_of(request))
                return _withdraw(request, registration, user)
            form.add_error("password", "密码不对，没有撤回。请重新输入注册时的密码。")
        except throttle.TooMany as stop:
            form.add_error(None, f"密码输错次数太多，请 {stop.words}后再试。")
            status = 429
    return render(
        request, "registration/withdraw.html", {"form": form, "shown": show(registration)}, status=status
    )


def _withdraw(request: HttpRequest, registration, user: User) -> HttpResponse:
    try:
        engine.withdraw(registration.pk, by=actor_of(registration.account))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "已撤回。需要时可以修改后重新注册。")
    if not request.actor:
        prove(request, user)
    return redirect("registration:progress")


@public
@require_http_methods(["POST"])
def remind(request: HttpRequest) -> HttpResponse:
    """催办 before the login. Only with a proof: a receipt shows the state and no more."""
    whose = _whose(request)
    found = registrations_of(whose) if whose else []
    registration = next((one for one in found if str(one.pk) == request.POST.get("application")), None)
    if registration is None:
        messages.warning(request, "请先用证件号码和密码查询到这条注册。")
        return redirect("registration:progress")
    with told(request, "已催办，审核单位的管理员会收到消息和邮件。"):
        reminders.remind(registration.application, by=actor_of(registration.account))
    return redirect("registration:progress")


@public
@require_http_methods(["POST"])
def again(request: HttpRequest) -> HttpResponse:
    """重新注册: the form, filled in from the last application, files included. Only with a proof."""
    whose = _whose(request)
    found = registrations_of(whose) if whose else []
    registration = next((one for one in found if str(one.pk) == request.POST.get("application")), None)
    if registration is None or not show(registration).ended:
        messages.warning(request, "请先用证件号码和密码查询到这条注册。")
        return redirect("registration:progress")
    role = registration.account.role
    _keep(request, role, refill.filled_in(registration, request))
    return redirect(_form_address(situation_of(role, registration.situation), refill.chosen_of(registration)))

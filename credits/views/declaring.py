"""Pages of the practitioner's hours: choose the kind, declare, check, submitted, my declarations, my years."""

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from accounts.kept import forget, form_data, keep, kept
from credits.deadlines import deadline_in
from credits.duplicates import told
from credits.flows import HoursDeclaration
from credits.forms.declaring import DeclareForm, MineFilter, filled_from
from credits.kinds import kinds_for
from credits.models import Declaration, LedgerEntry, WindowKind
from credits.reckoning import token_of
from credits.required import asked_in_words, packs_at
from credits.shown import account, entry_rows, facts
from credits.standing import standing_of, standings_of
from credits.windows import closed_because, windows_at
from credits.years import current_year, declarable_years
from orgs.doors import for_practitioners
from workflow import engine, keyset
from workflow.attachments import claim, copy_to_draft
from workflow.flow import Refused
from workflow.inbox import matters
from workflow.models import Application, State
from workflow.signers import signers_of
from workflow.slip import slip_of

KIND = HoursDeclaration.kind
DRAFT = "declaration"
PAGE = 20


@require_http_methods(["GET", "POST"])
@for_practitioners
def declare(request: HttpRequest) -> HttpResponse:
    """新申报: the kinds as cards; with one chosen (`?kind=`) its form: empty, as left, or from a closed one (`?again=`)."""
    data = form_data(request)
    start = _start(request) if data is None else None
    if data is None and "kind" not in start:
        return _kinds(request)
    form = _form(request, data, initial=start)
    if form.activity is None:
        if data is not None:
            keep(request, DRAFT, form.data)
        messages.warning(request, "请先选择申报形式，已填写的内容会保留。")
        return redirect("credits:declare") if request.method == "POST" else _kinds(request)
    if request.method == "POST" and form.is_valid():
        keep(request, DRAFT, form.data)
        return redirect("credits:check")
    return render(
        request,
        "credits/declare.html",
        {
            "form": form,
            "activity": form.activity,
            "route": _route(request),
            "rules": form.rules,
            "asked": asked_in_words(form.rules),
            "year": form.year,
            **_until(request, form.year),
            "restored": data is None and "again" not in request.GET and bool(form.initial.get("title")),
        },
    )


def _form(request: HttpRequest, data, **kwargs) -> DeclareForm:
    person = request.actor.practitioner
    return DeclareForm(
        data, request=request, practitioner=person, packs=list(packs_at(person.path)), **kwargs
    )


def _start(request: HttpRequest) -> dict:
    if request.GET.get("again", "").isdecimal():
        earlier = _earlier(request, request.GET["again"])
        if earlier is None:
            raise Http404
        draft = copy_to_draft(earlier.application, request)
        return {**filled_from(earlier), "draft": draft, "again": earlier.pk}
    if "new" in request.GET:
        forget(request, DRAFT)
    if "kind" not in request.GET:
        return {}
    left = kept(request, DRAFT)
    chosen = {"kind": request.GET["kind"]}
    if left is not None:
        return {**left.dict(), **chosen}
    return {"year": request.GET.get("year", ""), **chosen}


def _kinds(request: HttpRequest) -> HttpResponse:
    """The cards, for one year: what each is worth, what proves it, what its cap leaves."""
    asked = request.GET.get("year", "")
    year = next((one for one in declarable_years() if str(one) == asked), current_year())
    rules, cards = kinds_for(request.actor.practitioner, year)
    left = kept(request, DRAFT)
    return render(
        request,
        "credits/kinds.html",
        {
            "cards": cards,
            "rules": rules,
            "asked": asked_in_words(rules),
            "year": year,
            "years": [one for one in declarable_years() if one != year],
            **_until(request, year),
            "left": left.dict() if left is not None and left.get("title") else None,
        },
    )


def _until(request: HttpRequest, year: int) -> dict:
    """Until when the year can be declared; or why it cannot be now, said before anything is filled in."""
    windows = windows_at(request.actor.practitioner.path, [year]).get((year, WindowKind.DECLARE), [])
    closed = closed_because(windows, year, WindowKind.DECLARE)
    return {
        "closed": closed,
        "deadline": deadline_in(windows, year).sentence if windows and not closed else "",
    }


def _earlier(request: HttpRequest, pk: str) -> Declaration | None:
    """The own declaration, rejected or withdrawn, that is filed anew."""
    if not (pk.isascii() and pk.isdecimal() and len(pk) < 19):
        return None
    own = Declaration.objects.visible_to(request.actor).select_related("application", "kind")
    return own.filter(application__state__in=[State.REJECTED, State.WITHDRAWN], pk=pk).first()


@require_http_methods(["GET", "POST"])
@for_practitioners
def check(request: HttpRequest) -> HttpResponse:
    """核对并提交. The page carries every answer itself, so that an ended session loses nothing here either."""
    actor = request.actor
    data = form_data(request) or kept(request, DRAFT)
    filled = _form(request, data) if data else None
    if filled is None or not filled.is_valid():
        return _back_to_the_form(request, filled)
    keep(request, DRAFT, filled.data)
    declaration = filled.declaration()
    if request.method == "POST":
        try:
            with transaction.atomic():
                earlier = _earlier(request, filled.cleaned_data["again"])
                application = engine.submit(
                    KIND, declaration, by=actor, again_of=earlier and earlier.application
                )
                _as_it_was_shown(declaration, request.POST.get("seen", ""))
                claim(filled, application)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect("credits:check")
        forget(request, DRAFT)
        return redirect("credits:done", application.pk)
    year = standing_of(actor.practitioner, declaration.year, filled.packs)
    change_url = _form_url(filled)
    return render(
        request,
        "credits/check.html",
        {
            "rows": facts(declaration, change_url, reverse("credits:declare")),
            "account": account(declaration.reckoning),
            "hours": declaration.hours,
            "subject": year.subjects.get(declaration.subject, declaration.subject),
            "signals": told(filled.account.signals, actor, actor.practitioner),
            "seen": token_of(declaration),
            "files": filled.cleaned_data["files"],
            "answers": [filled[name] for name in filled.fields if not name.startswith("files")],
            "route": _route(request),
            "standing": year,
            "after": year.with_hours(declaration.subject, declaration.hours),
            "change_url": change_url,
        },
    )


def _as_it_was_shown(declaration: Declaration, seen: str) -> None:
    """Refused when what was just reckoned under the lock is not what the check page said: it is shown again first."""
    now = token_of(declaration)
    if seen == now:
        return
    before, after = seen.split("-")[0], now.split("-")[0]
    changed = f"（{before} 学时变为 {after} 学时）" if before[:1].isdecimal() and before != after else ""
    raise Refused(f"您核对以后，规则、本年度学时或核对提示有变化，已重新计算{changed}，请再核对一次。")


def _back_to_the_form(request: HttpRequest, filled: DeclareForm | None) -> HttpResponse:
    if filled is None or filled.activity is None:
        messages.warning(request, "申报内容还没有填完，请补充后再核对提交。")
        return redirect("credits:declare")
    keep(request, DRAFT, filled.data)
    said = filled.account.problems if filled.account else ["申报内容还没有填完，请补充后再核对提交。"]
    waiting = messages.get_messages(request)
    said_already = {str(one) for one in waiting}
    waiting.used = False  # they are shown on the page that follows
    if "".join(said) not in said_already:
        messages.warning(request, "".join(said))
    return redirect(_form_url(filled))


def _form_url(form: DeclareForm) -> str:
    return reverse("credits:declare") + "?" + urlencode({"kind": form.activity.code})


def _route(request: HttpRequest) -> list:
    """Who will sign, read aloud before anything is filed."""
    return signers_of(KIND, Declaration(practitioner=request.actor.practitioner), request.actor)


@require_http_methods(["GET"])
@for_practitioners
def done(request: HttpRequest, application_id: int) -> HttpResponse:
    """申报成功, at an address that stays; once decided it leads to the application's own page."""
    own = Application.objects.visible_to(request.actor).filter(kind=KIND).select_related("submitted_by")
    application = get_object_or_404(own, pk=application_id)
    if application.state != State.PENDING:
        return redirect("workflow:detail", application.pk)
    slip = slip_of(application)
    now = slip.now
    usual = f"，这里通常 {now.usual}" if now.usual else ""
    return render(
        request,
        "credits/done.html",
        {
            "application": application,
            "slip": slip,
            "now": now,
            "next": f"现在由“{now.organization}”审核{usual}。",
        },
    )


@require_http_methods(["GET"])
@for_practitioners
def mine(request: HttpRequest) -> HttpResponse:
    """我的申报 by year and state, newest first, each row with who has it."""
    own = Application.objects.visible_to(request.actor).filter(kind=KIND)
    form = MineFilter(request.GET)
    form.is_valid()
    asked = {name: form.cleaned_data.get(name) for name in ("year", "state") if form.cleaned_data.get(name)}
    if "year" in asked:
        own = own.filter(declaration__year=asked["year"])
    if "state" in asked:
        own = own.filter(state=asked["state"])
    page = keyset.page(own.values("pk"), ("-pk",), request.GET, PAGE)
    shown = Application.objects.filter(pk__in=[row["pk"] for row in page.rows]).order_by("-pk")
    return render(
        request,
        "credits/mine.html",
        {"rows": matters(shown, PAGE) if page.rows else [], "page": page, "filter": form, "asked": asked},
    )


@require_http_methods(["GET"])
@for_practitioners
def years(request: HttpRequest) -> HttpResponse:
    """历年学时: every year against what it asked for, and where the hours of one year come from."""
    practitioner = request.actor.practitioner
    all_years = standings_of(practitioner, declarable_years())
    asked = request.GET.get("year", "")
    year = int(asked) if asked.isdecimal() and len(asked) == 4 and int(asked) in all_years else current_year()
    entries = LedgerEntry.objects.visible_to(request.actor).filter(year=year)
    subjects = {code: label for one in all_years.values() for code, label in one.subjects.items()}
    return render(
        request,
        "credits/years.html",
        {
            "subjects": subjects.values(),
            "years": [(one, one.hours_of(subjects)) for one in all_years.values()],
            "standing": all_years[year],
            "entries": entry_rows(entries),
        },
    )

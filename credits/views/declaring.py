"""Pages of the practitioner's hours: declare, check, submitted, my declarations, my years."""

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.kept import forget, form_data, keep, kept
from credits.flows import HoursDeclaration
from credits.forms.declaring import DeclareForm, MineFilter, filled_from
from credits.models import Declaration, LedgerEntry
from credits.required import asked_in_words, rules_of
from credits.shown import entry_rows, facts
from credits.standing import standing_of, standings_of
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
    """学时申报表: empty, as left at the check page, or prefilled from an own closed declaration (`?again=`)."""
    data = form_data(request)
    form = DeclareForm(data, request=request, initial=_start(request) if data is None else None)
    if request.method == "POST" and form.is_valid():
        keep(request, DRAFT, form.data)
        return redirect("credits:check")
    year = current_year()
    rules = rules_of(request.actor.practitioner, [year])[year]
    return render(
        request,
        "credits/declare.html",
        {
            "form": form,
            "route": _route(request),
            "rules": rules,
            "asked": asked_in_words(rules),
            "year": year,
            "restored": data is None and "again" not in request.GET and bool(form.initial.get("title")),
        },
    )


def _start(request: HttpRequest) -> dict:
    if request.GET.get("again", "").isdecimal():
        earlier = _earlier(request, request.GET["again"])
        if earlier is None:
            raise Http404
        draft = copy_to_draft(earlier.application, request)
        return {**filled_from(earlier), "draft": draft, "again": earlier.pk}
    left = kept(request, DRAFT)
    if left is not None and "new" not in request.GET:
        return left.dict()
    return {"year": current_year()}


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
    filled = DeclareForm(data, request=request) if data else None
    if filled is None or not filled.is_valid():
        if filled is not None:
            keep(request, DRAFT, filled.data)
        messages.warning(request, "申报内容还没有填完，请补充后再核对提交。")
        return redirect("credits:declare")
    keep(request, DRAFT, filled.data)
    declaration = filled.declaration(actor.practitioner)
    if request.method == "POST":
        try:
            with transaction.atomic():
                earlier = _earlier(request, filled.cleaned_data["again"])
                application = engine.submit(
                    KIND, declaration, by=actor, again_of=earlier and earlier.application
                )
                claim(filled, application)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect("credits:check")
        forget(request, DRAFT)
        return redirect("credits:done", application.pk)
    year = standing_of(actor.practitioner, declaration.year)
    return render(
        request,
        "credits/check.html",
        {
            "rows": facts(declaration, change_url=reverse("credits:declare")),
            "files": filled.cleaned_data["files"],
            "answers": [filled[name] for name in filled.fields if not name.startswith("files")],
            "route": _route(request),
            "standing": year,
            "after": year.with_hours(declaration.subject, declaration.hours),
        },
    )


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

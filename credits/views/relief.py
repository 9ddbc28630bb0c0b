"""学时减免: ask for it, check, submit; or read that there is none here and whom to ask."""

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.kept import forget, form_data, keep, kept
from credits.flows import HoursRelief
from credits.forms.relief import ReliefForm, filled_from
from credits.models import ReliefRequest
from credits.relief_effects import facts, lines, relieved
from credits.required import rules_of
from credits.standing import standing_of
from credits.years import current_year, declarable_years
from orgs.doors import for_practitioners
from orgs.models import Kind
from orgs.tree import chain_above
from workflow import engine
from workflow.attachments import claim, copy_to_draft
from workflow.flow import Refused
from workflow.inbox import matters
from workflow.models import Application, State
from workflow.signers import signers_of

KIND = HoursRelief.kind
DRAFT = "relief"


@require_http_methods(["GET", "POST"])
@for_practitioners
def relief(request: HttpRequest) -> HttpResponse:
    """The form: empty, as left at the check page, or prefilled from an own closed request (`?again=`)."""
    rules = _rules(request)
    if not any(one.reliefs for one in rules.values()):
        return render(
            request, "credits/relief_none.html", {"asks": _whom_to_ask(request), "year": current_year()}
        )
    data = form_data(request)
    form = ReliefForm(data, request=request, rules=rules, initial=_start(request) if data is None else None)
    if request.method == "POST" and form.is_valid():
        keep(request, DRAFT, form.data)
        return redirect("credits:relief_check")
    own = Application.objects.visible_to(request.actor).filter(kind=KIND)
    context = {
        "form": form,
        "route": _route(request),
        "matters": matters(own.order_by("-pk"), most=10),
        "basis": list(dict.fromkeys(kind.basis for one in rules.values() for kind in one.reliefs.values())),
        "restored": data is None and "again" not in request.GET and bool(form.initial.get("code")),
    }
    return render(request, "credits/relief.html", context)


@require_http_methods(["GET", "POST"])
@for_practitioners
def relief_check(request: HttpRequest) -> HttpResponse:
    """核对并提交: the months that the days come to, and what the year demands then."""
    actor = request.actor
    data = form_data(request) or kept(request, DRAFT)
    form = ReliefForm(data, request=request, rules=_rules(request)) if data else None
    if form is None or not form.is_valid():
        if form is not None:
            keep(request, DRAFT, form.data)
        messages.warning(request, "减免申请还没有填完，请补充后再核对提交。")
        return redirect("credits:relief")
    keep(request, DRAFT, form.data)
    payload = form.request_for(actor.practitioner)
    if request.method == "POST":
        try:
            with transaction.atomic():
                earlier = _earlier(request, form.cleaned_data["again"])
                application = engine.submit(KIND, payload, by=actor, again_of=earlier and earlier.application)
                claim(form, application)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect("credits:relief_check")
        forget(request, DRAFT)
        messages.success(request, "已提交减免申请。")
        return redirect("workflow:detail", application.pk)
    standing = standing_of(actor.practitioner, payload.year)
    after = relieved(standing, payload)
    context = {
        "rows": facts(payload, reverse("credits:relief")),
        "relief": form.relief,
        "files": form.cleaned_data["files"],
        "answers": [form[name] for name in form.fields if not name.startswith("files")],
        "route": _route(request),
        "lines": lines(standing, after),
        "after": after,
    }
    return render(request, "credits/relief_check.html", context)


def _rules(request: HttpRequest) -> dict:
    return rules_of(request.actor.practitioner, declarable_years())


def _start(request: HttpRequest) -> dict:
    if request.GET.get("again", "").isdecimal():
        earlier = _earlier(request, request.GET["again"])
        if earlier is None:
            raise Http404
        draft = copy_to_draft(earlier.application, request)
        return {**filled_from(earlier), "draft": draft, "again": earlier.pk}
    left = kept(request, DRAFT)
    return left.dict() if left is not None and "new" not in request.GET else {}


def _earlier(request: HttpRequest, pk: str) -> ReliefRequest | None:
    """The own request, rejected or withdrawn, that is made anew."""
    if not (pk.isascii() and pk.isdecimal() and len(pk) < 19):
        return None
    own = ReliefRequest.objects.visible_to(request.actor).select_related("application")
    return own.filter(application__state__in=[State.REJECTED, State.WITHDRAWN], pk=pk).first()


def _route(request: HttpRequest) -> list:
    return signers_of(KIND, ReliefRequest(practitioner=request.actor.practitioner), request.actor)


def _whom_to_ask(request: HttpRequest) -> list[dict]:
    """The own unit and the nearest bureau, which makes the rules."""
    unit = request.actor.practitioner.employer
    bureau = next((one for one in reversed(chain_above(unit)) if one.kind == Kind.BUREAU), None)
    return [
        {
            "what": what,
            "name": one.name,
            "contact": one.contact_name,
            "phone": one.phone,
            "hours": one.office_hours,
        }
        for what, one in (("本单位", unit), ("当地人社部门", bureau))
        if one is not None
    ]

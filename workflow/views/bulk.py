"""Many decisions at once: 核对所选 (what is ticked, what should be looked at first), then one result for each item."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.refused import Refused
from orgs.doors import for_admins
from orgs.models import Kind
from workflow import bulk, inbox
from workflow.flow import flow_of
from workflow.forms import ApproveForm, RejectForm
from workflow.models import Application, Step

MOST = 2_000  # items of one go: about a second of locks, and a result page that one still reads
SHOWN = 200  # rows of the check page; beyond it only those with something to look at are listed


@require_http_methods(["GET", "POST"])
@for_admins
def check(request: HttpRequest) -> HttpResponse:
    """批量核对: those with warnings are listed first and not ticked. Nothing is decided here.

    `tick`: the page itself once more with everything ticked that has no warning (all), or nothing (none).
    """
    steps, more = _chosen(request)
    if not steps:
        return redirect("workflow:inbox")
    return _check(request, steps, more=more, tick=request.POST.get("tick", "all"))


def _check(
    request, steps, *, more, tick="all", approve_form=None, reject_form=None, ticked=None, status=200
) -> HttpResponse:
    rows = list(
        inbox.awaiting_rows(request.actor).filter(pk__in=[step.pk for step in steps]).order_by(*inbox.ORDER)
    )
    warnings = _warnings(steps)
    warned = [row for row in rows if row["application_pk"] in warnings]
    fine = [row for row in rows if row["application_pk"] not in warnings]
    listed, unlisted = fine[: SHOWN - len(warned[:SHOWN])], fine[SHOWN - len(warned[:SHOWN]) :]
    wrong = next((form for form in (approve_form, reject_form) if form is not None and form.errors), None)
    if ticked is None:
        ticked = {row["pk"] for row in fine} if tick == "all" else set()
    written = {"comment": request.POST.get("comment", "")}
    context = {
        "form": wrong,
        "rows": [
            (row, warnings.get(pk, []), row.step in ticked)
            for row, pk in (
                *zip(inbox.shown_rows(warned), (one["application_pk"] for one in warned), strict=True),
                *zip(inbox.shown_rows(listed), (one["application_pk"] for one in listed), strict=True),
            )
        ],
        "total": len(rows),
        "warned": len(warned),
        "all": ",".join(str(row["pk"]) for row in rows),
        "unlisted": ",".join(str(row["pk"]) for row in unlisted),
        "unlisted_count": len(unlisted),
        "unlisted_ticked": any(row["pk"] in ticked for row in unlisted),
        "approve_form": approve_form or ApproveForm(auto_id="approve_%s", initial=written),
        "reject_form": reject_form or _reject_form(steps, initial=_rejecting(request.POST)),
        "more": more,
        "duty": request.POST.get("duty", ""),
        "name": request.POST.get("name", ""),
        "with_unit": request.actor.organization.kind != Kind.EMPLOYER,
    }
    return render(request, "workflow/check_many.html", context, status=status)


@require_http_methods(["GET", "POST"])
@for_admins
def decide(request: HttpRequest) -> HttpResponse:
    """批量结果: every chosen item with what came of it. Sent twice, the second says who was first: nothing is done twice."""
    if request.method == "GET":
        return redirect("workflow:inbox")
    asked = _numbers([*request.POST.getlist("step"), *request.POST.get("unlisted", "").split(",")])
    more = "more" in request.POST or len(asked) > MOST
    asked = asked[:MOST]
    steps = list(
        Step.objects.addressed_to(request.actor)
        .filter(pk__in=asked)
        .select_related("application__practitioner")
    )
    if not steps:
        return redirect("workflow:inbox")
    rejecting = request.POST.get("verdict") == "reject"
    form = _reject_form(steps, request.POST) if rejecting else ApproveForm(request.POST, auto_id="approve_%s")
    name = "reject_form" if rejecting else "approve_form"
    if not form.is_valid():
        return _again(request, asked, more, **{name: form})
    decide_all = bulk.reject_all if rejecting else bulk.approve_all
    try:
        outcomes = decide_all(
            [step.pk for step in steps], by=request.actor, comment=form.cleaned_data["comment"]
        )
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _again(request, asked, more, status=409, **{name: form})
    done = [one for one in outcomes if one.done]
    context = {
        "verb": "驳回" if rejecting else "通过",
        "done": bulk.named(done[:SHOWN]),
        "done_count": len(done),
        "not_done": bulk.named([one for one in outcomes if not one.done]),
        "more": more,
        "duty": request.POST.get("duty", ""),
        "name": request.POST.get("name", ""),
        "with_unit": request.actor.organization.kind != Kind.EMPLOYER,
    }
    return render(request, "workflow/decided_many.html", context)


def _again(request: HttpRequest, asked: list[int], more: bool, **how) -> HttpResponse:
    """The check page with the same rows, not the ticked ones alone."""
    everything = {*asked, *_numbers(request.POST.get("all", "").split(","))}
    steps = Step.objects.addressed_to(request.actor).filter(pk__in=everything).oldest_first()
    steps = list(steps.select_related("application__practitioner")[:MOST])
    return _check(request, steps, more=more, ticked=set(asked), **how)


def _reject_form(steps: list[Step], data=None, **how) -> RejectForm:
    # A name of its own beside the remark of an approval: both stand in one form, with one set of boxes.
    duties = {step.application.duty for step in steps}
    return RejectForm(data, prefix="reject", auto_id="%s", duty=_only(duties), **how)


def _rejecting(data) -> dict:
    return {name: data.get(f"reject-{name}", "") for name in ("reason", "comment")}


def _chosen(request: HttpRequest) -> tuple[list[Step], bool]:
    """The open steps that were ticked, or with `everything` those that the list's filter shows, oldest first; and whether
    there are more than one go takes."""
    steps = Step.objects.awaiting(request.actor)
    if "everything" in request.POST:
        duty, name = request.POST.get("duty", ""), request.POST.get("name", "").strip()[:50]
        steps = inbox.narrowed(steps, duty if duty in inbox.duties_of(request.actor) else "", name)
    else:
        asked = [*request.POST.getlist("step"), *request.POST.get("all", "").split(",")]
        steps = steps.filter(pk__in=_numbers(asked))
    found = list(steps.oldest_first().select_related("application__practitioner")[: MOST + 1])
    return found[:MOST], len(found) > MOST or "more" in request.POST


def _numbers(texts: list[str]) -> list[int]:
    return [int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) < 19]


def _only(duties: set[str]) -> str:
    return duties.pop() if len(duties) == 1 else ""


def _warnings(steps: list[Step]) -> dict[int, list[str]]:
    """By application: what its kind warns of, and why it could not be decided now at all."""
    by_flow: dict = {}
    for step in steps:
        by_flow.setdefault(flow_of(step.application), []).append(step.application)
    found: dict[int, list[str]] = {}
    for flow, applications in by_flow.items():
        _with_payloads(flow, applications)
        for pk, sentences in flow.warnings(applications).items():
            found.setdefault(pk, []).extend(sentences)
        for pk, sentence in flow.refusals(applications).items():
            found.setdefault(pk, []).append(sentence)
    return {pk: sentences for pk, sentences in found.items() if sentences}


def _with_payloads(flow, applications: list[Application]) -> None:
    payloads = flow.payload.objects.in_bulk([one.pk for one in applications])
    for application in applications:
        setattr(application, flow.payload._meta.model_name, payloads[application.pk])

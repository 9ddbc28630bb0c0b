"""抽查: the bureau's shares, the draw, what came of it, and how often reviewers below are overturned."""

from django.contrib import messages
from django.db.models import F, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from credits import sampling
from credits.forms.sampling import PolicyForm
from credits.models import OverturnRate, SampleDraw, VerificationPolicy
from credits.years import today
from orgs.actor import Actor
from orgs.doors import for_admins_with
from orgs.models import Duty, Kind
from workflow import inbox, keyset
from workflow.told import told
from workflow.wording import masked_name, percent, shown_time

SHOWN = 50


def _bureau(request: HttpRequest):
    if request.actor.organization.kind != Kind.BUREAU:
        raise Http404
    return request.actor.organization


@require_http_methods(["GET"])
@for_admins_with(Duty.HOURS)
def overview(request: HttpRequest) -> HttpResponse:
    """抽查: how much waits, and the draws so far. What a draw would do is said by the page before it."""
    bureau = _bureau(request)
    page = keyset.page(
        SampleDraw.objects.filter(bureau=bureau).values("pk", "at", "population", "sampled", "by__name"),
        ("-pk",),
        request.GET,
        20,
    )
    context = {
        "waiting": inbox.shown_count(sampling.waiting_count(request.actor, inbox.MOST)),
        "most": f"{sampling.MOST:,}",
        "draws": [
            {**row, "at": shown_time(row["at"]), "by": masked_name(row["by__name"])} for row in page.rows
        ],
        "page": page,
    }
    return render(request, "credits/sampling/overview.html", context)


def _waiting(actor: Actor) -> dict:
    """`waiting` in words, whether it is `more` than one draw takes, and how many that is."""
    count = sampling.waiting_count(actor, sampling.MOST)
    more, most = count > sampling.MOST, f"{sampling.MOST:,}"
    return {"waiting": f"{most}+" if more else f"{count:,}", "more": more, "most": most}


@require_http_methods(["POST"])
@for_admins_with(Duty.HOURS)
def draw(request: HttpRequest) -> HttpResponse:
    """抽取: first what it would do, to the last number; then, with these numbers agreed to, draw and let the rest pass.

    The draw stands even when the second half is interrupted.
    """
    _bureau(request)
    agreed = _agreed(request)
    made = None
    if agreed:
        with told(request, "已抽取，抽中的仍在待办审核中，未抽中的已以您的名义通过。"):
            made = sampling.draw(by=request.actor, agreed=agreed)
            sampling.pass_by(made, by=request.actor)
        if made:
            return redirect("credits:sample", made.pk)
    found = sampling.candidates(request.actor)
    if not found:
        if not agreed:
            messages.error(request, "没有等待审验的学时，不用抽取。")
        return redirect("credits:sampling")
    context = {"plan": sampling.plan(found), **_waiting(request.actor)}
    return render(request, "credits/sampling/confirm.html", context)


def _agreed(request: HttpRequest) -> tuple[int, int, int] | None:
    """The numbers that the page before the draw showed; None when they did not come with the click."""
    parts = [request.POST.get(name, "") for name in ("drawn", "passed", "last")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
        return None
    drawn, passed, last = map(int, parts)
    return drawn, passed, last


@require_http_methods(["GET", "POST"])
@for_admins_with(Duty.HOURS)
def sample(request: HttpRequest, draw_id: int) -> HttpResponse:
    """One draw: its seed, the proof, its items. POST lets through what an interruption left waiting."""
    made = get_object_or_404(SampleDraw.objects.select_related("by"), bureau=_bureau(request), pk=draw_id)
    if request.method == "POST":
        with told(request, "未抽中的已按比例通过。"):
            sampling.pass_by(made, by=request.actor)
        return redirect("credits:sample", made.pk)
    items = made.items.filter(sampled=True).values(
        "pk",
        "group",
        "risk",
        "step__state",
        "step__application_id",
        "step__application__summary",
        unit=F("step__application__practitioner__employer__name"),
        person=F("step__application__practitioner__user__name"),
    )
    page = keyset.page(items, ("pk",), request.GET)
    context = {
        "draw": made,
        "by": masked_name(made.by.name),
        "at": shown_time(made.at),
        "rows": [
            {
                **row,
                "who": masked_name(row["person"]),
                "tag": _TAGS.get(row["step__state"], ("wait", "待审验")),
            }
            for row in page.rows
        ],
        "page": page,
        "left": made.items.filter(sampled=False, step__state="open")[:1].count(),
        "proof": sampling.repeated(made) if "repeat" in request.GET else None,
    }
    return render(request, "credits/sampling/draw.html", context)


_TAGS = {"approved": ("ok", "已通过"), "rejected": ("back", "已驳回"), "closed": ("draft", "已终止")}


@require_http_methods(["GET", "POST"])
@for_admins_with(Duty.HOURS)
def policies(request: HttpRequest) -> HttpResponse:
    """审验比例: set, replace and remove the bureau's shares."""
    bureau = _bureau(request)
    if "remove" in request.POST:
        asked = request.POST["remove"]
        if not (asked.isascii() and asked.isdecimal() and len(asked) < 19):
            raise Http404
        get_object_or_404(VerificationPolicy, bureau=bureau, pk=asked).delete()
        messages.success(request, "已取消这一比例。")
        return redirect("credits:verification_policies")
    form = PolicyForm(request.POST or None, bureau=bureau)
    if request.method == "POST" and form.is_valid():
        with told(request, "审验比例已保存，下一次抽取时适用。"):
            form.save(request.actor)
        return redirect("credits:verification_policies")
    found = VerificationPolicy.objects.filter(bureau=bureau).select_related("authority", "kind", "changed_by")
    rows = [
        {
            "pk": one.pk,
            "label": sampling.label_of(one),
            "percent": one.percent,
            "risk_first": one.risk_first,
            "by": masked_name(one.changed_by.name),
            "at": shown_time(one.changed_at),
        }
        for one in found.order_by("authority__name", "kind__order")[:200]
    ]
    return render(request, "credits/sampling/policies.html", {"form": form, "rows": rows})


@require_http_methods(["GET"])
@for_admins_with(Duty.HOURS)
def overturned(request: HttpRequest) -> HttpResponse:
    """复核改变率 of the last twelve months, by unit or by reviewer: who was changed most often first, the higher rate among equals."""
    bureau = _bureau(request)
    since = today().replace(year=today().year - 1, day=1)
    by_person = request.GET.get("by") == "person"
    names = ["organization__name", "user__name"] if by_person else ["organization__name"]
    rates = (
        OverturnRate.objects.filter(bureau=bureau, month__gte=since)
        .values("organization", *names, *(["user"] if by_person else []))
        .annotate(all=Sum("decided"), no=Sum("rejected"), less=Sum("lowered"), back=Sum("revoked"))
        .annotate(changed=F("no") + F("less") + F("back"))
        .order_by("-changed", "all", *names)[:SHOWN]
    )
    rows = [
        {
            "unit": one["organization__name"],
            "person": masked_name(one["user__name"]) if by_person else "",
            "decided": one["all"],
            "rejected": one["no"],
            "lowered": one["less"],
            "revoked": one["back"],
            "rate": percent(one["changed"] / one["all"]),
        }
        for one in rates
    ]
    return render(
        request, "credits/sampling/overturned.html", {"rows": rows, "by_person": by_person, "most": SHOWN}
    )

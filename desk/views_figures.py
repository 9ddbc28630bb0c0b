"""查询统计 beside the people themselves: 学时统计, 未达标名单 with its reminders, what waits below."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts import replica
from credits.tallies import Count
from credits.years import declarable_years
from desk import met, reminding, units, unmet, waiting, wanted
from desk.statistics import figures_of as statistics_of
from desk.statistics import tiles as statistics_tiles
from orgs.doors import for_admins, for_admins_with
from orgs.models import Duty, Organization
from workflow import keyset, reach

# --- 学时统计 -----------------------------------------------------------------------------------------


@require_http_methods(["GET"])
@for_admins_with(Duty.PEOPLE)
@replica.reads_from_replica
def statistics(request: HttpRequest) -> HttpResponse:
    """One place's year by child, title series, subject and month; `unit` goes down the tree."""
    actor, year = request.actor, wanted.year_in(request.GET)
    unit = wanted.unit_in(request.GET, actor)
    top = unit or actor.organization
    figures = statistics_of(top, year, request.GET)
    narrowed = wanted.query({}, year=year, unit=unit.pk if unit else "")
    context = {
        "top": top,
        "unit": unit,
        "year": year,
        "tabs": _year_tabs(request, year),
        "way": [{"name": "学时统计", "url": f"{request.path}?year={year}"}, *_way(actor, unit, year)]
        if unit
        else [],
        "figures": figures,
        "tiles": statistics_tiles(figures, year, narrowed),
        "narrowed": narrowed,
    }
    return render(request, "desk/statistics.html", context)


def _way(actor, unit: Organization, year: int) -> list[dict]:
    """The places between the own one and this one."""
    above = [
        pk for pk in unit.ancestor_ids if pk not in (*actor.organization.ancestor_ids, actor.organization.pk)
    ]
    names = Organization.objects.in_bulk(above) if above else {}
    page = reverse("desk:statistics")
    return [{"name": names[pk].name, "url": f"{page}?{wanted.query({}, year=year, unit=pk)}"} for pk in above]


# --- 未达标名单 --------------------------------------------------------------------------------------


@require_http_methods(["GET"])
@for_admins_with(Duty.PEOPLE)
def unmet_list(request: HttpRequest) -> HttpResponse:
    """Who has not completed the year, fifty at a time, all ticked who may be reminded."""
    actor, year = request.actor, wanted.year_in(request.GET)
    unit = wanted.unit_in(request.GET, actor)
    top = unit or actor.organization
    page = unmet.page(actor, year, unit, request.GET)
    rows = unmet.shown(page.rows, year)
    none = request.GET.get("none") == "1"
    query = request.GET.copy()
    query.pop("none", None)
    turned = query.copy()
    if not none:
        turned["none"] = "1"
    count = replica.read(met.of, [top], year)[top.pk]
    context = {
        "top": top,
        "unit": unit,
        "year": year,
        "tabs": _year_tabs(request, year),
        "asked": met.is_asked(top, year),
        "count": _shown_unmet(count),
        "nobody": not count.people and not rows,
        "page": page,
        "rows": rows,
        "with_unit": top.subordinates.exists(),
        "ticked": not none,
        "turn_url": f"?{turned.urlencode()}",
        "narrowed": wanted.query({}, unit=unit.pk if unit else "", year=year),
    }
    return render(request, "desk/unmet.html", context)


def _shown_unmet(count: Count) -> str:
    left = count.people - count.complete
    return f"{left:,}" if left > 0 else ""


def _year_tabs(request: HttpRequest, year: int) -> list[dict]:
    unit = request.GET.get("unit", "")
    return [
        {
            "label": f"{one} 年度",
            "url": f"{request.path}?{wanted.query({}, year=one, unit=unit)}",
            "current": one == year,
        }
        for one in declarable_years()
    ]


@require_http_methods(["POST"])
@for_admins_with(Duty.PEOPLE)
def remind(request: HttpRequest) -> HttpResponse:
    """提醒所选."""
    year = wanted.year_in(request.GET)
    chosen = [
        int(one)
        for one in request.POST.getlist("person")
        if one.isascii() and one.isdecimal() and len(one) < 19
    ]
    if not chosen:
        messages.error(request, "请先勾选要提醒的人员。")
        return redirect(_list_url(request))
    return _reminded(request, reminding.remind(request.actor, chosen, year), year)


@require_http_methods(["GET", "POST"])
@for_admins_with(Duty.PEOPLE)
def remind_all(request: HttpRequest) -> HttpResponse:
    """提醒全部: what it would do, then the deed, as far as one click goes."""
    actor, year = request.actor, wanted.year_in(request.GET)
    unit = wanted.unit_in(request.GET, actor)
    if request.method == "POST":
        outcome = reminding.remind_all(actor, unit, year, request.POST.get("after", ""))
        return _reminded(request, outcome, year)
    top = unit or actor.organization
    count = replica.read(met.of, [top], year)[top.pk]
    context = {
        "top": top,
        "year": year,
        "count": _shown_unmet(count),
        "most": f"{reminding.MOST_TOLD:,}",
        "list_url": _list_url(request),
    }
    return render(request, "desk/remind_all.html", context)


def _reminded(request: HttpRequest, outcome: reminding.Outcome, year: int) -> HttpResponse:
    context = {
        "outcome": outcome,
        "year": year,
        "days": unmet.AGAIN_AFTER.days,
        "list_url": _list_url(request),
        "again_url": "{}?{}".format(reverse("desk:remind_all"), _narrowed(request)),
    }
    return render(request, "desk/reminded.html", context)


def _narrowed(request: HttpRequest) -> str:
    unit = wanted.unit_in(request.GET, request.actor)
    return wanted.query({}, year=wanted.year_in(request.GET), unit=unit.pk if unit else "")


def _list_url(request: HttpRequest) -> str:
    return "{}?{}".format(reverse("desk:unmet"), _narrowed(request))


# --- 下级待办 -----------------------------------------------------------------------------------------


@require_http_methods(["GET"])
@for_admins
def waiting_below(request: HttpRequest) -> HttpResponse:
    """Organisations below where something waits, too long, or where nobody looks after it."""
    actor, asked = request.actor, request.GET.get("only", "")
    top = wanted.unit_in(request.GET, actor) or actor.organization
    only = asked if asked in waiting.ONLY else ""
    page = reach.page(waiting.below(top, only), request.GET)
    unit = "" if top == actor.organization else top.pk
    tabs = [
        {
            "label": label,
            "url": f"{request.path}?{wanted.query({}, only=key, unit=unit)}",
            "current": key == only,
        }
        for key, label in {"": "全部", **waiting.ONLY}.items()
    ]
    context = {
        "top": top,
        "only": only,
        "tabs": tabs,
        "page": page,
        "rows": waiting.shown(page.rows),
        "promised": settings.PROMISED_DAYS,
        "unattended": settings.UNATTENDED_DAYS,
    }
    return render(request, "desk/waiting.html", context)


@require_http_methods(["GET"])
@for_admins
def waiting_at(request: HttpRequest, organization_id: int) -> HttpResponse:
    """What waits at one organisation of the own branch at this moment, oldest first; `only=late` longer than promised."""
    actor = request.actor
    one = get_object_or_404(units.there(actor), pk=organization_id)
    if one == actor.organization:
        return redirect("workflow:inbox")
    late = request.GET.get("only") == "late"
    page = keyset.page(waiting.matters_at(one, late), waiting.ORDER, request.GET)
    context = {
        "unit": one,
        "way": units.way_to(actor, one),
        "late": late,
        "page": page,
        "rows": waiting.shown_matters(page.rows, actor),
        "promised": settings.PROMISED_DAYS,
    }
    return render(request, "desk/waiting_at.html", context)

"""What a person sees first and looks things up with: home per role, people, the public pages."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from credits.standing import standing_of
from credits.years import current_year
from desk import elder, history, homes, offices, search, units, wanted
from desk import faq as questions
from desk import people as looking_up
from desk.forms import PeopleSearch, SearchForm, UnitSearch
from desk.seen_people import visible_person
from orgs import budget
from orgs.doors import for_admins, for_admins_with
from orgs.models import Duty, Kind, Organization
from orgs.tree import chain_above
from transfers.releasing import releasable
from workflow import inbox, keyset
from workflow.models import Application
from workflow.told import told

NEWEST_CHANGES = 5  # on the page of a person or an organisation; the rest is a link away
NEWEST_MATTERS = 10


@login_not_required
@require_http_methods(["GET"])
def home(request: HttpRequest) -> HttpResponse:
    """The first screen of whoever comes."""
    actor = request.actor
    if not actor:
        return render(request, "desk/home_public.html", homes.of_nobody())
    offered = homes.offered_to(actor)
    if actor.practitioner:
        context = homes.of_practitioner(actor)
        return render(request, "desk/home_practitioner.html", {**context, "offered": offered})
    if actor.organization.kind in (Kind.BUREAU, Kind.OPERATOR):
        context = offices.of_bureau(actor)
        template = "desk/home_bureau.html"
    else:
        context = offices.of_organization(actor)
        template = "desk/home_organization.html"
    request.waiting = context["waiting"]
    context = {**context, "offered": offered, "search": SearchForm(auto_id="find_%s")}
    return render(request, template, context)


# --- 查询统计 → 专技人员信息查询 -------------------------------------------------------------------


@sensitive_post_parameters("number")
@require_http_methods(["GET", "POST"])
@for_admins_with(Duty.PEOPLE)
def people(request: HttpRequest) -> HttpResponse:
    """The people of the own organisation and below. What is looked up comes by POST: it may be a whole ID number."""
    unit = wanted.unit_in(request.GET, request.actor)
    if request.method == "POST":
        form = PeopleSearch(form_data(request))
        if not form.is_valid():
            return _people(request, form, {}, unit)
        number = form.cleaned_data["id_number"]
        if number is None:
            kept = {"unit": unit.pk if unit else "", "left": "1" if request.GET.get("left") == "1" else ""}
            asked = wanted.query(form.asked(), **kept)
            return redirect(f"{request.path}?{asked}" if asked else request.path)
        person = looking_up.with_number(request.actor, number)
        if person:
            return redirect("desk:person", person)
        form.add_error(
            "number", "本单位及下级单位没有这个身份证号的在册人员，请核对号码，或确认注册已经审核通过。"
        )
        return _people(request, form, {}, unit)
    filters = wanted.read(request.GET, request.actor)
    kept = form_data(request)
    if not filters and kept is None:
        return _people(request, PeopleSearch.blank(), filters, unit)
    initial = {**filters, "number": filters.get("last_four", ""), "year": wanted.year_of(filters)}
    return _people(request, PeopleSearch(kept, initial=initial), filters, unit)


def _people(
    request: HttpRequest, form: PeopleSearch, filters: dict, unit: Organization | None
) -> HttpResponse:
    actor = request.actor
    left = request.GET.get("left") == "1" and not unit
    if form.errors:
        page = keyset.Page([])  # what was asked for could not be read: everybody would be no answer to it
    elif left:
        page = keyset.page(looking_up.left(actor, filters), looking_up.ORDER, request.GET)
    else:
        page = looking_up.page(actor, filters, request.GET, unit)
    year = wanted.year_of(filters)
    context = {
        "form": form,
        "page": page,
        "rows": looking_up.shown_left(page.rows) if left else looking_up.shown(page.rows, actor),
        "count": "" if left or form.errors else looking_up.how_many(actor, filters, unit, page),
        "narrowed": any(key != "unit" for key in filters),
        "words": "" if left else wanted.words(filters),
        "export": wanted.query(filters),
        "left": left,
        "unit": unit,
        "year": year,
        "with_unit": not left and _has_units(unit or actor.organization),
        "with_reset": not unit and not left and actor.organization.kind == Kind.EMPLOYER,
        "may_have_left": not unit and actor.organization.kind == Kind.EMPLOYER,
    }
    return render(request, "desk/people.html", context)


def _has_units(place: Organization) -> bool:
    """Whether its people may belong to different units."""
    return place.kind != Kind.EMPLOYER or place.subordinates.exists()


@require_http_methods(["GET"])
@for_admins_with(Duty.PEOPLE)
@budget.within_budget
def person(request: HttpRequest, practitioner_id: int) -> HttpResponse:
    """One person: data, hours of the year, matters, what changed. The ID number stays masked."""
    one = visible_person(request, practitioner_id)
    budget.open_person(request.actor, one)
    matters = Application.objects.about(one).visible_to(request.actor).order_by("-submitted_at")
    context = {
        "person": one,
        "standing": standing_of(one),
        "may_reset": looking_up.resettable_by(request.actor).filter(pk=one.pk).exists(),
        "may_release": request.actor.can(Duty.TRANSFERS)
        and releasable(request.actor).filter(pk=one.pk).exists(),
        "matters": inbox.matters(matters),
        "changes": history.of_practitioner(one, request.actor, QueryDict(), NEWEST_CHANGES),
    }
    return render(request, "desk/person.html", context)


@require_http_methods(["GET"])
@for_admins_with(Duty.PEOPLE)
@budget.within_budget
def person_history(request: HttpRequest, practitioner_id: int) -> HttpResponse:
    """变更记录 of one person, all of it."""
    one = visible_person(request, practitioner_id)
    budget.open_person(request.actor, one)
    context = {
        "name": one.user.name,
        "way": [{"name": "专技人员信息查询", "url": reverse("desk:people")}],
        "url": reverse("desk:person", args=[one.pk]),
        "changes": history.of_practitioner(one, request.actor, request.GET),
    }
    return render(request, "desk/history.html", context)


@require_http_methods(["GET", "POST"])
@for_admins_with(Duty.PEOPLE)
def reset_password(request: HttpRequest, practitioner_id: int) -> HttpResponse:
    """重置密码 (F-41 … F-43): the last six of the ID number, once, for a person of the own unit."""
    actor = request.actor
    one = get_object_or_404(
        looking_up.resettable_by(actor).select_related("user", "employer"), pk=practitioner_id
    )
    context = {"person": one, "refusal": looking_up.why_not(one)}
    if request.method == "GET":
        return render(request, "desk/reset_password.html", context)
    with told(request, f"已重置{one.user.name}的登录密码。") as outcome:
        looking_up.reset_password(one, by=actor)
    if outcome.refused:
        return redirect("desk:person", one.pk)
    return render(request, "desk/reset_done.html", context)


# --- 下级机构, 下属单位, 单位树 ------------------------------------------------------------------------


@require_http_methods(["GET"])
@for_admins
def tree(request: HttpRequest) -> HttpResponse:
    """The level right below the own organisation, or hits from the whole subtree (`?q=`)."""
    return _level(request, request.actor.organization)


@require_http_methods(["GET"])
@for_admins
def below(request: HttpRequest, organization_id: int) -> HttpResponse:
    """The same of an organisation further down."""
    top = get_object_or_404(units.there(request.actor), pk=organization_id)
    return redirect("desk:tree") if top == request.actor.organization else _level(request, top)


def _level(request: HttpRequest, top: Organization) -> HttpResponse:
    actor = request.actor
    own = top == actor.organization
    text = request.GET.get("q", "").strip()[:120]
    if text:
        page = units.found(top, text, request.GET)
    else:
        page = keyset.page(units.level(top), units.ORDER, request.GET)
    rows = units.shown(page.rows, actor, with_path=bool(text))
    context = {
        "top": top,
        "own": own,
        "label": units.label_of(actor.organization),
        "way": [] if own else units.way_to(actor, top),
        "filter": UnitSearch({"q": text}),
        "text": text,
        "page": page,
        "rows": rows,
        "to_review": sum(1 for row in rows if row.review_url),
    }
    return render(request, "desk/tree.html", context)


@require_http_methods(["GET"])
@for_admins
def organization(request: HttpRequest, organization_id: int) -> HttpResponse:
    """One organisation of the own branch: data, superiors, admins, contact, figures, matters, what changed."""
    actor = request.actor
    one = _visible_unit(request, organization_id)
    year = current_year()
    figures = units.figures_of([one.pk], year)[one.pk]
    matters = Application.objects.about(one).visible_to(actor).order_by("-submitted_at")
    context = {
        "unit": one,
        "own": one == actor.organization,
        "may_edit": one == actor.organization and actor.can(Duty.PROFILE),
        "kind": units.kind_of(one.kind, one.superior.kind if one.superior else None),
        "tags": units.tags_of(one, figures),
        "way": units.way_to(actor, one),
        "path": [*(above.name for above in chain_above(one) if above.kind != Kind.OPERATOR), one.name],
        "tiles": units.tiles(one, figures, actor, year),
        "admins": [units.admin_row(admin) for admin in one.admins.for_list()],
        "matters": inbox.matters(matters, NEWEST_MATTERS),
        "changes": history.of_organization(one, actor, QueryDict(), NEWEST_CHANGES),
    }
    return render(request, "desk/organization.html", context)


@require_http_methods(["GET"])
@for_admins
def organization_history(request: HttpRequest, organization_id: int) -> HttpResponse:
    """变更记录 of one organisation and its admins, all of it."""
    one = _visible_unit(request, organization_id)
    context = {
        "name": one.name,
        "url": reverse("desk:organization", args=[one.pk]),
        "changes": history.of_organization(one, request.actor, request.GET),
    }
    return render(request, "desk/history.html", context)


def _visible_unit(request: HttpRequest, organization_id: int) -> Organization:
    visible = Organization.objects.visible_to(request.actor).select_related("superior", "division")
    return get_object_or_404(visible, pk=organization_id)


# --- 综合查询 -------------------------------------------------------------------------------------------


@sensitive_post_parameters("q")
@require_http_methods(["GET", "POST"])
@for_admins
def find(request: HttpRequest) -> HttpResponse:
    """One box: a receipt number or a whole ID number leads to its page, anything else to a list."""
    actor = request.actor
    data = form_data(request)
    if data is None:
        text = request.GET.get("q", "").strip()[:120]
        text = text if search.may_stand_in_address(text) else ""
        form = SearchForm(initial={"q": text})
    else:
        form = SearchForm(data)
        text = form.cleaned_data["q"] if form.is_valid() else ""
        exact = search.exactly(actor, text) if text else ""
        if exact:
            return redirect(exact)
        if text and search.may_stand_in_address(text):
            return redirect(f"{request.path}?{urlencode({'q': text})}")
    context = {
        "form": form,
        "text": text,
        "found": search.found(actor, text) if text else None,
        "may_look_up": actor.can(Duty.PEOPLE),
    }
    return render(request, "desk/search.html", context)


# --- public pages ----------------------------------------------------------------------------------


@login_not_required
@require_http_methods(["GET"])
def faq(request: HttpRequest) -> HttpResponse:
    """常见问题: the twenty questions, searchable."""
    words = request.GET.get("q", "").strip()[:50]
    return render(request, "desk/faq.html", {"words": words, "questions": questions.search(words)})


@login_not_required
@require_http_methods(["GET"])
def statement(request: HttpRequest) -> HttpResponse:
    """网站声明."""
    return render(request, "desk/statement.html")


@login_not_required
@require_http_methods(["GET", "POST"])
def accessibility(request: HttpRequest) -> HttpResponse:
    """无障碍与长者版: what is done for everybody, and the switch to larger text."""
    if request.method == "POST":
        return elder.turn(redirect("desk:accessibility"), request, request.POST.get("elder") == "on")
    return render(request, "desk/accessibility.html")

"""What a person sees first and looks things up with: home per role, people, the public pages."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from accounts.password import issue_one_use_secret
from accounts.refused import Refused
from credits.standing import standing_of
from credits.years import current_year
from desk import elder, homes
from desk import faq as questions
from desk import people as looking_up
from desk.forms import PeopleSearch
from orgs.doors import for_admins_with
from orgs.models import Duty, Kind, Practitioner
from transfers.releasing import releasable
from workflow import inbox, keyset
from workflow.models import Application
from workflow.told import told


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
        context = homes.of_bureau(actor)
        template = "desk/home_bureau.html"
    else:
        context = homes.of_organization(actor)
        template = "desk/home_organization.html"
    request.waiting = context["waiting"]
    return render(
        request, template, {**context, "offered": offered, "search": PeopleSearch(auto_id="find_%s")}
    )


# --- 查询统计 → 专技人员信息查询 -------------------------------------------------------------------


@sensitive_post_parameters("number")
@require_http_methods(["GET", "POST"])
@for_admins_with(Duty.PEOPLE)
def people(request: HttpRequest) -> HttpResponse:
    """The people of the own organisation and below. What is looked up comes by POST: it may be a whole ID number."""
    if request.method == "POST":
        form = PeopleSearch(form_data(request))
        if not form.is_valid():
            return _people(request, form, "", "")
        number = form.cleaned_data["id_number"]
        if number is None:
            asked = {key: form.cleaned_data[key] for key in ("name", "last_four") if form.cleaned_data[key]}
            return redirect("{}{}".format(request.path, f"?{urlencode(asked)}" if asked else ""))
        person = looking_up.with_number(request.actor, number)
        if person:
            return redirect("desk:person", person)
        form.add_error(
            "number", "本单位及下级单位没有这个身份证号的在册人员，请核对号码，或确认注册已经审核通过。"
        )
        return _people(request, form, "", "")
    name, last_four = request.GET.get("name", "").strip()[:50], request.GET.get("last_four", "").upper()[:4]
    kept = form_data(request)
    form = PeopleSearch(kept if kept is not None else None, initial={"name": name, "number": last_four})
    return _people(request, form, name, last_four)


def _people(request: HttpRequest, form: PeopleSearch, name: str, last_four: str) -> HttpResponse:
    actor = request.actor
    unmet = request.GET.get("unmet") == "1"
    page = keyset.Page([])  # what was asked for could not be read: everybody would be no answer to it
    if not form.errors:
        page = keyset.page(looking_up.found(actor, name, last_four, unmet), looking_up.ORDER, request.GET)
    context = {
        "form": form,
        "page": page,
        "rows": looking_up.shown(page.rows, actor),
        "narrowed": bool(name or last_four),
        "unmet": unmet,
        "year": current_year(),
        "with_unit": actor.organization.subordinates.exists(),
    }
    return render(request, "desk/people.html", context)


@require_http_methods(["GET"])
@for_admins_with(Duty.PEOPLE)
def person(request: HttpRequest, practitioner_id: int) -> HttpResponse:
    """One person: data, hours of the year, matters. The ID number stays masked."""
    visible = Practitioner.objects.visible_to(request.actor).active()
    one = get_object_or_404(
        visible.select_related("user", "employer", "field_of_study", "title_series"), pk=practitioner_id
    )
    matters = Application.objects.about(one).visible_to(request.actor).order_by("-submitted_at")
    context = {
        "person": one,
        "standing": standing_of(one),
        "may_reset": looking_up.resettable_by(request.actor).filter(pk=one.pk).exists(),
        "may_release": request.actor.can(Duty.TRANSFERS)
        and releasable(request.actor).filter(pk=one.pk).exists(),
        "matters": inbox.matters(matters),
    }
    return render(request, "desk/person.html", context)


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
        if context["refusal"]:
            raise Refused(context["refusal"])
        issue_one_use_secret(one.user, by=actor.user, organization=actor.organization.name)
    if outcome.refused:
        return redirect("desk:person", one.pk)
    return render(request, "desk/reset_done.html", context)


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

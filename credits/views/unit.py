"""Pages of 单位申报: the unit's list, the form, its people, the check page, the answers."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from accounts.kept import forget, form_data, keep, kept
from credits import unit_declaring, unit_lists
from credits.forms.unit import LEVELS, UnitForm
from credits.models import UnitDeclaration
from credits.required import packs_at
from credits.shown import facts
from credits.unit_declaring import MOST, may_declare, people_of
from credits.unit_files import files_for, files_of
from credits.unit_reckoning import declaration_for, trainings_at
from credits.years import current_year, declarable_years
from orgs.doors import for_admins, for_any_role
from orgs.models import Duty, Practitioner
from workflow import keyset, picking
from workflow.flow import Refused
from workflow.told import told

DRAFT, PEOPLE = "unit-declaration", "unit-declaration-people"
PAGE = 20


def _check_may_declare(request: HttpRequest) -> None:
    if not may_declare(request.actor):
        raise PermissionDenied("单位申报由用人单位里有“审核学时”权限的管理员办理。")


@require_http_methods(["GET"])
@for_admins
def unit_declarations(request: HttpRequest) -> HttpResponse:
    """单位申报: what the unit has declared, newest first, with how many answered what."""
    _check_may_declare(request)
    own = UnitDeclaration.objects.filter(organization=request.actor.organization)
    page = keyset.page(own.values("pk"), ("-pk",), request.GET, PAGE)
    rows = unit_lists.shown_declarations([row["pk"] for row in page.rows])
    return render(request, "credits/unit/list.html", {"rows": rows, "page": page})


# --- a new one: kind, facts, people, check ----------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@for_admins
def unit_new(request: HttpRequest) -> HttpResponse:
    """Choose the kind (no `?kind=`), then what the training was, once for everybody."""
    _check_may_declare(request)
    data = form_data(request)
    if "new" in request.GET and data is None:
        forget(request, DRAFT)
        forget(request, PEOPLE)
    left = kept(request, DRAFT)
    if data is None and "kind" not in request.GET:
        return _kinds(request, left)
    start = {} if left is None else left.dict()
    start |= {} if data is not None else {"kind": request.GET["kind"]}
    start.setdefault("year", request.GET.get("year", ""))
    form = _form(request, data, initial=start)
    if form.activity is None:
        messages.warning(request, "请先选择申报形式。")
        return redirect("credits:unit_new")
    if request.method == "POST" and form.is_valid():
        keep(request, DRAFT, form.data)
        return redirect("credits:unit_people")
    context = {"form": form, "activity": form.activity, "rules": form.rules}
    return render(request, "credits/unit/form.html", context)


def _kinds(request: HttpRequest, left) -> HttpResponse:
    asked = request.GET.get("year", "")
    year = next((one for one in declarable_years() if str(one) == asked), current_year())
    kinds = trainings_at(request.actor.organization, [year])
    context = {
        "kinds": [
            {"title": rule.name, "url": f"?{urlencode({'kind': code, 'year': year})}", "note": _said(rule)}
            for code, (_, rule) in kinds.items()
        ],
        "year": year,
        "years": [one for one in declarable_years() if one != year],
        "left": left.dict() if left is not None and left.get("title") else None,
    }
    return render(request, "credits/unit/kinds.html", context)


def _said(rule) -> str:
    evidence = f"证明材料：{'、'.join(rule.evidence)}。" if rule.evidence else ""
    return f"{rule.line if rule.conversion else ''} {evidence}".strip()


def _form(request: HttpRequest, data, **kwargs) -> UnitForm:
    unit = request.actor.organization
    return UnitForm(data, request=request, unit=unit, packs=list(packs_at(unit.path)), **kwargs)


def _filled(request: HttpRequest, data) -> tuple[UnitForm | None, HttpResponse | None]:
    """The valid form out of a page that carries it along (or as it was kept), else where to go back to."""
    if data is None or "kind" not in data:
        data = kept(request, DRAFT)
    form = _form(request, data) if data else None
    if form is None or form.activity is None:
        messages.warning(request, "请先填写培训内容。")
        return None, redirect("credits:unit_new")
    keep(request, DRAFT, form.data)
    if not form.is_valid():
        messages.warning(request, "培训内容还没有填完，请补充后再选择人员。")
        return None, redirect(_form_url(form))
    return form, None


def _form_url(form: UnitForm) -> str:
    return reverse("credits:unit_new") + "?" + urlencode({"kind": form.activity.code})


def _carried(form: UnitForm) -> list:
    return [form[name] for name in form.fields if not name.startswith("files")]


@require_http_methods(["GET", "POST"])
@for_admins
def unit_people(request: HttpRequest) -> HttpResponse:
    """Whom it is for: search, all of a search, all of the unit, pasted names; every box can be unticked."""
    _check_may_declare(request)
    data = form_data(request)
    form, elsewhere = _filled(request, data)
    if elsewhere:
        return elsewhere
    people = people_of(request.actor)
    if data is None:
        data = kept(request, PEOPLE) or request.GET
    picked = picking.read(data, people, MOST)
    keep(request, PEOPLE, {"picked": picked.as_text})
    if picked.gone:
        messages.warning(request, f"有 {picked.gone} 人已不在本单位，已从名单中去掉。")
    status = 200
    if request.method == "POST" and picking.asked_for(request.POST) == "check":
        problem = _wrong_number_of(picked.picked)
        if not problem:
            return redirect("credits:unit_check")
        messages.error(request, problem)
        status = 422
    context = {
        "filled": form.unit_declaration(),
        "answers": _carried(form),
        "picking": picked,
        "rows": picking.shown_rows(picked),
        "names": picking.names(picked, people),
        "most": MOST,
        "levels": LEVELS,
        "change_url": _form_url(form),
    }
    return render(request, "credits/unit/people.html", context, status=status)


def _wrong_number_of(picked: set[int]) -> str:
    if not picked:
        return "请勾选参加培训的人员。"
    return f"一次最多为 {MOST} 人申报，请分几次办理。" if len(picked) > MOST else ""


@require_http_methods(["GET", "POST"])
@for_admins
def unit_check(request: HttpRequest) -> HttpResponse:
    """核对并提交: each person's hours as the rules and the year stand; who cannot get any is left out, with the reason."""
    _check_may_declare(request)
    actor = request.actor
    data = form_data(request)
    form, elsewhere = _filled(request, data)
    if elsewhere:
        return elsewhere
    held = data if data is not None and "picked" in data else kept(request, PEOPLE)
    picked = picking.ids_in(held.get("picked")) if held else set()
    problem = _wrong_number_of(picked)
    if problem:
        messages.warning(request, problem)
        return redirect("credits:unit_people")
    keep(request, PEOPLE, {"picked": ",".join(map(str, sorted(picked)))})
    unit_declaration = form.unit_declaration()
    if request.method == "POST":
        try:
            count = unit_declaring.file(unit_declaration, picked, form, by=actor)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect("credits:unit_declarations")
        forget(request, DRAFT)
        forget(request, PEOPLE)
        messages.success(request, f"已提交，{count} 人会收到消息，由本人确认。")
        return redirect("credits:unit_declaration", unit_declaration.pk)
    going, staying = unit_declaring.judged(unit_declaration, people_of(actor).filter(pk__in=picked))
    context = {
        "rows": facts(
            declaration_for(_anybody(actor), unit_declaration), _form_url(form), reverse("credits:unit_new")
        ),
        "files": form.cleaned_data["files"],
        "going": unit_lists.going_rows(going),
        "groups": unit_lists.by_hours(going),
        "staying": unit_lists.staying_rows(staying),
        "doubtful": sum(1 for one in going if one.doubts),
        "answers": _carried(form),
        "picked": ",".join(map(str, sorted(picked))),
        "change_url": _form_url(form),
    }
    return render(request, "credits/unit/check.html", context)


def _anybody(actor) -> Practitioner:
    return Practitioner(path=actor.organization.path, employer=actor.organization)


# --- what became of one -----------------------------------------------------------------------------------


@require_http_methods(["GET"])
@for_admins
def unit_declaration(request: HttpRequest, declaration_id: int) -> HttpResponse:
    """One declaration of the unit, or of one below: who answered what, and what became of each confirmation."""
    if not request.actor.can(Duty.HOURS):
        raise PermissionDenied
    found = _visible(request, declaration_id)
    answer = request.GET.get("answer", "")
    counts = unit_lists.counts_of([found.pk])[found.pk]
    page = keyset.page(unit_lists.person_rows(found, answer), unit_lists.ORDER, request.GET)
    own = may_declare(request.actor) and found.organization_id == request.actor.organization.pk
    context = {
        "declaration": found,
        "rows": facts(declaration_for(Practitioner(), found)),
        "files": list(files_of(found)),
        "counts": counts,
        "tabs": unit_lists.tabs(counts, answer),
        "page": page,
        "people": unit_lists.shown_persons(page.rows, request.actor),
        "may_act": own and not found.cancelled_at and counts["waiting"],
    }
    return render(request, "credits/unit/one.html", context)


@require_http_methods(["POST"])
@for_admins
def unit_remind(request: HttpRequest, declaration_id: int) -> HttpResponse:
    """提醒未答复的人, once a day."""
    found = _own(request, declaration_id)
    with told(request, "已提醒还没有答复的人。"):
        unit_declaring.remind(found, by=request.actor)
    return redirect("credits:unit_declaration", found.pk)


@require_http_methods(["GET", "POST"])
@for_admins
def unit_cancel(request: HttpRequest, declaration_id: int) -> HttpResponse:
    """撤销, with what it means said first."""
    found = _own(request, declaration_id)
    if request.method == "POST":
        with told(request, "已撤销，还没有答复的人会收到消息。"):
            unit_declaring.cancel(found, by=request.actor)
        return redirect("credits:unit_declaration", found.pk)
    counts = unit_lists.counts_of([found.pk])[found.pk]
    return render(request, "credits/unit/cancel.html", {"declaration": found, "counts": counts})


def _own(request: HttpRequest, declaration_id: int) -> UnitDeclaration:
    _check_may_declare(request)
    own = UnitDeclaration.objects.filter(organization=request.actor.organization).select_related(
        "kind", "organization"
    )
    return get_object_or_404(own, pk=declaration_id)


def _visible(request: HttpRequest, declaration_id: int) -> UnitDeclaration:
    rows = UnitDeclaration.objects.visible_to(request.actor).select_related("kind", "organization", "by")
    return get_object_or_404(rows, pk=declaration_id)


@require_http_methods(["GET"])
@for_any_role
def unit_file(request: HttpRequest, attachment_id: int) -> HttpResponse:
    """A file of a unit's declaration, as a download."""
    found = get_object_or_404(files_for(request.actor), pk=attachment_id)
    answer = FileResponse(
        found.file.open("rb"), as_attachment=True, filename=found.name, content_type=found.content_type
    )
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cross-Origin-Resource-Policy"] = "same-origin"
    answer["Cache-Control"] = "private, no-store"
    return answer

"""The parts of a draft, each with its form: head, year, activities and their conversions, caps, reductions, the text."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from credits import pack_editing as editing
from credits.forms.pack_activities import ActivityForm, AddActivityForm, new_activity
from credits.forms.pack_amounts import CapsForm, PackYearForm
from credits.forms.pack_conversions import ConversionForm, Table, TableForm
from credits.forms.packs import HeadForm, PackTextForm, ReliefKindForm
from credits.models import ActivityKind, PackState, RulePack
from credits.pack_lists import switches
from credits.required import asked_in_words, parsed
from credits.rules.editing import NOT_PUBLISHED, not_dropped, with_activity, without_activity, without_relief
from credits.rules.pack import Malformed
from credits.rules.shapes import Activity, Pack
from credits.views.packs import editable, for_rule_makers
from workflow.flow import Refused
from workflow.told import told


def _draft(request: HttpRequest, pack_id: int) -> tuple[RulePack, Pack]:
    one = editable(request, pack_id, PackState.DRAFT)
    return one, parsed(one.text)


def _saved(request: HttpRequest, one: RulePack, form, note: str | None = None) -> bool:
    """Whether the part was saved; what the rules refuse stands on the form."""
    if request.method != "POST" or not form.is_valid():
        return False
    try:
        with editing.malformed_to(form):
            editing.change(one, form.apply, by=request.actor, note=note)
    except Refused as refusal:
        form.add_error(None, str(refusal))
    return not form.errors


def _page(
    request: HttpRequest, one: RulePack, form, heading: str, template: str = "form", **more
) -> HttpResponse:
    context = {
        "pack": one,
        "form": form,
        "heading": heading,
        "submit": "保存到草稿",
        "cancel_url": reverse("credits:pack", args=[one.pk]),
        **more,
    }
    return render(request, f"credits/packs/{template}.html", context)


@require_http_methods(["GET", "POST"])
@for_rule_makers
def pack_head(request: HttpRequest, pack_id: int) -> HttpResponse:
    one, rules = _draft(request, pack_id)
    form = HeadForm(form_data(request), pack=rules, change_note=one.note)
    note = form.data.get("change_note", "")[:300] if form.is_bound else None
    if _saved(request, one, form, note):
        return redirect("credits:pack", one.pk)
    return _page(request, one, form, "基本信息")


@require_http_methods(["GET", "POST"])
@for_rule_makers
def pack_year(request: HttpRequest, pack_id: int) -> HttpResponse:
    one, rules = _draft(request, pack_id)
    form = PackYearForm(form_data(request), pack=rules)
    if _saved(request, one, form):
        return redirect(reverse("credits:pack", args=[one.pk]) + "#year")
    lead = "写了任何一项，上级的年度要求就全部不再适用；一项都不写，就沿用上级的。"
    above = asked_in_words(editing.rules_above(one)) if rules.inherits else ""
    if above:
        lead += f"上级的要求是：{above}。"
    return _page(request, one, form, "年度要求", lead=lead)


@require_http_methods(["GET", "POST"])
@for_rule_makers
def pack_caps(request: HttpRequest, pack_id: int) -> HttpResponse:
    one, rules = _draft(request, pack_id)
    form = CapsForm(form_data(request), pack=rules)
    if _saved(request, one, form):
        return redirect(reverse("credits:pack", args=[one.pk]) + "#caps")
    return _page(request, one, form, "上限", lead="不限的不填。一种形式自己的上限，在该形式里填写。")


@require_http_methods(["GET", "POST"])
@for_rule_makers
def add_activity(request: HttpRequest, pack_id: int) -> HttpResponse:
    """新增形式: an activity known elsewhere, or a new one."""
    one, rules = _draft(request, pack_id)
    form = AddActivityForm(form_data(request), pack=rules)
    if request.method == "POST" and form.is_valid():
        name, code = form.cleaned_data["name"], form.cleaned_data["kind"]
        code = code or _new_code(one, rules)
        name = name or ActivityKind.objects.values_list("name", flat=True).get(code=code)
        with editing.malformed_to(form), told(request, f"已加入“{name}”，请继续填写。") as outcome:
            start = editing.rules_above(one).activities.get(code)
            activity = start and _at_home(start, rules)
            editing.change(
                one,
                lambda pack: with_activity(pack, activity or new_activity(pack, code, name)),
                by=request.actor,
            )
        if not form.errors and not outcome.refused:
            return redirect("credits:pack_activity", one.pk, code)
    return _page(request, one, form, "新增申报形式", submit="加入草稿")


def _new_code(one: RulePack, rules: Pack) -> str:
    """A code that no other bureau's activity can have: kinds are counted together by their codes."""
    start = f"b{one.bureau_id}" if one.bureau_id else "province"
    taken = {*rules.activities, *ActivityKind.objects.values_list("code", flat=True)}
    return next(code for code in (f"{start}-{number}" for number in range(1, 9999)) if code not in taken)


def _at_home(activity: Activity, rules: Pack) -> Activity:
    """An activity of the packs above as this pack may say it: with subjects and groups that it knows."""
    subjects = tuple(code for code in activity.subjects if code in rules.subjects) or tuple(rules.subjects)
    group = activity.group if activity.group in rules.groups else ""
    return Activity(**{**vars(activity), "subjects": subjects, "group": group})


@require_http_methods(["GET", "POST"])
@for_rule_makers
def pack_activity(request: HttpRequest, pack_id: int, code: str) -> HttpResponse:
    """One activity; an inherited one becomes the pack's own when it is saved."""
    one, rules = _draft(request, pack_id)
    activity, inherited = _activity(one, rules, code)
    form = ActivityForm(form_data(request), pack=rules, activity=activity)
    if _saved(request, one, form):
        return redirect(reverse("credits:pack", args=[one.pk]) + "#activities")
    return _page(request, one, form, activity.name, "activity", activity=activity, inherited=inherited)


def _activity(one: RulePack, rules: Pack, code: str) -> tuple[Activity, bool]:
    if code in rules.activities:
        return rules.activities[code], False
    above = editing.rules_above(one).activities.get(code) if rules.inherits else None
    if above is None:
        raise Http404
    return _at_home(above, rules), True


@require_http_methods(["GET", "POST"])
@for_rule_makers
def pack_conversion(request: HttpRequest, pack_id: int, code: str) -> HttpResponse:
    """折算: first how and for which rows (in the address), then the rows themselves."""
    one, rules = _draft(request, pack_id)
    activity, inherited = _activity(one, rules, code)
    now = Table.of(activity)
    start = {"shape": now.shape, "levels": now.levels, "variants": "\n".join(now.variants)}
    choose = TableForm(request.GET if "shape" in request.GET else None, initial=start)
    if choose.is_bound and not choose.is_valid():
        return _page(request, one, choose, "折算标准", "conversion", activity=activity, choose=choose)
    table = choose.table() if choose.is_bound else now
    rows = None
    if table.shape:
        rows = ConversionForm(form_data(request), pack=rules, activity=activity, table=table)
        if _saved(request, one, rows):
            return redirect(reverse("credits:pack", args=[one.pk]) + "#activities")
    more = {
        "activity": activity,
        "choose": choose,
        "rows": rows,
        "inherited": inherited,
        "none": table.shape == NOT_PUBLISHED,
    }
    return _page(request, one, rows, "折算标准", "conversion", **more)


@require_http_methods(["POST"])
@for_rule_makers
def switch_activity(request: HttpRequest, pack_id: int, code: str) -> HttpResponse:
    """停用 or 启用 of one activity in a draft."""
    one, rules = _draft(request, pack_id)
    above = editing.rules_above(one).activities if rules.inherits else {}
    if "off" in request.POST:
        activity = rules.activities.get(code) or above.get(code)
        if activity is None:
            raise Http404
        with told(request, f"“{activity.name}”已在草稿中停用。"):
            editing.change(one, lambda pack: without_activity(pack, code, above=above), by=request.actor)
    else:
        before = editing.version_before(one)
        row = next(
            (row for row in switches(one, rules, before and parsed(before.text)) if row["code"] == code), None
        )
        if row is None:
            raise Http404
        with told(request, f"“{row['name']}”已在草稿中启用。"):
            editing.change(one, lambda pack: _switched_on(pack, code, above, before), by=request.actor)
    return redirect(reverse("credits:pack", args=[one.pk]) + "#activities")


def _switched_on(pack: Pack, code: str, above: dict, before: RulePack | None) -> Pack:
    """As the version before had it; else as the packs above have it, which needs no word of one's own."""
    old = parsed(before.text).activities.get(code) if before else None
    if old is not None:
        return with_activity(pack, _at_home(old, pack))
    return not_dropped(pack, code)


@require_http_methods(["GET", "POST"])
@for_rule_makers
def pack_relief(request: HttpRequest, pack_id: int, code: str) -> HttpResponse:
    """One kind of reduction; "new" adds one."""
    one, rules = _draft(request, pack_id)
    new = code == "new"
    if new:
        taken = {*rules.reliefs, *editing.rules_above(one).reliefs}
        start = f"b{one.bureau_id}" if one.bureau_id else "province"
        code = next(name for name in (f"{start}-relief-{n}" for n in range(1, 999)) if name not in taken)
    elif code not in rules.reliefs:
        raise Http404
    if request.method == "POST" and "remove" in request.POST and not new:
        with told(request, f"“{rules.reliefs[code].name}”已从草稿中删去。"):
            editing.change(one, lambda pack: without_relief(pack, code), by=request.actor)
        return redirect(reverse("credits:pack", args=[one.pk]) + "#reliefs")
    form = ReliefKindForm(form_data(request), pack=rules, code=code)
    if _saved(request, one, form):
        return redirect(reverse("credits:pack", args=[one.pk]) + "#reliefs")
    heading = "新增减免" if new else rules.reliefs[code].name
    return _page(request, one, form, heading, "relief", is_new=new)


@require_http_methods(["GET", "POST"])
@for_rule_makers
def pack_text(request: HttpRequest, pack_id: int) -> HttpResponse:
    """全文: everything that a pack can say; each mistake is listed with its line."""
    one, _ = _draft(request, pack_id)
    start = {"text": one.text, "seen": editing.digest_of(one.text)}
    form = PackTextForm(form_data(request), initial=start)
    if request.method == "POST" and form.is_valid():
        try:
            editing.rewrite(one, form.cleaned_data["text"], by=request.actor, seen=form.cleaned_data["seen"])
            return redirect("credits:pack", one.pk)
        except Malformed as error:
            form.add_mistakes(error)
        except Refused as refusal:
            form.add_error(None, str(refusal))
    return _page(request, one, form, "全文", "text")

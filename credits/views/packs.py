"""规则与年度: the packs of a bureau, one of them to read, what changed, and what puts it into force or out of it."""

from functools import wraps

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from credits import pack_editing as editing
from credits import pack_lists as lists
from credits.forms.packs import StartForm, VersionForm
from credits.models import PackState, RulePack
from credits.required import asked_in_words, parsed
from credits.rules.compare import changes, effects
from credits.tallies import counts_of
from credits.text_changes import changed_lines
from credits.trial import last_trial
from credits.years import current_year
from orgs.tree import platform
from workflow import keyset
from workflow.flow import Refused
from workflow.told import told


def for_rule_makers(view):
    """Super admins of bureaus and of the platform."""

    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not editing.may_make_rules(request.actor):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def seen(request: HttpRequest, pack_id: int) -> RulePack:
    """A pack that this person may read, or 404."""
    return get_object_or_404(lists.seen_by(request.actor).select_related("published_by"), pk=pack_id)


def editable(request: HttpRequest, pack_id: int, *states: str) -> RulePack:
    """A pack that this person may change, in one of these states (none: any), or 404."""
    own = RulePack.objects.editable_by(request.actor).select_related("bureau")
    return get_object_or_404(own.filter(state__in=states) if states else own, pk=pack_id)


@require_http_methods(["GET"])
@for_rule_makers
def packs(request: HttpRequest) -> HttpResponse:
    """规则与年度: what holds here this year, own drafts and versions, examples."""
    actor = request.actor
    context = {
        "here": lists.asked_here(actor),
        "in_force": lists.in_force(actor),
        "own": lists.own_versions(actor),
        "examples": lists.examples().exclude(name=""),
        "is_platform": actor.is_operator,
    }
    if actor.is_operator:
        context["page"] = keyset.page(lists.of_bureaus(), ("-pk",), request.GET)
    return render(request, "credits/packs/list.html", context)


@require_http_methods(["GET"])
@for_rule_makers
def pack(request: HttpRequest, pack_id: int) -> HttpResponse:
    """One pack in words and tables; of a draft, each part leads to its form."""
    one = seen(request, pack_id)
    rules = parsed(one.text)
    may_edit = RulePack.objects.editable_by(request.actor).filter(pk=one.pk).exists()
    before = editing.version_before(one)
    draft = may_edit and one.state == PackState.DRAFT
    rows = lists.switches(one, rules, parsed(before.text) if before else None) if draft else []
    context = {
        "pack": one,
        "rules": rules,
        "tag": lists.TAGS[one.state],
        "facts": lists.facts_of(one, rules),
        "asked": asked_in_words(rules),
        "minimums": lists.minimum_rows(rules),
        "activities": lists.activity_rows(rules),
        "caps": lists.cap_rows(rules),
        "before": before,
        "draft": draft,
        "may_edit": may_edit,
        "inherited": [row for row in rows if row["inherited"]],
        "off": [row for row in rows if not row["inherited"]],
        "is_example": lists.examples().filter(pk=one.pk).exists(),
        "is_platform": request.actor.is_operator,
        "trial": last_trial(one, request.actor) if may_edit else None,
    }
    return render(request, "credits/packs/pack.html", context)


@require_http_methods(["GET"])
@for_rule_makers
def pack_changes(request: HttpRequest, pack_id: int) -> HttpResponse:
    """What a version changed: against the one before, in words and line by line; a first one against what holds."""
    one = seen(request, pack_id)
    before = editing.version_before(one)
    if before:
        found, lines = changes(parsed(before.text), parsed(one.text)), changed_lines(before.text, one.text)
    else:
        found, lines = effects(*editing.around_with(one)), []
    context = {"pack": one, "before": before, "changes": found, "lines": lines}
    return render(request, "credits/packs/changes.html", context)


@require_http_methods(["GET", "POST"])
@for_rule_makers
def start_pack(request: HttpRequest) -> HttpResponse:
    """取用样例 (`?from=`) or an empty pack of one's own."""
    base = request.GET.get("from", "")
    example = get_object_or_404(lists.examples(), pk=base) if base.isdecimal() and len(base) < 10 else None
    name = "" if request.actor.is_operator else request.actor.organization.name
    start = {"name": f"{example.name}（{name}）" if example and name else name and f"{name}的规则"}
    data = form_data(request)
    form = StartForm(data, initial=start)
    if request.method == "POST" and form.is_valid():
        try:
            with editing.malformed_to(form):
                asked = {"by": request.actor, **form.cleaned_data}
                new = editing.take_over(example, **asked) if example else editing.start_blank(**asked)
                return redirect("credits:pack", new.pk)
        except Refused as refusal:
            form.add_error(None, str(refusal))
    context = {
        "form": form,
        "example": example,
        "heading": f"取用“{example.name}”" if example else "新建政策包",
        "submit": "建立草稿",
        "cancel_url": reverse("credits:packs"),
        "lead": "先建立草稿，改好、试算后再发布；发布前不影响任何人。",
    }
    return render(request, "credits/packs/form.html", context)


@require_http_methods(["GET", "POST"])
@for_rule_makers
def new_version(request: HttpRequest, pack_id: int) -> HttpResponse:
    """新版本: the same rules as a draft, from another year on."""
    base = editable(request, pack_id, PackState.PUBLISHED, PackState.SUPERSEDED, PackState.RETIRED)
    form = VersionForm(form_data(request))
    if request.method == "POST" and form.is_valid():
        try:
            with editing.malformed_to(form):
                new = editing.start_version(base, by=request.actor, **form.cleaned_data)
                return redirect("credits:pack", new.pk)
        except Refused as refusal:
            form.add_error(None, str(refusal))
    context = {
        "pack": base,
        "form": form,
        "heading": f"“{base.name}”的新版本",
        "submit": "建立草稿",
        "cancel_url": reverse("credits:pack", args=[base.pk]),
        "lead": "内容先和这一版相同，改好、试算后再发布；发布前不影响任何人。",
    }
    return render(request, "credits/packs/form.html", context)


@require_http_methods(["GET", "POST"])
@for_rule_makers
def publish_pack(request: HttpRequest, pack_id: int) -> HttpResponse:
    """核对并发布: what changes, for how many people, and that nothing decided does."""
    one = editable(request, pack_id, PackState.DRAFT)
    if request.method == "POST":
        with told(request, f"“{one}”已发布。达标情况由后台重新核对，几分钟内更新。") as outcome:
            editing.publish(one, by=request.actor, seen=request.POST.get("seen", ""))
        return redirect("credits:publish_pack" if outcome.refused else "credits:pack", one.pk)
    now, then = editing.around_with(one)
    place = one.bureau or platform()
    years = list(range(one.year_from, min(one.year_to or current_year(), current_year()) + 1))
    counted = counts_of([place], years or [current_year()])
    replaced = RulePack.objects.published().filter(code=one.code, year_from__gte=one.year_from)
    context = {
        "pack": one,
        "scope": lists.scope_of(one),
        "changes": effects(now, then),
        "asked": asked_in_words(then),
        "seen": editing.digest_of(one.text),
        "people": max((count.people for count in counted.values()), default=0),
        "years": [(year, counted[place.pk, year]) for year in years if counted[place.pk, year].begun],
        "replaced": replaced,
        "trial": last_trial(one, request.actor),
        "unfinished": "待填写" in (now.basis, parsed(one.text).basis, parsed(one.text).origin),
    }
    return render(request, "credits/packs/publish.html", context)


@require_http_methods(["GET", "POST"])
@for_rule_makers
def retire_pack(request: HttpRequest, pack_id: int) -> HttpResponse:
    """停用, after a look at what holds instead."""
    one = editable(request, pack_id, PackState.PUBLISHED)
    if request.method == "POST":
        with told(request, f"“{one}”已停用。达标情况由后台重新核对，几分钟内更新。"):
            editing.retire(one, by=request.actor)
        return redirect("credits:pack", one.pk)
    now, then = editing.around_without(one)
    context = {
        "pack": one,
        "scope": lists.scope_of(one),
        "changes": effects(now, then),
        "asked": asked_in_words(then),
    }
    return render(request, "credits/packs/retire.html", context)


@require_http_methods(["POST"])
@for_rule_makers
def discard_pack(request: HttpRequest, pack_id: int) -> HttpResponse:
    """删除草稿."""
    one = editable(request, pack_id, PackState.DRAFT)
    with told(request, f"草稿“{one}”已删除。") as outcome:
        editing.discard(one, by=request.actor)
    return redirect("credits:pack", one.pk) if outcome.refused else redirect("credits:packs")

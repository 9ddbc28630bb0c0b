"""待办审核 and 已办: what waits for an admin, what the organisation decided."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from orgs.doors import for_admins
from orgs.models import Kind
from workflow import inbox, keyset
from workflow.forms import InboxFilter
from workflow.models import RemovedDecision, Step


@require_http_methods(["GET"])
@for_admins
def waiting(request: HttpRequest) -> HttpResponse:
    """待办审核: what waits for this admin, oldest first."""
    return _list(request, done=False)


@require_http_methods(["GET"])
@for_admins
def done(request: HttpRequest) -> HttpResponse:
    """已办: what this organisation decided."""
    return _list(request, done=True)


@require_http_methods(["POST"])
@for_admins
def remove_done(request: HttpRequest) -> HttpResponse:
    """从已办列表中移除, or bring back: the list of the own organisation alone changes (F-88)."""
    asked = request.POST.get("step", "")
    if not (asked.isascii() and asked.isdecimal() and len(asked) < 19):
        raise Http404
    step = get_object_or_404(Step.objects.decided_for(request.actor), pk=asked)
    if "restore" in request.POST:
        RemovedDecision.objects.filter(step=step).delete()
        messages.success(request, "已恢复到已办列表。")
        return redirect(reverse("workflow:done") + "?removed=1")
    RemovedDecision.objects.get_or_create(step=step, defaults={"by": request.user})
    messages.success(request, "已从已办列表中移除，办理记录仍然保留，可在“已移除的记录”中恢复。")
    return redirect("workflow:done")


def _list(request: HttpRequest, done: bool) -> HttpResponse:
    actor = request.actor
    counts = request.waiting = inbox.waiting_by_duty(actor)
    duty = request.GET.get("duty", "")
    duty = duty if duty in counts else ""
    name = request.GET.get("name", "").strip()[:50]
    removed = done and "removed" in request.GET
    checked = "all" in request.GET
    if done:
        page = keyset.page(inbox.decided_rows(actor, duty, name, removed), inbox.DONE_ORDER, request.GET)
        rows = inbox.shown_done(page.rows)
    else:
        page = keyset.page(inbox.awaiting_rows(actor, duty, name), inbox.ORDER, request.GET)
        rows = inbox.shown_rows(page.rows, checked)
    context = {
        "rows": rows,
        "page": page,
        "done": done,
        "removed": removed,
        "notices": [] if done else inbox.notices_for(actor, duty),
        "tabs": _tabs(counts, duty, done),
        "filter": InboxFilter({"duty": duty, "name": name}),
        "reset_url": (request.path + (f"?duty={duty}" if duty else "")) if name else "",
        "name": name,
        "duty": duty,
        "all_checked": checked,
        "all_url": _address(request, True),
        "none_url": _address(request, False),
        "with_unit": actor.organization.kind != Kind.EMPLOYER,
        "first_waited": rows[0].waited if rows and not done and not page.newer else "",
    }
    return render(request, "workflow/inbox.html", context)


def _address(request: HttpRequest, checked: bool) -> str:
    """This page of the list again, with every box ticked or none: 全选 without a script."""
    query = request.GET.copy()
    query.pop("all", None)
    if checked:
        query["all"] = "1"
    return f"{request.path}?{query.urlencode()}"


def _tabs(counts: dict, duty: str, done: bool) -> list[dict]:
    total = sum(counts.values())
    tabs = [{"query": "", "label": "全部", "count": inbox.shown_count(total), "current": not duty}]
    for one, count in counts.items():
        label = inbox.DUTY_TABS[one]
        tabs.append(
            {
                "query": f"?duty={one}",
                "label": label,
                "count": inbox.shown_count(count),
                "current": duty == one,
            }
        )
    if done:
        for tab in tabs:
            tab["count"] = ""
    # With one kind of work the choice between it and everything is no choice.
    return tabs if len(tabs) > 2 else tabs[:1]

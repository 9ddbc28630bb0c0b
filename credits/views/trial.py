"""试算 of a draft: choose the year, then what would come out."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from credits import trial as trials
from credits.forms.packs import TrialForm
from credits.models import IssueState, PackState, RuleTrial
from credits.pack_editing import digest_of
from credits.views.packs import editable, for_rule_makers
from workflow.inbox import detail_url
from workflow.told import told
from workflow.wording import shown_time

AGAIN_AFTER = 3  # seconds until the page of a running trial is asked for again


@require_http_methods(["GET", "POST"])
@for_rule_makers
def try_pack(request: HttpRequest, pack_id: int) -> HttpResponse:
    """Choose the year. Few people are reckoned at once, many by the worker."""
    pack = editable(request, pack_id, PackState.DRAFT)
    form = TrialForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with told(request, "已提交试算。") as outcome:
            trial = trials.start(pack, form.cleaned_data["year"], by=request.actor)
        if not outcome.refused:
            return redirect("credits:trial", trial.pk)
    context = {
        "pack": pack,
        "form": form,
        "heading": "试算",
        "submit": "开始试算",
        "cancel_url": reverse("credits:pack", args=[pack.pk]),
        "lead": "用已有的数据看看这份草稿会带来什么。只读取，不改变任何人的学时、达标和证书。",
    }
    return render(request, "credits/packs/form.html", context)


@require_http_methods(["GET"])
@for_rule_makers
def trial(request: HttpRequest, trial_id: int) -> HttpResponse:
    """What came out, or how far it is."""
    own = RuleTrial.objects.filter(organization=request.actor.organization)
    one = get_object_or_404(own.select_related("pack__bureau", "organization"), pk=trial_id)
    going = one.state in trials.GOING
    result = one.result
    context = {
        "trial": one,
        "pack": one.pack,
        "going": going,
        "failed": one.state == IssueState.FAILED,
        "at": shown_time(one.finished_at or one.created_at),
        "result": result,
        "rows": [row | {"url": detail_url(row["application"])} for row in result.get("rows", [])],
        "outdated": digest_of(one.pack.text) != one.seen,
        "is_draft": one.pack.state == PackState.DRAFT,
        "most_rows": trials.MOST_ROWS,
    }
    response = render(request, "credits/packs/trial.html", context)
    if going:
        response["Refresh"] = str(AGAIN_AFTER)
    return response

"""学习平台管理: what people see of a platform, what it may report, its keys and what went wrong with its reports."""

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from accounts.refused import Refused
from credits.api import keys
from credits.forms.intake import ProviderForm
from credits.intake import asking
from credits.models import Provider, ProviderKey, PushRefusal
from credits.standing import named_subject
from credits.views.keeping import for_keepers
from orgs.actor import hold_right
from workflow.told import told
from workflow.wording import shown_time

MOST_REFUSALS = 20


@require_http_methods(["GET"])
@for_keepers
def providers(request: HttpRequest) -> HttpResponse:
    """The platforms that this admin keeps, with their valid keys and the last report of each."""
    found = (
        asking.kept_by(request.actor)
        .select_related("bureau")
        .annotate(
            valid_keys=Count("keys", filter=Q(keys__revoked_at=None)), last_push=Max("keys__last_used_at")
        )
    )
    rows = [
        {
            "url": reverse("credits:provider", args=[one.pk]),
            "name": one.name,
            "place": one.bureau.name if one.bureau else "全省",
            "years": years_of(one),
            "keys": one.valid_keys,
            "last": shown_time(one.last_push),
            "tag": ("ok", "可报送") if one.is_active else ("draft", "已停用"),
            "listed": one.is_listed,
        }
        for one in found
    ]
    return render(request, "credits/intake/providers.html", {"rows": rows})


@never_cache
@require_http_methods(["GET"])
@for_keepers
def provider(request: HttpRequest, provider_id: int) -> HttpResponse:
    """One platform."""
    return _page(request, _kept(request, provider_id))


def _page(request: HttpRequest, one: Provider, made: tuple[ProviderKey, str] | None = None) -> HttpResponse:
    found = one.keys.select_related("created_by", "revoked_by")
    refusals = PushRefusal.objects.filter(key__provider=one).select_related("key").order_by("-last_at")
    context = {
        "provider": one,
        "facts": _facts(one),
        "keys": [_key_row(key) for key in found],
        "may_make_keys": keys.may_make_keys(request.actor, one),
        "made": made,
        "refusals": [
            {
                "at": shown_time(row.last_at),
                "key": row.key.key_id,
                "code": row.code,
                "count": row.count,
                "sentence": row.sentence,
            }
            for row in refusals[:MOST_REFUSALS]
        ],
    }
    return render(request, "credits/intake/provider.html", context)


def _facts(one: Provider) -> list[dict]:
    subjects = "、".join(named_subject(code) for code in one.subjects) or "不限"
    rows = [
        ("网址", one.url),
        ("电话", one.phone),
        ("说明", one.note),
        ("学习平台页面", "列出" if one.is_listed else "不列出"),
        ("报送范围", f"{one.bureau.name}及下级" if one.bureau else "全省"),
        ("年度", years_of(one)),
        ("科目", subjects),
    ]
    return [{"label": label, "value": value} for label, value in rows]


def years_of(one: Provider) -> str:
    """Which years a platform reports, in words."""
    if one.year_from and one.year_to:
        return f"{one.year_from}–{one.year_to}"
    if one.year_from:
        return f"{one.year_from} 年起"
    return f"{one.year_to} 年止" if one.year_to else "不限"


def _key_row(key: ProviderKey) -> dict:
    made = shown_time(key.created_at) + (f"，{key.created_by.name}" if key.created_by else "")
    by = f"，{key.revoked_by.name}" if key.revoked_by else ""
    return {
        "pk": key.pk,
        "name": key.key_id,
        "made": made,
        "last": shown_time(key.last_used_at),
        "revoked": shown_time(key.revoked_at) + by if key.revoked_at else "",
    }


@require_http_methods(["GET", "POST"])
@for_keepers
def add_provider(request: HttpRequest) -> HttpResponse:
    return _edited(request, None)


@require_http_methods(["GET", "POST"])
@for_keepers
def edit_provider(request: HttpRequest, provider_id: int) -> HttpResponse:
    return _edited(request, _kept(request, provider_id))


def _edited(request: HttpRequest, one: Provider | None) -> HttpResponse:
    form = ProviderForm(form_data(request), instance=one, actor=request.actor)
    if request.method == "POST" and form.is_valid():
        with told(request, f"已保存“{form.cleaned_data['name']}”。") as outcome, transaction.atomic():
            hold_right(request.actor)
            saved = form.save()
        if not outcome.refused:
            return redirect("credits:provider", saved.pk)
    context = {
        "form": form,
        "heading": f"修改{one.name}" if one else "增加学习平台",
        "submit": "保存",
        "cancel_url": reverse("credits:provider", args=[one.pk]) if one else reverse("credits:providers"),
    }
    return render(request, "credits/intake/provider_form.html", context)


@never_cache
@require_http_methods(["POST"])
@for_keepers
def add_key(request: HttpRequest, provider_id: int) -> HttpResponse:
    """A new key. Its secret stands on the page that answers, and nowhere else."""
    one = _kept(request, provider_id)
    try:
        made = keys.make(one, by=request.actor)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("credits:provider", one.pk)
    return _page(request, one, made)


@require_http_methods(["POST"])
@for_keepers
def revoke_key(request: HttpRequest, key_id: int) -> HttpResponse:
    rows = ProviderKey.objects.select_related("provider").filter(provider__in=asking.kept_by(request.actor))
    key = get_object_or_404(rows, pk=key_id)
    with told(request, f"已停用密钥 {key.key_id}。"):
        keys.revoke(key, by=request.actor)
    return redirect("credits:provider", key.provider_id)


def _kept(request: HttpRequest, provider_id: int) -> Provider:
    return get_object_or_404(asking.kept_by(request.actor).select_related("bureau"), pk=provider_id)

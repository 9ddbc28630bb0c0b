"""时间窗口: when a year's hours may be declared and decided, for the own bureau; what is set above it is shown."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from credits import window_keeping as keeping
from credits.forms.windows import WindowForm, WindowYearForm
from credits.models import Window, WindowKind
from credits.pack_editing import bureau_of
from credits.views.packs import for_rule_makers
from credits.window_words import WORDS, in_words, whose
from credits.windows import windows_at
from credits.years import current_year
from workflow.flow import Refused
from workflow.told import told


@require_http_methods(["GET"])
@for_rule_makers
def windows(request: HttpRequest) -> HttpResponse:
    """Of one year: what holds here for each kind, said in words, and one's own windows to change."""
    bureau = bureau_of(request.actor)
    own = Window.objects.filter(bureau=bureau)
    years = {current_year() + 1, current_year(), *own.values_list("year", flat=True).distinct()}
    form = WindowYearForm(request.GET, years)
    year = form.chosen
    holding = windows_at(request.actor.organization.path, [year])
    kinds = [
        {
            "label": WORDS[kind],
            "rows": [_row(one, bureau) for one in holding.get((year, kind), [])],
        }
        for kind in WindowKind
    ]
    context = {"filter": form, "year": year, "kinds": kinds, "begins": f"{year}-01-01 00:00"}
    return render(request, "credits/windows/list.html", context)


def _row(window: Window, bureau) -> dict:
    own = window.bureau_id == (bureau.pk if bureau else None)
    return {
        "window": window,
        "words": in_words(window),
        "whose": whose(window, bureau),
        "url": reverse("credits:window", args=[window.pk]) if own else "",
    }


@require_http_methods(["GET", "POST"])
@for_rule_makers
def add_window(request: HttpRequest) -> HttpResponse:
    return _form(request, None)


@require_http_methods(["GET", "POST"])
@for_rule_makers
def window(request: HttpRequest, window_id: int) -> HttpResponse:
    """Change one of one's own windows."""
    return _form(request, _own(request, window_id))


def _own(request: HttpRequest, window_id: int) -> Window:
    return get_object_or_404(Window.objects.editable_by(request.actor).select_related("bureau"), pk=window_id)


def _form(request: HttpRequest, one: Window | None) -> HttpResponse:
    year = request.GET.get("year", "")
    start = {"year": int(year)} if year.isdecimal() and len(year) == 4 else None
    form = WindowForm(form_data(request), window=one, initial=start)
    if request.method == "POST" and form.is_valid():
        try:
            saved = keeping.save(form.filled(), by=request.actor)
            return redirect(reverse("credits:windows") + f"?year={saved.year}")
        except Refused as refusal:
            form.add_error(None, str(refusal))
    context = {
        "form": form,
        "window": one,
        "heading": "修改时间窗口" if one else "新增时间窗口",
        "submit": "保存",
        "cancel_url": reverse("credits:windows"),
        "lead": "时间按北京时间。本局设了窗口，上级的窗口在这里就不再适用。",
    }
    if request.actor.is_operator:
        context["lead"] = "时间按北京时间，全省适用；人社部门自己设了窗口的，按它们的。"
    return render(request, "credits/windows/form.html", context)


@require_http_methods(["GET", "POST"])
@for_rule_makers
def remove_window(request: HttpRequest, window_id: int) -> HttpResponse:
    """删除, after a look at what holds then."""
    one = _own(request, window_id)
    year, kind = one.year, WindowKind(one.kind)
    if request.method == "POST":
        with told(request, f"已删除：{in_words(one)}。"):
            keeping.remove(one, by=request.actor)
        return redirect(reverse("credits:windows") + f"?year={year}")
    context = {
        "window": one,
        "words": in_words(one),
        "left": [_row(other, one.bureau) for other in keeping.left_without(one)],
        "label": WORDS[kind],
    }
    return render(request, "credits/windows/remove.html", context)

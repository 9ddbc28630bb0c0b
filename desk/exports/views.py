"""导出: ask for a list, see how far it is, fetch it. Only who asked finds it, as long as the right lasts."""

import io

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods

from accounts import replica
from accounts.kept import form_data
from accounts.refused import Refused
from desk.exports import asking, csv, shown, xlsx
from desk.exports.forms import MASKED, ExportForm
from desk.exports.lists import sheet_named
from desk.exports.making import head
from desk.exports.models import Export, Format
from desk.exports.querysets import OPEN
from desk.exports.sheets import Sheet
from orgs.doors import for_admins
from workflow import keyset
from workflow.told import told

TYPES = {
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.CSV: "text/csv; charset=utf-8",
}
AGAIN_AFTER = 3  # seconds until the page of a running export is asked for again


@require_http_methods(["GET", "POST"])
@for_admins
def export(request: HttpRequest, sheet: str) -> HttpResponse:
    """Ask for a list as a file: few rows are the answer, more are a job. The address narrows it as it does the list."""
    one, actor = _sheet(request, sheet), request.actor
    filters = one.filters(request.GET, actor)
    form = ExportForm(form_data(request))
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        wish = asking.Wish(one, filters, asked["format"], asked["detail"] == MASKED, asked["reason"])
        try:
            export, rows = asking.ask(wish, actor)
        except Refused as refusal:
            messages.error(request, str(refusal))
        else:
            return (
                _answer(request, export, one, rows)
                if rows is not None
                else redirect("desk:export_job", export.pk)
            )
    count = replica.read(asking.estimate, one, actor, filters)
    narrowed = one.query(filters)
    context = {
        "form": form,
        "label": one.label,
        "facts": shown.facts_of_wish(one, actor, filters, count),
        "submit": "导出",
        "back_url": reverse(one.page) + (f"?{narrowed}" if narrowed else ""),
        "in_background": count > asking.AT_ONCE,
        "at_once": asking.AT_ONCE,
    }
    return render(request, "desk/exports/new.html", context)


def _answer(request: HttpRequest, export: Export, sheet: Sheet, rows: list[tuple]) -> HttpResponse:
    """The file itself, made as it is sent; nothing of it is stored."""
    first = head(export, sheet, request.reads.as_of)
    cells = (sheet.cells(row, masked=export.masked) for row in rows)
    if export.format == Format.CSV:
        titles = [column.title for column in sheet.columns]
        response = StreamingHttpResponse(csv.lines(first, titles, cells), content_type=TYPES[export.format])
    else:
        file = io.BytesIO()
        xlsx.write(file, sheet.label, first, sheet.columns, cells)
        response = HttpResponse(file.getvalue(), content_type=TYPES[export.format])
    response["Content-Disposition"] = content_disposition_header(True, shown.file_name(export))
    return response


@require_http_methods(["GET"])
@for_admins
def exports(request: HttpRequest) -> HttpResponse:
    """导出记录: what this person exported as admin of this organisation, newest first."""
    page = keyset.page(shown.rows_of(request.actor), shown.ORDER, request.GET)
    context = {"page": page, "rows": shown.rows(page.rows)}
    return render(request, "desk/exports/list.html", context)


@require_http_methods(["GET"])
@for_admins
def export_job(request: HttpRequest, export_id: int) -> HttpResponse:
    """One export: how far it is, its file, or why there is none."""
    one = _own(request, export_id)
    sheet = _sheet(request, one.sheet)
    going = one.state in OPEN
    by_itself = going and request.GET.get("auto") != "0"
    narrowed = sheet.query(one.filters)
    context = {
        "export": one,
        "label": sheet.label,
        "tag": shown.tag_of(one.state),
        "facts": shown.facts(one, sheet),
        "going": going,
        "by_itself": by_itself,
        "again_after": AGAIN_AFTER,
        "sentence": shown.sentence(one),
        "has_file": bool(one.file) and one.expires_at > timezone.now(),
        "again_url": reverse("desk:export", args=[sheet.name]) + (f"?{narrowed}" if narrowed else ""),
    }
    response = render(request, "desk/exports/one.html", context)
    if by_itself:
        response["Refresh"] = str(AGAIN_AFTER)
    return response


@require_http_methods(["POST"])
@for_admins
def export_download(request: HttpRequest, export_id: int) -> HttpResponse:
    """Hand over a stored file, written down each time."""
    one = _own(request, export_id)
    _sheet(request, one.sheet)
    try:
        asking.take(one)
        file = one.file.open()
    except (Refused, FileNotFoundError) as error:
        messages.error(request, str(error) if isinstance(error, Refused) else "文件已经不在，请重新导出。")
        return redirect("desk:export_job", one.pk)
    return FileResponse(
        file, as_attachment=True, filename=shown.file_name(one), content_type=TYPES[one.format]
    )


@require_http_methods(["POST"])
@for_admins
def export_cancel(request: HttpRequest, export_id: int) -> HttpResponse:
    one = _own(request, export_id)
    with told(request, "已取消导出。"):
        asking.cancel(one)
    return redirect("desk:export_job", one.pk)


def _own(request: HttpRequest, export_id: int) -> Export:
    mine = Export.objects.of(request.actor).select_related("by", "organization", "scope")
    return get_object_or_404(mine, pk=export_id)


def _sheet(request: HttpRequest, name: str) -> Sheet:
    """The sheet of this name, if this admin holds its duty."""
    one = sheet_named(name)
    if one is None:
        raise Http404
    if not request.actor.can(one.duty):
        raise PermissionDenied
    return one

"""Spreadsheets of learning platforms: upload, watch the check, confirm; and the people who are not registered yet."""

import csv
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from accounts.refused import Refused
from credits.forms.intake import UploadForm
from credits.intake import asking, shown, template
from credits.intake.checking import MOST_PROBLEMS
from credits.intake.reading import MOST_BYTES
from credits.models import BatchState, IntakeBatch, IntakeError, IntakeRecord
from credits.views.keeping import for_keepers
from workflow import keyset
from workflow.told import told
from workflow.uploads import BoundedUploadHandler

ORDER = ("-pk",)
AGAIN_AFTER = 3  # seconds until the page of a running batch is asked for again
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class SheetUploadHandler(BoundedUploadHandler):
    """A spreadsheet may be larger than an attachment; what comes after its limit is counted and dropped."""

    def receive_data_chunk(self, raw_data, start):
        self.received += len(raw_data)
        if self.received <= MOST_BYTES:
            self.file.write(raw_data)


@require_http_methods(["GET"])
@for_keepers
def batches(request: HttpRequest) -> HttpResponse:
    """学时导入: the batches of the own organisation and below, newest first."""
    rows = asking.batches_of(request.actor).values(
        "pk", "name", "created_at", "rows_total", "rows_wrong", "state", "provider__name"
    )
    page = keyset.page(rows, ORDER, request.GET)
    context = {"page": page, "rows": shown.batch_rows(page.rows)}
    return render(request, "credits/intake/list.html", context)


@csrf_exempt  # the form token stands in the body, whose handler must be chosen before it is read: checked inside
@require_http_methods(["GET", "POST"])
@for_keepers
def upload(request: HttpRequest) -> HttpResponse:
    """Choose the platform and the file; what is wrong with the file the check says."""
    request.upload_handlers = [SheetUploadHandler(request)]
    return _upload(request)


@csrf_protect
def _upload(request: HttpRequest) -> HttpResponse:
    providers = asking.kept_by(request.actor)
    data = form_data(request)
    form = UploadForm(
        data,
        request.FILES or None,
        providers=providers,
        initial={"provider": request.GET.get("provider", "")},
    )
    if request.method == "POST" and form.is_valid():
        cleaned = form.cleaned_data
        try:
            batch = asking.upload(cleaned["provider"], cleaned["file"], by=request.actor)
        except Refused as refusal:
            form.add_error("file", str(refusal))
        else:
            return redirect("credits:intake_batch", batch.pk)
    context = {"form": form, "any": providers.filter(is_active=True).exists()}
    return render(request, "credits/intake/upload.html", context)


@require_http_methods(["GET"])
@for_keepers
def empty_sheet(request: HttpRequest) -> HttpResponse:
    """The template."""
    response = HttpResponse(template.made(), content_type=XLSX)
    response["Content-Disposition"] = content_disposition_header(True, template.NAME)
    return response


@require_http_methods(["GET"])
@for_keepers
def batch(request: HttpRequest, batch_id: int) -> HttpResponse:
    """One batch: how far it is, what must be changed, or the button that enters it."""
    one = _visible(request, batch_id)
    going = one.state in (BatchState.CHECKING, BatchState.COMMITTING)
    by_itself = going and request.GET.get("auto") != "0"
    page = keyset.page(
        IntakeError.objects.filter(batch=one).values("pk", "row", "column", "sentence"),
        ("row", "pk"),
        request.GET,
    )
    context = {
        "batch": one,
        "tag": shown.tag_of(one.state, one.rows_wrong),
        "facts": shown.facts(one),
        "sentence": shown.sentence(one),
        "going": going,
        "measured": one.state == BatchState.CHECKING and one.rows_total,
        "by_itself": by_itself,
        "again_after": AGAIN_AFTER,
        "may_confirm": one.state == BatchState.CHECKED and not one.rows_wrong and one.rows_new,
        "may_cancel": one.state in (BatchState.CHECKING, BatchState.CHECKED),
        "page": page,
        "most_problems": MOST_PROBLEMS,
    }
    response = render(request, "credits/intake/batch.html", context)
    if by_itself:
        response["Refresh"] = str(AGAIN_AFTER)
    return response


@require_http_methods(["GET"])
@for_keepers
def errors(request: HttpRequest, batch_id: int) -> HttpResponse:
    """All problems of a batch as a .csv: row, column, sentence."""
    one = _visible(request, batch_id)
    found = (
        IntakeError.objects.filter(batch=one).order_by("row", "pk").values_list("row", "column", "sentence")
    )
    response = StreamingHttpResponse(_lines(found.iterator(2000)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, f"导入问题-{one.pk}.csv")
    return response


class _Line:
    """What csv.writer writes to: hands the line back."""

    def write(self, text: str) -> str:
        return text


def _lines(rows: Iterator[tuple]) -> Iterator[bytes]:
    writer = csv.writer(_Line())
    yield ("\ufeff" + writer.writerow(["行", "列", "问题"])).encode()
    for row in rows:
        yield writer.writerow(row).encode()


@require_http_methods(["POST"])
@for_keepers
def commit(request: HttpRequest, batch_id: int) -> HttpResponse:
    one = _visible(request, batch_id)
    with told(request, "已开始入账。"):
        asking.confirm(one, by=request.actor)
    return redirect("credits:intake_batch", one.pk)


@require_http_methods(["POST"])
@for_keepers
def cancel(request: HttpRequest, batch_id: int) -> HttpResponse:
    one = _visible(request, batch_id)
    with told(request, "已取消，没有入账。"):
        asking.cancel(one, by=request.actor)
    return redirect("credits:intake_batch", one.pk)


@require_http_methods(["GET"])
@for_keepers
def waiting(request: HttpRequest) -> HttpResponse:
    """未注册人员的学时: reported, and kept until the person registers (F-108)."""
    rows = IntakeRecord.objects.filter(practitioner=None, provider__in=asking.kept_by(request.actor)).values(
        "pk",
        "person_name",
        "person_hint",
        "provider__name",
        "title",
        "year",
        "subject",
        "hours",
        "received_at",
    )
    page = keyset.page(rows, ORDER, request.GET)
    context = {"page": page, "rows": shown.waiting_rows(page.rows)}
    return render(request, "credits/intake/waiting.html", context)


def _visible(request: HttpRequest, batch_id: int) -> IntakeBatch:
    found = asking.batches_of(request.actor).select_related("provider", "by")
    return get_object_or_404(found, pk=batch_id)

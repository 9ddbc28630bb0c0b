"""Public pages: 电子证书查验, and the keys with which anybody checks a file without the platform."""

from functools import wraps

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import throttle
from accounts.address import network_of
from accounts.refused import Refused
from credits.forms.certificates import FileForm, VerifyForm
from credits.paper.sealing import State
from credits.paper.signing import public_keys
from credits.verifying import examine_file, look_up
from workflow import virus_scan
from workflow.uploads import clean_name

PER_NETWORK = (10, throttle.MINUTE)
NOT_FOUND = (
    "没有查到这张证书。请对照证书核对编号和查验码：8 与 B、5 与 S、2 与 Z 容易看错。"
    "核对无误仍查不到的，请向持证人索取原件，或向证书上的签发部门核实；查不到不等于一定是伪造。"
)
OF_A_FILE = {
    State.INTACT: ("ok", "文件完好", "文件由本平台签发，没有任何改动。"),
    State.ALTERED: ("back", "文件已被改动", "不能作为证书使用。请持证人重新下载，或凭证书编号和查验码查验。"),
    State.NOT_OURS: (
        "wait",
        "不是本平台签发的原件",
        "文件没有本平台的数字签名。扫描件、打印件的照片和另存过的文件都没有，请改用证书编号和查验码查验。",
    ),
}


def public(view):
    """Before the login; nothing of it stays in a cache or a search engine."""

    @login_not_required
    @never_cache
    @wraps(view)
    def guarded(request, *args, **kwargs):
        response = view(request, *args, **kwargs)
        response["X-Robots-Tag"] = "noindex"
        return response

    return guarded


@public
@require_http_methods(["GET", "POST"])
def verify(request: HttpRequest) -> HttpResponse:
    """Number and code, or the file. The QR code's address carries both: whoever scans it reads the answer at once.

    Neither names a person to who has not the platform's answer; the address is in no log of ours (config/gunicorn.py
    writes it without its query) and no other site learns it (Referrer-Policy). One budget for all three ways.
    """
    by_file = request.method == "POST" and "check_file" in request.POST
    asked = request.POST if request.method == "POST" and not by_file else _scanned(request)
    form = VerifyForm(asked)
    file_form = FileForm(request.POST, request.FILES) if by_file else FileForm()
    context = {"form": form, "file_form": file_form, "shown": [], "answer": None}
    status = 200
    try:
        if by_file and file_form.is_valid():
            _count(request)
            file = file_form.cleaned_data["file"]
            virus_scan.check(file, clean_name(file.name)[-60:])
            verdict, context["shown"] = examine_file(file.read())
            context["answer"] = _of_a_file(verdict.state, bool(context["shown"]))
        elif not by_file and form.is_bound and form.is_valid():
            _count(request)
            found = look_up(form.cleaned_data["number"], form.cleaned_data["code"])
            if found:
                context |= {"shown": [found], "form": VerifyForm()}
            else:
                context["answer"] = ("wait", "没有查到", NOT_FOUND)
    except Refused as refusal:
        file_form.add_error("file", str(refusal))
    except throttle.TooMany as too_many:
        status = 429
        context["answer"] = (
            "wait",
            "查验太频繁",
            f"每分钟最多查验 {PER_NETWORK[0]} 次，请 {too_many.words}后再试。",
        )
    return render(request, "credits/certificates/verify.html", context, status=status)


def _of_a_file(state: State, with_certificates: bool) -> tuple[str, str, str]:
    kind, title, text = OF_A_FILE[state]
    if state == State.INTACT and not with_certificates:
        text += "签发后有没有变更或撤销，请再按证书编号和查验码查验。"
    return kind, title, text


def _scanned(request: HttpRequest):
    return request.GET if request.GET.get("number") and request.GET.get("code") else None


def _count(request: HttpRequest) -> None:
    limit, per = PER_NETWORK
    throttle.spend("verify-certificate", network_of(request), limit=limit, per=per)


@login_not_required
@require_http_methods(["GET"])
def keys(request: HttpRequest) -> HttpResponse:
    """The public keys, and in plain words how a file is checked with them, without network."""
    rows = [
        {"id": key_id, "pem": pem, "current": not place}
        for place, (key_id, pem) in enumerate(public_keys().items())
    ]
    return render(request, "credits/certificates/keys.html", {"keys": rows})


@login_not_required
@require_http_methods(["GET"])
def key(request: HttpRequest, key_id: str) -> HttpResponse:
    """One public key as a file (PEM)."""
    pem = public_keys().get(key_id)
    if pem is None:
        raise Http404
    response = HttpResponse(pem, content_type="application/x-pem-file")
    response["Content-Disposition"] = f'attachment; filename="cpe-{key_id}.pem"'
    return response

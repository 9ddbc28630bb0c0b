"""The addresses of the interface. No session, no cookie: whoever asks is known by the signature alone."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.renderers import JSONRenderer
from ninja.security.base import AuthBase

from credits.api.receiving import receive, state_of
from credits.api.schemas import Accepted, Corrections, Error, Events, EventState
from credits.api.signing import SIGNATURE, RefusedRequest, note, signed_by
from credits.models import IntakeRecord


class Signed(AuthBase):
    """The key that signed the request becomes `request.auth`."""

    openapi_type = "apiKey"
    openapi_in = "header"
    openapi_name = SIGNATURE

    def __call__(self, request: HttpRequest):
        return signed_by(request)


class Readable(JSONRenderer):
    """Chinese as it is: the answers are read by people as well."""

    json_dumps_params = {"ensure_ascii": False}


api = NinjaAPI(
    title="学时报送接口",
    version="1",
    description="学习平台向继续教育公共服务平台报送学时。签名方法和错误代码见本地址上一级的说明页。",
    urls_namespace="api",
    docs_url=None,
    auth=Signed(),
    renderer=Readable(),
)
ERRORS = dict.fromkeys((400, 401, 403, 404, 409, 413, 422, 429, 503), Error)


@api.post(
    "/hours",
    response={200: Accepted, **ERRORS},
    summary="报送学时",
    description="1 至 500 条；同一编号、同样内容的事件重复报送不会重复入账，内容不同则答复 409。",
    url_name="hours",
)
def hours(request: HttpRequest, payload: Events):
    return receive(request.auth, payload.events)


@api.post(
    "/corrections",
    response={200: Accepted, **ERRORS},
    summary="更正或撤回学时",
    description="新的事件，写明更正哪一条；原来的学时撤销，更正后的学时计入。学时为 0 是撤回。",
    url_name="corrections",
)
def corrections(request: HttpRequest, payload: Corrections):
    return receive(request.auth, payload.events)


@api.get(
    "/events/{event_id}",
    response={200: EventState, **ERRORS},
    summary="查询一条事件",
    description="只能查询本平台报送的事件。",
    url_name="event",
)
def event(request: HttpRequest, event_id: str):
    own = IntakeRecord.objects.select_related("corrects", "corrected_by").filter(
        provider=request.auth.provider
    )
    found = own.filter(event_id=event_id).first() if "\0" not in event_id else None
    if found is None:
        raise RefusedRequest(404, "unknown_event", "没有收到过这个编号的事件。")
    later = getattr(found, "corrected_by", None)
    return {
        "event_id": found.event_id,
        "state": state_of(found),
        "year": found.year,
        "subject": found.subject,
        "hours": found.hours,
        "received_at": found.received_at.isoformat(timespec="seconds"),
        "corrects": found.corrects.event_id if found.corrects else None,
        "corrected_by": later.event_id if later else None,
    }


@api.exception_handler(RefusedRequest)
def refused(request: HttpRequest, error: RefusedRequest) -> HttpResponse:
    response = api.create_response(request, error.body, status=error.status)
    if "retry_after" in error.more:
        response["Retry-After"] = str(error.more["retry_after"])
    return response


@api.exception_handler(ValidationError)
def malformed(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Not of the described form. What was sent is not repeated: it holds ID numbers."""
    problems = [_malformed(one) for one in error.errors]
    refusal = RefusedRequest(422, "invalid_request", problems[0]["message"], {"errors": problems[:100]})
    note(request.auth, refusal)
    return refused(request, refusal)


@api.exception_handler(HttpError)
def unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    return refused(request, RefusedRequest(400, "invalid_json", "正文不是 JSON，请按说明报送。"))


def _malformed(error: dict) -> dict:
    place = [part for part in error["loc"] if part not in ("body", "payload")]
    index = next((part for part in place if isinstance(part, int)), 0)
    name = next((part for part in reversed(place) if isinstance(part, str)), "")
    # A name that we do not know is somebody else's text.
    known = name if error["type"] != "extra_forbidden" else ""
    sentence = _WORDS.get(error["type"], "的类型或长度不对，请按说明填写")
    return {
        "index": index,
        "field": known,
        "code": "invalid_value",
        "message": f"{known or '内容'}{sentence}。",
    }


_WORDS = {
    "missing": "没有填写",
    "extra_forbidden": "中有说明里没有的字段",
    "too_short": "至少要有一条",
    "too_long": "最多 500 条，请分几次报送",
    "string_too_short": "没有填写",
}


def addresses() -> tuple:
    """For `path()`: signed requests and the OpenAPI document need no login."""
    patterns, app, namespace = api.urls
    for pattern in patterns:
        if pattern.name in ("openapi-json", "api-root"):
            pattern.callback = require_http_methods(["GET"])(pattern.callback)
        login_not_required(pattern.callback)
    return patterns, app, namespace

"""The page for those who write the other side: plain, in Chinese, without a request to anywhere else."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from credits.api import signing
from credits.api.schemas import MOST_EVENTS, Correction
from credits.intake.columns import LABELS

CODES = [
    (401, "missing_signature", "缺少四个签名头中的某一个"),
    (401, "unknown_key", "没有这个密钥编号"),
    (401, "revoked_key", "密钥已经停用"),
    (403, "provider_closed", "本平台已停止报送"),
    (401, "invalid_timestamp", "时间戳不是整秒数"),
    (401, "stale_timestamp", "时间戳与平台相差超过 5 分钟；server_time 是平台的时间"),
    (401, "invalid_nonce", "随机串不合要求"),
    (401, "bad_signature", "签名不符"),
    (409, "replayed_nonce", "这个请求已经收到过，没有再次处理；需要重发的，换新的随机串和时间戳重新签名"),
    (409, "event_conflict", "这个事件编号已经入账，内容不同；要更正请报送更正"),
    (409, "already_corrected", "要更正的事件已被另一条更正"),
    (413, "too_large", "请求超过 2 MB"),
    (400, "invalid_json", "正文不是 JSON"),
    (422, "invalid_request", "缺少字段、类型不对或事件过多"),
    (422, "invalid_value", "某个值不合要求，例如证件号码校验不符、学时有两位小数、年度不在报送范围"),
    (422, "name_mismatch", "姓名与登记的不一致"),
    (422, "outside_bureau", "此人不在本平台对应的人社部门管辖的单位"),
    (422, "unknown_event", "要更正的事件没有入过账（查询时答复 404）"),
    (422, "other_person", "要更正的事件是另一人的；报错了人的，先撤回（学时为 0），再报送新的事件"),
    (422, "duplicate_event", "一次请求里有两个相同的事件编号"),
    (422, "duplicate_correction", "一次请求里有两条更正同一个事件"),
    (422, "invalid_events", "几个事件有不同的问题，见 errors"),
    (429, "too_many_requests", "每个密钥每分钟最多 120 次；Retry-After 是要等的秒数"),
    (503, "try_again", "平台正忙，没有入账，请稍后重新报送"),
]


@login_not_required
@require_http_methods(["GET"])
def page(request: HttpRequest) -> HttpResponse:
    """How to report hours: signature, fields, answers, codes."""
    fields = [
        {
            "name": name,
            "label": LABELS.get(name, ""),
            "required": field.is_required(),
            "about": field.description,
            "example": (field.examples or [""])[0],
        }
        for name, field in Correction.model_fields.items()
    ]
    context = {
        "base": request.build_absolute_uri(reverse("api_docs")).rstrip("/"),
        "openapi_url": reverse("api:openapi-json"),
        "fields": fields,
        "codes": CODES,
        "most": MOST_EVENTS,
        "per_minute": signing.PER_MINUTE,
    }
    return render(request, "credits/intake/api.html", context)

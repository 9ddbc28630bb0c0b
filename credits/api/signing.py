"""Who asks, and that the request is theirs, fresh, unchanged and new (trust.md §3.12).

The signature is HMAC-SHA256 under the key's secret over five lines: method, path, time stamp, nonce, SHA-256 of the
body. A request that was signed rightly is used up as soon as it arrives, whatever becomes of it: sent again, byte by
byte, it is refused with `replayed_nonce` for as long as its time stamp is good, and with `stale_timestamp` afterwards.
Who did not get an answer signs the same events anew: what was entered is known and not entered twice.
"""

import datetime
import hmac
import re
from dataclasses import dataclass, field
from hashlib import sha256

from django.core.exceptions import RequestDataTooBig
from django.db import connection
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from accounts.address import network_of
from accounts.crypto import SealBroken
from accounts.throttle import MINUTE, TooMany, spend
from credits.api.keys import secret_of
from credits.models import ProviderKey, ProviderNonce, PushRefusal
from credits.years import today

LEEWAY = datetime.timedelta(seconds=300)
PER_MINUTE = 120  # requests of one key
REFUSED_PER_MINUTE = 60  # wrongly signed requests from one network
KEY, TIMESTAMP, NONCE, SIGNATURE = "X-CPE-Key", "X-CPE-Timestamp", "X-CPE-Nonce", "X-CPE-Signature"
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass
class RefusedRequest(Exception):
    """The answer is an error: HTTP status, code, sentence, and whatever else it says."""

    status: int
    code: str
    message: str
    more: dict = field(default_factory=dict)

    @property
    def body(self) -> dict:
        return {"code": self.code, "message": self.message, **self.more}


def signature(secret: str, method: str, path: str, timestamp: str, nonce: str, body: bytes) -> str:
    """What the header X-CPE-Signature must hold: 64 hex digits. `path` is decoded, without host and query."""
    text = "\n".join((method.upper(), path, timestamp, nonce, sha256(body).hexdigest()))
    return hmac.new(secret.encode(), text.encode(), sha256).hexdigest()


def signed_by(request: HttpRequest) -> ProviderKey:
    """The key that signed this request, which is used up by that. Raises RefusedRequest."""
    key = None
    try:
        key = _known_key(request)
        _check_time(request)
        _check_signature(request, key)
        _within_budget(key)
        _use_up(request, key)
    except RefusedRequest as refusal:
        if key is not None:
            note(key, refusal)
        _patience_with(request, refusal)
        raise
    recently = timezone.now() - MINUTE
    used = ProviderKey.objects.filter(Q(last_used_at=None) | Q(last_used_at__lt=recently), pk=key.pk)
    used.update(last_used_at=timezone.now())
    return key


def note(key: ProviderKey, refusal: RefusedRequest) -> None:
    """Count the refusal for the page of the provider."""
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE,
            [key.pk, refusal.code, today(), refusal.message[:300], timezone.now()],
        )


_NOTE = f"""
INSERT INTO {PushRefusal._meta.db_table} AS refusal (key_id, code, day, count, sentence, last_at)
VALUES (%s, %s, %s, 1, %s, %s)
ON CONFLICT (key_id, day, code) DO UPDATE
   SET count = refusal.count + 1, sentence = EXCLUDED.sentence, last_at = EXCLUDED.last_at
"""  # noqa: S608


def _known_key(request: HttpRequest) -> ProviderKey:
    missing = [name for name in (KEY, TIMESTAMP, NONCE, SIGNATURE) if not request.headers.get(name)]
    if missing:
        raise RefusedRequest(401, "missing_signature", f"请求缺少 {'、'.join(missing)}。")
    name = request.headers[KEY]
    key = None
    if name.isascii() and "\0" not in name:
        found = ProviderKey.objects.select_related("provider__bureau").filter(key_id=name[:64])
        key = found.first()
    if key is None:
        raise RefusedRequest(401, "unknown_key", "没有这个密钥编号，请核对。")
    if key.revoked_at:
        note(key, refusal := RefusedRequest(401, "revoked_key", "这个密钥已经停用，请联系管理部门换发。"))
        raise refusal
    if not key.provider.is_active:
        raise RefusedRequest(403, "provider_closed", "本平台已停止报送学时，请联系管理部门。")
    return key


def _check_time(request: HttpRequest) -> None:
    text = request.headers[TIMESTAMP]
    now = timezone.now()
    server = {"server_time": int(now.timestamp())}
    if not re.fullmatch(r"[0-9]{1,11}", text):
        raise RefusedRequest(401, "invalid_timestamp", f"{TIMESTAMP} 应为从 1970 年起的整秒数。", server)
    if abs(int(text) - now.timestamp()) > LEEWAY.total_seconds():
        minutes = LEEWAY // MINUTE
        raise RefusedRequest(
            401, "stale_timestamp", f"时间戳与平台相差超过 {minutes} 分钟，请校准时钟后重新签名。", server
        )


def _check_signature(request: HttpRequest, key: ProviderKey) -> None:
    nonce = request.headers[NONCE]
    if not _NONCE.fullmatch(nonce):
        raise RefusedRequest(401, "invalid_nonce", f"{NONCE} 应为 16 至 64 位字母、数字、_ 或 -。")
    try:
        expected = signature(
            secret_of(key), request.method, request.path, request.headers[TIMESTAMP], nonce, request.body
        )
    except RequestDataTooBig:
        raise RefusedRequest(413, "too_large", "请求超过 2 MB，请减少每次报送的事件。") from None
    except SealBroken:
        raise RefusedRequest(401, "revoked_key", "这个密钥已经失效，请联系管理部门换发。") from None
    if not hmac.compare_digest(expected.encode(), request.headers[SIGNATURE].lower().encode()):
        raise RefusedRequest(401, "bad_signature", "签名不符，请核对密钥、签名的五行内容和请求正文是否一致。")


def _within_budget(key: ProviderKey) -> None:
    try:
        spend("api", key.pk, limit=PER_MINUTE, per=MINUTE)
    except TooMany as spent:
        raise _too_many(spent) from None


def _use_up(request: HttpRequest, key: ProviderKey) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {ProviderNonce._meta.db_table} (key_id, nonce, at) VALUES (%s, %s, %s)"  # noqa: S608
            " ON CONFLICT (key_id, nonce) DO NOTHING",
            [key.pk, request.headers[NONCE], timezone.now()],
        )
        if not cursor.rowcount:
            raise RefusedRequest(
                409,
                "replayed_nonce",
                "这个请求已经收到过，没有再次处理。没有收到答复的，请换新的随机串和时间戳重新签名；事件不会重复入账。",
            )


def _patience_with(request: HttpRequest, refusal: RefusedRequest) -> None:
    """Guessing from one network soon finds no answer any more; who signs rightly is not concerned."""
    if refusal.status in (401, 403):
        try:
            spend("api-refused", network_of(request), limit=REFUSED_PER_MINUTE, per=MINUTE)
        except TooMany as spent:
            raise _too_many(spent) from None


def _too_many(spent: TooMany) -> RefusedRequest:
    seconds = max(1, round(spent.wait.total_seconds()))
    return RefusedRequest(
        429, "too_many_requests", f"请求过于频繁，请在 {spent.words}后再试。", {"retry_after": seconds}
    )

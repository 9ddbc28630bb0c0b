"""The interface for learning platforms: who is let in, what is entered, what is answered; over HTTP."""

import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from credits.api import signing
from credits.api.docs import CODES
from credits.intake.tidying import tidy
from credits.models import IntakeRecord, LedgerEntry, Provider, ProviderKey, ProviderNonce, PushRefusal
from tests.race import at_once
from tests.test_inbox import words
from tests.test_intake import entered, hours_of, ledger, number, row, true_to_the_ledger, unseen
from tests.town import synthetic_id

pytestmark = pytest.mark.django_db
unseen = unseen
HOURS, CORRECTIONS = "/api/v1/hours", "/api/v1/corrections"


@pytest.fixture
def provider(town) -> Provider:
    return Provider.objects.create(code="test", name="示例学习平台", bureau=town.bureau)


@pytest.fixture
def unit(town):
    return town.employer()


@pytest.fixture
def partner(town, provider) -> "Partner":
    return Partner(town.login(town.bureau), provider)


class Partner:
    """The other side: a key from the page, requests signed by its own few lines (not by ours)."""

    def __init__(self, admin: Client, provider: Provider):
        page = admin.post(f"/hours/providers/{provider.pk}/keys/")
        said = re.findall(r'<dd class="code">([^<]+)</dd>', page.content.decode())
        self.admin, self.provider = admin, provider
        self.key, self.secret = said
        self.client = Client()

    def signed(self, method: str, path: str, body: bytes, **changes) -> dict:
        stamp, nonce = (
            str(changes.get("at", int(time.time()))),
            changes.get("nonce", secrets.token_urlsafe(24)),
        )
        lines = "\n".join([method, path, stamp, nonce, hashlib.sha256(body).hexdigest()])
        digest = hmac.new(
            changes.get("secret", self.secret).encode(), lines.encode(), hashlib.sha256
        ).hexdigest()
        return {
            "X-CPE-Key": changes.get("key", self.key), "X-CPE-Timestamp": stamp, "X-CPE-Nonce": nonce,
            "X-CPE-Signature": digest,
        }  # fmt: skip

    def send(self, path: str, *events: dict, **changes):
        body = changes.pop("body", json.dumps({"events": events}, ensure_ascii=False).encode())
        headers = self.signed("POST", path, body, **changes)
        return self.client.post(path, body, content_type="application/json", headers=headers)

    def ask(self, event: str):
        path = f"/api/v1/events/{event}"
        return self.client.get(path, headers=self.signed("GET", path, b""))


def event(who, number_: str, hours=12, **more) -> dict:
    digits, name = (number(who), who.user.name) if hasattr(who, "user") else who
    return {
        "event_id": number_, "id_number": digits, "name": name, "year": 2025, "subject": "public", "hours": hours,
        "title": "示例课程", "completed_on": "2025-06-18", **more,
    }  # fmt: skip


def refused(answer, status: int, code: str) -> str:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content.decode()
    return answer.json()["message"]


# --- what is entered --------------------------------------------------------------------------------------------


def test_events_are_entered_and_can_be_asked_for(town, unit, partner):
    person = town.practitioner(at=unit)
    stranger = (synthetic_id(901), "等待者")
    answer = partner.send(
        HOURS,
        event(person, "A-1", 12.5),
        event(person, "A-2", "7.1", subject="专业科目"),
        event(stranger, "泰安.3", 5),
    )
    assert answer.status_code == 200
    assert answer.json() == {
        "results": [
            {"event_id": "A-1", "state": "posted", "known": False},
            {"event_id": "A-2", "state": "posted", "known": False},
            {"event_id": "泰安.3", "state": "waiting", "known": False},
        ],
        "new": 3, "known": 0, "waiting": 1,
    }  # fmt: skip
    assert hours_of(person) == {"public": "12.5", "professional": "7.1"}
    assert IntakeRecord.objects.get(event_id="A-1").key.key_id == partner.key
    one = partner.ask("A-2").json()
    assert {key: one[key] for key in ("event_id", "state", "year", "subject", "hours", "corrects")} == {
        "event_id": "A-2", "state": "posted", "year": 2025, "subject": "professional", "hours": "7.1", "corrects": None,
    }  # fmt: skip
    assert partner.ask("泰安.3").json()["state"] == "waiting"
    refused(partner.ask("nothing"), 404, "unknown_event")
    true_to_the_ledger()


def test_the_same_event_signed_anew_is_known_and_another_content_is_a_conflict(town, unit, partner):
    person = town.practitioner(at=unit)
    partner.send(HOURS, event(person, "A-1", 12))
    again = partner.send(HOURS, event(person, "A-1", "12.0", title=" 示例课程"), event(person, "A-2", 3))
    assert [(one["event_id"], one["known"]) for one in again.json()["results"]] == [
        ("A-1", True),
        ("A-2", False),
    ]
    conflict = partner.send(HOURS, event(person, "A-3", 1), event(person, "A-1", 13))
    assert "A-1）已经入账，但内容不同" in refused(conflict, 409, "event_conflict")
    assert conflict.json()["errors"][0]["index"] == 1
    assert hours_of(person) == {"public": "15.0"}  # A-3 was not entered either
    assert [one["hours"] for one in (partner.ask("A-1").json(), partner.ask("A-2").json())] == ["12.0", "3.0"]


def test_an_event_in_a_sheet_and_by_the_interface_is_one(town, unit, partner, provider):
    person = town.practitioner(at=unit)
    entered(partner.admin, provider, [row(person, "A-1", 12, certificate="ZS-1")])
    answer = partner.send(HOURS, event(person, "A-1", 12, certificate_number="ZS-1"))
    assert answer.json()["known"] == 1
    assert len(ledger(person)) == 1


def test_corrections_by_the_interface(town, unit, partner):
    person = town.practitioner(at=unit)
    partner.send(HOURS, event(person, "A-1", 12))
    answer = partner.send(CORRECTIONS, event(person, "A-2", 20, corrects="A-1"))
    assert answer.json()["results"] == [{"event_id": "A-2", "state": "posted", "known": False}]
    assert partner.ask("A-1").json()["corrected_by"] == "A-2"
    assert (partner.ask("A-1").json()["state"], partner.ask("A-2").json()["corrects"]) == ("corrected", "A-1")
    again = partner.send(CORRECTIONS, event(person, "A-2", 20, corrects="A-1"))
    assert (again.json()["new"], again.json()["known"]) == (0, 1)
    assert "请改为更正那一条" in refused(
        partner.send(CORRECTIONS, event(person, "A-3", 5, corrects="A-1")), 409, "already_corrected"
    )
    refused(partner.send(CORRECTIONS, event(person, "A-3", 5, corrects="none")), 422, "unknown_event")
    assert partner.send(CORRECTIONS, event(person, "A-3", 0, corrects="A-2")).status_code == 200
    assert hours_of(person) == {}
    refused(partner.send(CORRECTIONS, event(person, "A-4", 5)), 422, "invalid_request")
    refused(partner.send(HOURS, event(person, "A-4", 5, corrects="A-3")), 422, "invalid_request")
    true_to_the_ledger()


def test_a_thousand_captured_requests_add_nothing(town, unit, partner, monkeypatch):
    """Replayed byte by byte at once, after the time stamp is too old, and after the nonces were forgotten."""
    monkeypatch.setattr(signing, "PER_MINUTE", 10_000)
    monkeypatch.setattr(signing, "REFUSED_PER_MINUTE", 10_000)
    people = [town.practitioner(at=unit) for _ in range(5)]
    captured = []
    for turn in range(1_000):
        body = json.dumps({"events": [event(people[turn % 5], f"E{turn}", 0.1)]}).encode()
        headers = partner.signed("POST", HOURS, body)
        captured.append((body, headers))
        assert (
            partner.client.post(HOURS, body, content_type="application/json", headers=headers).status_code
            == 200
        )
    before = (IntakeRecord.objects.count(), LedgerEntry.objects.count(), [hours_of(one) for one in people])
    assert before == (1_000, 1_000, [{"public": "20.0"}] * 5)
    monkeypatch.setattr(signing, "LEEWAY", 10 * signing.LEEWAY)  # however long this machine took
    for body, headers in captured:
        answer = partner.client.post(HOURS, body, content_type="application/json", headers=headers)
        refused(answer, 409, "replayed_nonce")
    monkeypatch.undo()
    monkeypatch.setattr(signing, "REFUSED_PER_MINUTE", 10_000)
    later = timezone.now() + 4 * signing.LEEWAY
    monkeypatch.setattr(timezone, "now", lambda: later)
    tidy.func()
    assert not ProviderNonce.objects.exists()
    for body, headers in captured[::20]:
        answer = partner.client.post(HOURS, body, content_type="application/json", headers=headers)
        refused(answer, 401, "stale_timestamp")
    assert before == (
        IntakeRecord.objects.count(),
        LedgerEntry.objects.count(),
        [hours_of(one) for one in people],
    )
    true_to_the_ledger()


# --- who is let in ----------------------------------------------------------------------------------------------


def test_wrong_signatures(town, unit, partner):
    one = event(town.practitioner(at=unit), "A-1")
    body = json.dumps({"events": [one]}).encode()
    good = partner.signed("POST", HOURS, body)

    def post(path=HOURS, body=body, **headers):
        return partner.client.post(path, body, content_type="application/json", headers=good | headers)

    refused(partner.send(HOURS, one, secret="another"), 401, "bad_signature")
    refused(post(body=body.replace(b"12", b"99")), 401, "bad_signature")
    refused(post(path=CORRECTIONS), 401, "bad_signature")
    refused(post(**{"X-CPE-Nonce": "n" * 20}), 401, "bad_signature")
    refused(post(**{"X-CPE-Timestamp": str(int(good["X-CPE-Timestamp"]) - 1)}), 401, "bad_signature")
    refused(post(**{"X-CPE-Signature": "0" * 64}), 401, "bad_signature")
    refused(post(**{"X-CPE-Signature": "签名".encode().decode("latin-1")}), 401, "bad_signature")
    refused(post(**{"X-CPE-Key": "CPE-0000"}), 401, "unknown_key")
    refused(post(**{"X-CPE-Nonce": "short"}), 401, "invalid_nonce")
    refused(post(**{"X-CPE-Timestamp": "now"}), 401, "invalid_timestamp")
    refused(partner.client.post(HOURS, body, content_type="application/json"), 401, "missing_signature")
    assert not ProviderNonce.objects.exists()  # nobody uses up the nonces of somebody else
    assert post().status_code == 200
    assert IntakeRecord.objects.count() == 1


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 10**9])
def test_old_and_coming_time_stamps(town, unit, partner, seconds):
    now = int(time.time())
    answer = partner.send(HOURS, event(town.practitioner(at=unit), "A-1"), at=now + seconds)
    assert "超过 5 分钟" in refused(answer, 401, "stale_timestamp")
    assert abs(answer.json()["server_time"] - now) < 30
    assert not IntakeRecord.objects.exists()


@pytest.mark.parametrize("seconds", [-280, 280])
def test_a_clock_that_is_a_little_wrong_is_fine(town, unit, partner, seconds):
    one = event(town.practitioner(at=unit), "A-1")
    assert partner.send(HOURS, one, at=int(time.time()) + seconds).status_code == 200


def test_a_revoked_key_opens_nothing_from_the_next_request_on(town, unit, partner, provider):
    person = town.practitioner(at=unit)
    assert partner.send(HOURS, event(person, "A-1")).status_code == 200
    key = ProviderKey.objects.get()
    other = Partner(partner.admin, provider)
    partner.admin.post(f"/hours/providers/keys/{key.pk}/revoke/")
    refused(partner.send(HOURS, event(person, "A-2")), 401, "revoked_key")
    refused(partner.ask("A-1"), 401, "revoked_key")
    assert other.send(HOURS, event(person, "A-2")).status_code == 200
    key.refresh_from_db()
    assert key.revoked_by == town.super_admin(town.bureau).user
    Provider.objects.update(is_active=False)
    refused(other.send(HOURS, event(person, "A-3")), 403, "provider_closed")


def test_a_key_is_limited_to_its_own_provider_years_and_subjects(town, unit, partner, provider):
    person = town.practitioner(at=unit)
    other = Partner(town.login(town.operator()), Provider.objects.create(code="other", name="别的平台"))
    other.send(HOURS, event(person, "A-1", 5))
    refused(partner.ask("A-1"), 404, "unknown_event")
    refused(partner.send(CORRECTIONS, event(person, "A-2", 0, corrects="A-1")), 422, "unknown_event")
    assert partner.send(HOURS, event(person, "A-1", 6)).status_code == 200  # its own A-1
    provider.year_from, provider.year_to, provider.subjects = 2018, 2021, ["public"]
    provider.save()
    answer = partner.send(
        HOURS, event(person, "A-3"), event(person, "A-4", year=2020, subject="professional")
    )
    assert [one["field"] for one in answer.json()["errors"]] == ["year", "subject"]
    refused(answer, 422, "invalid_value")
    assert hours_of(person) == {"public": "11.0"}


def test_a_budget_for_each_key_and_minute(town, unit, partner, provider, monkeypatch):
    monkeypatch.setattr(signing, "PER_MINUTE", 3)
    person = town.practitioner(at=unit)
    answers = [partner.send(HOURS, event(person, f"A-{n}")) for n in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    assert 0 < int(answers[4]["Retry-After"]) <= 60
    assert Partner(partner.admin, provider).send(HOURS, event(person, "B-1")).status_code == 200


def test_guessing_from_one_network_finds_no_answer_any_more_and_hinders_nobody(
    town, unit, partner, monkeypatch
):
    monkeypatch.setattr(signing, "REFUSED_PER_MINUTE", 3)
    person = town.practitioner(at=unit)
    answers = [partner.send(HOURS, event(person, "A-1"), secret=f"guess{n}") for n in range(5)]
    assert [one.status_code for one in answers] == [401, 401, 401, 429, 429]
    assert partner.send(HOURS, event(person, "A-1")).status_code == 200


def test_no_session_no_cookie_and_no_page_of_the_login(partner, unit, town):
    person = town.practitioner(at=unit)
    browser = town.login(person)
    for answer in (
        partner.send(HOURS, event(person, "A-1")),
        partner.ask("A-1"),
        Client(enforce_csrf_checks=True).post(HOURS, b"{}", content_type="application/json"),
        Client().get("/api/v1/openapi.json"),
        Client().get("/api/v1/"),
    ):
        assert not answer.cookies
        assert "login" not in answer.get("Location", "")
    # A person who is logged in is nobody here.
    refused(browser.post(HOURS, b"{}", content_type="application/json"), 401, "missing_signature")


# --- what was sent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"", 422, "invalid_request"),
        (b"[]", 422, "invalid_request"),
        (b"{}", 422, "invalid_request"),
        (b'{"events": []}', 422, "invalid_request"),
        (b'{"events": [1]}', 422, "invalid_request"),
        (b'{"events": [{}]}', 422, "invalid_request"),
        (b'{"events": null}', 422, "invalid_request"),
        (b'{"events": [' + b"[" * 200_000 + b"]}", 400, "invalid_json"),
    ],
)
def test_bodies_that_are_no_events(partner, body, status, code):
    refused(partner.send(HOURS, body=body), status, code)


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        ({"id_number": synthetic_id(5)[:17] + "?"}, "invalid_value", "17 位只能是数字"),
        ({"id_number": 370902196001080000}, "invalid_request", "类型"),
        ({"hours": 7.25}, "invalid_value", "最多一位小数"),
        ({"hours": 0}, "invalid_value", "要大于 0"),
        ({"hours": 1e300}, "invalid_value", "请填数字"),
        ({"hours": "NaN"}, "invalid_request", "类型"),
        ({"hours": "many"}, "invalid_request", "类型"),
        ({"year": 2035}, "invalid_value", "还没有开始"),
        ({"year": 10**30}, "invalid_value", "四位数字"),
        ({"completed_on": "2025-02-30"}, "invalid_value", "确认有这一天"),
        ({"event_id": "a b"}, "invalid_value", "事件编号"),
        ({"event_id": ""}, "invalid_request", "event_id没有填写"),
        ({"title": "a\x00b"}, "", ""),
        ({"title": "=1+1"}, "invalid_value", "公式"),
        ({"title": "长" * 2_000}, "invalid_request", "长度"),
        ({"name": "另一人"}, "name_mismatch", "与登记的不一致"),
        ({"surprise": 1}, "invalid_request", "没有的字段"),
        (
            {"event_id": f"p-{synthetic_id(5)}", "id_number": synthetic_id(5)},
            "invalid_value",
            "不能含有证件号码",
        ),
    ],
)
def test_values_that_do_not_do_have_a_code_and_a_sentence_without_the_number(
    town, unit, partner, change, code, sentence, caplog
):
    person = town.practitioner(at=unit)
    answer = partner.send(HOURS, event(person, "A-1") | change)
    if not code:
        assert answer.status_code == 200
        assert IntakeRecord.objects.get().title == "a b"
        return
    assert sentence in refused(answer, 422, code)
    said = (
        answer.content.decode()
        + caplog.text
        + "".join(PushRefusal.objects.values_list("sentence", flat=True))
    )
    assert number(person) not in said
    assert "370902196001080000" not in said
    assert not IntakeRecord.objects.exists()


def test_five_hundred_events_and_not_one_more(town, unit, partner):
    person = town.practitioner(at=unit)
    events = [event(person, f"E{n}", 0.1) for n in range(501)]
    assert "最多 500 条" in refused(partner.send(HOURS, *events), 422, "invalid_request")
    assert partner.send(HOURS, *events[:500]).json()["new"] == 500
    assert hours_of(person) == {"public": "50.0"}
    assert LedgerEntry.objects.count() == 500


def test_a_body_that_is_too_large(partner):
    refused(partner.send(HOURS, body=b" " * (2 * 1024 * 1024 + 1)), 413, "too_large")


def test_every_problem_of_every_event_is_told_and_nothing_is_entered(town, unit, partner):
    person = town.practitioner(at=unit)
    answer = partner.send(
        HOURS,
        event(person, "A-1"),
        event(person, "A-2", 7.25),
        event(person, "A-3", completed_on="", year=1999),
    )
    assert (
        refused(answer, 422, "invalid_value")
        == "第 2 个事件：学时最多一位小数，请核对。（共 3 处，见 errors）整个请求都没有入账。"
    )
    assert [(one["index"], one["field"]) for one in answer.json()["errors"]] == [
        (1, "hours"), (2, "year"), (2, "completed_on"),
    ]  # fmt: skip
    mixed = partner.send(
        HOURS, event(person, "A-1"), event((number(person), "别人"), "A-2"), event(person, "A-1")
    )
    assert {one["code"] for one in mixed.json()["errors"]} == {"name_mismatch", "duplicate_event"}
    refused(mixed, 422, "invalid_events")
    assert not IntakeRecord.objects.exists()


# --- the pages ----------------------------------------------------------------------------------------------------


def test_the_openapi_document_and_the_page(town):
    document = Client().get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.")
    assert set(document["paths"]) == {HOURS, CORRECTIONS, "/api/v1/events/{event_id}"}
    assert document["components"]["securitySchemes"]["Signed"] == {
        "type": "apiKey", "in": "header", "name": "X-CPE-Signature",
    }  # fmt: skip
    events = document["components"]["schemas"]["Events"]["properties"]["events"]
    assert (events["minItems"], events["maxItems"]) == (1, 500)
    page = Client().get("/api/v1/").content.decode()
    for word in (
        "X-CPE-Nonce",
        "HMAC-SHA256",
        *(code for _, code, _ in CODES),
        *event((synthetic_id(1), "x"), "y"),
    ):
        assert word in page, word
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)  # nothing from outside


def test_every_code_that_is_answered_stands_on_the_page():
    from pathlib import Path

    import credits.api as package
    from credits.intake import judging

    text = "".join(path.read_text(encoding="utf-8") for path in Path(package.__file__).parent.glob("*.py"))
    answered = set(re.findall(r'RefusedRequest\(\s*\d{3},\s*"(\w+)"', text)) | set(judging._SENTENCES)
    assert answered <= {code for _, code, _ in CODES}


def test_the_secret_is_shown_once_and_stored_sealed(town, partner, provider):
    page = partner.admin.get(f"/hours/providers/{provider.pk}/")
    assert partner.key in words(page)
    assert partner.secret not in page.content.decode()
    assert partner.secret.encode() not in bytes(ProviderKey.objects.get().secret)
    assert "no-store" in partner.admin.post(f"/hours/providers/{provider.pk}/keys/")["Cache-Control"]


def test_keys_are_made_by_super_admins_alone(town, provider):
    from orgs.models import Duty

    admin = town.login(town.admin(town.bureau, duties=[Duty.HOURS]))
    assert admin.post(f"/hours/providers/{provider.pk}/keys/").status_code == 403
    assert "密钥由超级管理员创建和停用" in words(admin.get(f"/hours/providers/{provider.pk}/"))
    partner = Partner(town.login(town.bureau), provider)
    key = ProviderKey.objects.get()
    assert admin.post(f"/hours/providers/keys/{key.pk}/revoke/").status_code == 403
    region = town.login(town.bureau_under(town.platform))
    assert region.post(f"/hours/providers/keys/{key.pk}/revoke/").status_code == 404
    assert region.post(f"/hours/providers/{provider.pk}/keys/").status_code == 404
    for _ in range(4):
        Partner(partner.admin, provider)
    answer = partner.admin.post(f"/hours/providers/{provider.pk}/keys/", follow=True)
    assert "最多有 5 个有效密钥" in words(answer)
    assert ProviderKey.objects.count() == 5


def test_the_page_of_a_platform_shows_its_last_report_and_what_was_refused(town, unit, partner, provider):
    person = town.practitioner(at=unit)
    partner.send(HOURS, event(person, "A-1"))
    for _ in range(3):
        partner.send(HOURS, event(person, "A-1", 13))
    partner.send(HOURS, event(person, "A-2", 7.25))
    partner.send(HOURS, event(person, "A-2"), secret="wrong")
    page = words(partner.admin.get(f"/hours/providers/{provider.pk}/"))
    for word in ("event_conflict", "invalid_value", "bad_signature", "学时最多一位小数"):
        assert word in page
    assert PushRefusal.objects.get(code="event_conflict").count == 3
    assert timezone.localtime().strftime("%Y-%m-%d") in words(partner.admin.get("/hours/providers/"))


# --- at once --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_one_captured_request_sent_ten_times_at_once_is_let_in_once(town, unit, partner):
    person = town.practitioner(at=unit)
    body = json.dumps({"events": [event(person, "A-1", 5)]}).encode()
    headers = partner.signed("POST", HOURS, body)
    codes, lock = [], threading.Lock()

    def click():
        answer = Client().post(HOURS, body, content_type="application/json", headers=headers)
        with lock:
            codes.append(answer.status_code)

    at_once(*[click] * 10)
    assert sorted(codes) == [200] + [409] * 9
    assert hours_of(person) == {"public": "5.0"}


@pytest.mark.django_db(transaction=True)
def test_one_event_signed_ten_times_at_once_counts_once(town, unit, partner):
    person = town.practitioner(at=unit)
    codes, lock = [], threading.Lock()

    def click(hours):
        def sending():
            answer = partner.send(HOURS, event(person, "A-1", hours))
            with lock:
                codes.append(answer.status_code)

        return sending

    at_once(*[click(5)] * 10)
    assert codes == [200] * 10
    assert IntakeRecord.objects.get().hours == Decimal(5)
    codes.clear()
    at_once(*[click(hours) for hours in range(6, 16)])
    assert codes == [409] * 10
    assert hours_of(person) == {"public": "5.0"}

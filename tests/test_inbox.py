"""待办审核 and the page of an application, through the pages: who sees what, who decides, who comes too late."""

import datetime
import io
import re
from decimal import Decimal

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image

from credits import years
from credits.models import ActivityKind, Declaration
from tests.race import at_once, without_lock
from workflow import engine
from workflow.attachments import attach as attach_file
from workflow.models import Application, Attachment, Step

LIST_BUDGET = 12


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def declare(town, person, title="测试论坛", days_ago=0):
    day = datetime.date(years.current_year(), 1, 8)
    declaration = Declaration(
        practitioner=person,
        year=day.year,
        subject="professional",
        kind=ActivityKind.objects.get(code="academic-forum"),
        title=title,
        organiser="测试学会",
        started_on=day,
        ended_on=day,
        hours=Decimal(8),
    )
    filed = engine.submit("hours-declaration", declaration, by=town.actor(person))
    moment = timezone.now() - datetime.timedelta(days=days_ago)
    Application.objects.filter(pk=filed.pk).update(submitted_at=moment)
    filed.steps.filter(state="open").update(opened_at=moment)
    return filed


def first_step(application) -> Step:
    return application.steps.first()


def same_bytes(answer) -> str:
    """The page without what is random in it by design: the CSRF token."""
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", answer.content.decode())


def words(answer) -> str:
    return answer.content.decode()


def queries(client, url) -> int:
    client.get(url)  # the first one may fill caches
    with CaptureQueriesContext(
        connection,
    ) as caught:
        assert client.get(url).status_code == 200
    return len(caught)


# --- the list ---------------------------------------------------------------------------------------


def test_the_oldest_comes_first_with_name_and_number_masked(town):
    unit = town.employer()
    young = town.practitioner(at=unit, user=town.user("甲一妮"))
    old = town.practitioner(at=unit, user=town.user("乙二"))
    declare(town, young, days_ago=2)
    declare(town, old, days_ago=14)
    page = words(town.login(unit).get("/inbox/"))
    assert page.index("乙*") < page.index("甲*妮")
    assert "甲一妮" not in page
    assert "14 天" in page
    assert old.user.id_masked in page
    assert old.user.id_number.reveal() not in page


def test_every_row_is_on_exactly_one_page_both_ways(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    numbers = {declare(town, person, title=f"第{n}期", days_ago=n % 4).pk for n in range(120)}
    client = town.login(unit)

    def rows(page):
        return [
            int(number) for number in re.findall(r'<td class="hd[^>]*><a href="/applications/(\d+)/"', page)
        ]

    def link(page, rel):
        found = re.search(rf'rel="{rel}" href="([^"]+)"', page)
        return found[1].replace("&amp;", "&") if found else None

    pages, page = [], words(client.get("/inbox/"))
    assert link(page, "prev") is None
    while True:
        pages.append(rows(page))
        if not link(page, "next"):
            break
        page = words(client.get("/inbox/" + link(page, "next")))
    assert [len(one) for one in pages] == [50, 50, 20]
    assert {number for one in pages for number in one} == numbers
    back = words(client.get("/inbox/" + link(page, "prev")))
    assert rows(back) == pages[1]


@pytest.mark.parametrize("place", ["x", "1~2~3", "2026-01-01~1", "~", "99999999999999999999~1"])
def test_a_place_that_does_not_read_is_the_first_page(town, place):
    unit = town.employer()
    declare(town, town.practitioner(at=unit))
    assert "<tr><td" in words(town.login(unit).get("/inbox/", {"after": place}))


def test_a_long_queue_is_counted_no_further_than_99(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    for n in range(101):
        declare(town, person, title=f"第{n}期")
    assert "99+" in words(town.login(unit).get("/inbox/"))


def test_tabs_and_filter_live_in_the_address(town):
    unit = town.employer()
    declare(town, town.practitioner(at=unit, user=town.user("甲一")))
    declare(town, town.practitioner(at=unit, user=town.user("乙二")))
    client = town.login(unit)
    found = words(client.get("/inbox/", {"duty": "hours", "name": "甲"}))
    assert "甲*" in found
    assert "乙*" not in found
    assert "<tr><td" not in words(client.get("/inbox/", {"duty": "registrations"}))


def test_an_admin_sees_only_the_duties_they_hold(town):
    unit = town.employer()
    declare(town, town.practitioner(at=unit))
    registrar = town.admin(unit, duties=["registrations"])
    assert "没有待办" in words(town.login(registrar).get("/inbox/"))


@pytest.mark.parametrize("path", ["/inbox/", "/inbox/done/"])
def test_the_inbox_is_for_admins(town, path):
    person = town.practitioner(at=town.employer())
    assert town.login(person).get(path).status_code == 403


# --- deciding -----------------------------------------------------------------------------------------


def test_two_clicks_approve_and_show_the_next(town):
    unit = town.employer()
    first, second = (declare(town, town.practitioner(at=unit), days_ago=days) for days in (9, 3))
    client = town.login(unit)
    assert f"/applications/{first.pk}/" in words(client.get("/"))  # click 1: a row of the home page
    step = first_step(first)
    assert f"/steps/{step.pk}/approve/" in words(client.get(f"/applications/{first.pk}/"))
    answer = client.post(f"/steps/{step.pk}/approve/", {"next": "1"})  # click 2
    assert answer.url == f"/applications/{second.pk}/"
    assert "已通过" in words(client.get(answer.url))
    step.refresh_from_db()
    assert step.state == "approved"


def test_after_the_last_one_comes_the_inbox(town):
    unit = town.employer()
    filed = declare(town, town.practitioner(at=unit))
    answer = town.login(unit).post(f"/steps/{first_step(filed).pk}/approve/", {"next": "1"})
    assert answer.url == "/inbox/"


def test_what_was_passed_over_does_not_come_back_as_the_next(town):
    unit = town.employer()
    _, middle, last = (declare(town, town.practitioner(at=unit), days_ago=days) for days in (9, 6, 3))
    answer = town.login(unit).post(f"/steps/{first_step(middle).pk}/approve/", {"next": "1"})
    assert answer.url == f"/applications/{last.pk}/"


def test_a_rejection_needs_a_reason_and_keeps_what_was_typed(town):
    unit = town.employer()
    filed = declare(town, town.practitioner(at=unit))
    client, url = town.login(unit), f"/steps/{first_step(filed).pk}/reject/"
    empty = words(client.post(url, {}))
    assert "请选择一条常用理由，或写明驳回理由。" in empty
    assert "请先改正 1 处问题" in empty
    long = words(client.post(url, {"comment": "字" * 401}))
    assert "字" * 401 in long
    assert "补充说明请写在 400 字以内" in long
    assert first_step(filed).state == "open"


def test_the_applicant_reads_the_reason_and_can_start_anew(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    filed = declare(town, person)
    reason = "证明材料不清晰或不完整，请补充后重新提交"
    answer = town.login(unit).post(
        f"/steps/{first_step(filed).pk}/reject/", {"reason": reason, "comment": "缺 <盖章> 页"}
    )
    assert answer.url == "/inbox/"
    page = words(town.login(person).get(f"/applications/{filed.pk}/"))
    assert f"{reason}；缺 &lt;盖章&gt; 页" in page
    assert "重新申报" in page
    assert f"again={filed.pk}" in page


def test_who_comes_too_late_reads_who_decided_and_when(town):
    unit = town.employer()
    town.admin(unit, user=town.user("乙二丙"), duties=["hours"])
    filed = declare(town, town.practitioner(at=unit))
    step = first_step(filed)
    second = unit.admins.get(is_super=False).account
    assert town.login(second).post(f"/steps/{step.pk}/approve/").status_code == 302
    late = town.login(unit).post(f"/steps/{step.pk}/reject/", {"comment": "已经写好的理由"})
    assert late.status_code == 409
    assert re.search(r"乙\*丙 已于 \d{4}-\d\d-\d\d \d\d:\d\d 通过了这件申请，您不用再处理。", words(late))
    step.refresh_from_db()
    assert (step.state, step.decided_by) == ("approved", second.user)


def test_a_reason_written_before_the_session_ended_comes_back(town):
    unit = town.employer()
    filed = declare(town, town.practitioner(at=unit))
    client, url = town.login(unit), f"/steps/{first_step(filed).pk}/reject/"
    client.get("/inbox/")
    del client.cookies["sessionid"]
    sent = client.post(
        url, {"comment": "缺第二页"}, headers={"referer": f"http://testserver/applications/{filed.pk}/"}
    )
    assert sent.status_code == 302
    admin = town.super_admin(unit).user
    client.post(
        sent.url,
        {"role": "employer", "id_number": admin.id_number.reveal(), "password": "correct-horse-9"},
    )
    assert "缺第二页" in words(client.get(url))
    assert first_step(filed).state == "open"


@pytest.mark.django_db(transaction=True)
def test_two_admins_at_once_one_wins_and_the_other_reads_it(town, monkeypatch):
    unit = town.employer()
    town.admin(unit, duties=["hours"])
    filed = declare(town, town.practitioner(at=unit))
    step = first_step(filed)
    clients = [town.login(admin.account) for admin in unit.admins.all()]
    answers = {}

    def click(number, url, data):
        return lambda: answers.update({number: clients[number].post(url, data)})

    outcomes = at_once(
        click(0, f"/steps/{step.pk}/approve/", {}), click(1, f"/steps/{step.pk}/reject/", {"comment": "理由"})
    )
    assert outcomes == ["ok", "ok"]  # no exception, whoever lost
    assert sorted(answer.status_code for answer in answers.values()) == [302, 409]
    late = next(answer for answer in answers.values() if answer.status_code == 409)
    assert re.search(r"已于 \d{4}-\d\d-\d\d \d\d:\d\d (通过|驳回)了这件申请", words(late))
    assert filed.events.exclude(verb="submit").count() == 1


@pytest.mark.django_db(transaction=True)
def test_control_without_the_lock_both_admins_win(town, monkeypatch):
    unit = town.employer()
    town.admin(unit, duties=["hours"])
    filed = declare(town, town.practitioner(at=unit))
    step = first_step(filed)
    clients = [town.login(admin.account) for admin in unit.admins.all()]
    answers = {}
    with without_lock(monkeypatch):
        at_once(
            *(
                lambda client=client: answers.update({client: client.post(f"/steps/{step.pk}/approve/")})
                for client in clients
            )
        )
    assert [answer.status_code for answer in answers.values()] == [302, 302]
    assert filed.events.exclude(verb="submit").count() == 2


# --- one's own matter, and others' ------------------------------------------------------------------------


def test_ones_own_matter_is_not_in_the_inbox_and_cannot_be_signed(town):
    unit = town.employer()
    admin = town.super_admin(unit)
    other = town.admin(unit, duties=["hours"])
    filed = declare(town, town.practitioner(at=unit, user=admin.user))
    step = first_step(filed)
    client = town.login(admin)
    assert f"/applications/{filed.pk}/" not in words(client.get("/inbox/"))
    assert "/approve/" not in words(client.get(f"/applications/{filed.pk}/"))
    refused = client.post(f"/steps/{step.pk}/approve/")
    assert refused.status_code == 409
    assert "这是您本人的申请" in words(refused)
    assert f"/applications/{filed.pk}/" in words(town.login(other).get("/inbox/"))


FOREIGN = ["/applications/{application}/", "/applications/{application}/receipt/",
           "/applications/{application}/withdraw/", "/attachments/{attachment}/", "/attachments/{attachment}/?open"]  # fmt: skip


def attach(application) -> Attachment:
    found = Attachment(
        application=application,
        name="论坛证书.png",
        content_type="image/png",
        extension="png",
        size=3,
        sha256="0" * 64,
    )
    found.file.save(found.name, ContentFile(b"png"), save=False)
    found.save()
    return found


@pytest.mark.parametrize("path", FOREIGN)
@pytest.mark.parametrize(
    "who", ["another unit", "another person", "a colleague", "the authority's other child"]
)
def test_a_foreign_object_answers_like_a_missing_one(town, path, who):
    authority = town.authority()
    unit, other = town.employer(under=authority), town.employer(under=authority)
    filed = declare(town, town.practitioner(at=unit))
    attached = attach(filed)
    stranger = {
        "another unit": lambda: town.employer(),
        "another person": lambda: town.practitioner(at=other),
        "a colleague": lambda: town.practitioner(at=unit),
        "the authority's other child": lambda: other,
    }[who]()
    client = town.login(stranger)
    foreign = client.get(path.format(application=filed.pk, attachment=attached.pk))
    missing = client.get(path.format(application=10**9, attachment=10**9))
    assert foreign.status_code == missing.status_code == 404
    assert same_bytes(foreign) == same_bytes(missing)


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_a_foreign_step_answers_like_a_missing_one(town, verb):
    filed = declare(town, town.practitioner(at=town.employer()))
    client = town.login(town.employer())
    foreign = client.post(f"/steps/{first_step(filed).pk}/{verb}/", {"comment": "理由"})
    missing = client.post(f"/steps/{10**9}/{verb}/", {"comment": "理由"})
    assert foreign.status_code == missing.status_code == 404
    assert same_bytes(foreign) == same_bytes(missing)


def test_the_next_in_line_cannot_sign_before_its_turn(town):
    filed = declare(town, town.practitioner(at=town.employer()))
    waiting = filed.steps.get(state="waiting")
    page = town.login(town.bureau).post(f"/steps/{waiting.pk}/approve/")
    assert page.status_code in (404, 409)
    waiting.refresh_from_db()
    assert waiting.state == "waiting"


# --- the applicant's side -----------------------------------------------------------------------------------


def test_the_applicant_withdraws_in_two_clicks(town):
    person = town.practitioner(at=town.employer())
    filed = declare(town, person)
    client = town.login(person)
    assert f"/applications/{filed.pk}/withdraw/" in words(client.get(f"/applications/{filed.pk}/"))
    assert "不能恢复" in words(client.get(f"/applications/{filed.pk}/withdraw/"))
    assert client.post(f"/applications/{filed.pk}/withdraw/").url == f"/applications/{filed.pk}/"
    filed.refresh_from_db()
    assert filed.state == "withdrawn"
    again = client.post(f"/applications/{filed.pk}/withdraw/", follow=True)
    assert "撤回了这件申请" in words(again)


def test_an_admin_does_not_withdraw_a_persons_matter(town):
    unit = town.employer()
    filed = declare(town, town.practitioner(at=unit))
    assert town.login(unit).post(f"/applications/{filed.pk}/withdraw/").status_code == 404
    filed.refresh_from_db()
    assert filed.state == "pending"


def test_the_page_says_who_has_it_since_when_and_whom_to_call(town):
    unit = town.employer(phone="0538-1234567", office_hours="工作日 9:00–17:00")
    person = town.practitioner(at=unit)
    filed = declare(town, person, days_ago=5)
    page = words(town.login(person).get(f"/applications/{filed.pk}/"))
    assert "已等 5 天" in page
    assert 'href="tel:0538-1234567"' in page
    assert "待用人单位审核" in page
    assert "审核：通过：通过" not in page
    receipt = words(town.login(person).get(f"/applications/{filed.pk}/receipt/"))
    assert Application.objects.get(pk=filed.pk).receipt in receipt


# --- attachments ----------------------------------------------------------------------------------------------


def test_an_attachment_comes_with_its_name_and_without_rights(town):
    person = town.practitioner(at=town.employer())
    attached = attach(declare(town, person))
    client = town.login(person)
    saved = client.get(f"/attachments/{attached.pk}/")
    assert saved["Content-Disposition"].startswith("attachment; filename*=utf-8''%E8%AE%BA")
    assert saved["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in saved["Content-Security-Policy"]
    assert "no-store" in saved["Cache-Control"]
    assert b"".join(saved.streaming_content) == b"png"
    assert client.get(f"/attachments/{attached.pk}/?open")["Content-Disposition"].startswith("inline")
    assert f'src="/attachments/{attached.pk}/?open"' in words(
        client.get(f"/applications/{attached.application_id}/")
    )


def test_a_pdf_stands_beside_the_form_of_who_decides(town):
    unit = town.employer()
    content = io.BytesIO()
    Image.new("RGB", (40, 40), "white").save(content, "PDF")
    filed = declare(town, town.practitioner(at=unit))
    file = attach_file(filed, SimpleUploadedFile("证书.pdf", content.getvalue(), "application/pdf"))
    client = town.login(unit)
    frame = f'src="/attachments/{file.pk}/?open#navpanes=0'
    assert frame in words(client.get(f"/applications/{filed.pk}/"))
    shown = client.get(f"/attachments/{file.pk}/?open")
    assert shown["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in shown["Content-Security-Policy"]
    assert "script" not in shown["Content-Security-Policy"]
    assert client.get(f"/attachments/{file.pk}/")["X-Frame-Options"] == "DENY"
    assert "frame-src 'self'" in client.get("/")["Content-Security-Policy"]


def test_a_draft_of_nobody_known_is_not_served(town):
    person = town.practitioner(at=town.employer())
    attached = attach(declare(town, person))
    Attachment.objects.filter(pk=attached.pk).update(application=None, draft="a" * 64)
    assert town.login(person).get(f"/attachments/{attached.pk}/").status_code == 404

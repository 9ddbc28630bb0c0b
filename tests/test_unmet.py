"""未达标名单: who stands in it, who is reminded, how often, and how much one click does."""

import datetime
import io
import re

import openpyxl
import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AccountStatus, Message
from accounts.refused import Refused
from credits.rolling import roll
from credits.years import current_year
from desk import reminding
from desk.models import Export
from orgs.models import Practitioner, Status
from orgs.tree import settle
from tests import postman
from tests.race import at_once
from tests.test_inbox import words
from tests.town import Town

YEAR = current_year()
LIST, REMIND, ALL = "/people/unmet/", "/people/unmet/remind/", "/people/unmet/remind-all/"


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def listed(page: str) -> list[int]:
    return [int(one) for one in re.findall(r'<td class="hd nw"><a href="/people/(\d+)/"', page)]


def ticked(page: str) -> list[int]:
    return [int(one) for one in re.findall(r'name="person" value="(\d+)"[^>]* checked', page)]


def reminders(person) -> list[Message]:
    return list(Message.objects.filter(user=person.user, key__startswith="unmet:").order_by("pk"))


# --- the list -------------------------------------------------------------------------------------------


def test_who_has_not_met_the_year_with_what_is_missing(town):
    unit = town.employer()
    done, late, nothing = (town.practitioner(at=unit) for _ in range(3))
    town.practitioner(at=unit, status=Status.PENDING)
    town.practitioner(at=town.employer())
    town.stands(done, 30, 60)
    town.stands(late, 30, 38)
    page = words(town.login(unit).get(LIST))
    assert listed(page) == ticked(page) == [late.pk, nothing.pk]
    assert f"{YEAR} 年度还有 2 人未达标" in page
    assert '<td class="num" data-l="已获学时">68</td><td data-l="还差">合计 22、专业科目 22</td>' in page
    assert "合计 90、公需科目 30、专业科目 60" in page
    assert late.user.name not in page
    assert late.user.id_number.reveal() not in page


def test_another_year_and_the_rules_of_the_own_place(town):
    county = town.bureau_under(town.bureau)
    town.rules(county, code="county", year_from=YEAR, total=120)
    unit, other = town.employer(under=county), town.employer()
    strict, plain = town.practitioner(at=unit), town.practitioner(at=other)
    for person in (strict, plain):
        town.stands(person, 30, 60, year=YEAR - 1)
        town.stands(person, 30, 60)
    client = town.login(town.bureau)
    assert listed(words(client.get(LIST))) == [strict.pk]
    assert "还差" in words(client.get(LIST))
    page = words(client.get(f"{LIST}?year={YEAR - 1}"))
    assert listed(page) == []
    assert "在册人员都已达标" in page
    assert len(listed(words(client.get(f"{LIST}?year={YEAR - 2}")))) == 2
    assert listed(words(client.get(f"{LIST}?unit={other.pk}"))) == []


def test_fifty_cost_as_much_as_one(town):
    unit = town.employer()
    client = town.login(unit)

    def cost():
        client.get(LIST)
        with CaptureQueriesContext(connection) as caught:
            page = words(client.get(LIST))
        return len(caught), page

    town.practitioner(at=unit)
    few, _ = cost()
    for _ in range(59):
        town.practitioner(at=unit)
    many, page = cost()
    assert many == few <= 12
    assert len(listed(page)) == 50
    link = re.search(r'rel="next" href="([^"]+)"', page)[1].replace("&amp;", "&")
    assert len(listed(words(client.get(LIST + link)))) == 10
    assert ticked(words(client.get(f"{LIST}?none=1"))) == []


# --- 提醒所选 --------------------------------------------------------------------------------------------


def test_who_is_ticked_hears_of_it_on_the_page_and_by_mail(town):
    unit = town.employer(name="测试房产中心")
    told, other = town.practitioner(at=unit), town.practitioner(at=unit)
    town.stands(told, 30, 38)
    client = town.login(unit)
    page = words(client.post(REMIND, {"person": [told.pk]}))
    postman.deliver()
    assert "已提醒 1 人" in page
    message = reminders(told)[0]
    assert message.subject == f"{YEAR} 年度继续教育还没有达标"
    assert "测试房产中心提醒您" in message.text
    assert "已获 68 学时，还差 合计 22、专业科目 22 学时" in message.text
    assert (message.account, message.url) == (told.account, f"/hours/years/?year={YEAR}")
    assert [one.to for one in mail.outbox] == [[told.user.email]]
    assert not reminders(other)
    assert town.login(told).get(message.url).status_code == 200
    page = words(client.get(LIST))
    assert ticked(page) == [other.pk]
    assert f"{timezone.localdate()} 已提醒" in page


def test_at_most_once_in_seven_days_whoever_reminds(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    own, above = town.login(unit), town.login(town.bureau)
    assert "已提醒 1 人" in words(own.post(REMIND, {"person": [person.pk]}))
    page = words(above.post(REMIND, {"person": [person.pk]}))
    assert "没有需要提醒的人" in page
    assert "1 人 7 天内已经提醒过" in page
    assert len(reminders(person)) == 1
    for days, count in ((6, 1), (8, 2)):
        moment = timezone.now() - datetime.timedelta(days=days)
        first = reminders(person)[0]
        Message.objects.filter(pk=first.pk).update(created_at=moment, key=f"unmet:{YEAR}:{moment.date()}")
        own.post(REMIND, {"person": [person.pk]})
        assert len(reminders(person)) == count
    # Another year is another matter.
    own.post(f"{REMIND}?year={YEAR - 1}", {"person": [person.pk]})
    assert len(reminders(person)) == 3


def test_who_met_the_year_meanwhile_who_left_and_who_is_not_ours_hear_nothing(town):
    unit, elsewhere = town.employer(), town.employer()
    met, left, foreign, pending, late = (
        *(town.practitioner(at=unit) for _ in range(2)),
        town.practitioner(at=elsewhere),
        town.practitioner(at=unit, status=Status.PENDING),
        town.practitioner(at=unit),
    )
    town.stands(met, 30, 60)
    settle(left, elsewhere)
    everybody = [one.pk for one in (met, left, foreign, pending, late)]
    page = words(town.login(unit).post(REMIND, {"person": [*everybody, "x", "9" * 30]}))
    assert "已提醒 1 人" in page
    assert "1 人这时已经达标" in page
    assert set(Message.objects.filter(key__startswith="unmet:").values_list("user", flat=True)) == {
        late.user_id
    }


def test_nobody_ticked_and_no_right(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    assert "请先勾选要提醒的人员" in words(town.login(unit).post(REMIND, follow=True))
    without = town.login(town.admin(unit, duties=["hours"]))
    for path in (REMIND, ALL):
        assert without.post(path, {"person": [person.pk]}).status_code == 403
    assert not reminders(person)


def test_a_right_that_was_just_taken_away_reminds_nobody(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    account = town.admin(unit, duties=["people"])
    actor = town.actor(account)
    account.status = AccountStatus.SUSPENDED
    account.save()
    with pytest.raises(Refused):
        reminding.remind(actor, [person.pk], YEAR)
    assert not reminders(person)


# --- 提醒全部 --------------------------------------------------------------------------------------------


def test_everybody_below_after_a_page_that_says_so(town):
    authority = town.authority()
    people = [town.practitioner(at=town.employer(under=authority)) for _ in range(3)]
    done, elsewhere = town.practitioner(at=people[0].employer), town.practitioner(at=town.employer())
    town.stands(done, 30, 60)
    client = town.login(authority)
    assert "未达标 3 人" in words(client.get(ALL))
    assert not Message.objects.filter(key__startswith="unmet:").exists()
    page = words(client.post(f"{ALL}?unit={people[2].employer_id}"))
    assert "已提醒 1 人" in page
    page = words(client.post(ALL))
    assert "已提醒 2 人" in page
    assert "继续提醒" not in page
    assert [len(reminders(one)) for one in (*people, done, elsewhere)] == [1, 1, 1, 0, 0]
    assert "没有需要提醒的人" in words(client.post(ALL))


@pytest.mark.parametrize(("looked", "told"), [(100, 2), (3, 100), (2, 2), (1, 1)])
def test_one_click_is_bounded_and_the_next_ones_reach_everybody(town, monkeypatch, looked, told):
    monkeypatch.setattr("desk.reminding.MOST_LOOKED", looked)
    monkeypatch.setattr("desk.reminding.MOST_TOLD", told)
    unit = town.employer()
    below = town.employer(under=unit)
    people = [town.practitioner(at=(unit, below)[number % 2]) for number in range(7)]
    town.stands(people[3], 30, 60)
    client, clicks, after = town.login(unit), 0, ""
    while True:
        page = words(client.post(ALL, {"after": after}))
        clicks += 1
        sent = Message.objects.filter(key__startswith="unmet:").count()
        assert sent <= clicks * min(looked, told)
        onwards = re.search(r'name="after" value="([^"]+)"', page)
        if not onwards:
            break
        after = onwards[1]
    assert clicks > 1
    assert [len(reminders(one)) for one in people] == [1, 1, 1, 0, 1, 1, 1]


@pytest.mark.django_db(transaction=True)
def test_two_admins_at_the_same_moment_send_one_reminder():
    town = Town()
    call_command("load_hours", verbosity=0)
    unit = town.employer()
    people = [town.practitioner(at=unit) for _ in range(5)]
    actors = [town.actor(unit), town.actor(town.bureau)]
    outcomes = at_once(*(lambda one=one: reminding.remind_all(one, None, YEAR) for one in actors))
    assert outcomes == ["ok", "ok"]
    assert [len(reminders(Practitioner.objects.get(pk=one.pk))) for one in people] == [1] * 5


# --- as a file ------------------------------------------------------------------------------------------------


def exported(client, address: str) -> list[list]:
    answer = client.post(address, {"format": "xlsx", "detail": "masked", "reason": ""})
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return [list(row) for row in openpyxl.load_workbook(io.BytesIO(body)).active.iter_rows(values_only=True)]


def test_the_list_as_a_file_holds_the_same_people_and_year(town):
    unit = town.employer(name="测试单位甲")
    done, late = town.practitioner(at=unit), town.practitioner(at=unit, user=town.user("甲晓妮"))
    town.stands(done, 30, 60, year=YEAR - 1)
    town.stands(late, 30, 38, year=YEAR - 1)
    client = town.login(town.bureau)
    assert f'href="/exports/new/unmet/?year={YEAR - 1}"' in words(client.get(f"{LIST}?year={YEAR - 1}"))
    rows = exported(client, f"/exports/new/unmet/?year={YEAR - 1}")
    assert rows[1][5:] == ["年度", "公需科目学时", "专业科目学时", "合计学时"]
    assert [row[0] for row in rows[2:]] == ["甲*妮"]
    assert rows[2][1:3] == [late.user.id_masked, "测试单位甲"]
    assert rows[2][5:] == [YEAR - 1, 30, 38, 68]
    assert Export.objects.get().filters == {"standing": "unmet", "year": YEAR - 1}
    assert "未达标" in words(client.get("/exports/"))


def test_the_statistics_as_a_file(town):
    authority = town.authority(name="测试住建局")
    person = town.practitioner(at=town.employer(under=authority))
    town.stands(person, 30, 60)
    roll()
    client = town.login(town.bureau)
    assert f'href="/exports/new/statistics/?year={YEAR}"' in words(client.get("/statistics/"))
    rows = exported(client, f"/exports/new/statistics/?year={YEAR}")
    assert rows[2] == ["测试住建局", "主管部门", YEAR, 1, 1, 0, 30, 60, 90]

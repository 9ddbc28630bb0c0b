"""查询统计 → 专技人员信息查询: who finds whom, and who may reset whose password (F-41 … F-43, F-88, F-89)."""

import datetime
import re
from itertools import chain

import pytest
from django.core.management import call_command
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.http import urlencode

from accounts.models import AccountStatus, OneUseSecret, RoleAccount
from credits.years import current_year
from desk import people, wanted
from orgs.models import Status, TitleSeries
from orgs.tree import settle
from tests.test_inbox import same_bytes, words
from tests.town import PASSWORD

LIST_BUDGET = 12


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def rows(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'<tr><td class="hd nw"><a href="/people/(\d+)/"', page)]


# --- the list -----------------------------------------------------------------------------------------


def test_own_people_and_those_below_and_nobody_else(town):
    authority = town.authority()
    unit = town.employer(under=authority)
    below = town.employer(under=unit)
    own, deep = town.practitioner(at=unit), town.practitioner(at=below)
    beside = town.practitioner(at=town.employer(under=authority))
    pending = town.practitioner(at=unit, status=Status.PENDING)
    assert set(rows(words(town.login(unit).get("/people/")))) == {own.pk, deep.pk}
    assert set(rows(words(town.login(authority).get("/people/")))) == {own.pk, deep.pk, beside.pk}
    assert pending.pk not in rows(words(town.login(town.bureau).get("/people/")))


def test_names_and_numbers_are_masked_in_the_list(town):
    unit = town.employer()
    person = town.practitioner(at=unit, user=town.user("甲晓妮"))
    page = words(town.login(unit).get("/people/"))
    assert "甲*妮" in page
    assert "甲晓妮" not in page
    assert person.user.id_masked in page
    assert person.user.id_number.reveal() not in page


def test_fifty_rows_cost_as_many_queries_as_one(town):
    unit = town.employer()
    town.employer(under=unit)
    town.practitioner(at=unit)
    client = town.login(unit)

    def count(path):
        client.get(path)
        with CaptureQueriesContext(connection) as caught:
            client.get(path)
        return len(caught)

    few = [count(path) for path in ("/people/", "/people/?standing=unmet")]
    for _ in range(60):
        town.practitioner(at=unit)
    assert len(rows(words(client.get("/people/")))) == 50
    assert [count(path) for path in ("/people/", "/people/?standing=unmet")] == few
    assert max(few) <= LIST_BUDGET


def test_the_next_page_keeps_what_was_asked(town):
    unit = town.employer()
    for n in range(55):
        town.practitioner(at=unit, user=town.user(f"甲{n}"))
    town.practitioner(at=unit, user=town.user("乙"))
    client = town.login(unit)
    page = words(client.get("/people/", {"name": "甲"}))
    link = re.search(r'rel="next" href="([^"]+)"', page)[1].replace("&amp;", "&")
    assert len(rows(page)) == 50
    assert len(rows(words(client.get("/people/" + link)))) == 5


def listed(client, **asked) -> list[int]:
    return rows(words(client.get("/people/", asked)))


def test_who_has_met_a_year_who_has_not_and_who_has_nothing(town):
    unit, last = town.employer(), current_year() - 1
    done, late, nothing = (town.practitioner(at=unit) for _ in range(3))
    town.stands(done, public=30, professional=60)
    town.stands(late, public=30, professional=59)
    town.stands(late, public=30, professional=60, year=last)
    town.stands(nothing)
    client = town.login(unit)
    assert listed(client, standing="met") == [done.pk]
    assert listed(client, standing="unmet") == [late.pk, nothing.pk]
    assert listed(client, standing="nothing") == [nothing.pk]
    assert listed(client, standing="met", year=last) == [late.pk]
    assert listed(client, standing="unmet", year=last) == [done.pk, nothing.pk]
    page = words(client.get("/people/"))
    assert "已达标</span> 90" in page
    assert f"{current_year()} 年学时" in page
    assert '<td class="num nw" data-l="学时">89</td>' in page
    for nonsense in ({"standing": "x"}, {"year": "1999"}, {"year": "x", "level": "y", "series": "没有"}):
        assert len(listed(client, **nonsense)) == 3 * (nonsense.get("series") is None)


def titled(series, level):
    return {
        "title_series": series, "title_level": level, "title": "职称", "title_mode": "evaluation",
        "title_awarded_on": datetime.date(2023, 6, 30),
    }  # fmt: skip


def test_by_series_and_level_and_several_things_at_once(town):
    teachers = TitleSeries.objects.create(code="01", name="高等学校教师")
    doctors = TitleSeries.objects.create(code="11", name="卫生技术")
    unit = town.employer()
    high = town.practitioner(at=unit, user=town.user("甲晓妮"), **titled(teachers, "senior"))
    low = town.practitioner(at=unit, user=town.user("乙小"), **titled(teachers, "middle"))
    doctor = town.practitioner(at=unit, user=town.user("甲小"), **titled(doctors, "senior"))
    none = town.practitioner(at=unit)
    town.stands(high, public=30, professional=60)
    client = town.login(unit)
    assert listed(client, series="01") == [high.pk, low.pk]
    assert listed(client, series="none") == [none.pk]
    assert listed(client, level="senior") == [high.pk, doctor.pk]
    assert listed(client, series="01", level="senior") == [high.pk]
    assert listed(client, name="小", series="11") == [doctor.pk]
    assert listed(client, name="甲", level="senior", standing="unmet") == [doctor.pk]
    assert listed(client, name="甲", last_four=high.user.id_last4) == [high.pk]
    page = words(client.get("/people/", {"series": "01", "level": "senior", "standing": "met"}))
    assert f"职称系列为高等学校教师，级别为正高级，{current_year()} 年度已达标" in page
    asked = {"name": "甲", "series": "01", "level": "senior", "standing": "met", "year": current_year() - 1}
    answer = client.post("/people/", asked)
    assert answer.url == "/people/?" + urlencode(asked)


def test_a_long_name_is_found_by_any_of_its_characters(town):
    unit = town.employer()
    person = town.practitioner(at=unit, user=town.user("买买提·艾合买提"))
    town.practitioner(at=unit, user=town.user("买买提·艾则孜"))
    client = town.login(unit)
    for text in ("艾合", "买提·艾合", "买买提·艾合买提"):
        assert listed(client, name=text) == [person.pk], text
    assert listed(client, name="艾合买提买买") == []


def test_how_many_a_list_has_is_said_where_it_costs_nothing_or_is_asked_for(town, monkeypatch):
    monkeypatch.setattr("workflow.reach.SIZE", 2)
    monkeypatch.setattr("workflow.reach.page.__defaults__", (None, 2))
    monkeypatch.setattr("desk.people.MOST_COUNTED", 4)
    authority = town.authority()
    unit, few = town.employer(under=authority), town.employer(under=authority)
    for number in range(5):
        town.practitioner(at=unit, user=town.user(f"甲晓{'妮' if number < 3 else '明'}"))
    town.practitioner(at=few)
    client = town.login(authority)

    def said(**asked) -> str:
        page = words(client.get(f"/people/?{urlencode(asked)}"))
        found = re.search(r"共 (\S+) 人", page)
        return found[1] if found else ""

    assert said(unit=few.pk) == "1"  # the whole list is on the page
    assert said(name="甲晓妮") == "3"
    assert said(name="甲晓") == said(unit=unit.pk) == "4+"
    assert said(standing="unmet") == ""  # only looking at each would tell
    with CaptureQueriesContext(connection) as everybody:
        assert said() == ""
    assert not [one for one in everybody if "LIMIT 5" in one["sql"]]
    assert said(name="没有这个人") == ""
    assert "共 1 人" in words(town.login(few).get("/people/"))


# --- turning pages ------------------------------------------------------------------------------------


def turn(client, page: str, way: str) -> str:
    link = re.search(rf'rel="{way}" href="([^"]+)"', page)
    return words(client.get("/people/" + link[1].replace("&amp;", "&"))) if link else ""


@pytest.mark.parametrize("asked", ["", "name=甲", "standing=unmet", "level=senior", "name=甲&standing=unmet"])
def test_pages_forwards_and_backwards_hold_everybody_once(town, monkeypatch, asked):
    monkeypatch.setattr("workflow.reach.page.__defaults__", (None, 3))
    monkeypatch.setattr("workflow.reach.end_of_reach.__defaults__", (True, 4))
    series = TitleSeries.objects.create(code="01", name="高等学校教师")
    unit = town.employer()
    units = [unit, town.employer(under=unit), town.employer(under=unit)]
    for number in range(17):
        person = town.practitioner(
            at=units[number % 3],
            user=town.user("甲一" if number % 5 else "乙二"),
            **(titled(series, "senior") if number % 4 == 0 else {}),
        )
        if number % 3 == 1:
            town.stands(person, 30, 60)
    actor = town.actor(unit)
    fitting = people.found(actor, wanted.read(QueryDict(asked), actor)).order_by("place", "person")
    everybody = [row["pk"] for row in fitting]
    assert 2 <= len(everybody) <= 17
    client = town.login(unit)
    pages = [words(client.get(f"/people/?{asked}"))]
    while following := turn(client, pages[-1], "next"):
        pages.append(following)
    forwards = [rows(page) for page in pages]
    assert list(chain(*forwards)) == everybody
    assert all(len(one) <= 3 for one in forwards)
    assert len(forwards) > 2
    back = [pages[-1]]
    while previous := turn(client, back[-1], "prev"):
        back.append(previous)
    assert list(chain(*(rows(page) for page in reversed(back)))) == everybody


def test_a_page_that_stopped_says_how_far_it_looked(town, monkeypatch):
    monkeypatch.setattr("workflow.reach.REACH", 2)
    monkeypatch.setattr("workflow.reach.end_of_reach.__defaults__", (True, 2))
    unit = town.employer()
    for _ in range(4):
        town.stands(town.practitioner(at=unit), 30, 60)
    late = town.practitioner(at=unit)
    client = town.login(unit)
    page = words(client.get("/people/?standing=unmet"))
    assert "查了 2 人，符合条件的有 0 人" in page
    assert "没有符合条件" not in page
    page = turn(client, turn(client, page, "next"), "next")
    assert rows(page) == [late.pk]
    assert "查了" not in page


def test_a_place_that_does_not_read_is_the_first_page(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    client = town.login(unit)
    for nonsense in ("x", "1~", "1.2~x", "1..2~3", "/1/~2", f"{10**30}~1"):
        assert listed(client, after=nonsense) == [person.pk]
        assert listed(client, before=nonsense) == [person.pk]


def test_a_place_of_another_branch_opens_nothing(town):
    unit, elsewhere = town.employer(), town.employer()
    own, foreign = town.practitioner(at=unit), town.practitioner(at=elsewhere)
    client = town.login(unit)
    for after in ("1~0", elsewhere.path.strip("/").replace("/", ".") + "~0"):
        assert foreign.pk not in listed(client, after=after)
        assert foreign.pk not in listed(client, before=after)
    assert listed(client, after="1~0") == [own.pk]
    assert client.get("/people/", {"unit": elsewhere.pk}).status_code == 404


def test_who_left_is_still_found_by_the_unit_and_nothing_more(town):
    old, new = town.employer(), town.employer()
    gone = town.practitioner(at=old, user=town.user("甲一"))
    stays = town.practitioner(at=old, user=town.user("甲二"))
    never = town.practitioner(at=old, user=town.user("甲三"), status=Status.VOID)
    client = town.login(old)
    assert "没有已调出或离职的人员" in words(client.get("/people/?left=1"))
    settle(gone, new)
    page = words(client.get("/people/?left=1"))
    assert gone.user.id_masked in page
    assert "甲*" in page
    for hidden in (f"/people/{gone.pk}/", new.name, stays.user.id_masked, never.user.id_masked):
        assert hidden not in page
    assert gone.user.id_masked in words(client.post("/people/?left=1", {"name": "甲"}, follow=True))
    assert client.get(f"/people/{gone.pk}/").status_code == 404
    assert gone.user.id_masked not in words(town.login(new).get("/people/?left=1"))
    assert "left=1" not in words(town.login(town.bureau).get("/people/"))


# --- the search ---------------------------------------------------------------------------------------------


def test_by_name_and_by_the_last_four(town):
    unit = town.employer()
    wanted = town.practitioner(at=unit, user=town.user("甲一"))
    town.practitioner(at=unit, user=town.user("乙二"))
    client = town.login(unit)
    found = client.post("/people/", {"name": " 甲 ", "number": wanted.user.id_last4.lower()}, follow=True)
    assert rows(words(found)) == [wanted.pk]
    assert "没有符合条件的人员" in words(client.get("/people/", {"name": "丁"}))


def test_a_whole_number_leads_to_the_person_and_never_stands_in_an_address(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    number = person.user.id_number.reveal()
    answer = town.login(unit).post(
        "/people/", {"number": f" {number[:6]} {number[6:].lower()} "}, follow=True
    )
    assert answer.redirect_chain == [(f"/people/{person.pk}/", 302)]
    assert number not in words(answer)


def test_a_foreign_number_reads_like_an_unknown_one(town):
    client = town.login(town.employer())
    foreign = town.practitioner(at=town.employer()).user.id_number.reveal()
    unknown = town.user()
    unknown_number = unknown.id_number.reveal()
    unknown.delete()
    answers = [client.post("/people/", {"number": number}) for number in (foreign, unknown_number)]
    pages = [
        same_bytes(answer).replace(number, "")
        for answer, number in zip(answers, (foreign, unknown_number), strict=True)
    ]
    assert pages[0] == pages[1]
    assert "没有这个身份证号的在册人员" in pages[0]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("12345", "请填写身份证号的后四位，或完整的身份证号。"),
        ("37090219600101000Y", "前 17 位只能是数字"),
        ("370902196001030003", "校验码不符"),
    ],
)
def test_a_wrong_number_gets_a_sentence_and_stays(town, typed, sentence):
    page = words(town.login(town.employer()).post("/people/", {"number": typed, "name": "甲"}))
    assert sentence in page
    assert f'value="{typed}"' in page
    assert 'value="甲"' in page


def test_looking_people_up_needs_the_duty(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    without = town.login(town.admin(unit, duties=["hours"]))
    for path in ("/people/", f"/people/{person.pk}/", f"/people/{person.pk}/reset-password/"):
        assert without.get(path).status_code == 403
        assert town.login(person).get(path).status_code == 403
        assert Client().get(path).url.startswith("/login/")
    assert town.login(town.admin(unit, duties=["people"])).get("/people/").status_code == 200


# --- one person ---------------------------------------------------------------------------------------------------


def test_the_person_page_shows_hours_and_masks_the_number(town):
    unit = town.employer()
    person = town.practitioner(at=unit, user=town.user("甲晓妮"))
    page = words(town.login(unit).get(f"/people/{person.pk}/"))
    assert "甲晓妮" in page
    assert f"{current_year()} 年度学时" in page
    assert person.user.id_number.reveal() not in page
    assert person.user.mobile.as_national.replace(" ", "") not in page.replace(" ", "")


def test_the_person_page_leads_to_the_release_with_the_person_chosen(town):
    unit = town.employer()
    person = town.practitioner(at=unit, user=town.user("甲晓妮"))
    client = town.login(unit)
    link = f"/moves/release/?person={person.pk}"
    assert f'href="{link}"' in words(client.get(f"/people/{person.pk}/"))
    assert client.get(link).status_code == 200
    assert "/moves/release/?" not in words(town.login(town.bureau).get(f"/people/{person.pk}/"))


@pytest.mark.parametrize("path", ["/people/{}/", "/people/{}/reset-password/"])
def test_a_foreign_person_answers_like_a_missing_one(town, path):
    client = town.login(town.employer())
    foreign = client.get(path.format(town.practitioner(at=town.employer()).pk))
    missing = client.get(path.format(10**9))
    assert foreign.status_code == missing.status_code == 404
    assert same_bytes(foreign) == same_bytes(missing)


# --- 重置密码 ------------------------------------------------------------------------------------------------------------


def test_three_clicks_reset_a_password_and_the_person_sets_a_new_one(
    town, django_capture_on_commit_callbacks
):
    unit = town.employer()
    person = town.practitioner(at=unit, user=town.user("甲一"))
    number = person.user.id_number.reveal()
    session = town.login(person)
    admin = town.login(unit)
    found = admin.post("/search/", {"q": person.user.id_last4}, follow=True)  # click 1, on the home page
    link = f"/people/{person.pk}/reset-password/"
    assert f'href="{link}"' in words(found)
    asked = words(admin.get(link))  # click 2
    assert "24 小时内有效" in asked
    done = admin.post(link)  # click 3
    assert "身份证后六位" in words(done)
    assert number[-6:] not in words(done)
    assert session.get("/hours/").status_code == 302  # the person's open session has ended
    issued = OneUseSecret.objects.get(user=person.user)
    assert (issued.by, issued.organization) == (town.super_admin(unit).user, unit.name)

    def login(password):
        browser = Client()
        answer = browser.post("/login/", {"role": "practitioner", "id_number": number, "password": password})
        return browser, answer

    assert login(PASSWORD)[1].status_code == 200  # the old one no longer opens anything
    browser, answer = login(number[-6:])
    assert answer.url == "/set-password/"
    assert browser.get("/hours/").status_code == 302


@pytest.mark.parametrize("method", ["get", "post"])
def test_not_of_a_sub_unit_not_from_above_and_never_oneself(town, method):
    authority = town.authority()
    unit = town.employer(under=authority)
    below = town.practitioner(at=town.employer(under=unit))
    own = town.practitioner(at=unit)
    oneself = town.practitioner(at=unit, user=town.super_admin(unit).user)
    refused = [(unit, below), (authority, own), (town.bureau, own), (unit, oneself)]
    for who, person in refused:
        client = town.login(who)
        assert getattr(client, method)(f"/people/{person.pk}/reset-password/").status_code == 404
        assert f"/people/{person.pk}/reset-password/" not in words(client.get("/people/"))
        assert "/reset-password/" not in words(client.get(f"/people/{person.pk}/"))
    assert not OneUseSecret.objects.exists()


def test_the_password_of_an_admin_is_not_the_units_to_reset(town):
    unit = town.employer()
    colleague = town.super_admin(town.bureau).user
    person = town.practitioner(at=unit, user=colleague)
    client = town.login(unit)
    assert "密码不能由单位重置" in words(client.get(f"/people/{person.pk}/reset-password/"))
    answer = client.post(f"/people/{person.pk}/reset-password/", follow=True)
    assert "密码不能由单位重置" in words(answer)
    assert not OneUseSecret.objects.exists()
    # nor while that admin is suspended: the account opens again one day
    RoleAccount.objects.filter(org_admin__user=colleague).update(status=AccountStatus.SUSPENDED)
    answer = client.post(f"/people/{person.pk}/reset-password/", follow=True)
    assert "密码不能由单位重置" in words(answer)
    assert not OneUseSecret.objects.exists()

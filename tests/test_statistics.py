"""学时统计 and 下级待办: the numbers of a branch, the lists behind them, and what a page of them costs."""

import datetime
import json
import re
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AccountStatus, RoleAccount
from credits.models import RulePack
from credits.rolling import roll
from credits.years import current_year
from desk import charts, waiting
from desk.models import Waiting
from desk.units import FEW
from orgs.models import Duty, Organization, PersonKey, Practitioner, TitleSeries
from orgs.tree import move
from tests.test_credits import declare as declare_hours
from tests.test_credits import sign
from tests.test_inbox import declare, first_step, words
from tests.test_people import rows as people_rows
from tests.test_tree import rows as tree_rows
from workflow import engine

YEAR = current_year()
BUDGET = 12


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def lines(page: str, caption: str) -> dict[str, list[str]]:
    """Name of each line of the table with this caption -> the words of its cells."""
    table = re.search(rf"<caption[^>]*>{caption}</caption>.*?</table>", page, re.S)
    found = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table[0], re.S) if table else []
    plain = re.compile(r"<[^>]+>")
    return {
        plain.sub("", name): [
            plain.sub("", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", cells, re.S)
        ]
        for name, cells in found
    }


def links(page: str, text: str) -> list[str]:
    return [
        url.replace("&amp;", "&") for url in re.findall(rf'href="([^"]+)"[^>]*>{re.escape(text)}</a>', page)
    ]


def numbers(page: str) -> set[tuple[str, str]]:
    """Address and text of every link whose text begins with a figure."""
    found = re.findall(r'<a [^>]*?href="([^"]+)"[^>]*>(\d[^<]*)</a>', page)
    return {(url.replace("&amp;", "&"), text) for url, text in found}


# --- 学时统计 ------------------------------------------------------------------------------------------


def test_each_child_counts_with_everybody_below_it_and_each_number_leads_to_its_people(town):
    authority = town.authority(name="测试住建局")
    unit = town.employer(under=authority)
    done, late = town.practitioner(at=unit), town.practitioner(at=town.employer(under=unit))
    other = town.practitioner(at=town.employer(name="测试单位乙"))
    town.stands(done, 30, 60)
    town.stands(late, 10.5, 20)
    client = town.login(town.bureau)
    page = words(client.get("/statistics/"))
    assert lines(page, "按下级单位统计") == {
        "测试住建局": ["2", "1", "1", "50.0%", "40.5", "80.0", "60.2"],
        "测试单位乙": ["1", "0", "1", "0.0%", "0.0", "0.0", "0.0"],
    }
    assert 'aria-label="测试住建局：在册 2 人，已达标 1 人，达标率 50.0%"' in page
    narrowed = f"year={YEAR}&unit={authority.pk}"
    assert people_rows(words(client.get(f"/people/?{narrowed}"))) == [done.pk, late.pk]
    for address in (f"/people/?{narrowed}", f"/people/unmet/?{narrowed}", f"/statistics/?{narrowed}"):
        assert address in page.replace("&amp;", "&")
    assert f"/people/?year={YEAR}&standing=met&unit={authority.pk}" in page.replace("&amp;", "&")
    assert other.employer.name in page
    deeper = words(client.get(f"/statistics/?unit={authority.pk}"))
    assert list(lines(deeper, "按下级单位统计")) == [unit.name]
    deepest = words(client.get(f"/statistics/?unit={unit.pk}"))
    assert lines(deepest, "按下级单位统计")["本级人员"][:4] == ["1", "1", "0", "100.0%"]
    crumbs = re.search(r'<nav class="crumb".*?</nav>', deepest, re.S)[0]
    assert re.sub(r"\s|<[^>]+>", "", crumbs) == f"学时统计测试住建局{unit.name}"


def test_by_series_by_subject_and_by_month(town):
    teachers = TitleSeries.objects.create(code="01", name="高等学校教师")
    unit = town.employer()
    title = {
        "title_level": "middle",
        "title": "讲师",
        "title_mode": "evaluation",
        "title_awarded_on": "2023-06-30",
    }
    teacher = town.practitioner(at=unit, title_series=teachers, **title)
    nobody = town.practitioner(at=unit)
    town.stands(teacher, 30, 60)
    sign(town, declare_hours(town, nobody, hours=20))
    client = town.login(unit)
    page = words(client.get("/statistics/"))
    series = lines(page, "按职称系列统计")
    assert series["高等学校教师"] == ["1", "1", "0", "100.0%", "30.0", "60.0", "90.0"]
    assert series["无职称"] == ["1", "0", "1", "0.0%", "0.0", "20.0", "20.0"]
    behind = next(url for url in links(page, "1") if "series=01" in url and "standing" not in url)
    assert people_rows(words(client.get(behind))) == [teacher.pk]
    behind = next(url for url in links(page, "1") if "series=none" in url and "standing=unmet" in url)
    assert people_rows(words(client.get(behind))) == [nobody.pk]
    assert lines(page, "按科目统计学时") == {"公需科目": ["30.0", "27.3%"], "专业科目": ["80.0", "72.7%"]}
    month = timezone.localdate().month
    assert lines(page, f"{YEAR} 年内每个月新计入的学时（含其他年度）")[f"{month} 月"] == ["110.0"]
    assert f'aria-label="{YEAR} 年内每个月新计入的学时，含其他年度的：{month} 月 110.0。"' in page


def test_hours_of_another_year_entered_in_this_one_do_not_contradict_the_page(town):
    """188.0 stood in a tile beside months that made 716.0."""
    unit = town.employer()
    person = town.practitioner(at=unit)
    town.stands(person, 10, 20)
    town.stands(person, 0, 40, year=YEAR - 1)
    page = words(town.login(unit).get("/statistics/"))
    assert "人均学时（共 30.0）" in page
    assert "合计 70.0" in page
    assert "含在这一年计入的其他年度学时" in page
    assert "因此与上面" in page


def test_the_numbers_are_the_same_before_and_after_folding_and_agree_with_the_lists(town):
    unit = town.employer()
    people = [town.practitioner(at=unit) for _ in range(5)]
    for person in people[:2]:
        town.stands(person, 30, 60)
        town.stands(person, 30, 60, year=YEAR - 1)
    client = town.login(town.bureau)
    pages = []
    for _ in range(2):
        pages.append([words(client.get(path)) for path in ("/statistics/", f"/statistics/?year={YEAR - 1}")])
        roll()
    for before, after in zip(*pages, strict=True):
        assert lines(before, "按下级单位统计") == lines(after, "按下级单位统计")
        assert lines(after, "按下级单位统计")[unit.name][:4] == ["5", "2", "3", "40.0%"]
    assert len(people_rows(words(client.get(f"/people/?standing=met&unit={unit.pk}")))) == 2


def test_a_year_that_asks_for_nothing_has_no_share(town):
    town.practitioner(at=town.employer())
    RulePack.objects.all().delete()
    page = words(town.login(town.bureau).get("/statistics/"))
    assert "没有学时要求" in page
    assert "0.0%" not in page


def test_many_children_cost_as_much_as_one_and_come_in_pages(town):
    client = town.login(town.bureau)
    town.practitioner(at=town.employer())

    def cost(path):
        client.get(path)
        with CaptureQueriesContext(connection) as caught:
            page = words(client.get(path))
        return len(caught), page

    few, _ = cost("/statistics/")
    for _ in range(55):
        town.practitioner(at=town.employer())
    many, page = cost("/statistics/")
    assert many == few <= BUDGET
    assert len(lines(page, "按下级单位统计")) == 50
    link = re.search(r'rel="next" href="([^"]+)"', page)[1].replace("&amp;", "&")
    assert len(lines(words(client.get("/statistics/" + link)), "按下级单位统计")) == 6


def test_only_the_own_branch(town):
    elsewhere = town.authority()
    client = town.login(town.employer())
    for path in ("/statistics/", "/people/unmet/", "/organizations/waiting/", "/people/unmet/remind-all/"):
        assert client.get(path).status_code == 200
        assert client.get(f"{path}?unit={elsewhere.pk}").status_code == 404
        assert client.get(f"{path}?unit=x").status_code == 404


def test_charts_are_attributes_alone_and_say_what_they_show(town):
    person = town.practitioner(at=town.employer())
    town.stands(person, 30, 60)
    page = words(town.login(town.bureau).get("/statistics/"))
    drawn = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(drawn) >= 4
    for svg in drawn:
        assert "style" not in svg
        assert 'role="img"' in svg
        assert re.search(r'aria-label="[^"]{8,}"', svg)


def test_bars_stay_within_their_frame():
    for part, whole in ((0, 0), (0, 5), (5, 5), (7, 5), (Decimal("2.5"), Decimal(5)), (-3, 5)):
        filled = re.findall(r'width="(\d+)" height="12" fill', charts.share(part, whole, "一句话"))
        assert 0 <= int(filled[-1]) <= charts.BAR
    heights = [("1", Decimal(5)), ("2", Decimal(-2)), ("3", Decimal(0))]
    tall = [
        int(one) for one in re.findall(r'height="(\d+)" fill="#175A6B"', charts.months(heights, "一句话"))
    ]
    assert tall == [charts.TALL, 0, 0]
    assert "0 0" in charts.months([(str(n), Decimal(0)) for n in range(12)], "一句话")


# --- 下级待办 and the home pages --------------------------------------------------------------------


def counted() -> dict[int, tuple]:
    columns = ("waiting", "late", "waiting_below", "late_below", "headless", "unattended")
    return {one.pk: tuple(getattr(one, name) for name in columns) for one in Waiting.objects.all()}


def test_what_waits_is_counted_at_its_place_and_above(town, settings):
    settings.PROMISED_DAYS, settings.UNATTENDED_DAYS = 10, 30
    authority = town.authority()
    unit = town.employer(under=authority)
    declare(town, town.practitioner(at=unit), days_ago=31)
    declare(town, town.practitioner(at=unit), days_ago=10)  # ten days are still within ten days
    declare(town, town.practitioner(at=town.employer(under=unit)), days_ago=11)
    waiting.refresh()
    found = counted()
    assert found[unit.pk] == (2, 1, 3, 2, False, True)
    assert found[authority.pk] == (0, 0, 3, 2, False, False)
    assert found[town.bureau.pk] == (0, 0, 3, 2, False, False)
    page = words(town.login(town.bureau).get("/"))
    assert f'href="/organizations/waiting/?unit={authority.pk}&amp;only=late">2</a>' in page


def test_the_count_follows_decisions_moves_and_new_admins(town):
    here, there = town.authority(), town.authority()
    unit = town.employer(under=here)
    filed = declare(town, town.practitioner(at=unit), days_ago=40)
    headless = town._organization("employer", "测试无人单位", here, with_admin=False)
    waiting.refresh()
    assert counted()[here.pk][2] == 1
    assert counted()[headless.pk][4:] == (True, True)
    move(Organization.objects.get(pk=unit.pk), there)
    town.admin(headless, is_super=True)
    waiting.refresh()
    assert here.pk not in counted()
    assert headless.pk not in counted()
    assert counted()[there.pk][2] == 1
    engine.approve(first_step(filed).pk, by=town.actor(Organization.objects.get(pk=unit.pk)))
    RoleAccount.objects.filter(pk=town.super_admin(headless).pk).update(status=AccountStatus.SUSPENDED)
    waiting.refresh()
    assert unit.pk not in counted()
    assert counted()[headless.pk][4:] == (True, True)
    before = list(Waiting.objects.values())
    waiting.refresh()
    assert list(Waiting.objects.values()) == before


def test_the_lists_behind_the_numbers(town, settings):
    settings.PROMISED_DAYS, settings.UNATTENDED_DAYS = 10, 30
    slow, quick, dead = (
        town.employer(name="测试慢单位"),
        town.employer(name="测试快单位"),
        town.employer(name="测试久单位"),
    )
    for unit, days in ((slow, 12), (quick, 1), (dead, 31)):
        declare(town, town.practitioner(at=unit), days_ago=days)
    headless = town._organization("employer", "测试无人单位", town.bureau, with_admin=False)
    waiting.refresh()
    client = town.login(town.bureau)

    def names(only=""):
        return set(lines(words(client.get(f"/organizations/waiting/?only={only}")), "下级待办"))

    assert names() == {slow.name, quick.name, dead.name}
    assert names("late") == {slow.name, dead.name}
    assert names("unattended") == {dead.name, f"{headless.name} 没有管理员"}
    assert names("nonsense") == names()
    assert names("late") - set(lines(words(town.login(slow).get("/organizations/waiting/")), "下级待办"))


def test_every_number_of_what_waits_leads_to_these_matters(town, settings):
    settings.PROMISED_DAYS = 10
    authority = town.authority()
    unit, other = town.employer(under=authority), town.employer()
    late = declare(town, town.practitioner(at=unit), days_ago=12)
    declare(town, town.practitioner(at=unit))
    asks = declare(town, town.practitioner(at=unit))
    Practitioner.objects.filter(pk=asks.practitioner_id).update(status="pending")
    declare(town, town.practitioner(at=other))
    waiting.refresh()
    list_url = f"/organizations/{unit.pk}/waiting/"
    client = town.login(authority)
    assert (list_url, "3") in numbers(words(client.get("/")))
    assert (list_url, "3，最久 12 天") in numbers(words(client.get("/organizations/")))
    below = numbers(words(client.get("/organizations/waiting/")))
    assert {(list_url, "3"), (f"{list_url}?only=late", "1")} <= below
    assert f'href="{list_url}"' in words(client.get(f"/organizations/{unit.pk}/"))
    page = words(client.get(list_url))
    assert page.count('<th scope="row">') == 3
    assert f'href="/applications/{late.pk}/"' in page
    assert f"/applications/{asks.pk}/" not in page  # who is not in yet is seen by who decides alone
    page = words(client.get(f"{list_url}?only=late"))
    assert page.count('<th scope="row">') == 1
    assert client.get(f"/organizations/{other.pk}/waiting/").status_code == 404
    assert town.login(unit).get(list_url).headers["Location"] == "/inbox/"


def test_what_came_today_has_not_waited_for_nought_days(town):
    authority = town.authority()
    declare(town, town.practitioner(at=town.employer(under=authority)))
    waiting.refresh()
    for page in ("/", "/organizations/waiting/"):
        shown = words(town.login(authority).get(page))
        assert "今天</td>" in shown
        assert ">0 天" not in shown


def test_the_rest_of_a_bureaus_branch_leads_to_its_lists(town, settings):
    settings.PROMISED_DAYS = 10
    unit = town.employer()
    town.stands(town.practitioner(at=unit), 30, 60)
    declare(town, town.practitioner(at=unit), days_ago=12)
    waiting.refresh()
    client = town.login(town.bureau)

    def rest():
        return numbers(words(client.get("/")).partition("直接管理的用人单位")[2].partition("</tr>")[0])

    found = {("/people/", "2"), ("/people/?standing=met", "1"), ("/statistics/", "50.0%")}
    late = ("/organizations/waiting/?only=late", "1")
    assert rest() == {*found, late}
    town.practitioner(at=town.employer(under=town.authority()))
    assert rest() == {("/statistics/", "2"), ("/statistics/", "1"), ("/statistics/", "50.0%"), late}
    eyeless = town.login(town.admin(town.bureau, duties=[Duty.HOURS]))
    page = words(eyeless.get("/")).partition("直接管理的用人单位")[2].partition("</tr>")[0]
    assert numbers(page) == {late}


def test_the_own_queue_is_of_this_very_moment(town, settings):
    settings.PROMISED_DAYS = 10
    unit = town.employer()
    filed = declare(town, town.practitioner(at=unit))
    engine.approve(first_step(filed).pk, by=town.actor(unit))
    filed.steps.filter(state="open").update(opened_at=timezone.now() - datetime.timedelta(days=12))
    client = town.login(town.bureau)
    assert "其中 1 项已超承诺时限" in words(client.get("/"))
    engine.approve(filed.steps.get(state="open").pk, by=town.actor(town.bureau), comment="")
    assert "没有等您审核的事项" in words(client.get("/"))


# --- organisations by name ------------------------------------------------------------------------------


def named(client, text: str) -> set[str]:
    return set(tree_rows(words(client.get("/organizations/", {"q": text}))))


@pytest.mark.parametrize("few", [FEW, 0])
def test_units_by_any_words_of_their_name_whether_few_or_many_are_called_so(town, monkeypatch, few):
    monkeypatch.setattr("desk.units.FEW", few)
    authority = town.authority(name="测试住建局")
    inside = town.employer(under=authority, name="测试（集团）公司ABC", uscc="12370900MB00000017")
    town.employer(name="测试（集团）公司ABC")
    client = town.login(authority)
    for text in ("集团", "团）公", "公司 测试", "(集团)", "abc", "ＡＢＣ", "司a", "12370900MB00000017"):
        assert named(client, text) == {inside.name}, text
    for text in ("团集", "公司测试", "住建局", "12370900MB00000025"):
        assert named(client, text) == set(), text


def test_units_of_a_common_name_are_looked_at_as_far_as_a_page_goes(town, monkeypatch):
    monkeypatch.setattr("desk.units.FEW", 1)
    monkeypatch.setattr("workflow.reach.REACH", 2)
    monkeypatch.setattr("workflow.reach.end_of_reach.__defaults__", (True, 2))
    for number in range(3):
        town.employer(name=f"测试甲{number}")
    last = [town.employer(name=f"测试乙{number}") for number in range(2)]
    client = town.login(town.bureau)
    page = words(client.get("/organizations/", {"q": "乙"}))
    found = {}
    while True:
        found |= tree_rows(page)
        link = re.search(r'rel="next" href="([^"]+)"', page)
        if not link:
            break
        page = words(client.get("/organizations/" + link[1].replace("&amp;", "&")))
    assert set(found) == {one.name for one in last}


# --- no plan reads a branch ---------------------------------------------------------------------------


def plan_of(sql: str) -> dict:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT json) " + sql)
        found = cursor.fetchone()[0]
    return (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def nodes(plan: dict):
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


@pytest.mark.parametrize(
    "path",
    ["/people/", "/people/?name=测", "/people/?last_four=0001", "/people/?series=01", "/people/?standing=unmet",
     "/people/unmet/", "/organizations/"],
)  # fmt: skip
def test_lists_are_walked_along_an_index_and_never_sorted(town, path):
    """On the town's handful of rows any plan is cheap: sequential scans and sorting are made dear, not forbidden."""
    unit = town.employer()
    for _ in range(3):
        town.practitioner(at=unit)
    client = town.login(town.bureau)
    client.get(path)
    with CaptureQueriesContext(connection) as caught:
        assert client.get(path).status_code == 200
    tables = {one._meta.db_table for one in (Practitioner, PersonKey)}
    tables |= {Organization._meta.db_table} if path == "/organizations/" else set()
    looked = 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
        )
    for query in caught:
        if "ORDER BY" not in query["sql"] or not any(f'FROM "{table}"' in query["sql"] for table in tables):
            continue
        looked += 1
        kinds = {one["Node Type"] for one in nodes(plan_of(query["sql"]))}
        assert not kinds & {"Seq Scan", "Sort", "Incremental Sort", "Bitmap Heap Scan"}, query["sql"]
    assert looked


@pytest.mark.parametrize(
    "asked", ["", "name=测", "last_four=0001", "series=01", "standing=unmet", "name=测&level=senior"]
)
@pytest.mark.parametrize("way", ["after", "before"])
def test_a_deep_page_jumps_to_its_place(town, asked, way):
    """The place is a bound of the index, not a condition that is tried on everybody before it."""
    unit = town.employer()
    person = town.practitioner(at=unit)
    client = town.login(town.bureau)
    path = f"/people/?{asked}&{way}={unit.path.strip('/').replace('/', '.')}~{person.pk}"
    client.get(path)
    with CaptureQueriesContext(connection) as caught:
        assert client.get(path).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
        )
    bounded = [query["sql"] for query in caught if f"'{unit.path}', {person.pk})" in query["sql"]]
    assert bounded
    for sql in bounded:
        bounds = " ".join(one.get("Index Cond", "") for one in nodes(plan_of(sql)))
        assert f"'{unit.path}'::text" in bounds
        assert "ROW(" in bounds, sql

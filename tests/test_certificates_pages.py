"""The pages of certificates: the person's, the bureau's, and the bundle for 职称申报."""

import datetime
import io
import re

import pypdf
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from credits.certificates import current, issue, revoke
from credits.counting_years import counting_years
from credits.models import Certificate, CertificateCheck, Standing
from credits.paper.content import grouped
from credits.paper.sealing import examine
from credits.paper.signing import public_keys
from orgs.models import TitleSeries
from tests import test_certificates
from tests.clicks import Visitor
from tests.test_certificates import YEAR, complete, take_back, verified
from tests.test_credits_pages import text

town, unit, signing_key = test_certificates.town, test_certificates.unit, test_certificates.signing_key
MINE, FILING, ISSUING = "/hours/certificates/", "/hours/certificates/filing/", "/hours/certificates/issuing/"
ISSUED, CHECKS = "/hours/certificates/issued/", "/hours/certificates/checks/"


def words(pdf: bytes, page: int = 0) -> str:
    return re.sub(r"[\s\u200b]+", "", pypdf.PdfReader(io.BytesIO(pdf)).pages[page].extract_text())


def print_it(visitor):
    """The click whose answer is no page."""
    link = next(one for one in visitor.page.links if one["text"] == "打印证书（PDF）")
    visitor.clicks += 1
    return visitor.client.get(link["attrs"]["href"])


# --- clicks promised (screens.md §2.2) ----------------------------------------------------------------------


def test_j21_the_certificate_is_printed_in_two_clicks_from_home(town, unit):
    person = complete(town, unit, "王晓妮")
    visitor = Visitor(town.login(person))
    visitor.click("签发证书")
    assert "继续教育电子证书" in visitor.text
    answer = print_it(visitor)
    assert visitor.clicks == 2
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Content-Disposition"].startswith("attachment")
    one = current(person, YEAR)
    said = words(answer.content)
    for part in (
        "王晓妮",
        one.number,
        grouped(one.code),
        "公需科目30学时30学时",
        "合计92学时90学时",
        "泰安市人力资源和社会保障局",
    ):
        assert part in said, part
    assert person.user.id_number.reveal() not in said
    assert examine(answer.content, public_keys()).intact
    again = Visitor(town.login(person))
    again.click("查看证书")
    assert print_it(again)["Content-Type"] == "application/pdf"
    assert again.clicks == 2


def test_j22_a_certificate_is_checked_in_two_clicks(town, unit):
    one = issue(complete(town, unit, "王晓妮"), YEAR, by=town.actor(town.bureau))
    visitor = Visitor(Client())
    visitor.click("电子证书查验")
    visitor.type("number", one.number)
    visitor.type("code", grouped(one.code))
    visitor.click("查验")
    assert visitor.clicks == 2
    assert "王*妮" in visitor.text


# --- the person ---------------------------------------------------------------------------------------------


def test_my_certificates_say_of_every_year_what_it_has_or_lacks(town, unit):
    person = complete(town, unit)
    for year, professional in ((YEAR - 1, 62), (YEAR - 2, 40)):
        town.stands(person, public=30, professional=professional, year=year)
    one = issue(person, YEAR, by=town.actor(person))
    browser = town.login(person)
    page = text(browser.get(MINE))
    for part in (one.number, "有效", "可签发", "还差 20 学时", "申报学时"):
        assert part in page, part
    answer = browser.post(f"{MINE}issue/", {"year": YEAR - 1}, follow=True)
    assert f"{YEAR - 1} 年度的证书已签发" in text(answer)
    answer = browser.post(f"{MINE}issue/", {"year": YEAR - 2}, follow=True)
    assert "还差 20 学时" in text(answer)
    for wrong in ("", "x", "99999", "２０２５"):
        assert "请选择" in text(browser.post(f"{MINE}issue/", {"year": wrong}, follow=True))
    assert Certificate.objects.count() == 2


def test_the_home_card_follows_the_state(town, unit):
    person = complete(town, unit, professional=62)
    browser = town.login(person)
    application = verified(town, person, 10)
    assert "签发证书" in text(browser.get("/"))
    one = issue(person, YEAR, by=town.actor(person))
    assert one.number in text(browser.get("/"))
    take_back(town, application)
    assert "换发证书" in text(browser.get("/"))
    page = text(browser.get(f"{MINE}{one.pk}/"))
    assert "学时已变更" in page
    assert "换发新证书" in page
    two = re.search(r"/(\d+)/$", browser.post(f"{MINE}{one.pk}/replace/").url)[1]
    revoke(Certificate.objects.get(pk=two), by=town.actor(town.bureau), reason="材料不实")
    assert "已被撤销" in text(browser.get("/"))
    assert "材料不实" in text(browser.get(f"{MINE}{two}/"))
    incomplete = town.practitioner(at=unit)
    assert "签发证书" not in text(town.login(incomplete).get("/"))


def test_nothing_is_offered_that_would_change_nothing(town, unit):
    person = complete(town, unit)
    one = issue(person, YEAR, by=town.actor(person))
    browser = town.login(person)
    assert "换发新证书" not in text(browser.get(f"{MINE}{one.pk}/"))
    assert "没有变化" in text(browser.post(f"{MINE}{one.pk}/replace/", follow=True))


def test_somebody_elses_certificate_does_not_exist(town, unit):
    one = issue(complete(town, unit), YEAR, by=town.actor(town.bureau))
    other = town.login(complete(town, unit))
    for path in ("", "pdf/"):
        assert other.get(f"{MINE}{one.pk}/{path}").status_code == 404
    assert other.post(f"{MINE}{one.pk}/replace/").status_code == 404
    for stranger in (unit, town.authority()):
        assert town.login(stranger).get(f"{MINE}{one.pk}/pdf/").status_code == 403
    assert town.login(town.bureau_under(town.platform)).get(f"{MINE}{one.pk}/pdf/").status_code == 404
    assert town.login(town.bureau).get(f"{MINE}{one.pk}/pdf/").status_code == 200


# --- 职称申报 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("awarded", "filing", "expected"),
    [
        ("2021-04-30", 2026, [2026, 2025, 2024, 2023, 2022]),
        ("2022-01-01", 2026, [2026, 2025, 2024, 2023, 2022]),
        ("2022-12-31", 2026, [2026, 2025, 2024, 2023, 2022]),
        ("2023-01-01", 2026, [2026, 2025, 2024, 2023]),
        ("2026-05-01", 2026, [2026]),
        ("2026-05-01", 2025, [2025]),  # filed for the year before: that year alone
        (None, 2026, [2026, 2025, 2024, 2023, 2022]),
    ],
)
def test_which_years_count(awarded, filing, expected):
    day = datetime.date.fromisoformat(awarded) if awarded else None
    assert counting_years(day, filing) == expected


def test_a_later_decision_holds_from_its_year_on(monkeypatch):
    from credits import counting_years as rule

    monkeypatch.setattr(rule, "MOST", ((2015, 5), (2027, 3)))
    assert rule.counting_years(None, 2026) == [2026, 2025, 2024, 2023, 2022]
    assert rule.counting_years(None, 2027) == [2027, 2026, 2025]


def titled(person, day):
    series = TitleSeries.objects.first() or TitleSeries.objects.create(code="01", name="工程技术人员")
    type(person).objects.filter(pk=person.pk).update(
        title_series=series,
        title_level="middle",
        title="工程师",
        title_mode="evaluation",
        title_awarded_on=day,
    )
    person.refresh_from_db()


def test_the_bundle_lists_the_years_and_what_is_missing_and_carries_the_certificates(town, unit):
    person = complete(town, unit, "王晓妮")
    titled(person, datetime.date(YEAR - 3, 5, 1))
    for year, professional in ((YEAR - 1, 62), (YEAR - 2, 40), (YEAR - 3, 62)):
        town.stands(person, public=30, professional=professional, year=year)
    now, before = (issue(person, year, by=town.actor(person)) for year in (YEAR, YEAR - 1))
    browser = town.login(person)
    page = text(browser.get(FILING))
    assert f"{YEAR} 年职称申报，还缺 2 个年度的证书" in page
    assert f"{YEAR - 3}、{YEAR - 2}、{YEAR - 1}、{YEAR} 年" in page
    for part in (now.number, before.number, "专业科目差 20 学时", "可签发", "申报学时"):
        assert part in page, part
    answer = browser.get(f"{FILING}pdf/")
    assert answer["Cache-Control"] == "private, no-store"
    assert examine(answer.content, public_keys()).intact
    assert len(pypdf.PdfReader(io.BytesIO(answer.content)).pages) == 3
    cover = words(answer.content)
    for part in (
        "王晓妮",
        "工程师",
        f"{YEAR - 3}-05-01",
        now.number,
        before.number,
        "专业科目差20学时",
        "已完成，未签发证书",
    ):
        assert part in cover, part
    assert before.number in words(answer.content, 1)
    assert now.number in words(answer.content, 2)
    # Handed in for last year: this year does not count, and one year more does not either.
    page = text(browser.get(f"{FILING}?year={YEAR - 1}"))
    assert f"{YEAR - 1} 年职称申报" in page
    assert now.number not in page
    assert "年职称申报" in text(browser.get(f"{FILING}?year=1990"))


def test_with_all_certificates_the_page_says_so_and_a_changed_one_is_not_carried(town, unit):
    person = complete(town, unit, professional=62)
    titled(person, datetime.date(YEAR, 1, 1))
    application = verified(town, person, 10)
    issue(person, YEAR, by=town.actor(person))
    browser = town.login(person)
    assert "所需的证书已齐" in text(browser.get(FILING))
    take_back(town, application)
    page = text(browser.get(FILING))
    assert "还缺 1 个年度" in page
    assert "下载合成 PDF" not in page
    answer = browser.get(f"{FILING}pdf/")
    assert "学时已变更" in words(answer.content)
    assert len(pypdf.PdfReader(io.BytesIO(answer.content)).pages) == 1


# --- the bureau ---------------------------------------------------------------------------------------------


def test_the_bureau_issues_to_one_sees_why_others_may_not_and_revokes(town, unit):
    ready = complete(town, unit, "甲一")
    complete(town, unit, "甲二", professional=50)
    left = complete(town, unit, "甲三")
    type(left).objects.filter(pk=left.pk).update(status="closed")
    browser = town.login(town.bureau)
    page = text(browser.get(ISSUING))
    assert page.count("可签发") == 1
    assert "在册" in page
    page = text(browser.get(f"{ISSUING}?name=甲"))
    assert page.count("还差 10 学时") == page.count("可签发") == 1  # who left is found no more
    for part in ("还差 10 学时", "专业科目差 10", "可签发"):
        assert part in page, part
    answer = browser.post(f"{ISSUING}{ready.pk}/", {"year": YEAR}, follow=True)
    assert f"已向 甲* 签发 {YEAR} 年度的证书" in text(answer)
    one = current(ready, YEAR)
    assert "可签发" not in text(browser.get(ISSUING))
    assert one.number in text(browser.get(ISSUED))
    assert one.number in text(browser.get(f"{ISSUED}?number={one.number.lower()}"))
    assert "没有符合条件的证书" in text(browser.get(f"{ISSUED}?state=revoked"))
    address = f"{MINE}{one.pk}/revoke/"
    answer = browser.post(address, {"reason": ""})
    assert "请填写撤销理由" in text(answer)
    answer = browser.post(address, {"reason": "材料不实"}, follow=True)
    assert "已撤销证书" in text(answer)
    assert "不用撤销" in text(browser.get(address))
    page = text(browser.get(f"{ISSUED}?state=revoked"))
    assert one.number in page
    assert "材料不实" in page
    page = text(browser.get(f"{ISSUING}?name=甲一"))
    assert "重新签发" in page
    assert browser.post(f"{ISSUING}{ready.pk}/", {"year": YEAR}).status_code == 302
    assert current(ready, YEAR).serial == 2


def test_a_year_to_come_or_unreadable_is_this_year(town, unit):
    browser = town.login(town.bureau)
    for asked in (YEAR + 1, "x", "", "1999"):
        assert f"{YEAR} 年度已完成" in text(browser.get(f"{ISSUING}?year={asked}"))
    assert f"{YEAR - 1} 年度已完成" in text(browser.get(f"{ISSUING}?year={YEAR - 1}"))


def test_the_lists_cost_the_same_at_one_row_and_at_fifty(town, unit):
    office = town.login(town.bureau)
    addresses = [ISSUING, f"{ISSUING}?name=测试", ISSUED, f"{ISSUED}?state=valid", CHECKS]

    def more(count):
        people = [complete(town, unit) for _ in range(2 * count)]
        for person in people[:count]:
            one = issue(person, YEAR, by=town.actor(town.bureau))
            CertificateCheck.objects.create(certificate=one, day=datetime.date(YEAR, 1, 1), count=2)
        return people[0]

    def costs(browser, among):
        found = {}
        for address in among:
            browser.get(address)
            with CaptureQueriesContext(connection) as queries:
                assert browser.get(address).status_code == 200
            found[address] = len(queries)
        return found

    person = more(1)
    mine = [MINE, FILING, f"{MINE}{current(person, YEAR).pk}/", "/"]
    own = town.login(person)
    first = costs(office, addresses)
    more(52)
    assert costs(office, addresses) == first
    assert max(first.values()) <= 12, first
    of_person = costs(own, mine)
    assert of_person["/"] <= 12, of_person
    assert max(of_person.values()) <= 15, of_person
    assert "下一页" in text(office.get(ISSUING))
    assert "下一页" in text(office.get(ISSUED))


def test_a_flag_that_waits_for_its_recheck_withholds_nothing(town, unit):
    person = complete(town, unit, "甲一")
    Standing.objects.filter(practitioner=person).update(complete=False)
    assert "可签发" in text(town.login(town.bureau).get(f"{ISSUING}?name=甲一"))

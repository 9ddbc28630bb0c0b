"""规则与年度 through its pages: drafts by forms and as text, publishing, and that nothing decided ever changes."""

import datetime
import re
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits import certificates, pack_editing, packs
from credits.forms.pack_activities import new_activity
from credits.models import (
    ActivityKind,
    CertificateEvent,
    Declaration,
    LedgerEntry,
    PackState,
    Recheck,
    RulePack,
    Standing,
    Subject,
)
from credits.pack_editing import CHANGED_MEANWHILE
from credits.recheck import recheck
from credits.required import parsed, rules_of
from credits.rules.editing import with_activity
from credits.rules.words import shown
from credits.years import current_year
from tests.race import at_once
from tests.test_credits import sign
from workflow import engine
from workflow.flow import Refused

YEAR = current_year()


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


@pytest.fixture
def office(town):
    """The bureau's super admin, in a browser."""
    return town.login(town.bureau)


@pytest.fixture
def draft(town):
    """The bureau's own draft, still saying nothing."""
    return pack_editing.start_blank(by=town.actor(town.bureau), name="泰安市规则", year_from=YEAR)


def url(name, *args):
    return reverse(f"credits:{name}", args=args)


def page(client, address) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def filled(client, address, **answers) -> dict:
    """What the page's main form would send: its fields as they stand, and these answers."""
    form = client.get(address).context["form"]
    data = {}
    for bound in form:
        value = bound.value()
        if isinstance(value, bool):
            value = "on" if value else None
        elif isinstance(value, tuple | list):
            value = list(value)
        if value not in (None, "", []):
            data[bound.name] = value
    return data | answers


def send(client, address, **answers):
    """Fill in and send; the page's errors are shown when it was not taken."""
    answer = client.post(address, filled(client, address, **answers))
    assert answer.status_code == 302, _errors(answer)
    return answer


def refused(client, address, **answers) -> str:
    answer = client.post(address, filled(client, address, **answers))
    assert answer.status_code == 200
    return _errors(answer)


def _errors(answer) -> str:
    return (
        " ".join(re.findall(r'class="errsum".*?</div>', answer.content.decode(), re.S))
        or answer.content.decode()
    )


def rules(pack):
    pack.refresh_from_db()
    return parsed(pack.text)


# --- beginning ------------------------------------------------------------------------------------------------


def test_an_example_is_taken_over_for_the_own_bureau(town, office):
    example = RulePack.objects.get(code="suqian")
    assert "宿迁市专业技术人员继续教育" in page(office, url("packs"))
    send(office, url("start_pack") + f"?from={example.pk}", name="泰安市折算标准", year_from="2027")
    mine = RulePack.objects.get(bureau=town.bureau)
    assert (mine.state, mine.year_from, mine.name) == (PackState.DRAFT, 2027, "泰安市折算标准")
    assert mine.code != example.code
    assert set(parsed(mine.text).activities) == set(parsed(example.text).activities)
    assert mine.text.startswith("# 江苏省宿迁市")
    example.refresh_from_db()
    assert (example.state, example.bureau) == (PackState.DRAFT, None)


def test_a_pack_of_ones_own_begins_empty_and_changes_nothing(town, office):
    person = town.practitioner(at=town.employer())
    before = rules_of(person, [YEAR])[YEAR]
    send(office, url("start_pack"), name="本局规则", year_from=str(YEAR))
    mine = RulePack.objects.get(bureau=town.bureau)
    pack_editing.publish(mine, by=town.actor(town.bureau), seen=pack_editing.digest_of(mine.text))
    after = rules_of(person, [YEAR])[YEAR]
    assert (after.minimums, after.activities) == (before.minimums, before.activities)


def test_a_new_version_says_the_same_with_every_comment(town, office):
    first = packs.publish(packs.draft(_own_text(town), bureau=town.bureau))
    send(office, url("new_version", first.pk), year_from=str(YEAR + 1), note="新文件")
    second = RulePack.objects.get(code=first.code, version=2)
    assert second.text == first.text.replace("year_from = 2021", f"year_from = {YEAR + 1}")
    assert "# 中间的注释" in second.text
    assert "还是草稿" in refused(office, url("new_version", first.pk), year_from=str(YEAR + 2))


def _own_text(town, extra="") -> str:
    return f"""# 泰安市的规则
code = "b{town.bureau.pk}-own"
name = "泰安市规则"
basis = "泰人社字〔2021〕1号"
origin = "原文"
mark = "stated"
year_from = 2021

[subjects]
public = "公需科目"
professional = "专业科目"

# 中间的注释
[activity.paper]
name = "发表论文"
subjects = ["professional"]
rates = [{{ hours = 30 }}]
{extra}"""


# --- the forms, one after the other ----------------------------------------------------------------------------


def test_the_head(office, draft):
    send(
        office, url("pack_head", draft.pk), basis="泰人社字〔2026〕5号", origin="原文附件", mark="stated",
        series=[], change_note="第一版",
    )  # fmt: skip
    one = rules(draft)
    assert (one.basis, one.origin, one.mark) == ("泰人社字〔2026〕5号", "原文附件", "stated")
    assert draft.note == "第一版"
    assert "结束年度不能早于开始年度" in refused(office, url("pack_head", draft.pk), year_to=str(YEAR - 1))


def test_the_year_in_every_form(office, draft):
    address = url("pack_year", draft.pk)
    assert "上级的要求是：累计不少于 90 学时" in page(office, address)
    send(office, address, total="100", of_public="３０", of_professional="66.5", new_subject="个人选修科目")
    send(
        office, address, of_elective="4", more_0_hours="20", more_0_subjects=["professional"], more_0_source="platform",
    )  # fmt: skip
    send(
        office,
        address,
        more_1_hours="70",
        more_1_subjects=["public", "professional"],
        more_1_levels=["senior"],
    )
    asked = {(one.subjects, one.source, one.levels): one.hours for one in rules(draft).minimums}
    assert asked == {
        ((), "", ()): 100,
        (("public",), "", ()): 30,
        (("professional",), "", ()): Decimal("66.5"),
        (("elective",), "", ()): 4,
        (("professional",), "platform", ()): 20,
        (("public", "professional"), "", ("senior",)): 70,
    }
    shown_page = page(office, url("pack", draft.pk))
    assert "累计不少于 100 学时，其中公需科目不少于 30 学时，专业科目不少于 66.5 学时" in shown_page
    assert "公需科目、专业科目（正高级职称）" in shown_page
    send(office, address, more_0_hours="", more_1_hours="")
    assert len(rules(draft).minimums) == 4


def test_what_a_year_cannot_ask_is_refused_in_words(office, draft):
    address = url("pack_year", draft.pk)
    assert "请填 0.1 到 1000 之间的数" in refused(office, address, total="viel")
    send(office, address, new_subject="个人选修科目")
    send(office, address, more_0_hours="50", more_0_subjects=["public", "professional"])
    wrong = refused(office, address, more_1_hours="60", more_1_subjects=["professional", "elective"])
    assert "互不相交，或一项完全包含另一项" in wrong
    assert len(rules(draft).minimums) == 1


@pytest.mark.parametrize(
    ("shape", "rows", "line"),
    [
        ("fixed", {"hours_0": "30"}, "每项 30 学时。"),
        ("fixed", {"hours_0": "20", "last_0": "3"}, "每项 20 学时，只计前 3 位作者。"),
        ("per", {"hours_0": "6", "per_0": "day"}, "每天 6 学时。"),
        (
            "per",
            {
                "hours_0": "5",
                "per_0": "1000-characters",
                "only_full_0": "on",
                "least": "2000",
                "measure": "characters",
            },
            "每千字 5 学时（不足一个单位的不计），2000 字以上才计。",
        ),
        ("ranks", {"ranks_0": "64、56，48 40"}, "第 1 至 4 作者依次 64、56、48、40 学时。"),
        (
            "others",
            {"alone_0": "30", "first_0": "30", "others_0": "10"},
            "独立完成 30 学时，第 1 作者 30 学时，其他作者各 10 学时。",
        ),
        ("less", {"first_0": "40", "less_0": "6"}, "第 1 作者 40 学时，每后一位少 6 学时。"),
        ("fills", {}, "计满本年度该科目。"),
    ],
)
def test_a_conversion_of_each_shape(office, draft, shape, rows, line):
    address = url("pack_conversion", draft.pk, "paper") + f"?shape={shape}"
    assert office.get(address).status_code == 200
    answer = office.post(address, rows)
    assert answer.status_code == 302, answer.content.decode()
    assert rules(draft).activities["paper"].line == line
    # The form shows again what it wrote, and writing that again changes nothing.
    before = draft.text
    again = office.get(url("pack_conversion", draft.pk, "paper")).context["rows"]
    office.post(url("pack_conversion", draft.pk, "paper"), {b.name: b.value() for b in again if b.value()})
    draft.refresh_from_db()
    assert draft.text == before


def test_a_conversion_by_level_and_by_kind(office, draft):
    address = url("pack_conversion", draft.pk, "academic-forum")
    query = "?shape=fixed&levels=province&levels=national&variants=主会场%0A分会场"
    shown_page = page(office, address + query)
    assert "国家级主会场" in shown_page
    office.post(address + query, {"hours_0": "12", "hours_1": "8", "hours_2": "6", "hours_3": "4"})
    one = rules(draft).activities["academic-forum"]
    assert one.line.startswith(
        "国家级主会场：每项 12 学时；国家级分会场：每项 8 学时；省（部）级主会场：每项 6 学时"
    )
    codes = one.variants
    # A kind that stays keeps its code: declarations name it.
    office.post(address + "?shape=fixed&variants=网络会场%0A分会场", {"hours_0": "2", "hours_1": "4"})
    then = rules(draft).activities["academic-forum"].variants
    assert {name: code for code, name in then.items()}["分会场"] == {n: c for c, n in codes.items()}["分会场"]
    office.post(address + "?shape=none", {})
    assert rules(draft).activities["academic-forum"].conversion is None


def test_a_conversion_that_says_nothing_is_refused(office, draft):
    address = url("pack_conversion", draft.pk, "paper") + "?shape=others"
    answer = office.post(address, {"first_0": "30"})
    assert answer.status_code == 200
    assert "请填写其他每位" in answer.content.decode()
    assert "paper" not in rules(draft).activities


def test_rows_of_several_shapes_are_left_to_the_text(town, office, draft):
    extra = '[activity.project]\nname = "课题"\nsubjects = ["public"]\nrates = [{ level = "national", hours = 9 }, { level = "city", ranks = [3] }]\n'
    office.post(
        url("pack_text", draft.pk), {"text": draft.text + extra, "seen": pack_editing.digest_of(draft.text)}
    )
    assert "各行的算法不同" in page(office, url("pack_conversion", draft.pk, "project"))


def test_an_activity(office, draft):
    address = url("pack_activity", draft.pk, "paper")
    assert "沿用上级的规则" in page(office, address)
    send(
        office, address, name="论文", subjects=["professional"], evidence="期刊封面\n\n 目录 \n目录", cap="60", most="30",
        counts="finished", preconditions=["filed"], providers="大会\n", member="作者",
    )  # fmt: skip
    one = rules(draft).activities["paper"]
    assert (one.name, one.subjects, one.evidence) == ("论文", ("professional",), ("期刊封面", "目录"))
    assert (one.caps[0].hours, one.max_hours, one.counts) == (60, 30, "finished")
    assert (one.preconditions, one.providers, one.member) == (("filed",), ("大会",), "作者")
    assert "请写明几年" in refused(office, address, counts="spread")
    assert "请删去" in refused(office, address, counts="during", years="3")


def test_another_activity_known_and_new(town, office, draft):
    ActivityKind.objects.create(code="lecture", name="讲座")
    address = url("add_activity", draft.pk)
    send(office, address, kind="lecture")
    send(office, address, name="科普活动")
    names = {one.name: one.code for one in rules(draft).activities.values()}
    assert names["讲座"] == "lecture"
    assert names["科普活动"] == f"b{town.bureau.pk}-1"
    assert "只用其中一样" in refused(office, address, kind="paper", name="另一种")
    assert "只用其中一样" in refused(office, address)


def test_an_activity_off_and_on(town, office, draft):
    person = town.practitioner(at=town.employer())
    office.post(url("switch_activity", draft.pk, "book"), {"off": "1"})
    assert rules(draft).remove == ("book",)
    published(town, draft)
    assert "book" not in rules_of(person, [YEAR])[YEAR].activities
    send(office, url("new_version", draft.pk), year_from=str(YEAR))
    second = RulePack.objects.get(code=draft.code, version=2)
    assert "已停用的形式" in page(office, url("pack", second.pk))
    office.post(url("switch_activity", second.pk, "book"), {"on": "1"})
    assert rules(second).remove == ()
    published(town, second)
    assert "book" in rules_of(person, [YEAR])[YEAR].activities
    assert office.post(url("switch_activity", second.pk, "nothing"), {"on": "1"}).status_code == 404


def test_caps_and_groups(office, draft):
    address = url("pack_caps", draft.pk)
    send(office, address, subject_0="90", source_1="40", provider_0="20", new_group="论文论著")
    send(office, address, group_0="50")
    caps = {(one.per, one.name): one.hours for one in rules(draft).caps}
    assert caps == {
        ("subject", "public"): 90,
        ("source", "declaration"): 40,
        ("provider", ""): 20,
        ("group", "group-1"): 50,
    }
    send(office, url("pack_activity", draft.pk, "paper"), group="group-1")
    assert "与“论文论著”合计每年最多 50 学时" in page(office, url("pack", draft.pk))


def test_reductions(office, draft):
    send(office, url("pack_relief", draft.pk, "new"), name="产假", effect="months", evidence="产假证明")
    send(office, url("pack_relief", draft.pk, "new"), name="援派", effect="fraction", percent="50")
    found = {one.name: one for one in rules(draft).reliefs.values()}
    assert (found["产假"].effect, found["产假"].evidence) == ("months", ("产假证明",))
    assert found["援派"].value == Decimal("0.5")
    address = url("pack_relief", draft.pk, found["援派"].code)
    assert "请填减少百分之几" in refused(office, address, percent="")
    send(office, address, effect="exempt")
    assert rules(draft).reliefs[found["援派"].code].effect == "exempt"
    office.post(address, {"remove": "1"})
    assert [one.name for one in rules(draft).reliefs.values()] == ["产假"]


def test_the_text_and_its_mistakes_by_line(office, draft):
    address = url("pack_text", draft.pk)
    lines = draft.text.splitlines()
    wrong = draft.text.replace('mark = "unverified"', 'mark = "sure"') + "[[minimum]]\nhours = 0\n"
    said = refused(office, address, text=wrong)
    at = next(number for number, line in enumerate(lines, 1) if line.startswith("mark"))
    assert f"第 {at} 行 mark：请改为其中之一：stated" in said
    assert f"第 {len(lines) + 2} 行 minimum[1].hours：请填大于 0" in said
    said = refused(office, address, text=draft.text + "[[minimum]\n")
    assert f"第 {len(lines) + 1} 行：不符合 TOML 的写法" in said
    draft.refresh_from_db()
    assert "[[minimum]]" not in draft.text
    # Browsers send the lines with carriage returns.
    send(office, address, text=(draft.text + "[[minimum]]\nhours = 80\n").replace("\n", "\r\n"))
    assert rules(draft).minimums[0].hours == 80
    assert "\r" not in draft.text
    assert "代码应为" in refused(
        office, address, text=draft.text.replace(f'code = "{draft.code}"', 'code = "other"')
    )


def test_the_head_comment_outlives_a_form(town, office):
    one = packs.draft(_own_text(town), bureau=town.bureau)
    send(office, url("pack_year", one.pk), total="90")
    one.refresh_from_db()
    assert one.text.startswith("# 泰安市的规则\n")
    assert "正文中间的注释会丢失" in page(office, url("pack_text", one.pk))


# --- two officials at once --------------------------------------------------------------------------------------


def test_a_colleague_s_change_of_another_part_stays(town, office, draft):
    answers = filled(office, url("pack_year", draft.pk), total="90")
    send(office, url("pack_caps", draft.pk), subject_0="50")
    assert office.post(url("pack_year", draft.pk), answers).status_code == 302
    assert rules(draft).minimums[0].hours == 90
    assert rules(draft).caps[0].hours == 50


def test_a_colleague_s_change_of_the_same_part_is_not_undone(office, draft):
    for name, colleague in (("pack_year", "80"), ("pack_text", "72")):
        mine = filled(office, url(name, draft.pk))
        send(office, url("pack_year", draft.pk), total=colleague)
        answer = office.post(url(name, draft.pk), mine)
        assert CHANGED_MEANWHILE in answer.content.decode(), name
        assert rules(draft).minimums[0].hours == Decimal(colleague)


@pytest.mark.django_db(transaction=True)
def test_changes_at_once_all_stay(town):
    actor = town.actor(town.bureau)
    draft = pack_editing.start_blank(by=actor, name="规则", year_from=YEAR)

    def adding(code):
        return lambda: pack_editing.change(
            draft, lambda pack: with_activity(pack, new_activity(pack, code, f"形式{code}")), by=actor
        )

    codes = ["one", "two", "three", "four"]
    assert at_once(*(adding(code) for code in codes)) == ["ok"] * 4
    assert set(codes) <= set(rules(draft).activities)


# --- putting it into force --------------------------------------------------------------------------------------


def published(town, pack):
    pack.refresh_from_db()
    return pack_editing.publish(pack, by=town.actor(town.bureau), seen=pack_editing.digest_of(pack.text))


def test_the_check_page_says_what_changes_and_for_whom(town, office, draft):
    person = town.practitioner(at=town.employer())
    town.stands(person, public=30, professional=60)
    send(office, url("pack_year", draft.pk), total="100", of_public="40", of_professional="60")
    checked = page(office, url("publish_pack", draft.pk))
    assert "不少于 90 学时" in checked
    assert "不少于 100 学时" in checked
    assert "共 1 名专业技术人员" in checked
    assert f"{YEAR} 年度：1 人有学时，现在 1 人已达标" in checked
    assert "已经审核通过的申报、学时账和已签发的证书都不变" in checked
    # An older look at it does not publish.
    seen = re.search(r'name="seen" value="(\w+)"', checked)[1]
    send(office, url("pack_caps", draft.pk), subject_0="50")
    office.post(url("publish_pack", draft.pk), {"seen": seen})
    draft.refresh_from_db()
    assert draft.state == PackState.DRAFT
    seen = re.search(r'name="seen" value="(\w+)"', page(office, url("publish_pack", draft.pk)))[1]
    office.post(url("publish_pack", draft.pk), {"seen": seen})
    draft.refresh_from_db()
    assert (draft.state, draft.published_by.pk) == (PackState.PUBLISHED, town.actor(town.bureau).user.pk)
    assert office.get(url("pack_year", draft.pk)).status_code == 404


def test_what_was_decided_under_an_older_pack_stays(town, office):
    """Declaration, ledger and certificate untouched; whether the year is complete is looked at again by the worker."""
    person = town.practitioner(at=town.employer())
    day = datetime.date(YEAR, 1, 8)
    for subject, hours in ((Subject.PUBLIC, 30), (Subject.PROFESSIONAL, 60)):
        payload = Declaration(
            practitioner=person, year=YEAR, subject=subject, kind=ActivityKind.objects.get(code="academic-forum"),
            title=f"论坛{subject}", organiser="学会", started_on=day, ended_on=day, hours=Decimal(hours),
        )  # fmt: skip
        sign(town, engine.submit("hours-declaration", payload, by=town.actor(person)))
    certificate = certificates.issue(person, YEAR, by=town.actor(person))
    before = _everything(person)
    assert Standing.objects.get(practitioner=person).complete

    mine = pack_editing.start_blank(by=town.actor(town.bureau), name="规则", year_from=YEAR)
    send(office, url("pack_year", mine.pk), total="120", of_public="30", of_professional="60")
    office.post(url("pack_conversion", mine.pk, "academic-forum") + "?shape=fixed", {"hours_0": "5"})
    published(town, mine)

    assert _everything(person) == before
    assert Standing.objects.get(practitioner=person).complete, "only the worker looks again"
    assert Recheck.objects.filter(practitioner=person).exists()
    recheck()
    assert not Standing.objects.get(practitioner=person).complete
    assert _everything(person) == before
    assert certificates.state_of(certificate) == "valid"
    assert [shown(one.hours) for one in Declaration.objects.filter(practitioner=person).order_by("pk")] == [
        "30",
        "60",
    ]


def _everything(person) -> tuple:
    return (
        list(Declaration.objects.filter(practitioner=person).order_by("pk").values()),
        list(LedgerEntry.objects.filter(practitioner=person).order_by("pk").values()),
        list(person.certificates.values()),
        list(CertificateEvent.objects.filter(certificate__practitioner=person).values()),
        [(one.year, one.hours, one.total) for one in Standing.objects.filter(practitioner=person)],
    )


def test_retiring_shows_what_holds_instead(town, office):
    town.rules(town.bureau, total=120, code="own")
    one = RulePack.objects.get(code="own")
    shown_page = page(office, url("retire_pack", one.pk))
    assert "不少于 120 学时" in shown_page
    assert "每年累计不少于 90 学时" in shown_page
    office.post(url("retire_pack", one.pk))
    one.refresh_from_db()
    assert one.state == PackState.RETIRED


def test_a_draft_can_be_deleted_and_nothing_else(town, office, draft):
    office.post(url("discard_pack", draft.pk))
    assert not RulePack.objects.filter(pk=draft.pk).exists()
    one = town.rules(town.bureau, total=120)
    assert office.post(url("discard_pack", one.pk)).status_code == 404


def test_what_changed_since_the_version_before(town, office):
    first = packs.publish(packs.draft(_own_text(town), bureau=town.bureau))
    second = pack_editing.start_version(first, by=town.actor(town.bureau), year_from=YEAR)
    send(office, url("pack_year", second.pk), total="72")
    shown_page = page(office, url("pack_changes", second.pk))
    assert "不少于 72 学时" in shown_page
    assert re.search(r"<ins>\+ hours = 72</ins>", shown_page)
    assert re.search(r"<del>− year_from = 2021</del>", shown_page)


# --- who may ----------------------------------------------------------------------------------------------------


def test_a_bureau_changes_its_own_rules_alone(town, office, draft):
    other = town.bureau_under(town.platform)
    theirs = pack_editing.start_blank(by=town.actor(other), name="别处的规则", year_from=YEAR)
    for name in ("pack", "pack_head", "pack_year", "pack_text", "publish_pack", "pack_changes", "try_pack"):
        assert office.get(url(name, theirs.pk)).status_code == 404, name
    province = RulePack.objects.get(code="shandong")
    assert office.get(url("pack", province.pk)).status_code == 200
    assert office.get(url("new_version", province.pk)).status_code == 404
    example = RulePack.objects.get(code="suqian")
    assert office.get(url("pack_text", example.pk)).status_code == 404
    with pytest.raises(PermissionDenied):
        pack_editing.change(theirs, lambda one: one, by=town.actor(town.bureau))
    with pytest.raises(PermissionDenied):
        pack_editing.publish(theirs, by=town.actor(town.bureau), seen=pack_editing.digest_of(theirs.text))


def test_a_bureau_below_reads_what_holds_and_no_drafts_above(town, draft):
    county = town.bureau_under(town.bureau)
    below = town.login(county)
    assert below.get(url("pack", draft.pk)).status_code == 404
    published(town, draft)
    assert below.get(url("pack", draft.pk)).status_code == 200
    assert below.get(url("new_version", draft.pk)).status_code == 404


def test_a_version_of_the_province_under_way_is_no_example(town, office):
    province = RulePack.objects.get(code="shandong")
    operator = town.actor(town.operator())
    waiting = pack_editing.start_version(province, by=operator, year_from=YEAR + 1)
    assert office.get(url("pack", waiting.pk)).status_code == 404
    assert f"from={waiting.pk}" not in page(office, url("packs"))


def test_the_platform_changes_any(town, draft):
    platform = town.login(town.operator())
    send(platform, url("pack_year", draft.pk), total="90")
    assert rules(draft).minimums[0].hours == 90
    assert "全省的草稿和版本" in page(platform, url("packs"))


def test_a_right_that_was_just_taken_away_changes_nothing(town, draft):
    actor = town.actor(town.bureau)
    actor.account.__class__.objects.filter(pk=actor.account.pk).end_sessions()
    with pytest.raises(Refused, match="您的身份或权限刚刚变更"):
        pack_editing.change(draft, lambda one: one, by=actor)


def test_clerks_do_not_make_rules(town):
    clerk = town.login(town.admin(town.bureau, duties=["hours"]))
    assert clerk.get(url("packs")).status_code == 403
    assert url("packs") not in page(clerk, "/")
    assert url("packs") in page(town.login(town.bureau), "/")


def test_the_list_costs_the_same_with_many_packs(town, office):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            page(office, url("packs"))
        return len(queries)

    pack_editing.start_blank(by=town.actor(town.bureau), name="规则0", year_from=YEAR)
    few = cost()
    for number in range(1, 20):
        town.rules(town.bureau, total=90, code=f"many-{number}")
    assert cost() == few
    assert few <= 12

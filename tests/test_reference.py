"""Reference data: the shipped files hang together, load twice, and the allotted bureaus stand in the tree."""

import csv
from collections import Counter
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.id_number import IdNumber
from accounts.models import AccountStatus, Role, RoleAccount, User
from orgs import uscc
from orgs.management.commands.load_reference import FOLDER, rows_of
from orgs.models import (
    Division,
    FieldOfStudy,
    Kind,
    OrgAdmin,
    Organization,
    TitleLevel,
    TitleName,
    TitleSeries,
)

SHANDONG = {
    "370100": "济南市",
    "370200": "青岛市",
    "370300": "淄博市",
    "370400": "枣庄市",
    "370500": "东营市",
    "370600": "烟台市",
    "370700": "潍坊市",
    "370800": "济宁市",
    "370900": "泰安市",
    "371000": "威海市",
    "371100": "日照市",
    "371200": "莱芜市",
    "371300": "临沂市",
    "371400": "德州市",
    "371500": "聊城市",
    "371600": "滨州市",
    "371700": "菏泽市",
}
TAIAN = {
    "370902": "泰山区",
    "370911": "岱岳区",
    "370921": "宁阳县",
    "370923": "东平县",
    "370982": "新泰市",
    "370983": "肥城市",
}
NUMBER = "370902199001010005"


def run(command: str, *arguments) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


# --- the files -----------------------------------------------------------------------------------


def test_divisions_of_shandong_are_those_of_the_standard():
    rows = rows_of("divisions.csv")
    names = {row["code"]: row["name"] for row in rows}
    assert len(names) == len(rows)
    assert SHANDONG.items() | TAIAN.items() <= names.items()
    assert sum(code.endswith("0000") for code in names) == 34
    assert {row["code"] for row in rows if row["parent"] == "370000"} == set(SHANDONG)
    assert {row["code"] for row in rows if row["parent"] == "370900" and row["is_local"] == "0"} == set(TAIAN)
    assert all(row["parent"] in names for row in rows if row["parent"])


def test_laiwu_ended_and_its_districts_went_on_under_jinan():
    rows = {row["code"]: row for row in rows_of("divisions.csv")}
    assert {code for code, row in rows.items() if row["valid_to"]} == {"371200", "371202", "371203"}
    assert all(rows[code]["parent"] == "370100" and rows[code]["valid_from"] for code in ("370116", "370117"))


def test_local_codes_cannot_meet_standard_codes():
    for row in rows_of("divisions.csv"):
        assert (row["is_local"] == "1") == (not row["code"].isdigit())


def test_the_27_title_series():
    rows = rows_of("title_series.csv")
    assert [f"{n:02d}" for n in range(1, 28)] == sorted({row["series_code"] for row in rows})
    assert len({row["series"] for row in rows}) == 27
    assert {row["level"] for row in rows} == set(TitleLevel.values)
    current = {(row["series_code"], row["title"]) for row in rows if row["is_current"] == "1"}
    for row in rows:
        assert (
            row["is_current"] == "1"
            or row["current_title"] == ""
            or (row["series_code"], row["current_title"]) in current
        )
    levels = {(row["series_code"], row["level"]) for row in rows if row["is_current"] == "1"}
    assert all((f"{n:02d}", level) in levels for n in range(1, 28) for level in list(TitleLevel)[:4])


def test_the_tree_of_fields_of_study():
    rows = rows_of("fields_of_study.csv")
    codes = {row["code"] for row in rows}
    assert len(codes) == len(rows)
    assert all(
        row["parent"] in codes and row["code"].startswith(row["parent"]) for row in rows if row["parent"]
    )
    lengths = Counter(min(len(row["code"]), 6) for row in rows)
    assert lengths[2] == 14 + 19 + 1
    assert lengths[4] == 93
    assert lengths[6] > 250
    assert next(row["name"] for row in rows if row["code"] == "99") == "其他"


def test_shipped_bureaus_carry_valid_codes_and_nobody():
    rows = rows_of("bureaus.csv")
    codes = {row["code"] for row in rows_of("divisions.csv")}
    assert [uscc.parse(row["uscc"]) for row in rows] == [row["uscc"] for row in rows]
    assert not any(uscc.warning(row["uscc"]) for row in rows)
    assert all(row["division"] in codes for row in rows)
    assert not any(row["admin_id_number"] or row["admin_name"] for row in rows)


# --- load_reference ------------------------------------------------------------------------------


@pytest.fixture
def reference(db):
    run("load_reference")


def test_loading_twice_changes_nothing(reference):
    counts = [model.objects.count() for model in (Division, TitleSeries, TitleName, FieldOfStudy)]
    assert counts == [192, 27, 310, 408]
    again = run("load_reference")
    assert again.count("新增 0，更新 0") == 5
    assert [model.objects.count() for model in (Division, TitleSeries, TitleName, FieldOfStudy)] == counts


def test_loading_mends_names_and_keeps_codes_that_operators_added(reference):
    Division.objects.filter(pk="370902").update(name="旧名")
    Division.objects.create(code="3709A9", name="测试功能区", parent_id="370900", is_local=True)
    TitleName.objects.filter(name="教授级高级工程师").update(is_current=True)
    out = run("load_reference")
    assert "行政区划：新增 0，更新 1" in out
    assert "职称名称：新增 0，更新 1" in out
    assert Division.objects.get(pk="370902").name == "泰山区"
    assert Division.objects.filter(pk="3709A9").exists()
    assert not TitleName.objects.get(name="教授级高级工程师").is_current


# --- load_bureaus --------------------------------------------------------------------------------


@pytest.fixture
def sheet(tmp_path):
    """Write the shipped rows with some cells changed: sheet({"370902": {"name": "…"}})."""

    def write(changes=(), only=None, encoding="utf-8"):
        rows = [row for row in rows_of("bureaus.csv") if only is None or row["code"] in only]
        for row in rows:
            row.update(dict(changes).get(row["code"], {}))
        path = tmp_path / "bureaus.csv"
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


def test_the_shipped_bureaus_form_one_tree(reference):
    assert "新增 11" in run("load_bureaus")
    assert "新增 0，更新 0，未变 11" in run("load_bureaus")
    root = Organization.objects.get(superior__kind=Kind.OPERATOR)
    assert root.name == "山东省人力资源和社会保障厅"
    district = Organization.objects.get(name="泰安市泰山区人力资源和社会保障局")
    assert [Organization.objects.get(pk=pk).name for pk in district.ancestor_ids] == [
        "平台",
        "山东省人力资源和社会保障厅",
        "泰安市人力资源和社会保障局",
    ]
    assert (
        Organization.objects.filter(path__startswith=root.path, kind=Kind.BUREAU, status="active").count()
        == 11
    )


ADMIN = {"admin_id_number": NUMBER, "admin_name": "甲一", "admin_mobile": "13800000000"}


def test_an_allotted_account_is_active_and_has_no_password_yet(reference, sheet):
    assert "管理员账号：新增 1" in run("load_bureaus", sheet({"370902": ADMIN}))
    assert "管理员账号：新增 0" in run("load_bureaus", sheet({"370902": ADMIN}))
    admin = OrgAdmin.objects.get()
    assert admin.is_super
    assert admin.organization.division_id == "370902"
    assert (admin.account.role, admin.account.status) == (Role.BUREAU, AccountStatus.ACTIVE)
    assert admin.account.place == admin.organization.name
    assert admin.user == User.objects.by_id_number(IdNumber.parse(NUMBER)).get()
    assert not admin.user.has_usable_password()
    assert str(admin.user.mobile.as_e164) == "+8613800000000"


def test_one_person_may_hold_two_bureaus(reference, sheet):
    run("load_bureaus", sheet({"370902": ADMIN, "370911": ADMIN}))
    assert User.objects.count() == 1
    assert RoleAccount.objects.count() == 2


def registered(status: str) -> User:
    """Somebody who registered under the admin's number and name, with a password of their own."""
    user = User.objects.create_user(
        IdNumber.parse(NUMBER),
        "correct-horse-9",
        name="甲一",
        email="stranger@example.org",
        mobile="+8613900000000",
    )
    RoleAccount.objects.create(user=user, role=Role.EMPLOYER, status=status)
    return user


def test_no_bureau_for_who_registered_its_admins_number_in_vain(reference, sheet):
    user = registered(AccountStatus.CLOSED)
    run("load_bureaus", sheet({"370902": ADMIN}))
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert (str(user.mobile.as_e164), user.email) == ("+8613800000000", "")


def test_no_bureau_for_who_is_under_review(reference, sheet):
    registered(AccountStatus.PENDING)
    with pytest.raises(CommandError, match="第 4 行：此人的注册还在审核中"):
        run("load_bureaus", sheet({"370902": ADMIN}))
    assert not OrgAdmin.objects.exists()


def test_a_bureau_for_who_is_known_changes_nothing_of_theirs(reference, sheet):
    user = registered(AccountStatus.ACTIVE)
    run("load_bureaus", sheet({"370902": ADMIN}))
    user.refresh_from_db()
    assert user.check_password("correct-horse-9")
    assert user.email == "stranger@example.org"


def test_a_new_name_and_a_new_superior_follow_the_file(reference, sheet):
    run("load_bureaus", sheet({"370983": ADMIN}))
    run("load_bureaus", sheet({"370983": {"name": "测试局", "superior_code": "370982"}}))
    bureau = Organization.objects.get(name="测试局")
    assert bureau.superior.division_id == "370982"
    assert bureau.path.startswith(bureau.superior.path)
    assert RoleAccount.objects.get().place == "测试局"


def test_a_second_file_may_hang_below_the_first(reference, sheet):
    run("load_bureaus", sheet(only={"370000", "370900"}))
    above = Organization.objects.get(division_id="370900")
    run("load_bureaus", sheet({"370902": {"superior_code": above.uscc}}, only={"370902"}))
    assert Organization.objects.get(division_id="370902").superior == above


def test_a_sheet_saved_by_a_spreadsheet_in_gb18030_is_read(reference, sheet):
    assert "新增 11" in run("load_bureaus", sheet(encoding="gb18030"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"370902": {"uscc": "113709020000000271"}}, "第 4 行：统一社会信用代码与最后一位校验码不符"),
        ({"370902": {"uscc": "113709000000000198"}}, "第 4 行：统一社会信用代码与前面的行重复"),
        ({"370902": {"code": "370900"}}, "第 4 行：code 为空或与前面的行重复"),
        ({"370902": {"name": ""}}, "第 4 行：name 为空"),
        ({"370902": {"division": "999999"}}, "第 4 行：没有区划代码“999999”"),
        ({"370902": {"superior_code": "370983"}}, "第 4 行：上级“370983”不在前面的行里"),
        ({"370902": ADMIN | {"admin_id_number": NUMBER[:-1] + "6"}}, "第 4 行：身份证号与最后一位校验码不符"),
        ({"370902": ADMIN | {"admin_name": ""}}, "第 4 行：管理员的身份证号和姓名须同时填写"),
        ({"370902": ADMIN | {"admin_mobile": ""}}, "第 4 行：新管理员须有 admin_mobile 或 admin_email"),
        ({"370902": ADMIN | {"admin_mobile": "0538"}}, "第 4 行：admin_mobile 有误"),
        ({"370902": ADMIN | {"admin_email": "@"}}, "第 4 行：admin_email 不是有效的邮箱地址"),
        (
            {"370902": ADMIN, "370911": ADMIN | {"admin_name": "乙二"}},
            "第 5 行：该身份证号已登记在另一个姓名下",
        ),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(reference, sheet, changes, sentence):
    with pytest.raises(CommandError) as refusal:
        run("load_bureaus", sheet(changes))
    lines = str(refusal.value).splitlines()
    assert lines[0].startswith(sentence)
    assert lines[0].endswith("。")
    assert lines[-1] == "以上各行有误，整份文件未写入。"
    assert NUMBER[:-1] not in str(refusal.value)
    assert not Organization.objects.exists()
    assert not User.objects.exists()


def test_all_bad_rows_are_named_at_once(reference, sheet):
    with pytest.raises(CommandError) as refusal:
        run("load_bureaus", sheet({"370902": {"name": ""}, "370911": {"division": "0"}}))
    assert [line[:5] for line in str(refusal.value).splitlines()[:-1]] == ["第 4 行", "第 5 行"]


def test_a_super_admin_is_not_replaced_by_a_file(reference, sheet):
    run("load_bureaus", sheet({"370902": ADMIN}))
    other = ADMIN | {"admin_id_number": "370911198506150005", "admin_name": "乙二"}
    with pytest.raises(CommandError, match="该部门已有超级管理员"):
        run("load_bureaus", sheet({"370902": other}))


def test_a_ring_is_refused_with_the_tree_s_own_sentence(reference, sheet):
    run("load_bureaus", sheet())
    below = Organization.objects.get(division_id="370902")
    with pytest.raises(CommandError, match="第 3 行：新的上级不能是本单位自己或本单位的下级"):
        run("load_bureaus", sheet({"370900": {"superior_code": below.uscc}}))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "文件缺少列"),
        (b"code,name\n1,2\n", "文件缺少列：superior_code"),
        (b"\xff\xff\xff", "文件既不是 UTF-8"),
    ],
)
def test_what_is_no_sheet_is_refused(tmp_path, content, sentence):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=sentence):
        call_command("load_bureaus", path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CommandError, match="无法读取文件"):
        call_command("load_bureaus", tmp_path / "none.csv")


def test_the_folder_ships_its_sources():
    assert (FOLDER / "README.md").exists()

"""Load the bureaus of a province with their allotted accounts: bureaus do not register (F-114, F-148)."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction

from accounts import mobile
from accounts.id_number import IdNumber, InvalidIdNumber
from accounts.models import AccountStatus, Role, RoleAccount, User
from accounts.refused import Refused
from orgs import uscc
from orgs.appointment import Entry, candidate, enter_person
from orgs.management.commands.load_reference import FOLDER
from orgs.models import Division, Kind, OrgAdmin, Organization, Status
from orgs.tree import move, plant, platform

NEEDED = ["code", "name", "superior_code", "division", "uscc", "phone"]
ALLOTTED = ["admin_id_number", "admin_name", "admin_mobile", "admin_email"]


class Command(BaseCommand):
    help = "按 CSV 建立或更新人社部门及其分配的管理员账号；有一行出错则全部不写入。"

    def add_arguments(self, parser):
        parser.add_argument("csv", nargs="?", type=Path, default=FOLDER / "bureaus.csv")

    def handle(self, *, csv: Path, **options):
        rows = read(csv)
        load = Load()
        with transaction.atomic():
            for number, row in enumerate(rows, start=2):  # line 1 is the header
                try:
                    with transaction.atomic():
                        load.row(row)
                except (RowError, Refused) as error:
                    load.errors.append(f"第 {number} 行：{error}")
            if load.errors:
                raise CommandError("\n".join([*load.errors, "以上各行有误，整份文件未写入。"]))
        self.stdout.write(
            f"人社部门：新增 {load.created}，更新 {load.updated}，未变 {load.unchanged}；管理员账号：新增 {load.accounts}"
        )


class RowError(Exception):
    """What is wrong with a row: one Chinese sentence, without any ID number."""


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV in UTF-8 or GB 18030 (as spreadsheets save it). Raise CommandError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CommandError(f"无法读取文件 {path}：{error.strerror}。") from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise CommandError("文件既不是 UTF-8 也不是 GB 18030 编码，请另存为 CSV（UTF-8）后重试。")
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="", restkey="")
    missing = [name for name in NEEDED if name not in (reader.fieldnames or [])]
    if missing:
        raise CommandError(f"文件缺少列：{'、'.join(missing)}。")
    return [{name: row.get(name, "").strip() for name in NEEDED + ALLOTTED} for row in reader]


@dataclass
class Load:
    """One run: what was written, and the bureaus by the codes that this file gives them."""

    errors: list[str] = field(default_factory=list)
    bureaus: dict[str, Organization] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    accounts: int = 0

    def row(self, row: dict[str, str]) -> None:
        """Write one bureau and its account. Raise RowError or Refused."""
        if not row["code"] or row["code"] in self.bureaus:
            raise RowError("code 为空或与前面的行重复，请给每个部门一个不同的编号。")
        if not row["name"]:
            raise RowError("name 为空，请填写部门全称。")
        try:
            credit_code = uscc.parse(row["uscc"])
        except uscc.InvalidUscc as error:
            raise RowError(str(error)) from error
        if credit_code in self.codes:
            raise RowError("统一社会信用代码与前面的行重复，请核对。")
        self.codes.add(credit_code)
        if not Division.objects.filter(pk=row["division"]).exists():
            raise RowError(f"没有区划代码“{row['division']}”，请先运行 load_reference 或改正代码。")
        bureau = self._write(row, credit_code, self._superior(row["superior_code"]))
        self.bureaus[row["code"]] = bureau
        if any(row[name] for name in ALLOTTED):
            self._allot(bureau, row)

    def _superior(self, code: str) -> Organization:
        """The superior by this file's code, or by the credit code of a bureau that was loaded before.

        A bureau without a superior hangs under the platform.
        """
        if not code:
            return platform()
        if code in self.bureaus:
            return self.bureaus[code]
        known = Organization.objects.filter(
            kind=Kind.BUREAU, status=Status.ACTIVE, uscc=uscc.normalise(code)
        ).first()
        if known is None:
            raise RowError(
                f"上级“{code}”不在前面的行里，也不是已有部门的统一社会信用代码，请把上级放在前面。"
            )
        return known

    def _write(self, row: dict[str, str], credit_code: str, superior: Organization) -> Organization:
        wanted = {"name": row["name"], "division_id": row["division"], "phone": row["phone"]}
        bureau = Organization.objects.filter(
            kind=Kind.BUREAU, uscc=credit_code, status__in=[Status.ACTIVE, Status.PENDING]
        ).first()
        if bureau is None:
            self.created += 1
            return plant(
                Organization(
                    kind=Kind.BUREAU, uscc=credit_code, status=Status.ACTIVE, superior=superior, **wanted
                )
            )
        moved = bureau.superior_id != superior.pk
        if moved and superior.kind == Kind.OPERATOR:
            raise RowError("该部门已有上级，不能改为没有上级，请填写 superior_code。")
        if moved:
            move(bureau, superior)
        changed = any(getattr(bureau, name) != value for name, value in wanted.items())
        if changed:
            for name, value in wanted.items():
                setattr(bureau, name, value)
            bureau.save()
            RoleAccount.objects.filter(org_admin__organization=bureau).update(place=bureau.name)
        self.updated += moved or changed
        self.unchanged += not (moved or changed)
        return bureau

    def _allot(self, bureau: Organization, row: dict[str, str]) -> None:
        """Give the bureau its super admin. No password is made here: its owner sets one by 忘记登录密码."""
        if not (row["admin_id_number"] and row["admin_name"]):
            raise RowError("管理员的身份证号和姓名须同时填写，或各列都留空。")
        try:
            number = IdNumber.read(row["admin_id_number"])
        except InvalidIdNumber as error:
            raise RowError(str(error)) from error
        boss = OrgAdmin.objects.filter(organization=bureau, is_super=True).select_related("user").first()
        if boss and boss.user.id_index in number.indexes:
            self._same_name(boss.user, row)
            return
        if boss:
            raise RowError("该部门已有超级管理员，请在平台内更换，不能用本文件替换。")
        if OrgAdmin.objects.filter(organization=bureau, user__id_index__in=number.indexes).exists():
            raise RowError("此人已是该部门的普通管理员，请在平台内调整，不能用本文件改变。")
        # Nobody gets a bureau by having registered under its admin's number: that counts as unknown.
        user = candidate(number, bureau)
        if user:
            self._same_name(user, row)
        else:
            user = enter_person(number, Entry(row["admin_name"], **self._contact(row)))
        account = RoleAccount.objects.create(
            user=user, role=Role.BUREAU, status=AccountStatus.ACTIVE, place=bureau.name
        )
        OrgAdmin.objects.create(account=account, user=user, organization=bureau, is_super=True)
        self.accounts += 1

    @staticmethod
    def _same_name(user: User, row: dict[str, str]) -> None:
        if user.name != row["admin_name"]:
            raise RowError("该身份证号已登记在另一个姓名下，请核对管理员的姓名和身份证号。")

    @staticmethod
    def _contact(row: dict[str, str]) -> dict:
        """A new account has no password yet, so one way to reach its owner is needed."""
        phone, email = row["admin_mobile"], row["admin_email"]
        if not (phone or email):
            raise RowError("新管理员须有 admin_mobile 或 admin_email，首次登录前用它设置密码。")
        try:
            phone = mobile.parse(phone) if phone else ""
        except mobile.InvalidMobile as error:
            raise RowError(f"admin_mobile 有误：{error}") from error
        try:
            if email:
                validate_email(email)
        except ValidationError as error:
            raise RowError("admin_email 不是有效的邮箱地址，请核对。") from error
        return {"mobile": phone, "email": email}

"""Each invariant sees exactly what it is about: one row is broken past every constraint, and named (trust.md 4.2).

There is no I24, MACs of rows: what leaves the platform and must prove itself there is the certificate, and it carries a
signature, which I12 verifies over what its row says (`check_invariants --signatures`). Inside, events are chained and
sealed (I4), and the hours of the ledger must agree with the decisions behind them (I1, I2).
"""

import io
import os
import threading
import time
from io import StringIO

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import InternalError, connection
from PIL import Image

from accounts.consistency import all_invariants, one_moment
from accounts.models import Message, Session, User
from orgs.models import AdminRole, Duty, OrgAdmin, Organization
from tests.test_engine import change_superior, step_of, transfer
from workflow import engine
from workflow.attachments import attach
from workflow.models import Attachment


def exceptions(*options: str) -> dict[str, list[str]]:
    """What is wrong: for each invariant with exceptions, by its number and the beginning of its sentence."""
    found = {f"{one.name} {one.sentence}": one.look(None) for one in all_invariants(options)}
    return {name: result.shown for name, result in found.items() if result.total}


def wrong(*options: str) -> set[str]:
    return set(exceptions(*options))


def a_png(colour: str = "white") -> SimpleUploadedFile:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(out, "PNG")
    return SimpleUploadedFile("a.png", out.getvalue(), "image/png")


def break_(*statements: str, without: str = "") -> None:
    """Write past everything that protects the data; `without` is "table constraint"."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        if without:
            table, name = without.split(" ")
            cursor.execute(
                f"DROP INDEX {name}" if name in PARTIAL else f"ALTER TABLE {table} DROP CONSTRAINT {name}"
            )
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
            assert cursor.rowcount, f"nothing was broken by: {statement}"
        cursor.execute("SET LOCAL session_replication_role = origin")


PARTIAL = {  # unique constraints with a condition are indexes to the database
    "application_one_at_a_time",
    "org_admin_one_super",
    "account_practitioner_once",
}


class World:
    """One of everything: an authority with two units, people, applications in several states, a role, a swap."""

    def __init__(self, town):
        self.town = town
        self.authority = town.authority()
        self.old, self.new = town.employer(under=self.authority), town.employer(under=self.authority)
        self.lone = town.employer()
        self.person, self.other = town.practitioner(at=self.old), town.practitioner(at=self.new)
        self.done = transfer(town, self.person, self.new)
        engine.approve(step_of(self.done, "原单位审核").pk, by=town.actor(self.old), comment="同意")
        engine.approve(step_of(self.done, "新单位审核").pk, by=town.actor(self.new))
        self.pending = transfer(town, self.other, self.old)
        self.released = transfer(town, town.practitioner(at=self.new), self.old, by=self.new)
        self.rejected = transfer(town, town.practitioner(at=self.new), self.old)
        engine.reject(step_of(self.rejected, "原单位审核").pk, by=town.actor(self.new), comment="不符")
        withdrawn = transfer(town, town.practitioner(at=self.new), self.old)
        engine.withdraw(withdrawn.pk, by=town.actor(withdrawn.practitioner))
        self.moving, self.moved = (
            change_superior(town, unit, self.authority) for unit in (self.lone, town.employer())
        )
        role = AdminRole.objects.create(organization=self.new, name="审核", duties=[Duty.HOURS])
        self.helper = town.admin(self.new, duties=[Duty.HOURS]).org_admin
        self.helper.role = role
        self.helper.save()
        self.super = self.new.admins.get(is_super=True)
        self.signature = self.done.events.get(step=step_of(self.done, "新单位审核"))


@pytest.fixture
def world(town) -> World:
    return World(town)


def test_the_world_is_clean(world):
    assert exceptions("files", "open") == {}


def test_the_demo_town_is_clean(db):
    for command in ("load_reference", "load_hours", "load_bureaus", "load_town"):
        call_command(command, verbosity=0, stdout=StringIO())
    assert exceptions("files", "open") == {}


# --- one case for each; the statements are formatted with the world `w` ----------------------------------------

CASES = {
    "I3 申请的状态与最后": [
        "UPDATE workflow_application SET state = 'withdrawn', closed_at = now() WHERE id = {w.pending.pk}",
        "UPDATE workflow_step SET state = 'closed' WHERE application_id = {w.pending.pk}",
    ],
    "I3 每个决定都有": ["UPDATE workflow_step SET comment = 'x' WHERE application_id = {w.done.pk} AND comment = '同意'"],
    "I3 环节的状态与": ["UPDATE workflow_step SET state = 'waiting' WHERE application_id = {w.pending.pk} AND state = 'open'"],
    "I3 打开的环节": ["UPDATE workflow_step SET state = 'open' WHERE application_id = {w.pending.pk} AND state = 'waiting'"],
    "I4 办理记录的链": ["UPDATE workflow_event SET comment = 'x' WHERE application_id = {w.pending.pk}"],
    "I5 每个机构的路径": ["UPDATE orgs_organization SET path = path || '9/' WHERE id = {w.lone.pk}"],
    "I5 每个人的路径": ["UPDATE orgs_practitioner SET path = '/1/' WHERE id = {w.person.pk}"],
    "I5 正常机构的上级": ["UPDATE orgs_organization SET status = 'closed' WHERE id = {w.town.bureau_between.pk}"],
    "I6 有管理员的": ["UPDATE orgs_orgadmin SET is_super = false WHERE id = {w.super.pk}"],
    "I7 同一对象": ["UPDATE workflow_application SET organization_id = {w.lone.pk} WHERE id = {w.moved.pk}"],
    "I8 调转审核": [
        "UPDATE workflow_application SET kind = 'title-change', practitioner_id = {w.other.pk} WHERE id = {w.released.pk}"
    ],
    "I9 没有人审核": [
        "UPDATE workflow_application SET person_id = {w.super.user_id} WHERE id = {w.done.pk}",
        "UPDATE workflow_step SET person_id = {w.super.user_id} WHERE application_id = {w.done.pk}",
    ],
    "I10 办理人当时": ["DELETE FROM orgs_historicalorgadmin WHERE user_id = {w.super.user_id}"],
    "I14 一人在一个机构": [
        "INSERT INTO accounts_roleaccount (user_id, role, status, place, reviewer, reviewer_phone, epoch)"
        " VALUES ({w.helper.user_id}, 'employer', 'active', '', '', '', 0)",
        "INSERT INTO orgs_orgadmin (account_id, user_id, organization_id, is_super, duties)"
        " SELECT max(id), {w.helper.user_id}, {w.new.pk}, false, '{{}}' FROM accounts_roleaccount",
    ],
    "I14 管理员身份与": ["UPDATE accounts_roleaccount SET role = 'authority' WHERE id = {w.helper.account_id}"],
    "I14 管理员的登录角色": ["UPDATE accounts_roleaccount SET status = 'closed' WHERE id = {w.helper.account_id}"],
    "I14 专业技术人员与": ["UPDATE accounts_roleaccount SET status = 'closed' WHERE id = {w.person.account_id}"],
    "I14 一人只有一个": [
        "INSERT INTO accounts_roleaccount (user_id, role, status, place, reviewer, reviewer_phone, epoch)"
        " VALUES ({w.person.user_id}, 'practitioner', 'active', '', '', '', 0)"
    ],
    "I13 一个证件": [
        "UPDATE accounts_user SET id_index = (SELECT id_index FROM accounts_user WHERE id = {w.person.user_id})"
        " WHERE id = {w.other.user_id}"
    ],
    "I15 每个附件": ["UPDATE workflow_attachment SET application_id = NULL, draft = ''"],
    "I18 待审核的环节": ["UPDATE orgs_organization SET status = 'closed' WHERE id = {w.old.pk}"],
    "I20 管理员的权限就是": ["UPDATE orgs_orgadmin SET duties = '{{hours,people}}' WHERE id = {w.helper.pk}"],
    "I20 管理员只有": [
        "UPDATE orgs_orgadmin SET duties = '{{everything}}', role_id = NULL WHERE id = {w.helper.pk}"
    ],
    "I20 角色只有": [
        "UPDATE orgs_adminrole SET duties = '{{everything}}'",
        "UPDATE orgs_orgadmin SET role_id = NULL WHERE id = {w.helper.pk}",
    ],
    "I20 授予权限的人": [
        "UPDATE orgs_historicalorgadmin SET history_user_id = {w.person.user_id} WHERE id = {w.helper.pk}"
    ],
    "I20 接任的": [
        "UPDATE orgs_historicalorgadmin SET is_super = true WHERE id = {w.helper.pk} AND history_type = '~'"
    ],
    "I22 同一件事": ["UPDATE accounts_message SET key = 'same'"],
    "I22 排他的标记": [
        "UPDATE workflow_application SET exclusive_key = 'x' WHERE id IN ({w.pending.pk}, {w.moving.pk})"
    ],
}  # fmt: skip
PROTECTED = {
    "I9 没有人审核": "workflow_step step_nobody_signs_their_own_matter",
    "I13 一个证件": "accounts_user user_id_number_once",
    "I14 一人在一个机构": "orgs_orgadmin org_admin_person_once",
    "I14 一人只有一个": "accounts_roleaccount account_practitioner_once",
    "I15 每个附件": "workflow_attachment attachment_has_one_home",
    "I22 同一件事": "accounts_message message_once",
    "I22 排他的标记": "workflow_application application_one_at_a_time",
}
# What has a test of its own below.
ALONE = {
    "I3 每条审核记录",
    "I5 每个机构都能",
    "I5 机构树不超过",
    "I10 审核都是以",
    "I15 附件与文件",
    "I21 每个加密",
    "I23 登录会话",
}


def test_every_invariant_has_a_case():
    """Of these three floors; the credits' are tested with them."""
    ours = [one for one in all_invariants(["files", "open"]) if one.name not in CREDITS]
    names = {f"{one.name} {one.sentence}" for one in ours}
    begun = {case: [name for name in names if name.startswith(case)] for case in {*CASES, *ALONE}}
    assert {case: len(found) for case, found in begun.items()} == dict.fromkeys(begun, 1)
    assert names == {name for found in begun.values() for name in found}


CREDITS = {"I1", "I2", "I11", "I12", "I16", "I17"}


@pytest.mark.parametrize("case", CASES)
def test_exactly_what_was_broken_is_named(world, case):
    between = world.town.employer(under=world.lone)
    world.town.employer(under=between)
    world.town.bureau_between = between
    attach(world.pending, a_png())
    Message.objects.bulk_create(
        Message(user=world.person.user, key=str(number), subject="x", text="x") for number in range(2)
    )
    assert exceptions() == {}
    break_(*(statement.format(w=world) for statement in CASES[case]), without=PROTECTED.get(case, ""))
    (name,) = wrong()
    assert name.startswith(case)


# --- those that need more than a statement ----------------------------------------------------------------------


def names_of(found: set[str]) -> set[str]:
    return {name.split(" ")[0] for name in found}


def test_a_step_that_was_decided_twice(world):
    break_(
        "INSERT INTO workflow_event (application_id, step_id, verb, user_id, organization_id, comment, at, number, digest)"
        " SELECT application_id, step_id, verb, user_id, organization_id, comment, at, 4, sha256('x') FROM workflow_event"
        f" WHERE id = {world.signature.pk}"
    )
    assert names_of(wrong()) == {"I3", "I4"}
    assert any(name.startswith("I3 每条审核记录") for name in wrong())


def test_a_signature_for_nobody(world):
    break_(f"UPDATE workflow_event SET organization_id = NULL WHERE id = {world.signature.pk}")
    assert any(name.startswith("I10 审核都是以") for name in wrong())


def test_a_ring(world):
    one, two = world.town.employer(under=world.lone), world.lone
    break_(f"UPDATE orgs_organization SET superior_id = {one.pk} WHERE id = {two.pk}")
    found = exceptions()
    ring = next(rows for name, rows in found.items() if name.startswith("I5 每个机构都能"))
    assert sorted(ring) == sorted([f"机构 {one.pk}，上级 {two.pk}", f"机构 {two.pk}，上级 {one.pk}"])


def test_an_orphan(world):
    break_(f"UPDATE orgs_organization SET superior_id = 0 WHERE id = {world.lone.pk}")
    assert any(name.startswith("I5 每个机构都能") for name in wrong())


def test_a_tree_of_nine_floors(world):
    unit = world.lone
    for _ in range(5):
        unit = world.town.employer(under=unit)
    assert exceptions() == {}
    lowest = world.town.employer(under=unit)
    assert exceptions() == {"I5 机构树不超过 8 层": [f"机构 {lowest.pk}，层 9"]}


def test_two_super_admins(world):
    break_(
        f"UPDATE orgs_orgadmin SET is_super = true, role_id = NULL WHERE id = {world.helper.pk}",
        without="orgs_orgadmin org_admin_one_super",
    )
    assert exceptions() == {"I6 有管理员的正常机构恰有一名超级管理员": [f"机构 {world.new.pk}，超级管理员 2"]}


def test_a_unit_without_any_admin_is_looked_after_by_its_superior(world):
    OrgAdmin.objects.filter(organization=world.lone).delete()
    assert exceptions() == {}


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ("is_super = false, duties = '{transfers}'", False),
        ("is_super = false, duties = '{hours}'", True),
        ("history_type = '-'", True),
        ("history_date = history_date + interval '1 day'", True),
    ],
)
def test_who_signed_held_the_duty_at_that_time(world, change, seen):
    """Also when the right was given, taken or changed since: the history tells what was true when it was signed."""
    break_(f"UPDATE orgs_historicalorgadmin SET {change} WHERE user_id = {world.super.user_id}")
    assert any(name.startswith("I10 办理人当时") for name in wrong()) is seen


def test_a_right_that_ended_later_does_not_matter(world):
    world.town.admin(world.old, is_super=False, duties=[Duty.TRANSFERS])
    signer = world.old.admins.get(is_super=False)
    engine.reject(
        step_of(world.released, "新单位审核").pk, by=world.town.actor(signer.account), comment="不符"
    )
    signer.delete()
    assert exceptions() == {}


def test_files(world):
    one, two, three = (attach(world.pending, a_png(colour)) for colour in ("red", "green", "blue"))
    assert exceptions("files") == {}
    default_storage.delete(one.file.name)
    with open(default_storage.path(two.file.name), "ab") as file:
        file.write(b"x")
    lost = default_storage.path(three.file.name)
    Attachment.objects.filter(pk=three.pk).delete()
    ((name, rows),) = exceptions("files").items()  # the one without a row is still fresh
    assert name.startswith("I15 附件与文件")
    assert rows == [
        f"缺少文件：{one.file.name}（workflow_attachment {one.pk}）",
        f"内容与摘要不符：{two.file.name}（workflow_attachment {two.pk}）",
    ]
    os.utime(lost, (time.time() - 9 * 86400,) * 2)
    (rows,) = exceptions("files").values()
    assert rows[2:] == [f"没有对应的记录：{three.file.name}"]
    assert exceptions() == {}  # asked for, or not looked at


def test_sealed_numbers(world):
    one, two = world.person.user, world.other.user
    User.objects.filter(pk=one.pk).update(id_sealed=two.id_sealed)
    User.objects.filter(pk=two.pk).update(id_masked="3709**********9999")
    ((name, rows),) = exceptions("open").items()
    assert name.startswith("I21")
    assert rows == [f"用户 {one.pk}：打不开，或与索引不符", f"用户 {two.pk}：掩码或后四位不符"]
    assert exceptions() == {}


def test_sessions(world):
    world.town.login(world.person)
    assert Session.objects.count() == 1
    assert exceptions() == {}
    world.person.account.end_sessions()
    assert exceptions() == {}  # the usual end of a session
    world.town.login(world.person)
    break_(f"UPDATE accounts_roleaccount SET epoch = 0 WHERE id = {world.person.account_id}")
    assert [name.split(" ")[0] for name in exceptions()] == ["I23"]


def test_a_session_in_somebody_elses_role(world):
    world.town.login(world.person)
    Session.objects.update(user=world.other.user)
    assert exceptions() == {
        "I23 登录会话的版本不高于其角色，且属于同一人": [
            f"登录角色 {world.person.account_id}，用户 {world.other.user_id}"
        ]
    }


# --- the command ----------------------------------------------------------------------------------------------


def check(*args) -> tuple[str, str]:
    out = StringIO()
    try:
        call_command("check_invariants", *args, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_one_line_for_each_and_no_error_when_all_is_well(world):
    said, error = check("--files", "--open")
    assert error == ""
    lines = said.splitlines()
    assert len(lines) == len(all_invariants(["files", "open"])) + 1
    assert all(line.endswith("：无例外") for line in lines[:-1])
    assert lines[-1] == "全部一致。"


def test_exceptions_are_counted_and_twenty_are_named(world):
    for _ in range(25):
        world.town.practitioner(at=world.lone)
    break_(f"UPDATE orgs_practitioner SET path = '/1/' WHERE employer_id = {world.lone.pk}")
    said, error = check()
    assert error == "1 项不一致。"
    assert "I5 每个人的路径是用人单位的路径：25 处例外\n    人员 " in said
    assert said.count("\n    人员 ") == 20
    assert "    ……以上是前 20 处\n" in said


def test_no_number_and_no_name_is_printed(world):
    user = world.person.user
    User.objects.filter(pk=user.pk).update(id_sealed=world.other.user.id_sealed, name="不可打印")
    break_(f"UPDATE orgs_practitioner SET path = '/1/' WHERE id = {world.person.pk}")
    said, _ = check("--open")
    assert "打不开" in said
    for secret in (user.id_masked, user.id_index, world.other.user.id_number.reveal(), "不可打印"):
        assert secret not in said


def test_a_sample_opens_some(world):
    User.objects.update(id_sealed=b"broken")
    everything = User.objects.count()
    assert f"相符：{everything} 处例外" in check("--open")[0]
    assert "相符：3 处例外" in check("--open", "3")[0]


@pytest.mark.django_db(transaction=True)
def test_nothing_can_be_written_meanwhile(transactional_db):
    with pytest.raises(InternalError, match="read-only"), one_moment():
        User.objects.update(name="x")


@pytest.mark.django_db(transaction=True)
def test_it_sees_one_moment(town):
    with one_moment():
        before = Organization.objects.count()

        def found():
            town.employer()
            connection.close()

        thread = threading.Thread(target=found)
        thread.start()
        thread.join()
        assert Organization.objects.count() == before
    assert Organization.objects.count() == before + 1

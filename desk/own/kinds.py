"""What the platform holds about one person: by kind, what for, how long, and all of it (《个人信息保护法》45 条).

A kind's `rows` give everything in it as {label: value}, values as people read them; the owner's own number is whole.
tests/test_privacy_own.py fails when a table that points at people is neither read here nor said to be somebody else's.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from django.db.models import Model, Q

from accounts.models import Authenticator, OneUseSecret, RoleAccount, SecondFactorReset, Session, User
from credits.models import Certificate, IntakeRecord, LedgerEntry, Lowering, Standing
from desk.models import Export
from desk.own.reading import described
from orgs.access import AccessEntry
from orgs.models import OrgAdmin, Practitioner, SuperSwap
from registration.models import Departure
from registration.notice import periods
from workflow.flow import payload_of
from workflow.models import Application, Attachment, Event, Reminder
from workflow.wording import masked_name

ARCHIVE = "作为继续教育档案长期保存"


@dataclass(frozen=True)
class Kind:
    """`key` names it in the JSON file. `what` are its contents in words. Without `rows` it is said and not given out."""

    key: str
    label: str
    what: str
    purpose: str
    kept: str
    rows: Callable[[User], Iterable[dict]]


def kinds_of(user: User) -> list[Kind]:
    """Those that concern this person: who never was a practitioner has no hours."""
    kept = periods()
    after = f"账户结束满{kept['people']}后清除"
    records = f"随办理记录保存；{after}其中的联系方式"
    found = [
        Kind("account", "账号", "姓名、证件号码、手机号、邮箱", "登录；确认同一个人只有一份记录；通知办理结果",
             f"{after}；有学时记录的，姓名和证件号码{ARCHIVE}", _account),
        Kind("roles", "登录角色和权限", "登录角色、所在单位、管理员权限、更换超级管理员", "决定您能办什么",
             "角色停用后随办理记录保存", _roles),
        Kind("matters", "申请和办理记录", "注册、申报、变更等申请的内容，每一步由谁办理、意见", "审核，事后可查是谁、依据什么决定",
             records, _matters),
        Kind("files", "证明材料", "您上传的文件（名称、大小、时间）", "证明所申请的内容", after, _files),
        Kind("messages", "消息", "平台发给您的消息", "通知办理结果", f"{kept['messages']}后清除", _messages),
        Kind("security", "登录安全", "登录中的设备、两步验证、密码重置、离开记录", "防止他人使用您的账号",
             f"会话到期即清除；其余{after}", _security),
        Kind("exports", "导出记录", "您作为管理员导出的名单", "追查名单去向", "随日志保存", _exports),
        Kind("seen", "查看记录", "谁在什么时候、因为什么查看过您的完整信息", "让您知道、可以追查", f"{kept['access']}后清除", _seen),
    ]  # fmt: skip
    if Practitioner.objects.filter(user=user).exists():
        found[2:2] = [
            Kind("person", "专业技术人员资料", "单位、学历、专业、职称，以及每次变更", "确定审核单位和应学内容",
                 f"{ARCHIVE}；变更记录{after}", _person),
            Kind("hours", "学时", "学习平台报送的记录、学时台账、年度达标情况、减免", "继续教育管理的法定职责",
                 ARCHIVE, _hours),
            Kind("certificates", "证书", "每张证书的内容和状态", "证明学时", ARCHIVE, _certificates),
        ]  # fmt: skip
    return found


# --- one function for each kind -----------------------------------------------------------------------------


def _account(user: User) -> Iterator[dict]:
    own = {"证件号码": user.id_number.reveal()}
    yield described(user, "name id_kind") | own | described(user, "mobile email created_at last_login")


def _roles(user: User) -> Iterator[dict]:
    yield from _each(RoleAccount.objects.filter(user=user), "role status place reviewer waiting_since")
    admins = OrgAdmin.objects.filter(user=user).select_related("organization", "role")
    yield from _each(admins, "organization is_super role duties")
    swaps = SuperSwap.objects.filter(Q(outgoing=user) | Q(successor=user)).select_related("organization")
    yield from _each(swaps, "organization state offered_at closed_at")


def _person(user: User) -> Iterator[dict]:
    person = Practitioner.objects.select_related("employer", "field_of_study", "title_series").get(user=user)
    data = "status education field_of_study title_series title_level title title_mode title_awarded_on"
    yield described(person, f"employer {data} created_at")
    for row in Practitioner.history.filter(id=person.pk).order_by("history_date"):
        yield {
            "变更时间": row.history_date.isoformat(),
            "变更原因": row.history_change_reason or "",
        } | described(row, data)


def _matters(user: User) -> Iterator[dict]:
    mine = Q(person=user) | Q(submitted_by=user, practitioner__user=user)
    for one in Application.objects.filter(mine).order_by("pk").iterator(chunk_size=100):
        events = Event.objects.filter(application=one).select_related("organization").order_by("number")
        yield {
            "受理号": one.receipt,
            **described(one, "summary state submitted_at closed_at"),
            "内容": _payload(one),
            "办理记录": [described(event, "verb organization comment at") for event in events],
            "催办": [described(row, "day") for row in Reminder.objects.filter(application=one, user=user)],
        }


def _payload(application: Application) -> dict:
    payload = payload_of(application)
    content = described(payload)
    if application.kind == "identity-correction":
        content["原证件号码"] = payload.old_number.reveal()
        if payload.new_id_index:
            content["正确证件号码"] = payload.new_number.reveal()
    return content


def _files(user: User) -> Iterator[dict]:
    found = Attachment.objects.filter(application__person=user).select_related("application").order_by("pk")
    for one in found.iterator(chunk_size=100):
        yield {"受理号": one.application.receipt} | described(one, "name content_type size uploaded_at")


def _messages(user: User) -> Iterator[dict]:
    yield from _each(user.messages.order_by("pk"), "subject text created_at read_at mailed_at")


def _security(user: User) -> Iterator[dict]:
    yield from _each(Session.objects.filter(user=user), "role device place opened_at seen_at")
    yield from _each(Authenticator.objects.filter(user=user), "created_at")
    yield from _each(OneUseSecret.objects.filter(user=user), "organization at expires_at")
    yield from _each(SecondFactorReset.objects.filter(user=user), "organization reason at")
    yield from _each(Departure.objects.filter(user=user).select_related("employer"), "way employer reason at")


def _hours(user: User) -> Iterator[dict]:
    records = IntakeRecord.objects.filter(practitioner__user=user).select_related("provider").order_by("pk")
    said = "provider event_id year subject hours title started_on completed_on certificate_number received_at"
    yield from _each(records, said)
    lowered = Lowering.objects.filter(declaration__practitioner=user.practitioner).order_by("pk")
    yield from _each(lowered, "before after reason at")
    for one in user.practitioner.unit_declared.select_related("unit_declaration").order_by("pk"):
        said = described(one, "answer objection answered_at")
        yield {"单位申报": described(one.unit_declaration)} | said
    entries = (
        LedgerEntry.objects.filter(practitioner__user=user).select_related("organization").order_by("pk")
    )
    yield from _each(entries, "year subject hours verb source organization reason at")
    yield from _each(
        Standing.objects.filter(practitioner__user=user).order_by("year"), "year total complete relief"
    )


def _certificates(user: User) -> Iterator[dict]:
    for one in Certificate.objects.filter(practitioner__user=user).order_by("pk"):
        yield {"证书编号": one.number, "内容": one.content, "变动": [
            described(event, "state reason at") for event in one.events.order_by("pk")
        ]}  # fmt: skip


def _exports(user: User) -> Iterator[dict]:
    found = Export.objects.filter(by=user).select_related("organization", "scope").order_by("pk")
    yield from _each(found, "sheet organization scope format masked reason rows_done created_at")


def _seen(user: User) -> Iterator[dict]:
    for one in AccessEntry.objects.about(user):
        yield described(one, "at place post what about reason")


def _each(rows: Iterable[Model], fields: str = "") -> Iterator[dict]:
    for row in rows:
        yield described(row, fields)


def who_saw(entry: AccessEntry) -> str:
    """单位 + 岗位, and the viewer's name as others see it."""
    return f"{entry.place} {entry.post}（{masked_name(entry.by.name)}）"

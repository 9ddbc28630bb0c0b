"""What people are told outside the pages when their data, account or code changes (trust.md §3.8)."""

from datetime import timedelta

from django.urls import reverse

from accounts import notices, outbox
from accounts.models import User
from orgs.models import Status

STRANGE = "如果不是您本人办理，请立即拨打平台技术支持电话。"
LASTS = timedelta(days=3)


def corrected(user: User, *, number: bool) -> None:
    """Name or number were corrected; with a new number another account name holds from now on."""
    what = "您的姓名已更正。"
    if number:
        what = "您的证件号码已更正，今后请用新的证件号码登录，密码不变。"
    notices.tell(user, "更正已完成", f"{what}正在登录的设备已全部退出。\n{STRANGE}", what)


def code_issued(user: User, code) -> None:
    """The platform gave the unit its temporary code; the superior reviews next."""
    text = f"平台已为{code.name}核发临时代码，接下来由上级审核。临时代码和证明请在“注册审核进度查询”中查看、打印。"
    outbox.notify(user, "临时代码已核发", text, key=f"code:{code.pk}", url=reverse("registration:progress"))


def code_revoked(user: User, code) -> None:
    """What to do depends on whether the unit can log in yet."""
    if code.organization.status == Status.ACTIVE:
        advice, page = "请在“单位资料管理”中更换为统一社会信用代码", "registration:unit_profile"
    else:
        advice = "还在审核中的注册请先撤回，再填写统一社会信用代码重新注册，或重新申请临时代码"
        page = "registration:progress"
    text = (
        f"{code.name}的临时代码已被平台撤销。\n原因：{code.revoke_reason}\n{advice}，或拨打平台技术支持电话。"
    )
    outbox.notify(user, "临时代码已撤销", text, url=reverse(page))


def account_closed(user: User) -> None:
    """Goes to the addresses that are about to be forgotten."""
    text = (
        "您的账户已按您的申请注销。学时记录按继续教育档案的要求保留；今后可以用同一证件号码重新注册。\n"
        + STRANGE
    )
    outbox.letter(user, "账户已注销", text, lasts=LASTS)
    outbox.text_message(user, "您的账户已注销，学时记录保留。" + STRANGE)


def left_unit(user: User, unit: str, reason: str) -> None:
    what = f"{unit}已为您办理离职，您的专业技术人员身份已停止使用。"
    text = (
        f"{what}\n原因：{reason}\n您已获得的学时保留。到新单位后，请用同一证件号码重新注册。\n"
        f"如有疑问，请联系{unit}。"
    )
    notices.tell(user, "单位已为您办理离职", text, f"{what}学时保留，可重新注册。")

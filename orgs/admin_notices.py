"""What a person is told, outside the pages, when an admin's right of theirs begins, changes or ends (trust.md §3.8)."""

from datetime import timedelta

from django.urls import reverse

from accounts import notices, outbox
from accounts.masked import masked_name
from accounts.models import User
from orgs.models import OrgAdmin, SuperSwap

STRANGE = "如有疑问，请联系该机构的超级管理员。"


def added(admin: OrgAdmin) -> None:
    """A person of the platform became an admin."""
    what = f"您已被添加为{admin.organization.name}的管理员，角色为“{admin.role.name}”。"
    _tell(
        admin.user,
        "您已成为单位管理员",
        f"{what}\n请用现有密码登录，身份选择“{admin.account.get_role_display()}”。\n{STRANGE}",
        what,
    )


def invited(admin: OrgAdmin, link: str) -> None:
    """A new person became an admin: how to set the first password. `link` lasts three days."""
    what = f"您已被添加为{admin.organization.name}的管理员，角色为“{admin.role.name}”。"
    text = (
        f"{what}\n请在 3 天内打开下面的链接设置登录密码，链接只能使用一次：\n\n{link}\n\n"
        "链接过期后，可在登录页点“忘记登录密码？”设置。账号是您的身份证号。"
    )
    short = f"{what}请打开平台登录页，点“忘记登录密码？”，用本手机号设置密码。账号是您的身份证号。"
    # Sealed and on no page: whoever opens the link sets the password.
    outbox.letter(admin.user, "请设置登录密码", text, lasts=timedelta(days=3))
    outbox.text_message(admin.user, short)


def role_changed(admin: OrgAdmin) -> None:
    """The duties of an admin changed."""
    what = f"您在{admin.organization.name}的管理员权限已变更，现在的角色为“{admin.role.name}”，请重新登录。"
    _tell(admin.user, "您的管理员权限已变更", f"{what}\n{STRANGE}", what)


def suspended(admin: OrgAdmin) -> None:
    what = f"您在{admin.organization.name}的管理员身份已停用，您的其他身份不受影响。"
    _tell(admin.user, "您的管理员身份已停用", f"{what}\n{STRANGE}", what)


def restored(admin: OrgAdmin) -> None:
    what = f"您在{admin.organization.name}的管理员身份已恢复。"
    _tell(admin.user, "您的管理员身份已恢复", f"{what}\n{STRANGE}", what)


def removed(admin: OrgAdmin) -> None:
    what = f"您在{admin.organization.name}的管理员身份已被移除，您的其他身份不受影响。"
    _tell(admin.user, "您的管理员身份已移除", f"{what}\n{STRANGE}", what)


def swap_offered(swap: SuperSwap) -> None:
    """To both: a stranger at the super admin's desk must not go unnoticed."""
    place = swap.organization.name
    what = f"{place}的超级管理员请您接任。请登录后在首页接受或不接受。"
    answer = reverse("orgs:answer_succession", args=[swap.pk])
    _tell(swap.successor, "请确认是否接任超级管理员", what, what, answer)
    own = f"您已提出由{masked_name(swap.successor.name)}接任{place}的超级管理员，对方接受后，您的管理员身份即注销。"
    strange = "如果不是您本人操作，请立即登录撤销，并修改密码。"
    text = f"{own}\n{strange}"
    _tell(swap.outgoing, "已提出更换超级管理员", text, f"{own}{strange}", reverse("orgs:succession"))


def swap_accepted(swap: SuperSwap) -> None:
    place = swap.organization.name
    new = f"您已成为{place}的超级管理员。"
    _tell(swap.successor, "您已成为超级管理员", new, new)
    old = f"{place}的超级管理员已更换，您在该机构的管理员身份已注销，其他身份不受影响。"
    _tell(swap.outgoing, "超级管理员已更换", old, old)


def swap_declined(swap: SuperSwap) -> None:
    what = f"{masked_name(swap.successor.name)}没有接受接任{swap.organization.name}的超级管理员，您仍是超级管理员。"
    _tell(swap.outgoing, "接任人没有接受", what, what)


def swap_cancelled(swap: SuperSwap) -> None:
    what = f"{swap.organization.name}请您接任超级管理员的事项已撤销，您无需处理。"
    _tell(swap.successor, "接任事项已撤销", what, what)


def _tell(user: User, subject: str, text: str, short: str, url: str = "") -> None:
    notices.tell(user, subject, text, short, url=url)

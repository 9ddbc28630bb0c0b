"""What the owner of an account is told when its password or a right changes: by message, e-mail and SMS.

Everything goes through the outbox (accounts/outbox.py), in the transaction of the change. Links and codes that open
something leave sealed and stand in no message.
"""

from datetime import timedelta

from django.urls import reverse

from accounts import outbox
from accounts.models import User


def tell(user: User, subject: str, text: str, short: str, *, url: str = "") -> None:
    """Tell the owner of a change: as a message and by mail in full, by SMS in short."""
    outbox.notify(user, subject, text, url=url, short=short)


def reset_link(user: User, link: str) -> None:
    """Send the link to set a new password (F-40)."""
    text = (
        f"请在 30 分钟内打开下面的链接设置新密码，链接只能使用一次：\n\n{link}\n\n"
        "如果不是您本人操作，请不要理会，密码不会改变。"
    )
    outbox.letter(user, "设置新的登录密码", text, lasts=timedelta(minutes=30))


def reset_code(user: User, code: str) -> None:
    """Send the code to set a new password (F-40)."""
    text = f"验证码 {code}，用于设置新的登录密码，30 分钟内有效。请勿告诉他人。"
    outbox.text_message(user, text, lasts=timedelta(minutes=30))


def password_changed(user: User) -> None:
    """Tell the owner that the password was changed, so that a stranger's change does not go unnoticed."""
    text = "您的登录密码刚刚修改成功，其他设备上的登录已全部退出。如果不是您本人操作，请立即用“忘记登录密码？”重设。"
    short = "您的登录密码已修改。如非本人操作，请立即通过“忘记登录密码？”重设。"
    tell(user, "登录密码已修改", text, short, url=reverse("accounts:password"))


def security_changed(user: User, what: str) -> None:
    """Tell the owner that something about how they log in changed. `what` is one sentence."""
    text = f"{what}\n如果不是您本人操作，请立即修改登录密码，并在“安全设置”中退出其他设备。"
    tell(
        user,
        "账号安全设置有变更",
        text,
        f"{what}如非本人操作，请立即修改密码。",
        url=reverse("accounts:security"),
    )


def password_reset_by(user: User, organization: str) -> None:
    """Tell the owner that an admin of `organization` reset the password (decision 7)."""
    text = (
        f"{organization}的管理员刚刚重置了您的登录密码。\n"
        "请在 24 小时内登录：密码是您身份证号的后六位，只能使用一次，登录后须马上设置新密码。\n"
        "如果您没有要求重置，请联系该单位。"
    )
    short = f"{organization}已重置您的登录密码，请在 24 小时内登录并设置新密码。如非您要求，请联系该单位。"
    tell(user, "登录密码已由单位重置", text, short)

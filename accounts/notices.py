"""What the owner of an account is told outside the pages: by e-mail and by SMS, after the commit.

No ID number stands in a message (trust.md §3.14). A message that cannot be delivered changes nothing for the
person at the page; the log gets its kind and the error's class.
"""

import logging
from functools import partial

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction

from accounts import sms
from accounts.models import User

logger = logging.getLogger(__name__)


def mail(user: User, subject: str, text: str) -> None:
    """Send an e-mail after the commit, to a person who has an address."""
    if user.email:
        greeting = f"{user.name}，您好：\n\n{text}\n\n{_signature()}"
        transaction.on_commit(partial(_mail, user.email, subject, greeting))


def text_message(user: User, text: str) -> None:
    """Send an SMS after the commit, to a person who has a mobile number."""
    if user.mobile:
        transaction.on_commit(partial(_sms, user.mobile.as_e164, text))


def reset_link(user: User, link: str) -> None:
    """Send the link to set a new password (F-40)."""
    text = (
        f"请在 30 分钟内打开下面的链接设置新密码，链接只能使用一次：\n\n{link}\n\n"
        "如果不是您本人操作，请不要理会，密码不会改变。"
    )
    mail(user, "设置新的登录密码", text)


def reset_code(user: User, code: str) -> None:
    """Send the code to set a new password (F-40)."""
    text_message(user, f"验证码 {code}，用于设置新的登录密码，30 分钟内有效。请勿告诉他人。")


def password_changed(user: User) -> None:
    """Tell the owner that the password was changed, so that a stranger's change does not go unnoticed."""
    text = "您的登录密码刚刚修改成功，其他设备上的登录已全部退出。如果不是您本人操作，请立即用“忘记登录密码？”重设。"
    mail(user, "登录密码已修改", text)
    text_message(user, "您的登录密码已修改。如非本人操作，请立即通过“忘记登录密码？”重设。")


def password_reset_by(user: User, organization: str) -> None:
    """Tell the owner that an admin of `organization` reset the password (decision 7)."""
    text = (
        f"{organization}的管理员刚刚重置了您的登录密码。\n"
        "请在 24 小时内登录：密码是您身份证号的后六位，只能使用一次，登录后须马上设置新密码。\n"
        "如果您没有要求重置，请联系该单位。"
    )
    mail(user, "登录密码已由单位重置", text)
    text_message(
        user, f"{organization}已重置您的登录密码，请在 24 小时内登录并设置新密码。如非您要求，请联系该单位。"
    )


def _signature() -> str:
    return f"{settings.SITE['name']}\n技术支持电话：{settings.SITE['phone']}（{settings.SITE['hours']}）"


def _mail(address: str, subject: str, text: str) -> None:
    try:
        send_mail(subject, text, None, [address])
    except Exception as error:  # whatever a mail server or its library raises
        logger.warning("mail %r not sent: %s", subject, type(error).__name__)


def _sms(mobile: str, text: str) -> None:
    try:
        sms.send(mobile, text)
    except Exception as error:  # whatever a provider's class raises
        logger.warning("SMS not sent: %s", type(error).__name__)

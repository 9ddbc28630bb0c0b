"""手机号 and 邮箱: the ways by which a password is reset (F-40), so both ends are told when they change."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts import notices, outbox
from accounts.masked import masked_email, masked_mobile
from accounts.models import PasswordReset, User

LASTS = timedelta(days=1)


def mobile_of(user: User) -> str:
    """The number as accounts.mobile writes it: +86 and eleven digits; "" without one."""
    return user.mobile.as_e164 if user.mobile else ""


@transaction.atomic
def change_contacts(user: User, mobile: str, email: str) -> list[str]:
    """Write both (`mobile` as accounts.mobile parses it, "" for none); returns the labels of what changed. The caller has checked the person's password.

    The old address and the old number are told where they stay behind, the new ones with everything else; a reset
    that is under way through the old ones is void.
    """
    old = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    changed = []
    if mobile_of(old) != mobile:
        changed.append("手机号")
    if old.email != email:
        changed.append("邮箱")
    if not changed:
        return []
    what = f"您账号的{'和'.join(changed)}刚刚变更。"
    strange = "如果不是您本人操作，请立即联系单位管理员或平台技术支持。"
    if "邮箱" in changed:
        outbox.letter(
            old, "账号的联系方式已变更", f"{what}本邮箱今后不再用于您的账号。\n{strange}", lasts=LASTS
        )
    if "手机号" in changed:
        outbox.text_message(old, f"{what}{strange}", lasts=LASTS)
    PasswordReset.objects.filter(user=old, used_at=None).update(used_at=timezone.now())
    User.objects.filter(pk=old.pk).update(mobile=mobile, email=email)
    user.refresh_from_db(fields=["mobile", "email"])
    now = "，".join(filter(None, [masked_mobile(mobile), masked_email(email)]))
    notices.security_changed(user, f"{what}现在是：{now}。")
    return changed

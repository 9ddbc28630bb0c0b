"""个人信息处理告知 (《个人信息保护法》17、35 条): which version stands on the pages, and what it says of how long.

Whoever changes the text raises VERSION; which one a person had before them stands with their registration.
"""

from django.conf import settings
from django.utils import timezone

VERSION = "2026-11"


def acknowledged(payload) -> None:
    """Write down, before it is filed, what was told and when."""
    payload.notice_version, payload.notice_at = VERSION, timezone.now()


def periods() -> dict[str, str]:
    """How long each thing is kept, in words: from the settings that the purge obeys (config/forgetting.py)."""
    return {
        "people": _words(settings.FORGET_PEOPLE_AFTER.days),
        "messages": _words(settings.FORGET_MESSAGES_AFTER.days),
        "access": _words(max(settings.FORGET_ACCESS_AFTER.days, 183)),
    }


def _words(days: int) -> str:
    """1095 -> 三年, 400 -> 400 天."""
    years = {365: "一年", 730: "两年", 731: "两年", 1095: "三年", 1096: "三年", 1825: "五年", 3650: "十年"}
    return years.get(days, f"{days} 天")

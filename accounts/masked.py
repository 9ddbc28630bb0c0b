"""A person's name as others see it, and contacts as their owner sees them on a screen that others may see too."""


def masked_name(name: str | None) -> str:
    """A person's name as shown to others: 王晓妮 -> 王*妮, 孙立 -> 孙*; the owner sees it whole.

    At most three asterisks: a long name neither tells its length nor fills a line.
    """
    name = (name or "").strip()
    if len(name) < 2:
        return name
    if len(name) == 2:
        return name[0] + "*"
    return name[0] + "*" * min(3, len(name) - 2) + name[-1]


def masked_mobile(mobile: str) -> str:
    """+8613812345678 -> 138****5678; "" without a number."""
    digits = mobile.removeprefix("+86")
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) == 11 else ""


def masked_email(email: str) -> str:
    """wangxiaoni@example.org -> w***@example.org; "" without an address."""
    name, at, host = email.rpartition("@")
    return f"{name[:1]}***@{host}" if at else ""

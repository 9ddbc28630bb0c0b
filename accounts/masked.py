"""A person's name as others see it."""


def masked_name(name: str | None) -> str:
    """A person's name as shown to others: 王晓妮 -> 王*妮, 孙立 -> 孙*; the owner sees it whole.

    The dots and spaces of minority names count as characters, so a long name keeps its length hidden
    only as far as its ends show.
    """
    name = (name or "").strip()
    if len(name) < 2:
        return name
    if len(name) == 2:
        return name[0] + "*"
    return name[0] + "*" * (len(name) - 2) + name[-1]

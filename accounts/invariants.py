"""What must always be true of people, their roles and their sessions (trust.md 4.2). Floor 0."""

import random
from collections.abc import Iterable, Iterator

from accounts import second_factor
from accounts.consistency import counted, invariant
from accounts.crypto import SealBroken, open_sealed
from accounts.entrance import ACCOUNT, EPOCH
from accounts.id_number import HoldsIdNumber
from accounts.models import Authenticator, RoleAccount, Session

invariant(
    "I13",
    "一个证件号码只属于一个用户",
    "SELECT string_agg(id::text, ', ' ORDER BY id) AS 用户 FROM accounts_user GROUP BY id_index"
    " HAVING count(*) > 1 OR id_index = ''",
)
invariant(
    "I14",
    "一人只有一个专业技术人员角色",
    "SELECT user_id AS 用户, string_agg(id::text, ', ' ORDER BY id) AS 登录角色 FROM accounts_roleaccount"
    " WHERE role = 'practitioner' AND status <> 'closed' GROUP BY user_id HAVING count(*) > 1",
)
invariant(
    "I22",
    "同一件事对同一人只发一次消息",
    "SELECT user_id AS 用户, string_agg(id::text, ', ' ORDER BY id) AS 消息 FROM accounts_message"
    " GROUP BY user_id, key HAVING count(*) > 1",
)


@counted("I23", "登录会话的版本不高于其角色，且属于同一人")
def sessions_of_another_epoch() -> Iterator[str]:
    """An older epoch is the usual end of a session: dead at its next request. A higher one means that the account's
    went back, and whatever was ended may open again."""
    for some in _in_parts(Session.objects.filter(user__isnull=False).iterator(), 1000):
        told = {one.pk: one.get_decoded() for one in some}
        accounts = RoleAccount.objects.in_bulk({data.get(ACCOUNT) for data in told.values()} - {None})
        for one in some:
            account = accounts.get(told[one.pk].get(ACCOUNT))
            if account and (told[one.pk].get(EPOCH, 0) > account.epoch or account.user_id != one.user_id):
                yield f"登录角色 {account.pk}，用户 {one.user_id}"


@counted("I21", "每个加密的证件号码都能打开，且与索引和掩码相符", "open")
def numbers_that_do_not_open(sample: int | None) -> Iterator[str]:
    """Of every model that holds ID numbers, on whatever floor; and the keys of second factors."""
    for model in _holders(HoldsIdNumber):
        for row in _taken(model, sample):
            try:
                number = row.id_number
            except (SealBroken, ValueError):  # ValueError: no kind of document
                yield f"{model._meta.verbose_name} {row.pk}：打不开，或与索引不符"
                continue
            if (number.masked, number.last_four) != (row.id_masked, row.id_last4):
                yield f"{model._meta.verbose_name} {row.pk}：掩码或后四位不符"
    for row in _taken(Authenticator, sample):
        try:
            open_sealed(row.key_sealed, second_factor.PURPOSE)
        except SealBroken:
            yield f"两步验证 {row.pk}：打不开"


def _holders(base: type) -> Iterator[type]:
    for model in base.__subclasses__():
        yield from _holders(model) if model._meta.abstract else (model,)


def _taken(model, sample: int | None) -> Iterable:
    """All rows, or so many by chance."""
    rows = model._base_manager.order_by("pk")
    if sample is None:
        return rows.iterator()
    keys = list(rows.values_list("pk", flat=True))
    return rows.filter(pk__in=random.sample(keys, min(sample, len(keys)))).iterator()


def _in_parts(rows: Iterable, size: int) -> Iterator[list]:
    part = []
    for row in rows:
        part.append(row)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part

"""A database and its keys belong together: found out before anything is written with the wrong ones."""

from django.core.checks import Error, Tags, register
from django.db import DatabaseError

from accounts.crypto import SealBroken
from accounts.models import User

WRONG_KEYS = "这个数据库里的证件号码不是用现在的密钥加密的。"
HINT = "请用 CPE_KEYS_FILE 指明与该数据库一同保存的密钥文件（README“用别的 PostgreSQL”）。"


@register(Tags.database)
def keys_open_what_is_sealed(app_configs=None, databases=None, **kwargs) -> list[Error]:
    """Opens one ID number. `migrate` runs this; with foreign keys every known person would count as unknown."""
    if "default" not in (databases or ()):
        return []
    try:
        one = User.objects.order_by("-pk").first()
    except DatabaseError:  # nothing is migrated yet
        return []
    try:
        if one is not None:
            one.id_number.reveal()
    except SealBroken:
        return [Error(WRONG_KEYS, hint=HINT, id="accounts.E001")]
    return []

"""Every key that the data needs is in the keys' file: found out when the site is set up, not at somebody's first page."""

from collections.abc import Iterable

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from accounts.rotation import keys_used
from credits.models import Certificate
from credits.paper.signing import public_keys

HINT = "请从密钥的备份中找回该编号的密钥，放进密钥文件后重启（docs/operations.md“密钥”）。"


@register(Tags.database)
def keys_of_the_data_are_known(databases: Iterable[str] | None = None, **kwargs) -> list[CheckMessage]:
    """One error for each key id that some row names and the file lacks. Reads whole tables: seconds in a big database."""
    if "default" not in (databases or ()):
        return []
    try:
        seals, indexes = keys_used()
        signed = set(Certificate.objects.order_by().values_list("key_id", flat=True).distinct())
    except DatabaseError:  # nothing is migrated yet
        return []
    layers = {"", *(one["id"] for one in settings.INDEX_LAYERS)}
    missing = [("field_keys", "字段密钥", one) for one in sorted(seals - set(settings.FIELD_KEYS))]
    missing += [("index_layers", "索引密钥", one) for one in sorted(indexes - layers)]
    missing += [("verifying_keys", "证书签名密钥", one) for one in sorted(signed - set(public_keys()))]
    found: list[CheckMessage] = [
        Error(f"数据里用到的{label} {one} 不在密钥文件的 {place} 里。", hint=HINT, id="cpe.E001")
        for place, label, one in missing
    ]
    newest = settings.INDEX_LAYERS[-1]["suite"] if settings.INDEX_LAYERS else settings.INDEX_SUITE
    if newest != settings.CRYPTO_SUITE:
        found.append(
            Warning(
                f"CPE_CRYPTO_SUITE 是 {settings.CRYPTO_SUITE}，而索引密钥还是 {newest}。",
                hint="运行 manage.py rotate_keys --new，按提示换过去。",
                id="cpe.W003",
            )
        )
    return found

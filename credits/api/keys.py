"""接口密钥 of a provider: made by a super admin, shown once, revoked at once."""

import secrets

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from accounts import crypto
from accounts.refused import Refused
from credits.intake.asking import kept_by
from credits.models import Provider, ProviderKey
from orgs.actor import Actor, hold_right

PURPOSE = "provider-key"
MOST_KEYS = 5  # that are valid at the same time: two are enough to change one for another


def may_make_keys(actor: Actor, provider: Provider) -> bool:
    """Super admins among those who keep the provider: a key writes hours without anybody looking."""
    return actor.is_super and kept_by(actor).filter(pk=provider.pk).exists()


@transaction.atomic
def make(provider: Provider, *, by: Actor) -> tuple[ProviderKey, str]:
    """A new key and its secret, which is kept sealed and never shown again. Raises PermissionDenied, Refused."""
    hold_right(by)
    if not may_make_keys(by, provider):
        raise PermissionDenied
    locked = Provider.objects.select_for_update(of=("self",), no_key=True).get(pk=provider.pk)
    if locked.keys.filter(revoked_at=None).count() >= MOST_KEYS:
        raise Refused(f"每个平台最多有 {MOST_KEYS} 个有效密钥，请先停用不再使用的。")
    secret = secrets.token_urlsafe(32)
    key = ProviderKey.objects.create(
        provider=locked,
        key_id=f"CPE-{secrets.token_hex(8)}",
        secret=crypto.seal(secret, PURPOSE),
        created_by=by.user,
    )
    return key, secret


@transaction.atomic
def revoke(key: ProviderKey, *, by: Actor) -> None:
    """The key opens nothing from the next request on. Raises PermissionDenied, Refused."""
    hold_right(by)
    if not may_make_keys(by, key.provider):
        raise PermissionDenied
    valid = ProviderKey.objects.filter(pk=key.pk, revoked_at=None)
    if not valid.update(revoked_at=timezone.now(), revoked_by=by.user):
        raise Refused("这个密钥已经停用。")


def secret_of(key: ProviderKey) -> str:
    """Raises crypto.SealBroken when it was sealed with a key that is gone."""
    return crypto.open_sealed(key.secret, PURPOSE)

"""Replace the key that signs certificates; what earlier keys signed stays valid."""

import secrets

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.keys import change_keys, keys_file
from credits.paper.signing import public_half, read_public_key


class Command(BaseCommand):
    help = "换一把证书签名密钥。原密钥只保留公钥，以前签发的证书仍可查验。完成后请重启各服务进程，并重新公布公钥。"

    def handle(self, **options):
        seed = secrets.token_hex(32)

        def change(kept: dict) -> dict:
            before = [public_half(kept["signing_key"])] if kept.get("signing_key") else []
            return kept | {
                "signing_key": seed,
                "verifying_keys": [*before, *kept.get("verifying_keys", [])],
            }

        try:
            change_keys(keys_file(settings.DATA_DIR), change)
        except OSError as error:
            raise CommandError(f"密钥文件写不进去：{error.strerror}。请检查它所在文件夹的权限。") from error
        key_id, pem = read_public_key(public_half(seed))
        self.stdout.write(f"新密钥：{key_id}。请重启各服务进程，并公布以下公钥：\n{pem}")

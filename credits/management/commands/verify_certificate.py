"""Check a certificate's PDF without network or database, with nothing but the platform's public key.

    python manage.py verify_certificate FILE.pdf --key PUBLIC.pem

Exit code 0: every byte is as it was issued. 1: altered, or not signed by this key. It cannot tell whether the
certificate was revoked since: only the page at 验证地址 can.

With openssl (3.0 or newer) and GNU coreutils alone:

    head -n -1 FILE.pdf > body.pdf
    tail -n 1 FILE.pdf | cut -d' ' -f4 | openssl base64 -d -A > body.sig
    openssl pkeyutl -verify -pubin -inkey PUBLIC.pem -rawin -in body.pdf -sigfile body.sig

`Signature Verified Successfully` means the same as exit code 0. The last line of the file is
`%CPE-SIGNATURE 1 KEY-ID BASE64`; what is signed (Ed25519) are all bytes before it.
"""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from credits.paper.sealing import State, examine
from credits.paper.signing import read_public_key

SENTENCES = {
    State.ALTERED: "文件已被改动，不能作为证书使用。请持证人重新下载，或在验证地址核对。",
    State.NOT_OURS: "文件没有用所给公钥可以核对的签名。请核对公钥是否为该平台公布的公钥；换过密钥的，用 --key 逐个给出。",
}


class Command(BaseCommand):
    help = "离线核对证书 PDF 是否被改动：只用公钥，不联网，不连数据库。"
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, help="证书 PDF")
        parser.add_argument(
            "--key", type=Path, required=True, action="append", help="公钥文件（PEM）；可以给出多个"
        )

    def handle(self, *, file: Path, key: list[Path], **options):
        try:
            keys = dict(read_public_key(path.read_text()) for path in key)
            pdf = file.read_bytes()
        except OSError as error:
            raise CommandError(f"读不到文件 {error.filename}：{error.strerror}") from error
        except ValueError as error:
            raise CommandError("--key 给出的不是 Ed25519 公钥（PEM）。请使用平台公布的公钥文件。") from error
        verdict = examine(pdf, keys)
        if not verdict.intact:
            raise CommandError(SENTENCES[verdict.state])
        self.stdout.write(
            f"文件完好，与签发时一致（密钥 {verdict.key_id}）。是否已被撤销，请在验证地址核对。"
        )

"""电子证书查验: what anybody may learn who holds a certificate's number and its verification code (trust.md §3.11).

What is shown comes from the stored content, checked against its signature each time, and is masked more than the
paper is. How often a certificate was looked at is counted by day; who looked is not kept.
"""

import logging
import re
from dataclasses import dataclass

from django.db import connection

from accounts.masked import masked_name
from credits.models import Certificate, CertificateState
from credits.paper.content import ContentRefused, canonical, read_code, read_number, restored
from credits.paper.sealing import Verdict, examine
from credits.paper.signing import Signature, public_keys, verify
from credits.years import today
from workflow.wording import letter_date

logger = logging.getLogger(__name__)

TAGS = {
    CertificateState.VALID: ("ok", "有效"),
    CertificateState.CHANGED: ("back", "学时已变更"),
    CertificateState.REVOKED: ("back", "已撤销"),
    CertificateState.REPLACED: ("draft", "已换发"),
}
BROKEN = ("back", "验证未通过")
# What a sealed file of ours carries in its links (credits.paper.content.verification_address).
_LINK = re.compile(rb"number=([A-Z0-9-]{12,40})&code=([2-9A-HJ-NP-Z]{12})\b")
MOST_IN_A_FILE = 20


@dataclass(frozen=True)
class Shown:
    """One certificate as the public sees it. `rows` is empty where the content did not fit its signature."""

    number: str
    year: int
    tag: tuple[str, str]
    sentence: str
    rows: list[dict]
    lines: tuple = ()

    @property
    def genuine(self) -> bool:
        return bool(self.rows)


def look_up(number: str, code: str) -> Shown | None:
    """The certificate with this number and this code, however they were typed; None when there is none such.

    One query that knows no difference between a wrong number and a wrong code; two more only for who has both.
    """
    number, code = read_number(number), read_code(code)
    if not (number and code):
        return None
    pk = Certificate.objects.filter(number=number, code=code).values_list("pk", flat=True).first()
    if pk is None:
        return None
    found = Certificate.objects.with_state().get(pk=pk)
    shown = show(found)
    _count(found, failed=not shown.genuine)
    return shown


def show(certificate: Certificate) -> Shown:
    """Masked, with what its state means in a sentence. `certificate` has its state (`with_state`)."""
    if not is_genuine(certificate):
        logger.error("certificate %s: what is stored does not fit its signature", certificate.number)
        sentence = "平台保存的证书内容与签发时的数字签名不一致，不能作为证书使用。情况已记录，请向签发的人社部门核实。"
        return Shown(certificate.number, certificate.year, BROKEN, sentence, [])
    content = restored(certificate.content)
    rows = [
        ("姓名", masked_name(content.name)),
        ("证件号码", masked_twice(content.id_number_masked)),
        ("工作单位", content.unit),
        ("年度", f"{content.year} 年"),
        # Why (maternity, illness) is nobody's business but the reader's of the paper.
        ("减免", "按规定减免了部分学时" if content.relief else ""),
        ("依据", content.basis),
        ("签发", f"{content.issuer}，{letter_date(content.issued_on)}"),
    ]
    return Shown(
        certificate.number,
        certificate.year,
        TAGS[certificate.state],
        _sentence(certificate),
        [{"label": label, "value": value} for label, value in rows if value],
        content.lines,
    )


def is_genuine(certificate: Certificate) -> bool:
    """Whether every character is as it was signed, and stands in the row that it belongs to."""
    try:
        content = restored(certificate.content)
    except ContentRefused:
        return False
    signature = Signature(certificate.key_id, bytes(certificate.signature))
    same_row = (content.number, content.year) == (certificate.number, certificate.year)
    return same_row and verify(canonical(content), signature, public_keys())


def examine_file(pdf: bytes) -> tuple[Verdict, list[Shown]]:
    """What the signature says of a PDF, and for an intact one of ours where its certificates stand today.

    Which these are is read from the file's own links; a file that was made without an address has none.
    """
    verdict = examine(pdf, public_keys())
    if not verdict.intact:
        return verdict, []
    pairs = dict.fromkeys(_LINK.findall(pdf))
    found = [look_up(number.decode(), code.decode()) for number, code in list(pairs)[:MOST_IN_A_FILE]]
    return verdict, [one for one in found if one]


def masked_twice(masked: str) -> str:
    """3709**********2233 → 3****************3: nothing but the first and the last character."""
    return masked[0] + "*" * (len(masked) - 2) + masked[-1] if len(masked) > 2 else masked


def _sentence(certificate: Certificate) -> str:
    day = letter_date(certificate.state_at)
    return {
        CertificateState.VALID: "证书有效。请逐项核对以下内容与所持证书是否一致，不一致的，所持证书不是平台签发的原件。",
        CertificateState.CHANGED: f"{day}起，持证人该年度的学时与证书所载不同，本证书不再作为学时证明。以下是签发时的内容。",
        CertificateState.REVOKED: f"{day}由人社部门撤销，不能再使用。以下是签发时的内容。",
        CertificateState.REPLACED: f"{day}换发了新证书，请持证人出示新证书。以下是签发时的内容。",
    }[certificate.state]


def _count(certificate: Certificate, failed: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO credits_certificatecheck AS checks (certificate_id, day, count, failed)
               VALUES (%s, %s, 1, %s) ON CONFLICT (certificate_id, day) DO UPDATE
                  SET count = checks.count + 1, failed = checks.failed + excluded.failed""",
            [certificate.pk, today(), int(failed)],
        )

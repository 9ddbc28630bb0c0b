"""A certificate's PDF and the bundle for 职称申报: made anew each time, signed so that a changed byte shows."""

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.refused import Refused
from credits.filing import YearRow
from credits.models import Certificate
from credits.paper.content import restored
from credits.paper.pdf import Row, Signed, bundle_pdf, certificate_pdf
from credits.paper.sealing import sealed
from credits.paper.signing import Signature
from credits.verifying import is_genuine
from orgs.models import Practitioner
from workflow.wording import hours as shown
from workflow.wording import shown_date


def certificate_file(certificate: Certificate) -> bytes:
    """One sheet, whatever became of it since: its page of verification says that. Refused when it was tampered with."""
    one = _signed(certificate)
    return sealed(certificate_pdf(one.content, one.code, one.signature, one.verify_url))


def bundle_file(person: Practitioner, rows: list[YearRow], filing_year: int) -> bytes:
    """A cover that lists the years and what is missing, then the valid certificates, oldest first."""
    facts = [
        ("姓名", person.user.name),
        ("证件号码", person.user.id_masked),
        ("工作单位", person.employer.name),
        ("现职称", person.title or "无"),
        ("取得时间", shown_date(person.title_awarded_on)),
        ("申报年度", f"{filing_year} 年"),
    ]
    oldest_first = rows[::-1]
    cover = [
        Row(
            row.year,
            shown(row.standing.total_earned),
            row.certificate.number if row.valid else "",
            row.state,
        )
        for row in oldest_first
    ]
    certificates = [_signed(row.certificate) for row in oldest_first if row.valid]
    return sealed(bundle_pdf("继续教育年度汇总", facts, cover, certificates, timezone.localdate()))


def verify_address() -> str:
    """The public page's whole address; "" while the platform does not know its own (CPE_URL)."""
    return settings.SITE["url"] + reverse("credits:verify") if settings.SITE["url"] else ""


def _signed(certificate: Certificate) -> Signed:
    if not is_genuine(certificate):
        raise Refused(f"证书 {certificate.number} 的内容与数字签名不一致，不能打印，请联系签发的人社部门。")
    return Signed(
        restored(certificate.content),
        certificate.code,
        Signature(certificate.key_id, bytes(certificate.signature)),
        verify_address(),
    )

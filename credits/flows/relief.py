"""减免申请: who signs that a year asks less of a person, and what that changes."""

from django.urls import reverse

from credits import ledger
from credits.flows.declaring import verifiers
from credits.models import Certificate, CertificateState, ReliefRequest, WindowKind
from credits.required import rules_of
from credits.rules.months import months_in_year
from credits.rules.shapes import Relief
from credits.windows import check_open, closed_for
from orgs.models import Duty, Practitioner, Status
from workflow.flow import Flow, Refused, Stop, register
from workflow.models import State
from workflow.wording import shown_date


@register
class HoursRelief(Flow):
    kind = "hours-relief"
    label = "学时减免"
    duty = Duty.HOURS
    payload = ReliefRequest
    template = "credits/relief_content.html"

    def subject(self, request):
        return request.practitioner

    def summary(self, request):
        months = f"，{request.months} 个月" if request.months else ""
        return f"{request.year} 年度学时减免：{request.name}{months}"

    def check(self, request, practitioner, by):
        if practitioner.status != Status.ACTIVE:
            raise Refused("注册审核通过后才能申请减免。")
        relief = rules_of(practitioner, [request.year])[request.year].reliefs.get(request.code)
        if relief is None:
            raise Refused(f"{request.year} 年度的规则没有这一类减免，请重新选择。")
        _check_months(request, relief)
        check_not_twice(request, practitioner)
        check_open(practitioner, request.year, WindowKind.DECLARE)

    def route(self, request, practitioner, by):
        employer = practitioner.employer
        return [Stop(1, "用人单位审核", employer), *verifiers(employer, after=1)]

    def check_decision(self, application, step):
        check_open(application.practitioner, application.reliefrequest.year, WindowKind.REVIEW)

    def refusals(self, applications):
        return closed_for(
            {one.pk: (one.practitioner.path, one.reliefrequest.year) for one in applications},
            WindowKind.REVIEW,
        )

    def approved(self, request):
        # Meanwhile a certificate may have been issued; who decides reads why, and can only reject.
        check_not_twice(request, request.application.practitioner)
        ledger.relieve(request)

    def again_url(self, request):
        return reverse("credits:relief") + f"?again={request.pk}"


def months_asked(request: ReliefRequest, relief: Relief) -> int | None:
    """What a request comes to: months where the kind reduces by months, else None."""
    if relief.effect != "months":
        return None
    return months_in_year(request.started_on, request.ended_on, request.year)


def _check_months(request: ReliefRequest, relief: Relief) -> None:
    if not request.started_on.year <= request.year <= request.ended_on.year:
        raise Refused(f"起止日期不在 {request.year} 年，请核对年度和日期。")
    months = months_asked(request, relief)
    if months == 0:
        raise Refused(f"{request.year} 年内不足半个月，不能减免。")
    if request.months != months:
        raise Refused("减免月数与起止日期不符，请重新核对后提交。")


def check_not_twice(request: ReliefRequest, practitioner: Practitioner) -> None:
    """Refused when the year has been certified, was relieved altogether, or the same days were counted before.

    Several absences of a year add up: two kinds, or one kind twice, on different days.
    """
    valid = Certificate.objects.filter(practitioner=practitioner, year=request.year)
    if valid.in_state(CertificateState.VALID).exists():
        raise Refused(f"{request.year} 年度的继续教育证书已经签发，不用再减免。")
    reliefs = rules_of(practitioner, [request.year])[request.year].reliefs
    granted = practitioner.reliefs.filter(year=request.year, application__state=State.APPROVED)
    for one in granted.exclude(pk=request.pk).order_by("pk"):
        rule = reliefs.get(one.code)
        if rule and rule.effect == "exempt":
            raise Refused(f"{request.year} 年度已经按“{one.name}”全部免除，不用再申请。")
        if one.code == request.code and one.months is None:
            raise Refused(f"{request.year} 年度已经按“{one.name}”减免过了，不用再次申请。")
        if one.started_on <= request.ended_on and request.started_on <= one.ended_on:
            days = f"{shown_date(one.started_on)} ～ {shown_date(one.ended_on)}"
            raise Refused(f"与已批准的“{one.name}”（{days}）日期重叠，请只填没有减免过的日期。")

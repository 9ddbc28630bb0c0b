"""减免申请: who signs that a year asks less of a person, and what that changes."""

from django.urls import reverse

from credits import ledger
from credits.flows.declaring import verifiers
from credits.models import ReliefRequest, WindowKind
from credits.required import rules_of
from credits.windows import check_open
from orgs.models import Duty, Status
from workflow.flow import Flow, Refused, Stop, register


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
        if request.code not in rules_of(practitioner, [request.year])[request.year].reliefs:
            raise Refused(f"{request.year} 年度的规则没有这一类减免，请重新选择。")
        if practitioner.reliefs.filter(
            year=request.year, code=request.code, application__state="approved"
        ).exists():
            raise Refused(f"{request.year} 年度已经按“{request.name}”减免过了，不用再次申请。")
        check_open(practitioner, request.year, WindowKind.DECLARE)

    def route(self, request, practitioner, by):
        employer = practitioner.employer
        return [Stop(1, "用人单位审核", employer), *verifiers(employer, after=1)]

    def check_decision(self, application, step):
        check_open(application.practitioner, application.reliefrequest.year, WindowKind.REVIEW)

    def approved(self, request):
        ledger.relieve(request)

    def again_url(self, request):
        return reverse("credits:relief") + f"?again={request.pk}"

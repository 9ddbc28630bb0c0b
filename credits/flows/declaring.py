"""Declared hours: when they may be filed, who signs, what approval causes (FAQ 14 and 19)."""

from django.conf import settings
from django.urls import reverse

from credits import ledger
from credits.deadlines import review_closed
from credits.doubts import doubts_of
from credits.forms.deciding import HoursApproveForm
from credits.lowering import lower
from credits.models import Declaration, Subject, WindowKind
from credits.reckoning import settle
from credits.windows import check_open, closed_for
from orgs.models import Duty, Kind, Status
from orgs.tree import chain_above
from workflow.flow import Flow, Refused, Stop, register
from workflow.wording import hours

SHORT = {Subject.PUBLIC: "公需", Subject.PROFESSIONAL: "专业", Subject.ELECTIVE: "选修"}


@register
class HoursDeclaration(Flow):
    kind = "hours-declaration"
    label = "学时申报"
    duty = Duty.HOURS
    payload = Declaration
    exclusive = False
    template = "credits/declaration_content.html"
    bulk = True
    approve_form = HoursApproveForm

    def subject(self, declaration):
        return declaration.practitioner

    def summary(self, declaration):
        facts = f"（{SHORT.get(declaration.subject, '')} {hours(declaration.hours)} 学时）"
        return f"{declaration.kind.name}：{declaration.title}"[: 200 - len(facts)] + facts

    def check(self, declaration, practitioner, by):
        if practitioner.status != Status.ACTIVE:
            raise Refused("注册审核通过后才能申报学时。")
        if declaration.year < settings.FIRST_DECLARABLE_YEAR:
            raise Refused(f"{settings.FIRST_DECLARABLE_YEAR} 年以前的学时由平台统一导入，不用申报。")
        check_open(practitioner, declaration.year, WindowKind.DECLARE)
        # The rules or the year may have changed since the person saw the account: what is filed is reckoned here,
        # while the person's row is locked, and never again.
        settle(declaration, practitioner)

    def route(self, declaration, practitioner, by):
        employer = practitioner.employer
        filed = declaration.unit_declaration
        # What the unit filed for its people it has signed already; the person's confirmation is what files it.
        by_unit = filed is not None and filed.organization_id == employer.pk
        stops = [
            Stop(1, "用人单位审核", employer, granted=by_unit, granted_by=filed.by if by_unit else None),
        ]
        return stops + verifiers(employer, after=1)

    def check_decision(self, application, step):
        check_open(application.practitioner, application.declaration.year, WindowKind.REVIEW)

    def refusals(self, applications):
        return closed_for(
            {one.pk: (one.practitioner.path, one.declaration.year) for one in applications}, WindowKind.REVIEW
        )

    def notices(self, actor):
        return review_closed(actor)

    def warnings(self, applications):
        for one in applications:
            one.declaration.practitioner = one.practitioner
        return doubts_of(one.declaration for one in applications)

    def signed(self, application, step, hours=None):
        if hours is not None:
            lower(application.declaration, step, hours)

    def approved(self, declaration):
        ledger.grant(declaration)

    def approved_many(self, declarations):
        ledger.grant_many(declarations)

    def again_url(self, declaration):
        return reverse("credits:declare") + f"?again={declaration.pk}"


def verifiers(employer, after: int) -> list[Stop]:
    """Decision 3: the nearest authority above, if any, and the nearest bureau. A parent employer does not sign."""
    above = chain_above(employer)
    stops = []
    for kind, title in ((Kind.AUTHORITY, "主管部门审验"), (Kind.BUREAU, "人社部门审验")):
        nearest = next((one for one in reversed(above) if one.kind == kind), None)
        if nearest:
            stops.append(Stop(after + len(stops) + 1, title, nearest))
    return stops

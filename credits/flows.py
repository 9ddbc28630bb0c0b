"""Declared hours: when they may be filed, who signs, what approval causes (FAQ 14 and 19)."""

from django.conf import settings
from django.urls import reverse

from credits import ledger
from credits.models import Declaration, Subject
from credits.years import current_year
from orgs.models import Duty, Kind, Status
from orgs.tree import chain_above
from workflow.flow import Flow, Refused, Stop, register
from workflow.wording import hours

_SHORT = {Subject.PUBLIC: "公需", Subject.PROFESSIONAL: "专业"}


@register
class HoursDeclaration(Flow):
    kind = "hours-declaration"
    label = "学时申报"
    duty = Duty.HOURS
    payload = Declaration
    exclusive = False
    template = "credits/declaration_content.html"

    def subject(self, declaration):
        return declaration.practitioner

    def summary(self, declaration):
        subject = _SHORT[Subject(declaration.subject)]
        facts = f"（{subject} {hours(declaration.hours)} 学时）"
        return f"{declaration.kind.name}：{declaration.title}"[: 200 - len(facts)] + facts

    def check(self, declaration, practitioner, by):
        if practitioner.status != Status.ACTIVE:
            raise Refused("注册审核通过后才能申报学时。")
        if declaration.year < settings.FIRST_DECLARABLE_YEAR:
            raise Refused(f"{settings.FIRST_DECLARABLE_YEAR} 年以前的学时由平台统一导入，不用申报。")
        if declaration.year > current_year():
            raise Refused(f"{declaration.year} 年度还没有开始，活动结束后再申报。")

    def route(self, declaration, practitioner, by):
        employer = practitioner.employer
        above = chain_above(employer)
        stops = [Stop(1, "用人单位审核", employer)]
        # Decision 3: a parent employer does not sign for its sub-unit.
        for kind, title in ((Kind.AUTHORITY, "主管部门审验"), (Kind.BUREAU, "人社部门审验")):
            nearest = next((one for one in reversed(above) if one.kind == kind), None)
            if nearest:
                stops.append(Stop(len(stops) + 1, title, nearest))
        return stops

    def approved(self, declaration):
        ledger.grant(declaration)

    def again_url(self, declaration):
        return reverse("credits:declare") + f"?again={declaration.pk}"

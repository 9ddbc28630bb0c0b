"""更换为统一社会信用代码: a unit that got its real code (F-94)."""

from django.db import IntegrityError, transaction
from django.urls import reverse

from orgs import uscc
from orgs.models import Duty, Status
from registration import temporary_code
from registration.enrol import already_taken, taken_by
from registration.flows.entering import STOP_TITLES
from registration.models import CodeReplacement
from workflow.flow import Flow, Refused, Stop, register


@register
class CodeReplacementFlow(Flow):
    """Signed by the superior, who also compared the unit's certificate at the registration (F-90)."""

    kind = "code-replacement"
    label = "更换为统一社会信用代码"
    duty = Duty.CHANGES
    payload = CodeReplacement
    template = "registration/code_replacement_content.html"

    def subject(self, replacement):
        return replacement.organization

    def check(self, replacement, organization, by):
        if not by.is_super:
            raise Refused("更换代码只能由本单位的超级管理员申请。")
        if organization.status != Status.ACTIVE or not uscc.is_temporary(organization.uscc):
            raise Refused("本单位用的不是临时代码，不用更换。")
        replacement.old_code = organization.uscc
        self._free(replacement, organization)

    def route(self, replacement, organization, by):
        return [Stop(1, STOP_TITLES[organization.superior.kind], organization.superior)]

    def approved(self, replacement):
        organization = replacement.application.organization
        self._free(replacement, organization)
        temporary_code.replace(organization, replacement.new_code)
        organization.uscc = replacement.new_code
        try:
            with transaction.atomic():
                organization.save(update_fields=["uscc"])
        except IntegrityError as error:
            if "organization_uscc_once_per_kind" not in str(error):
                raise
            raise Refused("该统一社会信用代码刚刚已由另一单位使用，请核对。") from error

    def again_url(self, replacement):
        return reverse("registration:replace_code") + f"?again={replacement.pk}"

    @staticmethod
    def _free(replacement, organization):
        taken = taken_by(organization.kind, replacement.new_code)
        if taken:
            raise Refused(already_taken(taken))

"""Changes of a person's own data that somebody has to agree to: the title (F-80), name and number (F-82 … F-86)."""

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import RoleAccount, User
from accounts.querysets import keep_unique
from orgs.arrivals import arrived
from orgs.models import Duty, Practitioner, Status
from orgs.tree import platform
from registration import letters, working_days
from registration.models import IdentityCorrection, TitleChange
from registration.models.changing import TITLE
from workflow.flow import Flow, Refused, Stop, payload_of, register
from workflow.models import State
from workflow.wording import letter_date

NUMBER_TAKEN = "这个证件号码已有账号，不能再更正为它。如果那个账号也是您本人的，请拨打平台技术支持电话。"


@register
class TitleChangeFlow(Flow):
    """职称变更 → 用人单位 (F-80, F-152). Until it agrees the old title is valid (F-81)."""

    kind = "title-change"
    label = "职称变更"
    duty = Duty.CHANGES
    payload = TitleChange
    template = "registration/title_change_content.html"

    def subject(self, change):
        return change.practitioner

    def summary(self, change):
        old, new = change.old_title or "无", change.title or "无"
        return f"{self.label}：{old} → {new}" if old != new else f"{self.label}：{new}"

    def check(self, change, practitioner, by):
        if by.practitioner is None:
            raise PermissionDenied
        if practitioner.status != Status.ACTIVE:
            raise Refused("注册审核通过后才能变更职称。")
        change.take_old(practitioner)
        if not change.differs:
            raise Refused("职称信息没有改动，不用提交。")

    def route(self, change, practitioner, by):
        return [Stop(1, "用人单位审核", practitioner.employer)]

    def approved(self, change):
        practitioner = change.application.practitioner
        for name in TITLE:
            setattr(practitioner, name, getattr(change, name))
        practitioner.save(update_fields=TITLE)

    def again_url(self, change):
        return reverse("registration:own_data") + f"?again={change.pk}"


@register
class IdentityCorrectionFlow(Flow):
    """更正姓名或身份证号 → 平台 (F-83, F-154), within three working days (F-85).

    Seen by nobody but the person and the platform: what proves a name is not the unit's business.
    """

    kind = "identity-correction"
    label = "更正姓名或身份证号"
    duty = Duty.CHANGES
    payload = IdentityCorrection
    exclusive = False  # one at a time per person, whatever their roles: see check
    confidential = True
    template = "registration/correction_content.html"

    def subject(self, correction):
        return correction.practitioner or correction.organization

    def person(self, correction, subject, by):
        return by.user

    def check(self, correction, subject, by):
        if subject.status != Status.ACTIVE or correction.user != by.user:
            raise PermissionDenied
        user = User.objects.select_for_update(no_key=True).get(pk=by.user.pk)
        if user.corrections.filter(application__state=State.PENDING).exists():
            raise Refused("您已有一件更正在核实中，办结或撤回后才能再次提交。")
        correction.take_old(user)
        self._still_needed(correction, user)

    def route(self, correction, subject, by):
        return [Stop(1, "平台核实", platform())]

    def warnings(self, applications):
        # Two queries for each: one platform has them all, a few a day.
        found = {one.pk: payload_of(one).doubts for one in applications}
        return {pk: doubts for pk, doubts in found.items() if doubts}

    def promise(self, since):
        due = working_days.due(timezone.localdate(since))
        sure = "" if due.certain else "（放假安排尚未公布，暂按周一至周五计算）"
        return f"承诺 1–3 个工作日内办结，最迟 {letter_date(due.day)}{sure}"

    def approved(self, correction):
        user = User.objects.select_for_update(no_key=True).get(pk=correction.user_id)
        self._still_needed(correction, user)
        number, before = correction.new_number, user.id_index
        user.name = correction.new_name
        if number:
            user.set_id_number(number)
        try:
            with transaction.atomic():
                if number and before not in number.indexes:
                    keep_unique(number)
                user.save(update_fields=["name", "id_kind", "id_index", "id_sealed", "id_last4", "id_masked"])
        except IntegrityError as error:
            if "user_id_number_once" not in str(error):
                raise
            raise Refused(NUMBER_TAKEN) from error
        RoleAccount.objects.filter(user=user).end_sessions()
        # What was reported under the right name and number waits for it; the person may be here as an admin as well.
        for practitioner in Practitioner.objects.select_for_update(no_key=True).filter(user=user):
            arrived(practitioner)
        letters.corrected(user, number=number is not None)

    def again_url(self, correction):
        return reverse("registration:correction") + f"?again={correction.pk}"

    @staticmethod
    def _still_needed(correction, user):
        number = correction.new_number
        if number and user.id_index not in number.indexes:
            if User.objects.by_id_number(number).exists():
                raise Refused(NUMBER_TAKEN)
        elif correction.new_name == user.name:
            raise Refused("姓名和证件号码都没有改动，不用提交。")

"""What a reviewer of hours may find beside the signature."""

from credits.forms.fields import WrittenHoursField
from credits.lowering import LEAST_HOURS
from workflow.forms import ApproveForm
from workflow.wording import hours as shown


class HoursApproveForm(ApproveForm):
    """The remark, and the hours recognised: the declared ones unless the reviewer lowers them, with a reason."""

    hours = WrittenHoursField(label="认定学时", name="认定学时", required=False, least=LEAST_HOURS)

    field_order = ["hours", "comment"]

    def __init__(self, *args, payload, **kwargs):
        super().__init__(*args, payload=payload, **kwargs)
        self.now = payload.recognised
        self.fields[
            "hours"
        ].help_text = f"不改即按 {shown(self.now)} 学时认定；只能调低，并在审核意见里写明理由。"
        self.initial["hours"] = shown(self.now)

    def clean(self):
        cleaned = super().clean()
        found = cleaned.get("hours")
        if found is None and "hours" not in self.errors:
            cleaned["hours"] = found = self.now
        if found is not None and found > self.now:
            self.add_error("hours", f"认定学时不能高于 {shown(self.now)} 学时")
        elif found is not None and found < self.now and not cleaned.get("comment", "").strip():
            self.add_error("comment", "调低学时请写明理由，申请人会原样看到")
        return cleaned

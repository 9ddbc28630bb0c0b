"""What a decision asks for."""

from django import forms

from orgs.models import Duty

# The usual sentences of a rejection: those that fit every matter, and those of one duty.
REASONS = [
    "证明材料不清晰或不完整，请补充后重新提交",
    "填写的内容与证明材料不一致",
]
REASONS_OF = {
    Duty.REGISTRATIONS: ["不属于本单位审核范围，请核对所选单位", "单位名称与核准名称不一致"],
    Duty.HOURS: [
        "不符合学时认定标准",
        "与已申报的学时重复",
        "已由学习平台导入，不用申报",
        "应附材料不齐，请按申报形式补齐",
        "证明材料上没有本人姓名、时间或学时",
        "活动时间与计入年度不符",
    ],
}
# What stays in a step's comment holds 500; a chosen reason goes in front of one's own words.
OWN_WORDS = 400


class ApproveForm(forms.Form):
    comment = forms.CharField(
        label="审核意见",
        required=False,
        max_length=OWN_WORDS,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="可不填。申请人会原样看到。",
        error_messages={"max_length": f"审核意见请写在 {OWN_WORDS} 字以内。"},
    )
    error_title = "这次没有通过成功"

    def __init__(self, *args, payload=None, **kwargs):
        """`payload` is what is being decided; a kind's own form (Flow.approve_form) asks about it."""
        super().__init__(*args, **kwargs)


class RejectForm(forms.Form):
    """A rejection needs a reason: one of the usual sentences, own words, or both (F-53, F-103)."""

    reason = forms.ChoiceField(
        label="常用理由",
        required=False,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": "请从常用理由中选择一条，或在补充说明中写明理由。"},
    )
    comment = forms.CharField(
        label="补充说明",
        required=False,
        max_length=OWN_WORDS,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="缺什么、怎么改，申请人会原样看到。",
        error_messages={"max_length": f"补充说明请写在 {OWN_WORDS} 字以内。"},
    )

    def __init__(self, *args, duty: str, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["reason"].choices = [(text, text) for text in [*REASONS, *REASONS_OF.get(duty, [])]]

    def clean(self):
        cleaned = super().clean()
        parts = [cleaned.get("reason"), (cleaned.get("comment") or "").strip()]
        cleaned["comment"] = "；".join(part for part in parts if part)
        if not cleaned["comment"] and not self.errors:
            self.add_error("comment", "请选择一条常用理由，或写明驳回理由。")
        return cleaned


class InboxFilter(forms.Form):
    duty = forms.CharField(required=False, widget=forms.HiddenInput)
    name = forms.CharField(label="姓名或单位名称", required=False, max_length=50)

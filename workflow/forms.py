"""What a decision asks for."""

from django import forms

REASONS = [
    "证明材料不清晰或不完整，请补充后重新提交",
    "填写的内容与证明材料不一致",
    "不属于本单位审核范围，请核对所选单位",
    "单位名称与核准名称不一致",
]


class ApproveForm(forms.Form):
    comment = forms.CharField(label="审核意见", required=False, max_length=500, help_text="可不填。申请人会看到。")


class RejectForm(forms.Form):
    """A rejection needs a reason: one of the usual sentences, own words, or both (F-53, F-103)."""

    reason = forms.ChoiceField(
        label="常用理由",
        required=False,
        choices=[(text, text) for text in REASONS],
        widget=forms.RadioSelect,
    )
    comment = forms.CharField(
        label="补充说明",
        required=False,
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="请写清楚缺什么、怎么改，申请人会原样看到。",
    )

    def clean(self):
        cleaned = super().clean()
        parts = [cleaned.get("reason"), (cleaned.get("comment") or "").strip()]
        cleaned["comment"] = "；".join(part for part in parts if part)
        if not cleaned["comment"] and "comment" not in self.errors:
            self.add_error("comment", "请选择一条常用理由，或写明驳回理由。")
        return cleaned


class ConfirmForm(forms.Form):
    """A button that asks once more and has no field."""

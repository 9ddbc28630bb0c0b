"""Why granted hours are taken back: one of the usual sentences, own words, or both."""

from django import forms

REASONS = [
    "证明材料不实",
    "与其他申报重复计算",
    "不符合学时认定标准",
    "计入的年度或科目有误",
]
OWN_WORDS = 250  # with a usual sentence in front, what the ledger holds


class TakeBackForm(forms.Form):
    reason = forms.ChoiceField(
        label="常用理由",
        required=False,
        choices=[(text, text) for text in REASONS],
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": "请从常用理由中选择一条，或在补充说明中写明理由。"},
    )
    comment = forms.CharField(
        label="补充说明",
        required=False,
        max_length=OWN_WORDS,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="申报人会原样看到。",
        error_messages={"max_length": f"补充说明请写在 {OWN_WORDS} 字以内。"},
    )

    def clean(self):
        cleaned = super().clean()
        parts = [cleaned.get("reason"), (cleaned.get("comment") or "").strip()]
        cleaned["sentence"] = "；".join(part for part in parts if part)
        if not cleaned["sentence"] and not self.errors:
            self.add_error("comment", "请选择一条常用理由，或写明撤销理由。")
        return cleaned

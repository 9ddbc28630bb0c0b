"""What is asked before an export."""

from django import forms

from desk.exports.asking import MOST_UNMASKED, SHORTEST_REASON
from desk.exports.models import Format

MASKED, WHOLE = "masked", "whole"


class ExportForm(forms.Form):
    """Format, masked or not, and what for. `clean()` wants a reason where nothing is masked."""

    error_title = "还不能导出"

    format = forms.ChoiceField(
        label="文件格式",
        choices=Format,
        initial=Format.XLSX,
        widget=forms.RadioSelect,
        help_text="要用 Excel 或 WPS 打开请选 .xlsx，证件号码按文本保存，不会变成科学计数。",
    )
    detail = forms.ChoiceField(
        label="姓名和证件号码",
        choices=[
            (MASKED, "脱敏（例如 张*、3709**********0012）"),
            (WHOLE, f"完整显示（每人每天不超过 {MOST_UNMASKED:,} 行，须写明用途）"),
        ],
        initial=MASKED,
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(
        label="用途",
        required=False,
        max_length=200,
        help_text="选择“完整显示”时必须填写，例如：核对 2026 年度职称评审名单。用途会写入文件首行和导出日志，名单上的人都可以看到。",
        error_messages={"max_length": "用途最多 200 个字，请缩短。"},
    )

    def clean(self):
        cleaned = super().clean()
        reason = cleaned.get("reason", "")
        if cleaned.get("detail") == WHOLE and "reason" in cleaned and len(reason) < SHORTEST_REASON:
            self.add_error("reason", f"完整显示姓名和证件号码时，请写明用途，不少于 {SHORTEST_REASON} 个字。")
        return cleaned

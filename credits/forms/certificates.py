"""What the pages of certificates ask for."""

from django import forms
from django.conf import settings

from credits.models import CertificateState
from credits.paper.content import read_code, read_number
from credits.years import current_year


class VerifyForm(forms.Form):
    """电子证书查验: number and code as printed. A form error is about the shape alone and tells nothing."""

    number = forms.CharField(
        label="证书编号",
        max_length=80,
        help_text="印在证书下方，例如 SD-2026-370900-0000123。",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "请填写证书编号。"},
    )
    code = forms.CharField(
        label="查验码",
        max_length=40,
        help_text="12 位字母和数字，在证书编号旁边，大小写均可。",
        widget=forms.TextInput(attrs={"class": "w-m", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "请填写查验码。"},
    )

    def clean_number(self):
        if not read_number(self.cleaned_data["number"]):
            raise forms.ValidationError("证书编号由字母、年份、区划代码和 7 位数字组成，请对照证书填写。")
        return self.cleaned_data["number"]

    def clean_code(self):
        if not read_code(self.cleaned_data["code"]):
            raise forms.ValidationError("查验码为 12 位，不含数字 0、1 和字母 O、I，请对照证书填写。")
        return self.cleaned_data["code"]


class FileForm(forms.Form):
    """The PDF itself, to see whether a byte of it was changed. It is read and forgotten."""

    file = forms.FileField(
        label="证书 PDF 文件",
        help_text="只核对，不保存。",
        widget=forms.FileInput(attrs={"accept": "application/pdf,.pdf"}),
        error_messages={
            "required": "请选择证书 PDF 文件。",
            "empty": "这是空文件，请重新选择。",
        },
    )

    def clean_file(self):
        file = self.cleaned_data["file"]
        if file.size > settings.ATTACHMENT_MAX_BYTES:
            raise forms.ValidationError("文件太大，不是平台签发的证书。请选择下载的证书 PDF。")
        return file


class YearForm(forms.Form):
    """One year of the list; what cannot be read is the current one."""

    year = forms.TypedChoiceField(
        label="年度", coerce=int, required=False, widget=forms.Select(attrs={"class": "w-s"})
    )

    def __init__(self, data=None, **kwargs):
        super().__init__({"year": current_year()} | (data.dict() if data else {}), **kwargs)
        first = settings.FIRST_DECLARABLE_YEAR
        self.fields["year"].choices = [(year, f"{year} 年") for year in range(current_year(), first - 1, -1)]
        self.is_valid()

    @property
    def chosen(self) -> int:
        return self.cleaned_data.get("year") or current_year()


class IssuingFilter(YearForm):
    """签发: the year, and a name to see why somebody is not among those to be issued to."""

    name = forms.CharField(
        label="姓名", max_length=50, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    @property
    def asked_name(self) -> str:
        return (self.cleaned_data.get("name") or "").strip()


class IssuedFilter(IssuingFilter):
    """已签发: by year, name, number or state."""

    number = forms.CharField(
        label="证书编号", max_length=80, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    state = forms.ChoiceField(label="状态", required=False, choices=[("", "全部"), *CertificateState.choices])


class RevokeForm(forms.Form):
    reason = forms.CharField(
        label="撤销理由",
        max_length=200,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="例如 申报材料不实。持证人会原样看到，公开查验页面只显示“已撤销”。",
        error_messages={"required": "请填写撤销理由。", "max_length": "请写在 200 字以内。"},
    )

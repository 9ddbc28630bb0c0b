"""What is asked before a spreadsheet is uploaded, and of a learning platform."""

from django import forms
from django.core.validators import RegexValidator, URLValidator

from credits.intake.columns import OLDEST_YEAR
from credits.intake.reading import MOST_BYTES, MOST_ROWS
from credits.models import Provider, Subject
from credits.years import current_year
from orgs.actor import Actor
from orgs.models import Kind, Organization


class UploadForm(forms.Form):
    """The provider whose report it is, and the file. Its content is judged by the check, not here."""

    use_required_attribute = False
    error_title = "没有上传"
    nothing_kept = True

    provider = forms.ModelChoiceField(queryset=None, label="学习平台", empty_label="请选择")
    file = forms.FileField(
        label="学时表格",
        help_text=f".xlsx 或 .csv，不超过 {MOST_BYTES // 1024 // 1024} MB、{MOST_ROWS:,} 行。",
        widget=forms.FileInput(attrs={"accept": ".xlsx,.csv"}),
        max_length=200,
        error_messages={"max_length": "文件名过长，请改短后再上传。"},
    )

    def __init__(self, *args, providers, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["provider"].queryset = providers.filter(is_active=True)


class ProviderForm(forms.ModelForm):
    """A learning platform: what people see of it, and what it may report."""

    use_required_attribute = False
    error_title = "没有保存"

    code = forms.CharField(
        label="代码",
        max_length=40,
        validators=[RegexValidator(r"^[a-z0-9-]+$", "代码只能用小写字母、数字和连字符，例如 yxlearning。")],
        help_text="小写字母、数字和连字符，保存后不再改，例如 yxlearning。",
    )
    url = forms.CharField(
        label="网址",
        max_length=200,
        required=False,
        validators=[URLValidator(["http", "https"], message="网址请以 http:// 或 https:// 开头，写完整。")],
        help_text="例如 https://sdta.treewises.com/。",
    )
    order = forms.IntegerField(
        label="次序", min_value=0, max_value=9999, initial=100, help_text="在学习平台页面上，小的在前。"
    )
    year_from = forms.IntegerField(label="自哪一年起", min_value=OLDEST_YEAR, max_value=2100, required=False)
    year_to = forms.IntegerField(
        label="到哪一年止",
        min_value=OLDEST_YEAR,
        max_value=2100,
        required=False,
        help_text="只接受这些年度的学时；不填则不限。",
    )
    subjects = forms.MultipleChoiceField(
        label="可报送的科目",
        choices=Subject.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="不选则都可以。",
    )

    class Meta:
        model = Provider
        fields = (
            "code", "name", "url", "phone", "note", "order", "is_listed", "is_active", "bureau", "year_from", "year_to",
            "subjects",
        )  # fmt: skip
        help_texts = {
            "is_active": "停用后不再接受接口报送和表格导入，已入账的学时不变。",
            "is_listed": "所有人在“学习平台”页面上都能看到。",
        }

    def __init__(self, *args, actor: Actor, **kwargs):
        super().__init__(*args, **kwargs)
        self.actor = actor
        if self.instance.pk:
            del self.fields["code"]
        if actor.is_operator:
            self.fields["bureau"].queryset = Organization.objects.active().filter(kind=Kind.BUREAU)
            self.fields["bureau"].empty_label = "全省"
            self.fields["bureau"].help_text = "只能报送这个人社部门及下级的人员；选“全省”则不限。"
        else:
            del self.fields["bureau"]

    def clean_code(self):
        code = self.cleaned_data["code"]
        if Provider.objects.filter(code=code).exists():
            raise forms.ValidationError("这个代码已经有平台使用，请换一个。")
        return code

    def clean(self):
        cleaned = super().clean()
        first, last = cleaned.get("year_from"), cleaned.get("year_to")
        if first and last and first > last:
            self.add_error("year_to", "结束的年度早于开始的年度，请核对。")
        if first and first > current_year():
            self.add_error("year_from", f"{first} 年度还没有开始，请核对。")
        return cleaned

    def save(self, commit=True):
        if not self.instance.pk and not self.actor.is_operator:
            self.instance.bureau = self.actor.organization
        return super().save(commit)

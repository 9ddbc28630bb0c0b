"""基本信息修改 (F-79 … F-81): what takes effect at once, and the title, which the unit has to agree to."""

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout
from django import forms

from accounts.forms import PasswordField
from accounts.mobile import MobileField
from orgs.models import Practitioner
from registration.choices import NO_TITLE
from registration.forms.person import EmailField
from registration.forms.title import TITLE, StudyFields, TitleFields
from registration.models import TitleChange
from registration.models.changing import Change

STUDY = ("education", "field_of_study")


class OwnDataForm(StudyFields, TitleFields, forms.Form):
    """The practitioner's own data, filled in. `title_locked`: a change is under review, so the title is not asked."""

    use_required_attribute = False
    error_title = "没有保存"
    field_order = [*STUDY, *TITLE, "again"]

    again = forms.CharField(required=False, max_length=18, widget=forms.HiddenInput)

    def __init__(self, *args, practitioner: Practitioner, title_locked: bool = False, **kwargs):
        initial = {**own_data_of(practitioner), **(kwargs.pop("initial", None) or {})}
        super().__init__(*args, initial=initial, **kwargs)
        self.practitioner, self.title_locked = practitioner, title_locked
        if title_locked:
            for name in (*TITLE, "again"):
                del self.fields[name]

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper(self)
        sets = [Fieldset("学历（直接生效）", *STUDY, css_class="part")]
        if not self.title_locked:
            sets.append(
                Fieldset("专业技术职称（需单位审核；有职称的，每项都要填）", *TITLE, css_class="part")
            )
            sets.append("again")
        helper.layout = Layout(*sets)
        return helper

    def birth_date(self, cleaned):
        return self.practitioner.user.id_number.birth_date

    @property
    def study_changes(self) -> list[Change]:
        """What would be saved at once."""
        one, cleaned = self.practitioner, self.cleaned_data
        labels = dict(self.fields["education"].choices)
        rows = [
            Change("最高学历", one.get_education_display(), labels[cleaned["education"]]),
            Change("所学专业", str(one.field_of_study or ""), cleaned["field_of_study"].name),
        ]
        return [row for row in rows if row.differs]

    def title_change(self) -> TitleChange | None:
        """The unsaved change of the title, None when it stays."""
        if self.title_locked:
            return None
        change = TitleChange.of(self.practitioner, self.cleaned_data)
        return change if change.differs else None


def own_data_of(practitioner: Practitioner) -> dict:
    """What is valid now, as the form writes it."""
    return {
        "education": practitioner.education,
        "field_of_study": practitioner.field_of_study_id or "",
        **title_data_of(practitioner),
    }


def title_data_of(row) -> dict:
    """The title of a practitioner or of a change, as the form writes it."""
    return {
        **{name: getattr(row, name) for name in ("title_level", "title", "title_mode")},
        "title_series": row.title_series_id or NO_TITLE,
        "title_awarded_on": str(row.title_awarded_on or ""),
    }


class ContactsForm(forms.Form):
    """手机号 and 邮箱, with the password: whoever changes them can reset it (ASVS 7.5.1)."""

    use_required_attribute = False
    error_title = "没有保存"

    mobile = MobileField(
        required=False,
        help_text="手机号和邮箱至少留一项，忘记密码时用来找回。",
        widget=forms.TextInput(attrs={"class": "w-m"}),
    )
    email = EmailField(required=False)
    current_password = PasswordField(
        label="登录密码", autocomplete="current-password", help_text="确认是您本人修改。"
    )

    def clean(self):
        cleaned = super().clean()
        if not {"mobile", "email"} & self.errors.keys() and not (
            cleaned.get("mobile") or cleaned.get("email")
        ):
            self.add_error("mobile", "手机号和邮箱请至少填一项，忘记密码时用来找回。")
        return cleaned

"""What the pages of 本级机构管理 ask for."""

from django import forms
from django.utils.html import format_html

from accounts.forms import PasswordField
from accounts.id_number import IdNumberField
from accounts.masked import masked_name
from accounts.mobile import MobileField
from orgs.actor import Actor
from orgs.granting import CAN_DO, in_words, is_name_taken
from orgs.models import AdminRole, Duty, OrgAdmin


class RoleChoice(forms.ModelChoiceField):
    """The roles that the actor's organisation may give, each with what it allows."""

    def __init__(self, **kwargs):
        super().__init__(
            AdminRole.objects.none(),
            label="角色",
            widget=forms.RadioSelect,
            empty_label=None,
            error_messages={"required": "请选择角色。", "invalid_choice": "所选角色已被删除，请另选一个。"},
            **kwargs,
        )

    def label_from_instance(self, role: AdminRole) -> str:
        return format_html("<strong>{}</strong><br>{}", role.name, "；".join(in_words(role.duties)))


class WithRole(forms.Form):
    """A form that gives a role; the choices are the actor's."""

    role = RoleChoice()

    def __init__(self, *args, actor: Actor, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["role"].queryset = AdminRole.objects.offered_to(actor)


class WhoForm(forms.Form):
    """新增管理员, first page: whom."""

    error_title = "还不能添加此人"

    id_number = IdNumberField(kind=None)


class PersonSearch(forms.Form):
    """Which of one's own people to list."""

    name = forms.CharField(label="姓名", required=False, max_length=50)


class AppointForm(WithRole):
    """新增管理员, second page, for a person of the platform."""

    error_title = "没有添加成功"


class NewPersonForm(AppointForm):
    """新增管理员, second page, for a person whom the platform does not know."""

    name = forms.CharField(
        label="姓名",
        max_length=50,
        help_text="与身份证一致",
        widget=forms.TextInput(attrs={"class": "w-m", "autocomplete": "off"}),
        error_messages={"max_length": "姓名最多 50 个字，请核对。"},
    )
    mobile = MobileField(required=False, help_text="手机号和邮箱至少填写一项，用于通知此人设置密码")
    email = forms.EmailField(
        label="邮箱",
        required=False,
        max_length=254,
        widget=forms.TextInput(attrs={"inputmode": "email", "autocomplete": "off"}),
        error_messages={
            "invalid": "邮箱的样子不对，请按 name@example.com 的样子填写。",
            "max_length": "邮箱太长，请核对。",
        },
    )
    field_order = ["name", "mobile", "email", "role"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["mobile"].widget.attrs |= {"class": "w-m", "autocomplete": "off"}

    def clean(self):
        cleaned = super().clean()
        if not (cleaned.get("mobile") or cleaned.get("email") or {"mobile", "email"} & set(self.errors)):
            self.add_error("mobile", "请填写手机号或邮箱，至少一项。")
        return cleaned


class RoleForm(forms.Form):
    """新增角色, 修改角色: a name and what the role allows."""

    error_title = "没有保存"

    name = forms.CharField(
        label="角色名称",
        max_length=20,
        help_text="例如：人事科审核员",
        widget=forms.TextInput(attrs={"class": "w-m"}),
        error_messages={"max_length": "角色名称最多 20 个字，请缩短。"},
    )
    duties = forms.MultipleChoiceField(
        label="此角色能做什么",
        choices=[(duty.value, CAN_DO.get(duty, duty.label)) for duty in Duty],
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": "请至少勾选一项权限。",
            "invalid_choice": "勾选的内容里有不存在的权限，请重新勾选。",
        },
    )

    def __init__(self, *args, actor: Actor, role: AdminRole | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.actor, self.role = actor, role

    def clean_name(self):
        name = " ".join(self.cleaned_data["name"].split())
        if is_name_taken(name, self.actor, self.role.pk if self.role else None):
            raise forms.ValidationError("已有同名的角色，请换一个名称。")
        return name


class SuccessorChoice(forms.ModelChoiceField):
    def label_from_instance(self, admin: OrgAdmin) -> str:
        return f"{masked_name(admin.user.name)}（{admin.user.id_masked}，{admin.role or '管理员'}）"


class SuccessionForm(forms.Form):
    """更换超级管理员: who takes over, and the own password once more."""

    error_title = "没有提出"

    successor = SuccessorChoice(
        OrgAdmin.objects.none(),
        label="接任人",
        widget=forms.RadioSelect,
        empty_label=None,
        error_messages={
            "required": "请选择接任人。",
            "invalid_choice": "所选接任人已不是本机构的有效管理员，请另选一位。",
        },
    )
    password = PasswordField(
        label="您的登录密码", autocomplete="current-password", help_text="确认是您本人操作"
    )

    def __init__(self, *args, actor: Actor, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["successor"].queryset = successors(actor)


def successors(actor: Actor):
    """Who may take over: the other active admins of the organisation."""
    return (
        OrgAdmin.objects.visible_to(actor)
        .active()
        .filter(is_super=False, user__is_active=True)
        .exclude(user=actor.user)
        .for_list()
    )


class LostPhoneForm(forms.Form):
    """手机丢失: whose second factor to turn off, why, and the own password."""

    error_title = "没有办理"

    id_number = IdNumberField(kind=None)
    reason = forms.CharField(
        label="原因",
        max_length=100,
        help_text="会告知本人并留存，例如：手机丢失，已当面核对身份。",
        error_messages={"required": "请填写原因。"},
    )
    password = PasswordField(label="您的登录密码", autocomplete="current-password")

"""What the registration asks, group by group, and the sentence beside each field that is wrong (F-19, F-20)."""

import re
import unicodedata

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts import throttle
from accounts.address import network_of
from accounts.id_number import IdKind, IdNumber, IdNumberField
from accounts.mobile import MobileField
from accounts.models import Role, User
from accounts.refused import Refused
from orgs import uscc as codes
from orgs.models import Division, Organization
from orgs.uscc import UsccField
from registration import choices, temporary_code
from registration.enrol import TICK_FIRST, Person, already, already_taken, live_roles, taken_by
from registration.forms.contact import CONTACT, ContactFields
from registration.forms.person import EmailField, read_name
from registration.forms.title import TITLE, StudyFields, TitleFields
from registration.models import AuthorityRegistration, EmployerRegistration, PractitionerRegistration
from registration.situations import (
    AUTHORITY,
    BUREAU,
    SUPERIOR_UNIT,
    Situation,
    answers,
    check_choice,
)
from workflow.attachments import WithAttachments

KNOWN_LABEL = "如果已是本系统用户，请勾选复选框"
NOT_FOUND = "没有找到这个账号，或密码不对。首次注册的，请取消上面的勾选。"
TAMPERED = "主管部门、上级单位、同级人社部门只能确定一个上级，与所选情况不一致，请重新选择。"
CHECKS_PER_HOUR = 200  # ID numbers that one network may try here: years for a whole city (trust.md §3.1)


class PasswordBox(forms.TextInput):
    """A password that is held already: an empty box means "as before", so the page does not ask for it again."""

    input_type = "password"

    def format_value(self, value):
        return None


class RegistrationForm(forms.Form):
    """The person who registers, and the answers to FAQ 20's questions. The kinds of registration add their own.

    situation, chosen  what was chosen before: the case of FAQ 20 and the superior or unit
    whose              the person when their right password is known here (logged in, or proved), else None
    held               a password was typed before and is held: its boxes may stay empty
    count              count the ID number against the network's budget (on the form, not again on the check page)
    """

    role: str
    use_required_attribute = False

    known = forms.BooleanField(label=KNOWN_LABEL, required=False)
    id_kind = forms.ChoiceField(
        label="证件类型",
        choices=IdKind.choices,
        initial=IdKind.RESIDENT,
        help_text="用护照的，号码写成“国家三位代码/护照号码”，例如 USA/123456789。",
        widget=forms.Select(attrs={"class": "w-m"}),
        error_messages={"invalid_choice": "请选择列表中的证件类型。", "required": "请选择证件类型。"},
    )
    id_number = IdNumberField(label="证件号码", help_text="就是您的登录账号。身份证号最后一位 X 大小写均可。")
    name = forms.CharField(
        label="姓名",
        max_length=50,
        help_text="与证件一致。",
        widget=forms.TextInput(attrs={"class": "w-m", "autocomplete": "name"}),
        error_messages={"required": "请填写姓名。", "max_length": "姓名最多 50 个字。"},
    )
    password = forms.CharField(
        label="登录密码",
        strip=False,
        max_length=128,
        widget=forms.PasswordInput(attrs={"class": "w-m", "autocomplete": "new-password"}),
        help_text="至少 8 位，不能全是数字，不能含证件号码中连续的 6 位。查询进度和撤回注册时也用它。",
        error_messages={"required": "请设置登录密码。", "max_length": "密码最多 128 位。"},
    )
    password2 = forms.CharField(
        label="再输入一次密码",
        strip=False,
        max_length=128,
        widget=forms.PasswordInput(attrs={"class": "w-m", "autocomplete": "new-password"}),
        error_messages={"required": "请再输入一次登录密码。", "max_length": "密码最多 128 位。"},
    )
    mobile = MobileField(
        required=False,
        help_text="手机号和邮箱至少填一项，忘记密码时用来找回。",
        widget=forms.TextInput(attrs={"class": "w-m"}),
    )
    email = EmailField(required=False)
    authority = forms.CharField(required=False, widget=forms.HiddenInput)
    has_superior = forms.CharField(required=False, widget=forms.HiddenInput)
    superior_unit = forms.CharField(required=False, widget=forms.HiddenInput)
    bureau = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        *args,
        situation: Situation,
        chosen: Organization,
        whose: User | None = None,
        held: bool = False,
        count: bool = True,
        request=None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        if request is not None:
            self.request = request
        self.situation, self.chosen, self.whose, self.count = situation, chosen, whose, count
        self.person: Person | None = None
        self.stays = whose is not None and live_roles(whose)
        self._shape_person(held)
        if self.role == Role.PRACTITIONER:
            for name in self._questions:
                del self.fields[name]
        else:
            self.initial |= answers(situation, chosen)

    _questions = (AUTHORITY, "has_superior", SUPERIOR_UNIT, BUREAU)

    def _shape_person(self, held: bool) -> None:
        """Ask only for what is not known: nothing twice (WCAG 3.3.7)."""
        if self.whose is not None:
            dropped = ["known", "id_kind", "id_number", "password", "password2"]
            if self.stays:
                dropped += ["name", "mobile", "email"]
            else:
                self.initial = {
                    "name": self.whose.name,
                    "email": self.whose.email,
                    "mobile": str(self.whose.mobile),
                    **self.initial,
                }
            for name in dropped:
                del self.fields[name]
            return
        source = self.data if self.is_bound else self.initial
        kind = source.get("id_kind") or IdKind.RESIDENT
        if kind in IdKind.values:
            self.fields["id_number"].kind = kind
        self.fields["known"].help_text = "勾选后只填证件号码和原密码，其余个人信息不用再填。"
        if source.get("known"):
            for name in ("name", "password2"):
                self.fields[name].required = False
            self.fields["password"].error_messages["required"] = "请填写原来的登录密码。"
        if held:
            self.hold()

    def hold(self) -> None:
        """The password is held: the page need not ask for it again."""
        for name in ("password", "password2"):
            if name in self.fields:
                self.fields[name].required = False
                self.fields[name].widget = PasswordBox(attrs=self.fields[name].widget.attrs)
                self.fields[name].help_text = "密码已为您保留，不改就不用再填。"
                self._bound_fields_cache.pop(name, None)  # it remembers the help text from before

    # --- layout ----------------------------------------------------------------------------------
    def groups(self) -> list[tuple[str, list[str]]]:
        raise NotImplementedError

    def person_group(self, title: str) -> tuple[str, list[str]]:
        return title, ["known", "id_kind", "id_number", "name", "password", "password2", "mobile", "email"]

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper(self)
        sets = []
        for title, names in self.groups():
            there = [name for name in names if name in self.fields]
            if there:
                sets.append(Fieldset(title, *there, css_class="part"))
        hidden = [name for name, field in self.fields.items() if field.widget.is_hidden]
        helper.layout = Layout(*sets, *hidden)
        return helper

    # --- checks ----------------------------------------------------------------------------------
    def clean_name(self):
        return read_name(self.cleaned_data["name"])

    def clean(self):
        cleaned = super().clean()
        self._check_answers()
        self.person = self._read_person(cleaned)
        return cleaned

    def _check_answers(self) -> None:
        """The hidden answers must be those that follow from the situation: exactly one superior (F-156)."""
        try:
            check_choice(self.situation, self.chosen)
        except Refused as refusal:
            self.add_error(None, str(refusal))
            return
        if self.role != Role.PRACTITIONER:
            wanted = answers(self.situation, self.chosen)
            if {name: self.data.get(name, "") for name in wanted} != wanted:
                self.add_error(None, TAMPERED)

    def _read_person(self, cleaned) -> Person | None:
        if cleaned.get("known"):
            # Not asked for then, and hidden by browsers that can: what stands there does not count.
            for name in ("name", "password2", "mobile", "email"):
                self._errors.pop(name, None)
        if self.whose is not None:
            self._refuse_second_role(self.whose, None)
            if self.stays:
                return Person(user=self.whose, proved=True)
            self._need_contact(cleaned)
            return Person(user=self.whose, proved=True, **self._written(cleaned))
        number: IdNumber | None = cleaned.get("id_number")
        if number is None:
            self._check_new_password(cleaned, None)
            self._need_contact(cleaned)
            return None
        try:
            if self.count:
                throttle.spend(
                    "registration", network_of(self.request), limit=CHECKS_PER_HOUR, per=throttle.HOUR
                )
            return self._known(cleaned, number) if cleaned.get("known") else self._new(cleaned, number)
        except throttle.TooMany as stop:
            self.add_error(None, f"提交次数太多，请 {stop.words}后再试。您填写的内容还在。")
            return None

    def _known(self, cleaned, number: IdNumber) -> Person | None:
        """The ticked box: ID number and existing password, nothing else (F-38, F-39)."""
        password = cleaned.get("password")
        if not password:
            return None
        throttle.admit(number.index, network_of(self.request))
        user = User.objects.by_id_number(number).first()
        if user is None:
            User().set_password(password)  # as long as a real check: the clock tells nothing
        if user is None or not user.check_password(password) or not (user.is_active and live_roles(user)):
            self.add_error("password", NOT_FOUND)
            return None
        throttle.was_right(number.index, network_of(self.request))
        self._refuse_second_role(user, "id_number")
        return Person(user=user, proved=True)

    def _new(self, cleaned, number: IdNumber) -> Person:
        self._check_new_password(cleaned, number)
        self._need_contact(cleaned)
        user = User.objects.by_id_number(number).first()
        if user and live_roles(user):
            self.add_error("id_number", TICK_FIRST)
        return Person(number=number, password=cleaned.get("password", ""), **self._written(cleaned))

    def _written(self, cleaned) -> dict:
        return {name: cleaned.get(name, "") for name in ("name", "email", "mobile")}

    def _check_new_password(self, cleaned, number: IdNumber | None) -> None:
        if cleaned.get("known"):
            return
        password, again = cleaned.get("password"), cleaned.get("password2")
        if password and password != again and "password2" not in self.errors:
            self.add_error("password2", "两次输入的密码不一致，请重新输入。")
            return
        if password:
            user = User(name=cleaned.get("name", ""), email=cleaned.get("email", ""))
            if number:
                user.set_id_number(number)
            try:
                validate_password(password, user)
            except ValidationError as error:
                self.add_error("password", error)

    def _need_contact(self, cleaned) -> None:
        if cleaned.get("known") or {"mobile", "email"} & self.errors.keys():
            return
        if not cleaned.get("mobile") and not cleaned.get("email"):
            self.add_error("mobile", "手机号和邮箱请至少填一项，忘记密码时用来找回。")

    def _refuse_second_role(self, user: User, field: str | None) -> None:
        """F-03: one person is a practitioner once; organisations may share an admin (decision 5)."""
        if self.role == Role.PRACTITIONER:
            account = user.accounts.live().filter(role=Role.PRACTITIONER).first()
            if account:
                self.add_error(field, already(account))

    def payload(self):
        """The unsaved payload of a valid form: what the check page shows and what is filed."""
        raise NotImplementedError

    def _person_fields(self) -> dict:
        person = self.person
        if person.user is not None and not person.name:
            user = person.user
            who = {"person_name": user.name, "email": user.email, "mobile": str(user.mobile)}
        else:
            who = {"person_name": person.name, "email": person.email, "mobile": person.mobile}
        number = person.number or person.user.id_number
        return {"situation": self.situation.key, "id_masked": number.masked, **who}


class PractitionerForm(StudyFields, TitleFields, RegistrationForm):
    """专业技术人员注册: education, field of study and title (F-08 … F-18)."""

    role = Role.PRACTITIONER

    def groups(self):
        return [
            self.person_group("账号"),
            ("学历", ["education", "field_of_study"]),
            (
                "职称（有职称的，每项都要填）",
                list(TITLE),
            ),
        ]

    def birth_date(self, cleaned):
        number = cleaned.get("id_number") or (self.whose.id_number if self.whose else None)
        return number.birth_date if number else None

    def payload(self):
        cleaned = self.cleaned_data
        return PractitionerRegistration(
            **self._person_fields(),
            employer=self.chosen,
            employer_name=self.chosen.name,
            **{name: cleaned[name] for name in ("education", "field_of_study", *TITLE)},
        )


class OrganizationForm(WithAttachments, ContactFields, RegistrationForm):
    """机构注册: the approved name, the code, the certificate, a public contact, the first admin (F-24, F-90, F-91)."""

    attachments_label = "单位证书"
    attachments_hint = "统一社会信用代码证书、事业单位法人证书或营业执照。申请或使用临时代码的，可以不传。"
    payload_model: type

    unit_name = forms.CharField(
        label="单位名称",
        max_length=120,
        error_messages={"required": "请填写单位名称。", "max_length": "单位名称最多 120 个字。"},
    )
    uscc = UsccField(widget=forms.TextInput(attrs={"class": "w-m"}))
    no_code = forms.BooleanField(
        label="没有统一社会信用代码，申请临时代码",
        required=False,
        help_text="勾选后不用填代码。平台先核发临时代码和证明，再由上级审核；证明由平台生成，不用您上传。",
    )
    division = forms.ChoiceField(
        label="所在区划",
        widget=forms.Select(attrs={"class": "w-m"}),
        error_messages={"required": "请选择所在区划。", "invalid_choice": "请选择列表中的区划。"},
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["division"].choices = choices.divisions()
        self.initial.setdefault("division", self.chosen.division_id or "")
        name_hint, code_hint = "以核准的名称为准，与证书完全一致。", "18 位，与证书一致。"
        if self.situation.naming:
            # FAQ 20 ①: the section has a code, its bureau's.
            name_hint = "写成“**县（市、区）人社局（人力资源部）**科”，例如 泰山区人社局人事科。"
            code_hint = "18 位，填写本局的统一社会信用代码。"
            del self.fields["no_code"]
        self.fields["unit_name"].help_text = name_hint
        self.fields["uscc"].help_text = code_hint
        self.wants_code = "no_code" in self.fields and bool(
            (self.data if self.is_bound else self.initial).get("no_code")
        )
        if self.wants_code:
            self.fields["uscc"].required = self.attachments_required = False
            self.fields["files"].required = False

    def groups(self):
        return [
            ("单位信息", ["unit_name", "uscc", "no_code", "division", "files", "draft", "files_shown"]),
            ("联系方式（向需要催办的人公开）", list(CONTACT)),
            self.person_group("管理员账号（您本人）"),
        ]

    def clean_unit_name(self):
        name = re.sub(r"\s+", "", self.cleaned_data["unit_name"].replace("(", "（").replace(")", "）"))
        if len(name) < 3 or not re.search(r"[^\W\d_]{2}", name):
            raise ValidationError("请填写单位全称，与证书一致。")
        if self.situation.naming and not re.search(self.situation.naming, name):
            raise ValidationError(
                "名称请写成“**县（市、区）人社局（人力资源部）**科”，例如 泰山区人社局人事科。"
            )
        return name

    def clean_uscc(self):
        code = self.cleaned_data["uscc"]
        if not code:
            return ""
        if codes.is_temporary(code):
            temporary_code.check_usable(code, self.cleaned_data.get("unit_name", ""))
            self.attachments_required = False  # the platform's own document proves it
        taken = taken_by(self.role, code)
        if taken:
            raise ValidationError(already_taken(taken))
        return code

    def clean(self):
        cleaned = super().clean()
        if self.wants_code:
            # What stands there does not count, whatever it is.
            cleaned["uscc"] = ""
            self._errors.pop("uscc", None)
        return cleaned

    def clean_division(self):
        return Division.objects.get(pk=self.cleaned_data["division"])

    def payload(self):
        cleaned = self.cleaned_data
        return self.payload_model(
            **self._person_fields(),
            **{self.situation.asks: self.chosen},
            superior_name=self.chosen.name,
            name=cleaned["unit_name"],
            uscc=cleaned["uscc"],
            wants_code=self.wants_code,
            division=cleaned["division"],
            contact_name=cleaned["contact_name"],
            phone=cleaned["phone"],
            office_hours=cleaned["office_hours"],
        )


class EmployerForm(OrganizationForm):
    role = Role.EMPLOYER
    payload_model = EmployerRegistration


class AuthorityForm(OrganizationForm):
    role = Role.AUTHORITY
    payload_model = AuthorityRegistration


FORMS = {form.role: form for form in (PractitionerForm, EmployerForm, AuthorityForm)}


class UnitSearchForm(forms.Form):
    """The search of the unit chooser; its state is in the address."""

    q = forms.CharField(
        label="单位名称或统一社会信用代码",
        required=False,
        max_length=60,
        error_messages={"max_length": "请输入 60 个字以内。"},
    )
    division = forms.ChoiceField(
        label="所在区划", required=False, error_messages={"invalid_choice": "请选择列表中的区划。"}
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["division"].choices = choices.divisions("全部")


class ProgressForm(forms.Form):
    """注册审核进度查询: the ID number and one of two secrets (trust.md §3.3)."""

    error_title = "没有查到"
    use_required_attribute = False

    id_number = IdNumberField(label="证件号码", kind=None, help_text="注册时填写的身份证号或其他证件号码。")
    password = forms.CharField(
        label="注册时的密码",
        required=False,
        strip=False,
        max_length=128,
        widget=forms.PasswordInput(attrs={"class": "w-m", "autocomplete": "current-password"}),
    )
    receipt = forms.CharField(
        label="受理号",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"class": "w-m", "inputmode": "numeric"}),
        help_text="忘记密码的，填受理号和手机号后四位，密码不填。",
    )
    tail = forms.CharField(
        label="手机号后四位",
        required=False,
        max_length=8,
        widget=forms.TextInput(attrs={"class": "w-s", "inputmode": "numeric", "autocomplete": "off"}),
    )

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper(self)
        helper.layout = Layout("id_number", "password", Fieldset("或者", "receipt", "tail", css_class="part"))
        return helper

    def clean_receipt(self):
        return unicodedata.normalize("NFKC", self.cleaned_data["receipt"]).replace(" ", "")

    def clean_tail(self):
        return unicodedata.normalize("NFKC", self.cleaned_data["tail"]).strip()

    def clean(self):
        cleaned = super().clean()
        if not self.errors and not cleaned["password"] and not (cleaned["receipt"] and cleaned["tail"]):
            self.add_error("password", "请填写注册时的密码，或填写受理号和手机号后四位。")
        return cleaned


class WithdrawForm(forms.Form):
    """撤回申请: the password given at the registration, once more (F-47)."""

    use_required_attribute = False
    error_title = "没有撤回"

    application = forms.IntegerField(widget=forms.HiddenInput)
    password = forms.CharField(
        label="注册时的密码",
        strip=False,
        max_length=128,
        widget=forms.PasswordInput(attrs={"class": "w-m", "autocomplete": "current-password"}),
        help_text="忘记密码的，请联系审核单位的管理员驳回，然后重新注册。",
        error_messages={"required": "请填写注册时的密码。"},
    )

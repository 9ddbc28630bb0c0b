"""The demo town: the FAQ's own examples, people in every role, applications in every state.

Everything is filed and signed through the engine, as on the pages; only the clock is set back, so that something
has waited for days. Names and ID numbers are synthetic. Run again, it only prints the accounts.
"""

import contextlib
import datetime
import io
from dataclasses import dataclass
from decimal import Decimal
from unittest import mock

from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone
from PIL import Image, ImageDraw

from accounts.id_number import IdNumber, check_character
from accounts.models import AccountStatus, Role, RoleAccount, User
from credits.models import ActivityKind, Declaration, Subject
from orgs import uscc
from orgs.actor import Actor, actor_of
from orgs.models import (
    AdminRole,
    Division,
    Education,
    FieldOfStudy,
    Kind,
    OrgAdmin,
    Organization,
    Practitioner,
    TitleLevel,
    TitleMode,
    TitleSeries,
)
from orgs.tree import platform
from registration.enrol import Person, enrol_organization, enrol_practitioner
from registration.models import (
    AuthorityRegistration,
    EmployerRegistration,
    IdentityCorrection,
    PractitionerRegistration,
    TemporaryCode,
    TitleChange,
)
from transfers.models import SuperiorChange, UnitTransfer
from workflow import engine
from workflow.attachments import attach
from workflow.models import Application, StepState

PASSWORD = "demo-2026-tai"  # noqa: S105, it is printed on the console
CITY = "泰安市人力资源和社会保障局"
DISTRICT = "泰安市泰山区人力资源和社会保障局"


@dataclass(frozen=True)
class DemoAccount:
    """One line of the table that the demo prints."""

    role: str
    name: str
    id_number: str
    place: str
    note: str

    @property
    def password(self) -> str:
        return PASSWORD


def synthetic_id(number: int) -> str:
    """The n-th synthetic ID number of the demo: 泰山区, sequence 000, which is not assigned in practice."""
    born = datetime.date(1970, 1, 1) + datetime.timedelta(days=37 * number)
    first = f"370902{born:%Y%m%d}000"
    return first + check_character(first)


def town_accounts() -> list[DemoAccount]:
    """The accounts of the demo, in the order in which they are printed; empty before load_town ran."""
    found = []
    for number, name, role, note in ACCOUNTS:
        account = (
            RoleAccount.objects.filter(
                user__in=User.objects.by_id_number(IdNumber.parse(synthetic_id(number))), role=role
            )
            .order_by("pk")
            .first()
        )
        if account:
            found.append(
                DemoAccount(
                    role, name, synthetic_id(number), account.place, note or account.get_status_display()
                )
            )
    return found


# Number of the synthetic person, name, role, what is to be seen there.
ACCOUNTS = [
    (1, "平台一", Role.OPERATOR, "平台后台人员"),
    (2, "人社一", Role.BUREAU, "市人社局超级管理员：审验池、主管部门注册"),
    (4, "人社三", Role.BUREAU, "区人社局超级管理员：托底单位的审核"),
    (10, "住建一", Role.AUTHORITY, "主管部门超级管理员：审验、单位注册"),
    (11, "房管一", Role.EMPLOYER, "用人单位超级管理员：二级单位"),
    (12, "保障一", Role.EMPLOYER, "二级单位超级管理员：待办最多，也是专技人员"),
    (12, "保障一", Role.PRACTITIONER, "同一人的专技身份：本人的申报转由上级审核"),
    (13, "保障二", Role.EMPLOYER, "只审核学时的管理员"),
    (14, "人事一", Role.EMPLOYER, "区人社局人事科（①）"),
    (15, "社保一", Role.EMPLOYER, "人事科的二级单位（①）"),
    (16, "乡镇一", Role.EMPLOYER, "乡镇人社所（②）"),
    (17, "村委一", Role.EMPLOYER, "村委会：自由职业者的用人单位（⑤）"),
    (18, "企业一", Role.EMPLOYER, "民营企业（④）"),
    (30, "专技一", Role.PRACTITIONER, "还差 22 学时，有一件在主管部门审验"),
    (31, "专技二", Role.PRACTITIONER, "本年度已完成"),
    (32, "专技三", Role.PRACTITIONER, "有一件被驳回，可修改后重新申报"),
    (36, "专技七", Role.PRACTITIONER, "自由职业者，在村委会"),
    (38, "专技九", Role.PRACTITIONER, "单位调转：原单位已同意，等新单位审核"),
    (39, "专技十", Role.PRACTITIONER, "姓名写错，更正等平台核实；职称变更被驳回"),
    (40, "待审一", Role.PRACTITIONER, "注册待审核：登录时提示审核部门"),
    (41, "待审二", Role.AUTHORITY, "主管部门注册待审核"),
    (42, "待审三", Role.EMPLOYER, "单位注册待审核"),
    (45, "待审四", Role.EMPLOYER, "没有信用代码：等平台核发临时代码"),
    (46, "待审五", Role.EMPLOYER, "临时代码已核发，等上级审核"),
    (43, "驳回一", Role.PRACTITIONER, "注册被驳回：查询进度后可重新注册"),
]


class Command(BaseCommand):
    help = "建立示例小镇：FAQ 中的机构、各种身份的人员和各种状态的申请；再次运行只打印账号。"

    def handle(self, **options):
        with transaction.atomic():
            if not Organization.objects.filter(kind=Kind.AUTHORITY, name=HOUSING).exists():
                Town().build()
        self.stdout.write(f"示例账号（密码均为 {PASSWORD}）：")
        for one in town_accounts():
            self.stdout.write(
                f"  {Role(one.role).label}  {one.id_number}  {one.name}  {one.place}  {one.note}"
            )


HOUSING = "泰安市住房和城乡建设局"


class Town:
    """Builds the town in the order of FAQ 1: authorities, their units, sub-units, people."""

    def __init__(self):
        self.city = Organization.objects.get(kind=Kind.BUREAU, name=CITY)
        self.district = Organization.objects.get(kind=Kind.BUREAU, name=DISTRICT)
        self.codes = 0

    def build(self) -> None:
        with days_ago(401):  # who decides was appointed before
            self.staff()
        with days_ago(400):
            self.organizations()
            self.people()
        self.hours()
        self.waiting()
        self.changes()
        self.codes_asked_for()

    # --- who is there without registering --------------------------------------------------------
    def staff(self) -> None:
        self.admin(1, platform(), is_super=True)
        # As create_superuser makes them: the reference data are this person's to keep.
        staff = User.objects.filter(org_admins__organization=platform())
        staff.update(is_staff=True, is_superuser=True)
        self.admin(2, self.city, is_super=True)
        self.admin(3, self.city, role="学时审核员", name="人社二")
        self.admin(4, self.district, is_super=True)
        # One bureau stays without an admin, so that the city sees where nobody signs.
        others = Organization.objects.filter(kind=Kind.BUREAU, admins=None).exclude(name="徂汶景区人力资源部")
        for number, bureau in enumerate(others.order_by("pk"), start=60):
            self.admin(number, bureau, is_super=True, name=f"人社{number}")

    def admin(self, number: int, organization: Organization, *, is_super=False, role="", name="") -> None:
        user = User.objects.by_id_number(
            IdNumber.parse(synthetic_id(number))
        ).first() or User.objects.create_user(
            IdNumber.parse(synthetic_id(number)), PASSWORD, **contact(number, name)
        )
        account = RoleAccount.objects.create(
            user=user, role=organization.role, status=AccountStatus.ACTIVE, place=organization.name
        )
        given = AdminRole.objects.get(organization=None, name=role) if role else None
        OrgAdmin.objects.create(
            account=account,
            user=user,
            organization=organization,
            is_super=is_super,
            role=given,
            duties=given.duties if given else [],
        )

    # --- organisations ---------------------------------------------------------------------------
    def organizations(self) -> None:
        self.housing = self.authority(10, HOUSING, "370900", self.city)
        self.property = self.employer(
            11, "泰安市房产管理服务中心", "370900", "with_authority", authority=self.housing
        )
        self.shelter = self.employer(
            12, "泰安市保障性住房管理服务中心", "370900", "sub_unit", superior_unit=self.property
        )
        self.admin(13, self.shelter, role="学时审核员", name="保障二")
        # FAQ 20 ①: the section registers under the bureau's own code.
        self.section = self.employer(
            14,
            "泰山区人社局人事科",
            "370902",
            "bureau_section",
            bureau=self.district,
            code=self.district.uscc,
        )
        self.insurance = self.employer(
            15, "泰山区社保中心", "370902", "under_bureau_section", superior_unit=self.section
        )
        self.township = self.employer(
            16, "泰山区示例镇人力资源和社会保障所", "370902", "township", bureau=self.district
        )
        self.village = self.employer(
            17, "示例镇示例村村民委员会", "370902", "community", bureau=self.district, head="54"
        )
        self.firm = self.employer(
            18, "泰安示例建设工程有限公司", "370902", "private", bureau=self.district, head="91"
        )

    def authority(self, number, name, division, bureau, **options) -> Organization:
        payload = AuthorityRegistration(situation="authority", bureau=bureau)
        return self.organization(number, Role.AUTHORITY, payload, name, division, **options)

    def employer(
        self,
        number,
        name,
        division,
        situation,
        *,
        authority=None,
        superior_unit=None,
        bureau=None,
        wants_code=False,
        **options,
    ):
        payload = EmployerRegistration(
            situation=situation,
            authority=authority,
            superior_unit=superior_unit,
            bureau=bureau,
            wants_code=wants_code,
        )
        return self.organization(number, Role.EMPLOYER, payload, name, division, **options)

    def organization(
        self, number, role, payload, name, division, *, code="", head="12", sign=True
    ) -> Organization:
        self.codes += 1
        payload.name, payload.division = name, Division.objects.get(pk=division)
        if not getattr(payload, "wants_code", False):
            payload.uscc = code or synthetic_code(head, division, self.codes)
        payload.contact_name = f"{name_of(number)[:2]}办公室"
        payload.phone = f"0538-0000{number:03d}"
        payload.office_hours = "工作日 8:30–17:30"
        application = enrol_organization(person(number), payload, role)
        if payload.uscc:
            attach(application, picture("法人证书", name))
        if sign:
            approve_all(application)
        return Organization.objects.get(pk=payload.organization_id)

    # --- practitioners ---------------------------------------------------------------------------
    def people(self) -> None:
        self.known = {
            number: self.practitioner(number, unit, title=title)
            for number, unit, title in (
                (30, self.shelter, ("工程技术人员", TitleLevel.MIDDLE, "工程师")),
                (31, self.shelter, ("经济专业人员", TitleLevel.MIDDLE, "经济师")),
                (32, self.shelter, ("工程技术人员", TitleLevel.ASSISTANT, "助理工程师")),
                (33, self.shelter, None),
                (34, self.insurance, ("会计人员", TitleLevel.MIDDLE, "会计师")),
                (35, self.firm, ("工程技术人员", TitleLevel.VICE_SENIOR, "高级工程师")),
                (36, self.village, None),
                (37, self.property, ("档案专业人员", TitleLevel.MIDDLE, "馆员")),
                (38, self.insurance, ("统计专业人员", TitleLevel.MIDDLE, "统计师")),
                (39, self.property, ("工程技术人员", TitleLevel.ASSISTANT, "助理工程师")),
                (47, self.insurance, ("工程技术人员", TitleLevel.MIDDLE, "工程师")),
                (48, self.shelter, None),
            )
        }
        # FAQ 4: an admin who also has to study registers again as a practitioner.
        self.known[12] = self.practitioner(
            12, self.shelter, title=("工程技术人员", TitleLevel.VICE_SENIOR, "高级工程师"), known=True
        )

    def practitioner(self, number, unit, *, title=None, known=False, sign=True) -> Practitioner:
        payload = PractitionerRegistration(
            situation="freelancer" if unit == self.village else "staff",
            employer=unit,
            education=Education.BACHELOR,
            field_of_study=FieldOfStudy.objects.get(code="0810"),
        )
        if title:
            payload.title_series = TitleSeries.objects.get(name=title[0])
            payload.title_level, payload.title = title[1], title[2]
            payload.title_mode = TitleMode.EVALUATION
            payload.title_awarded_on = datetime.date(2021, 5, 1)
        application = enrol_practitioner(person(number, known=known), payload)
        if title:
            attach(application, picture("职称证书", title[2]))
        if sign:
            approve_all(application)
        return Practitioner.objects.get(pk=payload.practitioner_id)

    # --- hours -----------------------------------------------------------------------------------
    def hours(self) -> None:
        year = timezone.localdate().year
        public, professional = Subject.PUBLIC, Subject.PROFESSIONAL
        for number in (30, 31, 32, 34, 35, 37):
            with days_ago((timezone.localdate() - datetime.date(year - 1, 12, 25)).days):
                self.declared(number, year - 1, public, "filed-training", "公需科目培训", "30")
                self.declared(
                    number,
                    year - 1,
                    professional,
                    "filed-training",
                    "专业科目培训",
                    "60" if number != 35 else "48",
                )
        with this_year(60):
            self.declared(30, year, public, "filed-training", "公需科目培训", "30")
            self.declared(30, year, professional, "filed-training", "住房保障政策与实务培训", "38")
            self.declared(31, year, public, "filed-training", "公需科目培训", "30")
            self.declared(31, year, professional, "filed-training", "住房保障政策与实务培训", "40")
            self.declared(
                31,
                year,
                professional,
                "paper",
                "保障性住房分配方式研究",
                "20",
                rank=1,
                people=2,
                certificate_number="10.00000/demo.2026.001",
            )
            self.declared(34, year, public, "filed-training", "公需科目培训", "30")
        with this_year(6):
            waiting = self.declared(
                30, year, professional, "academic-forum", "山东省建筑节能学术论坛", "20", signatures=0
            )
        with this_year(3):
            approve_next(waiting)
        with this_year(9):
            self.declared(
                35,
                year,
                professional,
                "invention-patent",
                "一种装配式墙板连接件",
                "30",
                signatures=0,
                rank=2,
                people=3,
                certificate_number="ZL 2025 1 0000000.0",
            )
        with this_year(5):
            rejected = self.declared(
                32, year, professional, "filed-training", "工程质量管理培训", "24", signatures=0
            )
            step = rejected.steps.get(state=StepState.OPEN)
            engine.reject(
                step.pk,
                by=signer(rejected, step),
                comment="证明材料不清晰或不完整，请补充后重新提交；缺培训结业证书",
            )
        with this_year(14):
            self.declared(33, year, professional, "filed-training", "房屋安全鉴定培训", "12.5", signatures=0)
        with this_year(2):
            self.declared(33, year, public, "filed-training", "公需科目培训", "18", signatures=0)
            self.declared(12, year, professional, "academic-forum", "住房保障论坛", "16", signatures=0)
            withdrawn = self.declared(37, year, professional, "paper", "档案数字化实践", "20", signatures=0)
            engine.withdraw(withdrawn.pk, by=actor_of(self.known[37].account))
        with this_year(1):
            self.declared(36, year, professional, "filed-training", "农村建房技术培训", "20", signatures=0)
            verify = self.declared(37, year, public, "filed-training", "公需科目培训", "30", signatures=0)
            approve_next(verify)
            approve_next(verify)

    def declared(self, number, year, subject, kind, title, hours, *, signatures=None, **facts) -> Application:
        practitioner = self.known[number]
        first = datetime.date(year, 1, 1)
        day = min(timezone.localdate(), datetime.date(year, 12, 20))
        payload = Declaration(
            practitioner=practitioner,
            year=year,
            subject=subject,
            kind=ActivityKind.objects.get(code=kind),
            title=title,
            organiser="泰安市示例培训中心",
            started_on=max(first, day - datetime.timedelta(days=3)),
            ended_on=max(first, day - datetime.timedelta(days=1)),
            stated_hours=Decimal(hours),
            hours=Decimal(hours),
            **facts,
        )
        application = engine.submit("hours-declaration", payload, by=actor_of(practitioner.account))
        attach(application, picture("证明材料", title, application.pk))
        if signatures is None:
            approve_all(application)
        return application

    # --- what waits ------------------------------------------------------------------------------
    def waiting(self) -> None:
        with days_ago(13):
            self.practitioner(40, self.shelter, sign=False)
        with days_ago(4):
            self.authority(41, "泰安市示例事务局", "370900", self.city, sign=False)
        with days_ago(8):
            self.employer(
                42, "泰安市示例城建档案馆", "370900", "with_authority", authority=self.housing, sign=False
            )
        with days_ago(7):
            self.practitioner(43, self.shelter, sign=False)
            application = Application.objects.latest("pk")
            step = application.steps.get(state=StepState.OPEN)
            engine.reject(
                step.pk, by=signer(application, step), comment="不属于本单位审核范围，请核对所选单位"
            )
        with days_ago(10):
            self.practitioner(44, self.insurance, sign=False)
            application = Application.objects.latest("pk")
            account = Practitioner.objects.get(pk=application.practitioner_id).account
            engine.withdraw(application.pk, by=actor_of(account))

    # --- what changes ----------------------------------------------------------------------------
    def changes(self) -> None:
        """Moves, titles, a name: one of each waits somewhere, some were decided."""
        with days_ago(40):
            approve_all(self.moved(47, self.shelter, "调入保障中心工作"))
        with days_ago(6):
            coming = self.moved(38, self.shelter, "工作调动")
        with days_ago(4):
            approve_next(coming)
        with days_ago(5):
            self.moved(48, self.property, "借调期满，正式调入")
        with days_ago(3):
            change = SuperiorChange(
                organization=self.firm, new_superior=self.housing, reason="职称申报改由市住建局呈报"
            )
            boss = actor_of(self.firm.admins.get(is_super=True).account)
            approve_next(engine.submit("superior-change", change, by=boss))
        with days_ago(7):
            self.titled(33, ("工程技术人员", TitleLevel.ASSISTANT, "助理工程师"), "2026-03-20")
        with days_ago(20):
            refused = self.titled(39, ("工程技术人员", TitleLevel.MIDDLE, "工程师"), "2026-06-30")
            step = refused.steps.get(state=StepState.OPEN)
            engine.reject(step.pk, by=signer(refused, step), comment="填写的内容与证明材料不一致")
        with days_ago(1):
            person = self.known[39]
            correction = IdentityCorrection(
                user=person.user, practitioner=person, new_name="专技拾", reason="注册时姓名写错一个字"
            )
            filed = engine.submit("identity-correction", correction, by=actor_of(person.account))
            attach(filed, picture("户口簿本人页", "DEMO"))

    def moved(self, number: int, to: Organization, reason: str) -> Application:
        person = self.known[number]
        transfer = UnitTransfer(practitioner=person, new_employer=to, reason=reason)
        return engine.submit("unit-transfer", transfer, by=actor_of(person.account))

    def titled(self, number: int, title: tuple, day: str) -> Application:
        person = self.known[number]
        new = {
            "title_series": TitleSeries.objects.get(name=title[0]),
            "title_level": title[1],
            "title": title[2],
            "title_mode": TitleMode.EVALUATION,
            "title_awarded_on": datetime.date.fromisoformat(day),
        }
        filed = engine.submit("title-change", TitleChange.of(person, new), by=actor_of(person.account))
        attach(filed, picture("职称证书", title[2]))
        return filed

    def codes_asked_for(self) -> None:
        """Units without a credit code: one waits for the platform, one has its temporary code."""
        asks = {"bureau": self.district, "wants_code": True, "sign": False}
        with days_ago(2):
            self.employer(45, "示例镇示范村村民委员会", "370902", "community", **asks)
        with days_ago(9):
            self.employer(46, "示例街道示例社区居民委员会", "370902", "community", **asks)
            application = Application.objects.latest("pk")
        with days_ago(8):
            approve_next(application)


# --- persons, papers, clock --------------------------------------------------------------------------


def name_of(number: int) -> str:
    names = {one[0]: one[1] for one in ACCOUNTS}
    names |= {33: "专技四", 34: "专技五", 35: "专技六", 37: "专技八", 44: "撤回一"}
    names |= {47: "专技十一", 48: "专技十二"}
    return names[number]


def contact(number: int, name: str = "") -> dict:
    return {
        "name": name or name_of(number),
        "email": f"demo{number}@example.org",
        "mobile": f"+861380000{number:04d}",
    }


def person(number: int, *, known: bool = False) -> Person:
    id_number = IdNumber.parse(synthetic_id(number))
    if known:
        return Person(user=User.objects.by_id_number(id_number).get(), proved=True)
    return Person(number=id_number, password=PASSWORD, **contact(number))


def synthetic_code(head: str, division: str, serial: int) -> str:
    """A credit code that passes the checks and belongs to nobody: serial numbers from zero."""
    organisation = f"0000{serial:04d}"
    first = f"{head}{division}{organisation}{uscc.inner_check(organisation)}"
    return first + uscc.outer_check(first)


def picture(kind: str, text: str, number: int = 0) -> SimpleUploadedFile:
    """A sheet that stands for a scanned paper; with a number it is like no other."""
    image = Image.new("RGB", (900, 640), "#F6F4EE")
    draw = ImageDraw.Draw(image)
    draw.rectangle((30, 30, 870, 610), outline="#175A6B", width=4)
    draw.rectangle((620, 440, 790, 560), outline="#B0301F", width=6)
    draw.text((80, 80), f"DEMO {number or ''}", fill="#1C2A30")
    content = io.BytesIO()
    image.save(content, "PNG")
    return SimpleUploadedFile(f"{kind}-{text}.png", content.getvalue(), "image/png")


@contextlib.contextmanager
def days_ago(days: int):
    """Inside, it is as many days earlier: the engine stamps what it writes with that time."""
    then = timezone.now() - datetime.timedelta(days=days)
    # This one holds the real clock since it was declared.
    stamped = (TemporaryCode._meta.get_field("issued_at"),)
    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch("django.utils.timezone.now", return_value=then))
        for field in stamped:
            patches.enter_context(mock.patch.object(field, "_get_default", return_value=then))
        yield


def this_year(days: int):
    """As days_ago(), but never before New Year: hours of a year are not declared before it begins."""
    return days_ago(min(days, timezone.localdate().timetuple().tm_yday - 1))


def signer(application: Application, step) -> Actor:
    """An admin of the approver who may sign this step."""
    admins = step.approver.admins.active().holding(application.duty).exclude(user=application.person)
    return actor_of(admins.order_by("pk").first().account)


def approve_next(application: Application) -> None:
    """Sign the step that is open."""
    step = application.steps.filter(state=StepState.OPEN).select_related("approver").first()
    engine.approve(step.pk, by=signer(application, step))


def approve_all(application: Application) -> None:
    """Sign every step until the application is closed."""
    while application.steps.filter(state=StepState.OPEN).exists():
        approve_next(application)

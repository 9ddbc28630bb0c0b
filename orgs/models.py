"""The tree: organisations, practitioners and the people who administer. Floor 1."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from accounts.models import Role, RoleAccount, User
from orgs.access import AccessEntry as AccessEntry
from orgs.level import RANK
from orgs.name_parts import NameCharacters
from orgs.querysets import (
    AdminRoleQuerySet,
    OrgAdminQuerySet,
    OrganizationQuerySet,
    PractitionerQuerySet,
    SuperSwapQuerySet,
)

# --- reference data ------------------------------------------------------------------------------


class Division(models.Model):
    """行政区划 by GB/T 2260, with local codes for functional zones, which GB/T 2260 does not know (F-114)."""

    code = models.CharField("代码", max_length=12, primary_key=True)
    name = models.CharField("名称", max_length=60)
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    valid_from = models.DateField("启用日期", null=True, blank=True)
    valid_to = models.DateField("停用日期", null=True, blank=True)
    is_local = models.BooleanField("本地扩展代码", default=False)

    class Meta:
        verbose_name = verbose_name_plural = "行政区划"
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


class TitleLevel(models.TextChoices):
    """职称层级."""

    SENIOR = "senior", "正高级"
    VICE_SENIOR = "vice_senior", "副高级"
    MIDDLE = "middle", "中级"
    ASSISTANT = "assistant", "助理级"
    CLERK = "clerk", "员级"


class TitleSeries(models.Model):
    """职称系列, as printed on the title certificate (F-09); a person without a title has none (无, F-10)."""

    code = models.CharField("代码", max_length=8, primary_key=True)
    name = models.CharField("名称", max_length=40, unique=True)
    order = models.PositiveSmallIntegerField("次序", default=0)

    class Meta:
        verbose_name = verbose_name_plural = "职称系列"
        ordering = ["order"]

    def __str__(self) -> str:
        return self.name


class TitleName(models.Model):
    """职称名称 of one series and level, e.g. 高级工程师; old names stay as aliases (is_current=False)."""

    series = models.ForeignKey(TitleSeries, models.PROTECT, related_name="titles")
    level = models.CharField("层级", max_length=12, choices=TitleLevel)
    name = models.CharField("名称", max_length=60)
    is_current = models.BooleanField("现行名称", default=True)

    class Meta:
        verbose_name = verbose_name_plural = "职称名称"
        constraints = [models.UniqueConstraint(fields=["series", "level", "name"], name="title_name_once")]

    def __str__(self) -> str:
        return self.name


class FieldOfStudy(models.Model):
    """所学专业: a tree whose categories may be chosen as well as its leaves (F-08)."""

    code = models.CharField("代码", max_length=8, primary_key=True)
    name = models.CharField("名称", max_length=60)
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")

    class Meta:
        verbose_name = verbose_name_plural = "所学专业"
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


# --- the tree ------------------------------------------------------------------------------------


class Kind(models.TextChoices):
    """机构类型. A sub-unit (二级单位) is an employer whose superior is an employer: not a kind.

    The platform (平台后台) is the root of the tree, so that its staff are admins like all others.
    """

    OPERATOR = "operator", "平台"
    BUREAU = "bureau", "人社部门"
    AUTHORITY = "authority", "主管部门"
    EMPLOYER = "employer", "用人单位"


class Status(models.TextChoices):
    """Where an organisation or practitioner stands in its life."""

    PENDING = "pending", "注册待审核"
    ACTIVE = "active", "正常"
    VOID = "void", "注册未通过或已撤回"
    CLOSED = "closed", "已注销"


class Organization(models.Model):
    """机构: bureau, authority or employer (and the platform as their root). `superior` is the only edge of the tree (F-156).

    `path` ("/1/5/9/") holds the ids from the root to this row, so that a subtree is one prefix. Its collation makes the
    index over it serve both the prefix and the order of a list, whatever the language of the database.
    `contact_name`, `phone` and `office_hours` are shown publicly to people who wait for this organisation.
    """

    kind = models.CharField("机构类型", max_length=10, choices=Kind)
    name = models.CharField("机构名称", max_length=120)
    uscc = models.CharField("统一社会信用代码", max_length=20, blank=True)
    superior = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="subordinates")
    path = models.CharField(max_length=255, editable=False, default="", db_collation="C")
    status = models.CharField("状态", max_length=10, choices=Status, default=Status.PENDING)
    division = models.ForeignKey(Division, models.PROTECT, null=True, blank=True, verbose_name="所在区划")
    contact_name = models.CharField("联系人", max_length=50, blank=True)
    phone = models.CharField("联系电话", max_length=40, blank=True)
    office_hours = models.CharField("审核时间", max_length=60, blank=True)
    created_at = models.DateTimeField("创建时间", default=timezone.now, editable=False)

    history = HistoricalRecords(excluded_fields=["path"])
    objects = OrganizationQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "机构"
        constraints = [
            models.CheckConstraint(
                name="organization_has_superior_unless_platform",
                condition=Q(superior__isnull=True, kind="operator")
                | (Q(superior__isnull=False) & ~Q(kind="operator")),
            ),
            models.UniqueConstraint(
                fields=["kind"], condition=Q(kind="operator"), name="organization_one_platform"
            ),
            models.CheckConstraint(
                name="organization_is_not_its_own_superior",
                condition=Q(superior__isnull=True) | ~Q(superior=models.F("id")),
            ),
            # F-116: a bureau's own section registers under the bureau's code, hence per kind.
            models.UniqueConstraint(
                fields=["kind", "uscc"],
                condition=Q(status__in=["pending", "active"]) & ~Q(uscc=""),
                name="organization_uscc_once_per_kind",
            ),
        ]
        indexes = [
            models.Index(fields=["path"], name="organization_path"),
            models.Index(fields=["superior", "status", "kind", "id"], name="organization_superior"),
            models.Index(models.F("superior"), RANK, models.F("id"), name="organization_level"),
            GinIndex(NameCharacters("name"), name="organization_name_characters"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ancestor_ids(self) -> list[int]:
        """Ids of the superiors, from the root down, without this organisation."""
        return [int(part) for part in self.path.strip("/").split("/") if part][:-1]

    @property
    def role(self) -> str:
        """The login role of this organisation's admins: the same words as its kind."""
        return Role(self.kind)


class TitleMode(models.TextChoices):
    """取得方式 of a title; it decides from which day the title counts (F-13 … F-17)."""

    EVALUATION = "evaluation", "评审"
    EXAMINATION = "examination", "考试"
    APPOINTMENT = "appointment", "大、中专毕业生转正定职"


class Education(models.TextChoices):
    """最高学历."""

    DOCTOR = "doctor", "博士研究生"
    MASTER = "master", "硕士研究生"
    BACHELOR = "bachelor", "大学本科"
    COLLEGE = "college", "大学专科"
    SECONDARY = "secondary", "中专"
    OTHER = "other", "高中及以下"


class Practitioner(models.Model):
    """专业技术人员: one human in the professional role, at one employer at a time.

    One row per human for life: after a rejected registration or a return the same row goes on, so that the
    learning record, which hangs on it, stays whole. `path` is the employer's path, copied so that "the people
    below me" is one prefix filter.
    """

    user = models.OneToOneField(User, models.PROTECT, related_name="practitioner")
    account = models.OneToOneField(RoleAccount, models.PROTECT, related_name="practitioner")
    employer = models.ForeignKey(
        Organization, models.PROTECT, related_name="practitioners", verbose_name="用人单位"
    )
    path = models.CharField(max_length=255, editable=False, default="", db_collation="C")
    status = models.CharField("状态", max_length=10, choices=Status, default=Status.PENDING)

    education = models.CharField("最高学历", max_length=10, blank=True, choices=Education)
    field_of_study = models.ForeignKey(
        FieldOfStudy, models.PROTECT, null=True, blank=True, verbose_name="所学专业"
    )
    title_series = models.ForeignKey(
        TitleSeries, models.PROTECT, null=True, blank=True, verbose_name="职称系列"
    )
    title_level = models.CharField("职称级别", max_length=12, blank=True, choices=TitleLevel)
    title = models.CharField("职称名称", max_length=60, blank=True)
    title_mode = models.CharField("取得方式", max_length=12, blank=True, choices=TitleMode)
    title_awarded_on = models.DateField("职称评审通过时间", null=True, blank=True)
    created_at = models.DateTimeField("创建时间", default=timezone.now, editable=False)

    history = HistoricalRecords(excluded_fields=["path"])
    objects = PractitionerQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "专业技术人员"
        constraints = [
            # F-10: with 无 none of the dependent fields is filled; with a series all of them are.
            models.CheckConstraint(
                name="practitioner_title_is_whole_or_absent",
                condition=Q(title_series__isnull=True, title_level="", title="", title_mode="",
                            title_awarded_on__isnull=True)
                | (Q(title_series__isnull=False, title_awarded_on__isnull=False)
                   & ~Q(title_level="") & ~Q(title="") & ~Q(title_mode="")),
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["path", "id"], name="practitioner_path"),
            models.Index(fields=["employer", "id"], name="practitioner_employer"),
            models.Index(fields=["title_series", "path", "id"], name="practitioner_series"),
        ]

    def __str__(self) -> str:
        return self.user.name


class PersonKey(models.Model):
    """检索: by what an approved person is found within a branch; one row for each way (orgs/name_parts.py).

    `key` is a part of the name, or the last four of the ID number. With the path beside it in one index, the people of
    a branch who have the key are one short walk, however many have it elsewhere. Kept by the database's triggers alone
    (migration 0002): whoever writes a name or moves people cannot forget it.
    """

    pk = models.CompositePrimaryKey("key", "path", "practitioner")
    key = models.CharField(max_length=16, db_collation="C")
    path = models.CharField(max_length=255, db_collation="C")
    practitioner = models.ForeignKey(
        Practitioner, models.DO_NOTHING, related_name="keys", db_index=False, db_constraint=False
    )

    class Meta:
        verbose_name = verbose_name_plural = "人员检索"

    def __str__(self) -> str:
        return f"{self.practitioner_id}"


class Duty(models.TextChoices):
    """权限: what an admin's role may allow (F-73, F-77). Super admins hold all of them."""

    REGISTRATIONS = "registrations", "审核注册"
    HOURS = "hours", "审核学时"
    CHANGES = "changes", "审核信息变更"
    TRANSFERS = "transfers", "审核调入调出与更换上级"
    PEOPLE = "people", "查询人员、重置密码"
    PROFILE = "profile", "维护单位资料"


class AdminRole(models.Model):
    """角色: a named set of duties that admins are given (F-73). Without an organisation it is ready-made for all.

    Written by orgs/granting.py, which hands every change on to the admins who hold the role.
    """

    organization = models.ForeignKey(
        Organization, models.PROTECT, null=True, blank=True, related_name="admin_roles"
    )
    name = models.CharField("角色名称", max_length=20)
    duties = ArrayField(models.CharField(max_length=20, choices=Duty), verbose_name="权限")

    history = HistoricalRecords()
    objects = AdminRoleQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "角色"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"],
                condition=Q(organization__isnull=False),
                name="admin_role_name_once",
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(organization__isnull=True),
                name="admin_role_ready_made_name_once",
            ),
            models.CheckConstraint(name="admin_role_allows_something", condition=~Q(duties=[])),
        ]

    def __str__(self) -> str:
        return self.name


class OrgAdmin(models.Model):
    """单位管理员: one person's right to act for one organisation.

    `duties` is what counts; with a `role` it is a copy of the role's duties, rewritten with them. A person who is
    no longer admin has no row: it is deleted, its history stays (orgs/appointment.py says why).
    """

    account = models.OneToOneField(RoleAccount, models.PROTECT, related_name="org_admin")
    user = models.ForeignKey(User, models.PROTECT, related_name="org_admins")
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="admins")
    is_super = models.BooleanField("超级管理员", default=False)
    role = models.ForeignKey(
        AdminRole, models.PROTECT, null=True, blank=True, related_name="holders", verbose_name="角色"
    )
    duties = ArrayField(
        models.CharField(max_length=20, choices=Duty), default=list, blank=True, verbose_name="权限"
    )

    history = HistoricalRecords()
    objects = OrgAdminQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "单位管理员"
        constraints = [
            models.UniqueConstraint(
                fields=["organization"], condition=Q(is_super=True), name="org_admin_one_super"
            ),
            models.UniqueConstraint(fields=["organization", "user"], name="org_admin_person_once"),
            models.CheckConstraint(
                name="org_admin_super_has_no_role", condition=Q(is_super=False) | Q(role__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization} {self.user.name}"


class SwapState(models.TextChoices):
    """Where a change of the super admin stands."""

    PENDING = "pending", "待接任人接受"
    ACCEPTED = "accepted", "已更换"
    DECLINED = "declined", "接任人未接受"
    CANCELLED = "cancelled", "已撤销"


class SuperSwap(models.Model):
    """更换超级管理员: the super admin's offer to an admin of the same organisation, until that one accepts (F-74).

    Written by orgs/succession.py; closed rows stay as the record of who handed over to whom.
    """

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="super_swaps")
    outgoing = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name="原超级管理员")
    successor = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name="接任人")
    state = models.CharField("状态", max_length=10, choices=SwapState, default=SwapState.PENDING)
    offered_at = models.DateTimeField("提出时间", default=timezone.now)
    closed_at = models.DateTimeField("办结时间", null=True, blank=True)

    objects = SuperSwapQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "更换超级管理员"
        constraints = [
            models.UniqueConstraint(
                fields=["organization"], condition=Q(state="pending"), name="super_swap_one_at_a_time"
            ),
            models.CheckConstraint(
                name="super_swap_is_between_two", condition=~Q(outgoing=models.F("successor"))
            ),
            models.CheckConstraint(
                name="super_swap_closed_at_tells_state",
                condition=Q(state="pending", closed_at__isnull=True)
                | (~Q(state="pending") & Q(closed_at__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(fields=["successor"], condition=Q(state="pending"), name="super_swap_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.organization} {self.get_state_display()}"

"""People and the roles they log in with. Floor 0: knows nothing of organisations."""

from importlib import import_module

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.utils import timezone
from phonenumber_field.modelfields import PhoneNumberField

from accounts.id_number import HoldsIdNumber
from accounts.querysets import MessageQuerySet, RoleAccountQuerySet, UserManager


class User(HoldsIdNumber, AbstractBaseUser, PermissionsMixin):
    """用户: one row per human, whatever roles they hold (decision 5; F-26, F-36).

    The ID number is the account (F-26); it lives sealed in the columns of HoldsIdNumber. `forgotten_at`: what was not
    needed any more after the account ended is gone since (config/forgetting.py).
    """

    name = models.CharField("姓名", max_length=50)
    email = models.EmailField("邮箱", blank=True)
    mobile = PhoneNumberField("手机号", blank=True)
    is_staff = models.BooleanField("可维护基础数据", default=False)
    is_active = models.BooleanField("启用", default=True)
    created_at = models.DateTimeField("创建时间", default=timezone.now, editable=False)
    forgotten_at = models.DateTimeField("清除时间", null=True, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "id_index"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        verbose_name = verbose_name_plural = "用户"
        constraints = [models.UniqueConstraint(fields=["id_index"], name="user_id_number_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.id_masked}"

    def get_short_name(self) -> str:
        return self.name  # the reference-data pages would greet with the blind index otherwise


class Role(models.TextChoices):
    """登录角色: what a person logs in as (F-02, F-26)."""

    PRACTITIONER = "practitioner", "专业技术人员"
    EMPLOYER = "employer", "用人单位"
    AUTHORITY = "authority", "主管部门"
    BUREAU = "bureau", "人社部门"
    OPERATOR = "operator", "平台后台人员"


class AccountStatus(models.TextChoices):
    PENDING = "pending", "待审核"
    ACTIVE = "active", "正常"
    SUSPENDED = "suspended", "已停用"
    CLOSED = "closed", "已注销"


class RoleAccount(models.Model):
    """One role of one person, registered and approved by itself (F-36).

    `place` names the unit or organisation for the chooser after login; floors above keep it current.
    `reviewer`, `reviewer_phone` and `waiting_since` answer 提示三 while the registration is under review
    (F-30, F-32); they are frozen at submission as the route is.
    `epoch` ends the sessions that were opened before a change of this role.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="accounts")
    role = models.CharField("登录角色", max_length=12, choices=Role)
    status = models.CharField("状态", max_length=10, choices=AccountStatus, default=AccountStatus.PENDING)
    place = models.CharField("所在单位", max_length=120, blank=True)
    reviewer = models.CharField("审核部门", max_length=120, blank=True)
    reviewer_phone = models.CharField("审核部门电话", max_length=40, blank=True)
    waiting_since = models.DateTimeField("提交时间", null=True, blank=True)
    epoch = models.PositiveIntegerField(default=0, editable=False)

    objects = RoleAccountQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "登录角色"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role"],
                condition=Q(role="practitioner") & ~Q(status="closed"),
                name="account_practitioner_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.place}".strip()

    def end_sessions(self) -> None:
        """Make every open session of this role stop at its next request."""
        RoleAccount.objects.filter(pk=self.pk).end_sessions()
        self.refresh_from_db(fields=["epoch"])


class Tally(models.Model):
    """限次: one counter of accounts/throttle.py. What is counted stands in `key` as a blind index only."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField(default=0)
    until = models.DateTimeField(db_index=True)
    blocked_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = verbose_name_plural = "限次计数"

    def __str__(self) -> str:
        return f"{self.count} / {self.until:%Y-%m-%d %H:%M}"


class IndexStep(models.Model):
    """换密钥: one blind index before and after, while a rotation of the index key is open (accounts/rotation.py).

    Triggers read it, so that whoever still writes the one before writes the one after. Empty at all other times: with
    both beside each other the old key would tell what the new one hides.
    """

    before = models.CharField(max_length=64, primary_key=True, db_collation="C")
    after = models.CharField(max_length=64)

    class Meta:
        verbose_name = verbose_name_plural = "换密钥"

    def __str__(self) -> str:
        return self.after


class PasswordReset(models.Model):
    """找回密码: one request to set a new password by e-mail link or by SMS code (F-40).

    `token` and `code` are blind indexes of what was sent, never the thing itself; an empty `code` means that the
    token alone is enough (e-mail). A row without a user answers for an unknown ID number, so that both go the
    same way.
    """

    MOST_TRIES = 5

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    token = models.CharField(max_length=64, unique=True)
    code = models.CharField(max_length=64, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = verbose_name_plural = "找回密码"
        constraints = [
            models.CheckConstraint(name="password_reset_few_tries", condition=Q(tries__lte=5)),
        ]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M}"


class OneUseSecret(models.Model):
    """单位重置密码: the last six of the ID number, good once, for the set-password page alone (F-42, decision 7).

    Rows stay as the record of who reset whose password: `by` as admin of `organization` (its name at that time).
    """

    MOST_TRIES = 5

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    secret = models.CharField(max_length=128)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    organization = models.CharField("重置单位", max_length=120)
    at = models.DateTimeField("重置时间", default=timezone.now)
    expires_at = models.DateTimeField("有效期至")
    tries = models.PositiveSmallIntegerField(default=0)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = verbose_name_plural = "单位重置密码"
        constraints = [
            models.CheckConstraint(name="one_use_secret_few_tries", condition=Q(tries__lte=5)),
            models.UniqueConstraint(
                fields=["user"], condition=Q(closed_at__isnull=True), name="one_use_secret_one_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization} {self.at:%Y-%m-%d %H:%M}"


class Message(models.Model):
    """消息: what one person was told, on the page and by mail (screens.md, U15). Written by accounts/outbox.py alone.

    `key` names the occasion, once per person. `url` is a path of ours, "" when there is nothing to open; `account`
    is the role in which it opens, None when every role may. `mail_failed_at`: the mail server did not take it for
    three days.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="messages")
    account = models.ForeignKey(RoleAccount, on_delete=models.SET_NULL, null=True, related_name="+")
    key = models.CharField(max_length=80)
    subject = models.CharField("标题", max_length=80)
    text = models.TextField("内容")
    url = models.CharField(max_length=200, blank=True)
    by_mail = models.BooleanField(default=True)
    created_at = models.DateTimeField("时间", default=timezone.now)
    read_at = models.DateTimeField("阅读时间", null=True)
    mailed_at = models.DateTimeField("邮件发出时间", null=True)
    mail_failed_at = models.DateTimeField("邮件放弃时间", null=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "消息"
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="message_once"),
            models.CheckConstraint(
                name="message_opens_a_page_of_ours",
                condition=Q(url="") | (Q(url__startswith="/") & ~Q(url__startswith="//")),
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="message_list"),
            models.Index(
                fields=["user", "-created_at", "-id"],
                condition=Q(read_at__isnull=True),
                name="message_unread",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M} {self.subject}"


class Session(AbstractBaseSession):
    """登录设备: one browser's session, and, once somebody is logged in, who, since when and from where.

    What is shown to its owner stands in columns beside the session itself, so a session that is ended is a row that is
    deleted: dead at its next request, without a query to find that out. `handle` names it in forms (the key itself is
    a secret); `place` is a shortened network address.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sessions")
    handle = models.CharField(max_length=16, blank=True)
    role = models.CharField("登录角色", max_length=12, choices=Role, blank=True)
    device = models.CharField("设备", max_length=60, blank=True)
    place = models.CharField("网络地址", max_length=45, blank=True)
    opened_at = models.DateTimeField("登录时间", null=True)
    seen_at = models.DateTimeField("最近使用", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "登录设备"

    def __str__(self) -> str:
        return f"{self.device} {self.place}"

    @classmethod
    def get_session_store_class(cls):
        return import_module(settings.SESSION_ENGINE).SessionStore


class Authenticator(models.Model):
    """两步验证: the app on a person's telephone that shows a new six-digit code every 30 seconds (RFC 6238).

    django-otp reckons the codes; its own device is not used because it keeps the key readable. `last_step` is the
    time step of the last code taken: neither it nor an earlier one is taken again.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="authenticator")
    key_sealed = models.BinaryField()
    last_step = models.BigIntegerField(default=-1)
    created_at = models.DateTimeField("开启时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "两步验证"

    def __str__(self) -> str:
        return f"{self.user_id} {self.created_at:%Y-%m-%d %H:%M}"


class RecoveryCode(models.Model):
    """恢复码: takes the place of the app once. `code` is a blind index of what was shown to its owner."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    code = models.CharField(max_length=64)
    used_at = models.DateTimeField("使用时间", null=True)

    class Meta:
        verbose_name = verbose_name_plural = "恢复码"
        constraints = [models.UniqueConstraint(fields=["user", "code"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.used_at or ''}".strip()


class SecondFactorReset(models.Model):
    """手机丢失: who turned off whose second factor, for which organisation (its name at that time), and why."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    organization = models.CharField("办理单位", max_length=120)
    reason = models.CharField("原因", max_length=200)
    at = models.DateTimeField("办理时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "代为关闭两步验证"
        constraints = [
            models.CheckConstraint(name="second_factor_reset_has_reason", condition=~Q(reason="")),
            models.CheckConstraint(name="second_factor_reset_by_another", condition=~Q(by=models.F("user"))),
        ]

    def __str__(self) -> str:
        return f"{self.organization} {self.at:%Y-%m-%d %H:%M}"

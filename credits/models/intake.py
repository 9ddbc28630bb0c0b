"""Learning platforms and what they report (F-106 … F-109)."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from credits.querysets import IntakeBatchQuerySet, ProviderQuerySet
from orgs.models import Kind, Organization, Practitioner


class Provider(models.Model):
    """学习平台 (施教机构): where people study, and who may report their hours.

    Its reports count for `year_from` to `year_to` (none: no limit) and for `subjects` (none: all). With a bureau it
    reports only people below that bureau. `is_listed` puts it on the public page of learning platforms.
    """

    code = models.SlugField("代码", max_length=40, unique=True)
    name = models.CharField("名称", max_length=80)
    url = models.CharField("网址", max_length=200, blank=True)
    phone = models.CharField("电话", max_length=40, blank=True)
    note = models.CharField("说明", max_length=200, blank=True)
    order = models.PositiveSmallIntegerField("次序", default=0)
    is_listed = models.BooleanField("在学习平台页面列出", default=True)
    is_active = models.BooleanField("可报送学时", default=True)
    bureau = models.ForeignKey(
        Organization,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        limit_choices_to={"kind": Kind.BUREAU},
        verbose_name="管理的人社部门",
    )
    year_from = models.PositiveSmallIntegerField("自哪一年起", null=True, blank=True)
    year_to = models.PositiveSmallIntegerField("到哪一年止", null=True, blank=True)
    subjects = models.JSONField("科目", default=list, blank=True)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "学习平台"
        ordering = ["order", "pk"]
        constraints = [
            models.CheckConstraint(
                name="provider_years_in_order",
                condition=Q(year_from__isnull=True)
                | Q(year_to__isnull=True)
                | Q(year_to__gte=F("year_from")),
            )
        ]

    def __str__(self) -> str:
        return self.name


class ProviderKey(models.Model):
    """接口密钥: the secret is sealed (accounts/crypto.py); revoked it opens nothing from that moment on."""

    provider = models.ForeignKey(Provider, models.PROTECT, related_name="keys")
    key_id = models.CharField("密钥编号", max_length=32, unique=True)
    secret = models.BinaryField(editable=False)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField("创建时间", default=timezone.now)
    last_used_at = models.DateTimeField("最近使用", null=True, blank=True)
    revoked_at = models.DateTimeField("停用时间", null=True, blank=True)
    revoked_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = verbose_name_plural = "接口密钥"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.key_id


class ProviderNonce(models.Model):
    """One request that a key has signed: the same one again is refused. Forgotten once its time stamp is too old."""

    key = models.ForeignKey(ProviderKey, models.CASCADE, related_name="+", db_index=False)
    nonce = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name = verbose_name_plural = "接口请求随机串"
        constraints = [models.UniqueConstraint(fields=["key", "nonce"], name="provider_nonce_once")]

    def __str__(self) -> str:
        return f"{self.key_id} {self.at:%Y-%m-%d %H:%M}"


class PushRefusal(models.Model):
    """被拒绝的报送: how often a key's requests were refused with one code on one day, and the last sentence."""

    key = models.ForeignKey(ProviderKey, models.CASCADE, related_name="refusals", db_index=False)
    code = models.CharField("代码", max_length=40)
    day = models.DateField("日期")
    count = models.PositiveIntegerField("次数", default=1)
    sentence = models.CharField("最近一次", max_length=300)
    last_at = models.DateTimeField("最近时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "被拒绝的报送"
        constraints = [models.UniqueConstraint(fields=["key", "day", "code"], name="push_refusal_once")]

    def __str__(self) -> str:
        return f"{self.code} {self.count}"


class BatchState(models.TextChoices):
    CHECKING = "checking", "检查中"
    CHECKED = "checked", "已检查，待确认"
    COMMITTING = "committing", "入账中"
    DONE = "done", "已入账"
    FAILED = "failed", "未能完成"
    CANCELLED = "cancelled", "已取消"


class IntakeBatch(models.Model):
    """导入批次: one spreadsheet of a provider, first checked without writing anything (试运行), then entered as a whole.

    `digest` is the file's SHA-256; `rows_*` count what the check found, `rows_done` moves the progress bar. The file
    holds whole ID numbers and is deleted once it was checked; what is entered then are the batch's CheckedRows.
    """

    provider = models.ForeignKey(Provider, models.PROTECT, related_name="batches")
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    name = models.CharField("文件名", max_length=120)
    file = models.FileField(upload_to="intake/%Y/", max_length=200)
    size = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=64)
    state = models.CharField("状态", max_length=12, choices=BatchState, default=BatchState.CHECKING)
    sentence = models.CharField("结果", max_length=300, blank=True)
    rows_total = models.PositiveIntegerField(default=0)
    rows_done = models.PositiveIntegerField(default=0)
    rows_new = models.PositiveIntegerField(default=0)
    rows_known = models.PositiveIntegerField(default=0)
    rows_waiting = models.PositiveIntegerField(default=0)
    rows_wrong = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField("上传时间", default=timezone.now)
    committed_at = models.DateTimeField("入账时间", null=True, blank=True)

    objects = IntakeBatchQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "导入批次"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name


class IntakeError(models.Model):
    """What is wrong with one row of a batch: its number in the sheet, the column, the sentence. No ID number."""

    batch = models.ForeignKey(IntakeBatch, models.CASCADE, related_name="errors", db_index=False)
    row = models.PositiveIntegerField("行")
    column = models.CharField("列", max_length=20, blank=True)
    sentence = models.CharField("问题", max_length=200)

    class Meta:
        verbose_name = verbose_name_plural = "导入问题"
        ordering = ["row", "pk"]
        indexes = [models.Index(fields=["batch", "row"], name="intake_error_batch")]

    def __str__(self) -> str:
        return f"{self.row} {self.sentence}"


class CheckedRow(models.Model):
    """A row of a checked batch that waits to be entered: what its IntakeRecord will say. Gone once the batch is over."""

    # No constraint in the database: a hundred thousand look-ups of a row that is never deleted.
    batch = models.ForeignKey(
        IntakeBatch, models.CASCADE, related_name="checked", db_index=False, db_constraint=False
    )
    row = models.PositiveIntegerField("行")
    event_id = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    person_index = models.CharField(max_length=64)
    person_hint = models.CharField(max_length=4)
    person_name = models.CharField(max_length=50)
    year = models.PositiveSmallIntegerField()
    subject = models.CharField(max_length=20)
    hours = models.DecimalField(max_digits=5, decimal_places=1)
    title = models.CharField(max_length=120)
    started_on = models.DateField(null=True)
    completed_on = models.DateField()
    certificate_number = models.CharField(max_length=60)
    number_key = models.CharField(max_length=60)
    corrects_event = models.CharField(max_length=64)

    class Meta:
        verbose_name = verbose_name_plural = "已检查的行"
        constraints = [models.UniqueConstraint(fields=["batch", "row"], name="checked_row_once")]

    def __str__(self) -> str:
        return f"{self.batch_id} {self.row}"


class IntakeRecord(models.Model):
    """平台学时记录: one event of a provider, once. Append only but for `practitioner`, filled when the person registers.

    `event_id` is the provider's own number of the event; `digest` tells a repetition from a change. `person_index` is
    the blind index of the ID number: enough to find the person, not to read the number; `person_hint` are its last
    four digits, for the inbox of people who are not registered yet. `corrects` is the earlier record of which this
    one is the correction; hours 0 in a correction takes the earlier one back. `batch` is the spreadsheet that brought
    it, `key` the key that signed the request.
    """

    provider = models.ForeignKey(Provider, models.PROTECT, related_name="records", db_index=False)
    event_id = models.CharField("事件编号", max_length=64)
    digest = models.CharField(max_length=64)
    person_index = models.CharField(max_length=64)
    person_hint = models.CharField(max_length=4, blank=True)
    person_name = models.CharField("姓名", max_length=50, blank=True)
    practitioner = models.ForeignKey(
        Practitioner, models.PROTECT, null=True, blank=True, related_name="records", db_index=False
    )
    year = models.PositiveSmallIntegerField("年度")
    subject = models.CharField("科目", max_length=20)
    hours = models.DecimalField("学时", max_digits=5, decimal_places=1)
    title = models.CharField("课程名称", max_length=120)
    started_on = models.DateField("开始日期", null=True, blank=True)
    completed_on = models.DateField("完成日期")
    certificate_number = models.CharField("证书编号", max_length=60, blank=True)
    number_key = models.CharField(max_length=60, blank=True, editable=False)
    corrects = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="corrected_by"
    )
    batch = models.ForeignKey(
        IntakeBatch, models.PROTECT, null=True, blank=True, related_name="records", db_index=False
    )
    key = models.ForeignKey(
        ProviderKey, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    received_at = models.DateTimeField("收到时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "平台学时记录"
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="intake_event_once"),
            models.CheckConstraint(name="intake_hours_in_range", condition=Q(hours__gte=0, hours__lte=200)),
            models.CheckConstraint(
                name="intake_no_hours_only_in_a_correction",
                condition=Q(hours__gt=0) | Q(corrects__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["person_index"],
                condition=Q(practitioner__isnull=True),
                name="intake_waiting",
            ),
            models.Index(fields=["practitioner", "year"], name="intake_person_year"),
            models.Index(fields=["number_key"], condition=~Q(number_key=""), name="intake_number"),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id} {self.event_id}"

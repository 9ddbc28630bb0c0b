"""Applications, the steps that sign them, and the log of what happened. Written by engine.py alone. Floor 2."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from orgs.models import Duty, Organization, Practitioner
from workflow.querysets import ApplicationQuerySet, EventQuerySet, StepQuerySet


class State(models.TextChoices):
    PENDING = "pending", "待审核"
    APPROVED = "approved", "已通过"
    REJECTED = "rejected", "已驳回"
    WITHDRAWN = "withdrawn", "已撤回"


class StepState(models.TextChoices):
    WAITING = "waiting", "未到"
    OPEN = "open", "待审核"
    APPROVED = "approved", "已通过"
    REJECTED = "rejected", "已驳回"
    CLOSED = "closed", "已终止"


class Application(models.Model):
    """申请: one wish about one subject, an organisation or a practitioner.

    `person` is the human concerned, who may not sign it (decision 8). `summary` is the line that lists show,
    frozen at submission. `duty` is what an admin must hold to decide it. `again_of` is the rejected or withdrawn
    application that this one was started from (decision 10).
    """

    kind = models.SlugField(max_length=40, db_index=False)
    duty = models.CharField(max_length=20, choices=Duty)
    state = models.CharField("状态", max_length=10, choices=State, default=State.PENDING)
    organization = models.ForeignKey(
        Organization, models.PROTECT, null=True, blank=True, related_name="applications", db_index=False
    )
    practitioner = models.ForeignKey(
        Practitioner, models.PROTECT, null=True, blank=True, related_name="applications", db_index=False
    )
    person = models.ForeignKey(User, models.PROTECT, related_name="+")
    summary = models.CharField("事项", max_length=200)
    exclusive_key = models.CharField(max_length=80, blank=True)
    confidential = models.BooleanField(default=False)
    submitted_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    submitted_at = models.DateTimeField("提交时间", default=timezone.now)
    closed_at = models.DateTimeField("办结时间", null=True, blank=True)
    again_of = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "申请"
        constraints = [
            models.CheckConstraint(
                name="application_has_one_subject",
                condition=Q(organization__isnull=False, practitioner__isnull=True)
                | Q(organization__isnull=True, practitioner__isnull=False),
            ),
            models.CheckConstraint(
                name="application_closed_at_tells_state",
                condition=Q(state="pending", closed_at__isnull=True)
                | (~Q(state="pending") & Q(closed_at__isnull=False)),
            ),
            models.UniqueConstraint(
                fields=["exclusive_key"],
                condition=Q(state="pending") & ~Q(exclusive_key=""),
                name="application_one_at_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["practitioner", "-submitted_at"], name="application_practitioner"),
            models.Index(fields=["organization", "-submitted_at"], name="application_organization"),
        ]

    def __str__(self) -> str:
        return f"{self.receipt} {self.summary}"

    @property
    def receipt(self) -> str:
        """受理号: day of submission and running number."""
        return f"{timezone.localtime(self.submitted_at):%Y%m%d}-{self.pk:06d}"

    @property
    def subject(self) -> Organization | Practitioner:
        return self.organization or self.practitioner


class Step(models.Model):
    """审核环节: one organisation's sign-off. Steps of equal order are open at the same time.

    `duty` repeats the application's, so that an inbox is counted and listed by duty from one small index.

    `on_behalf_of` is the organisation that would have signed when its only admin is the person concerned or
    when it has no admin: then `approver` is its superior (decisions 8 and 12).
    """

    application = models.ForeignKey(Application, models.PROTECT, related_name="steps")
    order = models.PositiveSmallIntegerField("次序")
    title = models.CharField("环节", max_length=40)
    duty = models.CharField(max_length=20, choices=Duty)
    approver = models.ForeignKey(Organization, models.PROTECT, related_name="steps", verbose_name="审核单位")
    on_behalf_of = models.ForeignKey(
        Organization, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    person = models.ForeignKey(User, models.PROTECT, related_name="+")
    state = models.CharField("状态", max_length=10, choices=StepState, default=StepState.WAITING)
    opened_at = models.DateTimeField("送达时间", null=True, blank=True)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField("审核时间", null=True, blank=True)
    comment = models.CharField("意见", max_length=500, blank=True)

    objects = StepQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "审核环节"
        ordering = ["order", "pk"]
        constraints = [
            models.CheckConstraint(
                name="step_decision_is_signed",
                condition=Q(
                    state__in=["approved", "rejected"], decided_by__isnull=False, decided_at__isnull=False
                )
                | (
                    ~Q(state__in=["approved", "rejected"])
                    & Q(decided_by__isnull=True, decided_at__isnull=True)
                ),
            ),
            models.CheckConstraint(
                name="step_rejection_has_reason", condition=~Q(state="rejected") | ~Q(comment="")
            ),
            models.CheckConstraint(
                name="step_nobody_signs_their_own_matter",
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("person")),
            ),
        ]
        indexes = [
            models.Index(
                fields=["approver", "opened_at", "id"], condition=Q(state="open"), name="step_inbox"
            ),
            models.Index(
                fields=["approver", "duty", "opened_at", "id"],
                condition=Q(state="open"),
                include=["person"],  # counted without a look at the rows: nobody's own matter waits for them
                name="step_inbox_by_duty",
            ),
            models.Index(
                # With the id: thousands that one click decided have one moment.
                fields=["approver", "-decided_at", "-id"],
                condition=Q(decided_at__isnull=False),
                name="step_decided",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} {self.get_state_display()}"

    def awaits(self, actor) -> bool:
        """StepQuerySet.awaiting, asked of a step that is already loaded."""
        mine = actor.organization is not None and self.approver_id == actor.organization.pk
        return (
            mine and self.state == StepState.OPEN and actor.can(self.duty) and self.person_id != actor.user.pk
        )


class Event(models.Model):
    """办理记录: what happened to an application. Append only; the database refuses changes (migration).

    `number` counts the events of one application from 1. `digest` is a hash over what the event says and over the
    digest of the one before it (workflow/chain.py). A trigger writes both, whatever the writer sends.
    """

    class Verb(models.TextChoices):
        SUBMIT = "submit", "提交"
        APPROVE = "approve", "同意"
        REJECT = "reject", "驳回"
        WITHDRAW = "withdraw", "撤回"

    # db_index: the constraint below leads with it.
    application = models.ForeignKey(Application, models.RESTRICT, related_name="events", db_index=False)
    step = models.ForeignKey(Step, models.RESTRICT, null=True, blank=True, related_name="events")
    verb = models.CharField("动作", max_length=10, choices=Verb)
    user = models.ForeignKey(User, models.RESTRICT, related_name="+")
    organization = models.ForeignKey(Organization, models.RESTRICT, null=True, blank=True, related_name="+")
    comment = models.CharField("意见", max_length=500, blank=True)
    at = models.DateTimeField("时间", default=timezone.now)
    number = models.PositiveSmallIntegerField("序号", db_default=0, editable=False)
    digest = models.BinaryField("摘要", db_default=b"", editable=False)

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "办理记录"
        constraints = [
            # Two writers that lock nothing cannot both follow the same event: the log of an application is one line.
            models.UniqueConstraint(fields=["application", "number"], name="event_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_verb_display()} {self.at}"


class DaySeal(models.Model):
    """封存: the log as it stood when a day was over (workflow/chain.py). Append only, like the log itself.

    It holds the events with `after` < id <= `last`, in order of their ids; `after` is `last` of the seal before.
    `digest` is a hash over all this, over the digest of each of these events and over the seal before.
    """

    day = models.DateField("日期", unique=True)
    after = models.BigIntegerField()
    last = models.BigIntegerField()
    count = models.PositiveIntegerField("条数")
    digest = models.BinaryField("摘要")
    sealed_at = models.DateTimeField("封存时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "封存"
        constraints = [
            models.CheckConstraint(name="day_seal_runs_forward", condition=Q(last__gte=F("after"))),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.count} {self.last} {bytes(self.digest).hex()}"


class RemovedDecision(models.Model):
    """从已办列表中移除: the organisation that decided this step does not want it in its list any more (F-88).

    Nothing of the step, its log or its effect is touched; without this row it stands in the list again.
    """

    step = models.OneToOneField(Step, models.PROTECT, related_name="removed", primary_key=True)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField("时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "已移除的办理记录"

    def __str__(self) -> str:
        return f"{self.step_id}"


class Reminder(models.Model):
    """催办: the applicant asked the approvers to get on with it, at most once a day (workflow/reminders.py)."""

    application = models.ForeignKey(Application, models.PROTECT, related_name="reminders")
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    day = models.DateField("日期")
    at = models.DateTimeField("时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "催办"
        constraints = [
            models.UniqueConstraint(fields=["application", "day"], name="reminder_once_a_day"),
        ]
        indexes = [models.Index(fields=["day"], name="reminder_day")]

    def __str__(self) -> str:
        return f"{self.application_id} {self.day}"


class Payload(models.Model):
    """What a kind of application asks for: one typed row beside its Application. Subclassed by the apps above."""

    application = models.OneToOneField(
        Application, models.PROTECT, related_name="%(class)s", primary_key=True, editable=False
    )

    class Meta:
        abstract = True


def _attachment_path(attachment: "Attachment", filename: str) -> str:
    # Never the person's own file name: no path tricks, nothing personal on disk.
    return (
        f"{attachment.sha256[:2]}/{attachment.sha256}-{timezone.now():%Y%m%d%H%M%S%f}.{attachment.extension}"
    )


class Attachment(models.Model):
    """证明材料 or 注册附件: a file of an application, or of a form not yet submitted (`draft` names the form).

    Privately stored; served only to those who may see the application or hold the draft.
    """

    application = models.ForeignKey(
        Application, models.PROTECT, null=True, blank=True, related_name="attachments"
    )
    draft = models.CharField(max_length=64, blank=True, db_index=True)
    file = models.FileField(upload_to=_attachment_path)
    name = models.CharField("文件名", max_length=120)
    content_type = models.CharField(max_length=40)
    extension = models.CharField(max_length=5)
    size = models.PositiveIntegerField("字节数")
    sha256 = models.CharField(max_length=64)
    uploaded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "附件"
        constraints = [
            models.CheckConstraint(
                name="attachment_has_one_home",
                condition=(Q(application__isnull=False) & Q(draft=""))
                | (Q(application__isnull=True) & ~Q(draft="")),
            )
        ]
        indexes = [models.Index(fields=["sha256"], name="attachment_digest")]

    def __str__(self) -> str:
        return self.name

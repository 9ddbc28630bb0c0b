"""试算: what a draft of a policy pack would have meant for a past year. It is looked at, and changes nothing."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import RoleAccount, User
from credits.models.certificates import IssueState
from credits.models.packs import RulePack
from orgs.models import Organization


class RuleTrial(models.Model):
    """One trial of a draft on the data of `year` below `organization`. Made and run by credits/trial.py.

    `seen` is the digest of the text that was tried; `result` what came out, in numbers and rows ready to show.
    """

    pack = models.ForeignKey(RulePack, models.CASCADE, related_name="trials", db_index=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+", db_index=False)
    year = models.PositiveSmallIntegerField("年度")
    seen = models.CharField(max_length=16)
    by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name="试算人")
    account = models.ForeignKey(RoleAccount, models.PROTECT, related_name="+")
    state = models.CharField("状态", max_length=10, choices=IssueState, default=IssueState.WAITING)
    result = models.JSONField("结果", default=dict, blank=True)
    why_failed = models.CharField("未完成的原因", max_length=200, blank=True)
    created_at = models.DateTimeField("提出时间", default=timezone.now)
    finished_at = models.DateTimeField("结束时间", null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "试算"
        constraints = [
            models.CheckConstraint(
                name="rule_trial_finished_at_tells_state",
                condition=Q(state__in=["waiting", "running"], finished_at__isnull=True)
                | (Q(state__in=["done", "failed"]) & Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="rule_trial_failure_has_a_sentence", condition=~Q(state="failed") | ~Q(why_failed="")
            ),
        ]
        indexes = [models.Index(fields=["pack", "-id"], name="rule_trial_last")]

    def __str__(self) -> str:
        return f"{self.pack} {self.year}"

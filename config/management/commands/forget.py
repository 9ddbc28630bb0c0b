"""Take away what is not needed any more of people whose accounts ended, and what is old. To be run daily."""

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from config.forgetting import ended_before, forget, forget_old


class Command(BaseCommand):
    help = "清除不再需要的个人信息：结束满期的账户、过期的消息、导出条件和查看记录。每天运行；--dry-run 只数不清。"

    def add_arguments(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="只数有多少个账户到期")

    def handle(self, *, dry_run=False, **options):
        now = timezone.now()
        due = ended_before(now - settings.FORGET_PEOPLE_AFTER)
        if dry_run:
            self.stdout.write(f"到期的账户：{sum(1 for _ in due)}")
            return
        people = sum(forget(user) for user in due)
        counts = {"账户": people, **forget_old(now)}
        self.stdout.write("已清除：" + "，".join(f"{label} {count}" for label, count in counts.items()))

"""Do by hand what the worker does every minute: look again at waiting years, fold waiting counters."""

from django.core.management.base import BaseCommand

from credits.rolling import roll


class Command(BaseCommand):
    help = "重新计算等待中的达标情况并汇总计数；后台进程每分钟自动运行。"

    def handle(self, **options):
        self.stdout.write(f"已处理 {roll()} 项")

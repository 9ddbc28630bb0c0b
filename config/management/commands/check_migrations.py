from django.core.management.base import BaseCommand, CommandError

from config.safe_migrations import findings


class Command(BaseCommand):
    help = "检查未发布的迁移能否在网站运行时执行（config/safe_migrations.py）。"

    requires_system_checks = ()

    def handle(self, **options):
        found = findings()
        if found:
            raise CommandError("\n".join(["这些迁移不能在网站运行时执行：", *map(str, found)]))
        self.stdout.write("未发布的迁移都可以在网站运行时执行。")

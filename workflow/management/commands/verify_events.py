import datetime
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from accounts.consistency import one_moment
from workflow.chain import broken_links, missing_ends
from workflow.sealing import broken_seals, differing_from, ids_of

SHOWN = 20


class Command(BaseCommand):
    help = (
        "核对办理记录：从数据重新计算每条记录的摘要和每天的封存，指出断开的第一处。发现问题时退出码为 1。"
        "只核对几天时，核对这几天有记录的申请和这几天的封存。"
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--from", dest="first", type=datetime.date.fromisoformat, help="从这一天，如 2026-01-01"
        )
        parser.add_argument("--to", dest="last", type=datetime.date.fromisoformat, help="到这一天")
        parser.add_argument("--kept", type=Path, help="另存的封存行（seal_day 打印的）所在的文件")

    def handle(self, *args, first, last, kept, **options):
        found = 0
        with one_moment():
            for broken in self.everything(first, last, kept):
                found += 1
                if found <= SHOWN:
                    self.stdout.write(str(broken))
        if found > SHOWN:
            self.stdout.write(f"……共 {found} 处，以上是前 {SHOWN} 处。")
        if found:
            raise CommandError(f"办理记录与写入时不同：{found} 处。请保留现场，联系平台管理员。")
        self.stdout.write("办理记录与写入时相同。")

    def everything(self, first, last, kept):
        yield from broken_links(*ids_of(first, last))
        yield from broken_seals(first, last)
        if not first and not last:
            yield from missing_ends()
        if kept:
            with kept.open(encoding="utf-8") as lines:
                yield from differing_from(lines)

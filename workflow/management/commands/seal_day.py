from django.core.management.base import BaseCommand, CommandError

from workflow.models import DaySeal
from workflow.sealing import StillWriting, line, seal_days


class Command(BaseCommand):
    help = (
        "封存办理记录：每个已过完而未封存的日子一行（日期、条数、最后一条的编号、摘要）。每天零点后运行，可反复运行，"
        "漏掉的日子会补上。请把打印的行追加到本机之外的文件，verify_events --kept 用它核对。"
    )

    def add_arguments(self, parser):
        parser.add_argument("--all", action="store_true", help="打印全部封存，而不只是新的")
        parser.add_argument("--patience", type=float, default=60, help="等待未结束的办理的秒数（默认 60）")

    def handle(self, *args, patience, **options):
        try:
            new = seal_days(patience)
        except StillWriting:
            raise CommandError("还有办理没有结束，这次没有封存。请稍后再运行一次。") from None
        for seal in DaySeal.objects.order_by("day").iterator() if options["all"] else new:
            self.stdout.write(line(seal))

from django.core.management.base import BaseCommand, CommandError

from accounts.consistency import all_invariants, one_moment


class Command(BaseCommand):
    help = (
        "核对全部数据的一致性（各应用的 invariants.py），只读，同一时刻。每项一行，例外列出编号，最多 20 个；"
        "有例外时退出码为 1。建议每晚运行。"
    )

    def add_arguments(self, parser):
        parser.add_argument("--files", action="store_true", help="也核对附件与文件（同 check_media）")
        parser.add_argument(
            "--open",
            nargs="?",
            type=int,
            const=0,
            metavar="N",
            help="也打开加密的证件号码；带数字时只抽查 N 个",
        )

        parser.add_argument(
            "--signatures",
            nargs="?",
            type=int,
            const=0,
            metavar="N",
            help="也核对证书的签名；带数字时只抽查 N 张",
        )

    def handle(self, *args, files, **options):
        asked = {"files": None} if files else {}
        for name in ("open", "signatures"):
            if options[name] is not None:
                asked[name] = options[name] or None
        different = 0
        with one_moment():
            for one in all_invariants(asked):
                found = one.look(asked.get(one.option))
                different += bool(found.total)
                self.stdout.write(
                    f"{one.name} {one.sentence}：{f'{found.total} 处例外' if found.total else '无例外'}"
                )
                for row in found.shown:
                    self.stdout.write(f"    {row}")
                if found.total > len(found.shown):
                    self.stdout.write(f"    ……以上是前 {len(found.shown)} 处")
        if different:
            raise CommandError(f"{different} 项不一致。")
        self.stdout.write("全部一致。")

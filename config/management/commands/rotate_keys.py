"""Change the keys of sealed fields and blind indexes while the site runs, or the suite they are made with."""

import time

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts import rotation
from accounts.models import IndexStep
from config import rotating
from config.keys import keys_file
from credits.intake.attaching import attach_waiting


class Command(BaseCommand):
    help = (
        "分三步换字段密钥和索引密钥（也用于换加密套件）：--new 加入新密钥；重启后不带参数运行，重写全部内容；"
        "再次重启后 --finish 收尾。用 cpe_owner 运行，可随时中断、重新运行。--check 只看还剩多少。"
    )
    requires_system_checks = []

    def add_arguments(self, parser):
        step = parser.add_mutually_exclusive_group()
        step.add_argument("--new", action="store_true", help="第一步：在密钥文件里加入新密钥，暂不使用")
        step.add_argument("--finish", action="store_true", help="第三步：处理剩余，去掉不再需要的密钥")
        step.add_argument("--check", action="store_true", help="只看哪些内容还在旧密钥下")

    def handle(self, *, new=False, finish=False, check=False, **options):
        path = keys_file(settings.DATA_DIR)
        try:
            if check:
                self._check()
            elif new:
                self._new(path)
            elif finish:
                self._finish(path)
            else:
                self._rewrite(path)
        except OSError as error:
            raise CommandError(f"密钥文件写不进去：{error.strerror}。请检查它所在文件夹的权限。") from error

    def _check(self) -> None:
        seals, indexes = rotation.keys_used()
        indexes = {one or "最初" for one in indexes}
        self.stdout.write(
            f"字段密钥：{'、'.join(sorted(seals)) or '无'}；索引密钥：{'、'.join(sorted(indexes)) or '无'}"
        )
        for name, count in rotation.left().items():
            self.stdout.write(f"{name}：还有 {count} 个在旧密钥下")

    def _new(self, path) -> None:
        if rotating.is_open(path) or IndexStep.objects.exists():
            raise CommandError(
                "上一次换密钥还没有做完，请先完成：重启各服务后运行 rotate_keys，再 rotate_keys --finish。"
            )
        key = rotating.add(path)
        self.stdout.write(
            f"已加入密钥 {key}。请先备份密钥文件，重启全部网站和后台进程（每台主机），再运行 rotate_keys。"
        )

    def _rewrite(self, path) -> None:
        if not rotating.is_open(path) and not rotation.left():
            raise CommandError("没有要换的内容。先用 rotate_keys --new 加入新密钥。")
        rotating.use(path)
        rotation.open_steps()
        self._rotate()
        rotating.settle(path)
        self.stdout.write("内容已全部换过。请重启全部网站和后台进程，再运行 rotate_keys --finish。")

    def _finish(self, path) -> None:
        if rotating.is_open(path):
            raise CommandError("内容还没有换完，请先运行 rotate_keys。")
        self._rotate()
        left = rotation.left()
        if left:
            raise CommandError(f"仍有进程在用旧密钥写入：{left}。请确认全部进程已经重启，再运行一次。")
        attached = attach_waiting()
        gone = rotating.drop(path)
        rotation.close_steps()
        self.stdout.write(f"完成。去掉的字段密钥：{'、'.join(gone) or '无'}；补记平台学时 {attached} 条。")
        if passing := rotating.passing_keys() - {settings.FIELD_KEY_CURRENT}:
            self.stdout.write(
                f"密钥 {'、'.join(sorted(passing))} 还有未到期的会话或待发信件在用，三天后再运行一次 --finish 即可去掉。"
            )

    def _rotate(self) -> None:
        begun = told = time.monotonic()

        def tell(table: str, rows: int) -> None:
            nonlocal told
            if time.monotonic() - told > 10:
                told = time.monotonic()
                self.stdout.write(f"{table}：{rows:,}")

        done = rotation.rotate(tell)
        seconds = time.monotonic() - begun
        self.stdout.write(
            f"重写 {done.total:,} 行，用时 {seconds:.1f} 秒（每秒 {done.total / max(seconds, 0.001):,.0f} 行），"
            f"因让路重试 {done.retries} 次。"
        )

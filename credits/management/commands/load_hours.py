"""Load the policy packs of credits/rules/packs and the learning platforms of credits/reference.

Of the packs only Shandong's is put into force, the others stay as examples.
"""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from credits import packs, platforms
from credits.models import RulePack
from credits.rules.pack import Malformed, read
from orgs.models import Kind, Organization

FOLDER = Path(__file__).resolve().parents[2] / "rules" / "packs"
IN_FORCE = {"shandong"}


class Command(BaseCommand):
    help = "装入政策包：不带参数时装入自带的政策包（只补缺，不改平台上已有的版本）；也可装入一个文件。"

    def add_arguments(self, parser):
        parser.add_argument(
            "file", nargs="?", type=Path, help="政策包文件（TOML）；内容与现有版本相同时不重复装入"
        )
        parser.add_argument("--bureau", type=int, help="适用的人社部门的编号；不填则全省适用")
        parser.add_argument("--publish", action="store_true", help="装入后立即发布")

    @transaction.atomic
    def handle(self, *, file, bureau, publish, verbosity, **options):
        self.verbosity = verbosity
        if file is None:
            for path in sorted(FOLDER.glob("*.toml")):
                code = read(path.read_text(encoding="utf-8")).code
                if not RulePack.objects.filter(code=code).exists():
                    self._load(path, None, code in IN_FORCE)
            platforms.load()
            return
        place = Organization.objects.filter(pk=bureau, kind=Kind.BUREAU).first() if bureau else None
        if bureau and place is None:
            raise CommandError(f"没有编号为 {bureau} 的人社部门")
        self._load(file, place, publish)

    def _load(self, path: Path, bureau: Organization | None, publish: bool) -> None:
        text = path.read_text(encoding="utf-8")
        try:
            code = read(text).code
            last = RulePack.objects.filter(code=code).order_by("-version").first()
            pack = last if last and last.text == text else packs.draft(text, bureau=bureau)
        except Malformed as error:
            places = "\n".join(f"  {where}：{sentence}" for where, sentence in error.errors)
            raise CommandError(f"{path.name} 需要修改：\n{places}") from error
        if publish and pack.state == "draft":
            packs.publish(pack)
        if self.verbosity:
            self.stdout.write(f"{pack}：{pack.get_state_display()}")

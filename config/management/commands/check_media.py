from django.core.management.base import BaseCommand

from config.media import cross_check


class Command(BaseCommand):
    help = "核对附件：每条记录都有文件、内容与摘要相符；没有记录的文件只提示。有缺少或不符的，以 1 结束。"

    def handle(self, **options):
        wrong = {"missing": 0, "changed": 0, "without row": 0}
        for one in cross_check():
            wrong[one.what] += 1
            self.stdout.write(str(one))
        self.stdout.write(
            f"缺少 {wrong['missing']}，不符 {wrong['changed']}，没有记录 {wrong['without row']}"
            "（没有记录的由 purge_drafts 清理：写了一半的满 1 天，其他的满 7 天）。"
        )
        if wrong["missing"] or wrong["changed"]:
            raise SystemExit(1)

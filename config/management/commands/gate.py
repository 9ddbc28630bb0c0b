"""The figures that this project claims, found by running them: `python manage.py gate [tier …]` (trust.md 4.9).

Each tier is a set of tests that `make test` runs as well, here with many more repetitions (tests/tiers.py). What they
tried and what went wrong is written to docs/gate.json (name → {tried, failed, seconds, date}) and docs/gate.md; tiers
that were not run keep what they had. Needs what the tests need (requirements-dev.txt).
"""

import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

from django.conf import settings
from django.core.management import BaseCommand, CommandError

ROOT = settings.BASE_DIR
RESULTS = ROOT / "docs" / "gate.json"
TIERS = {
    "cells": ["test_matrix.py"],
    "races": [],  # those of tests/test_races.py and their controls, over and over
    "faults": ["test_faults*.py"],
    "fuzz": ["test_fuzz*.py"],
    "axe": ["test_axe*.py"],
    "restore": ["test_restore*.py"],
    "certificates": ["test_certificates*.py", "test_paper*.py"],
    "rules": ["test_rules*.py"],
}
ROUNDS = 8  # of all races
ONE_BY_ONE = {"faults"}  # they ask how long somebody waited: two of them at once would wait for each other
# figure → what it counts
WORDS = {
    "cells": "权限矩阵：地址 × 身份 × 方法的格子，错误的",
    "leaks": "答复中出现完整证件号码的",
    "races": "竞争：同时点击的次数，被违反的",
    "faults": "故障演练：次数，丢失、重复或不对的",
    "acknowledged": "故障前已经答复成功的操作，丢失或做了两次的",
    "fuzz_life": "申请的一生：随机步骤，违反规则的",
    "fuzz_forms": "表单、地址和号码的坏输入，答复 500 以上或存入无效行的",
    "fuzz_http": "畸形的 HTTP 请求，答复 500 以上或使进程停止的",
    "hostile_files": "有害文件，没有被拒绝或没有被安全存放的",
    "axe": "页面 × 宽度 × 状态，无障碍检查不通过的",
}


class Command(BaseCommand):
    help = "运行长测试，把试过多少、失败多少写入 docs/gate.md 和 docs/gate.json。不写名称即运行全部。"

    def add_arguments(self, parser):
        parser.add_argument("tiers", nargs="*", metavar="TIER", help=f"其中几类：{'、'.join(TIERS)}")
        parser.add_argument("--short", action="store_true", help="只用 make test 的次数（不写入 docs/）")

    def handle(self, *, tiers, short, **options):
        unknown = set(tiers) - set(TIERS)
        if unknown:
            raise CommandError(f"没有这样的测试：{'、'.join(unknown)}。有：{'、'.join(TIERS)}。")
        results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        wrong = []
        for tier in tiers or TIERS:
            found = self.run_tier(tier, short)
            wrong += [name for name, one in found.items() if one["failed"]]
            results |= found
            for name, one in found.items():
                self.stdout.write(
                    f"{name}: {one['tried']:,} tried, {one['failed']:,} failed, {one['seconds']} s"
                )
            if not short:
                RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
                (ROOT / "docs" / "gate.md").write_text(page(results), encoding="utf-8")
        if wrong:
            raise CommandError(f"没有通过：{'、'.join(wrong)}")

    def run_tier(self, tier: str, short: bool) -> dict[str, dict]:
        """The tier's tests in a process of their own; what they counted by name, and how many tests there were."""
        paths = races() if tier == "races" else tests_of(tier)
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            figures, report = Path(folder) / "figures", Path(folder) / "report.xml"
            env = {**os.environ, "CPE_FIGURES": str(figures), "CPE_TIER": "short" if short else "long"}
            if tier == "races" and not short:
                env["CPE_ROUNDS"] = str(ROUNDS)
            workers = "1" if tier in ONE_BY_ONE else "2"
            options = ["-q", "-n", workers, "--dist", "loadfile", "--keep-duplicates", f"--junitxml={report}"]
            command = [sys.executable, "-m", "pytest", *options, *paths]
            done = subprocess.run(command, cwd=ROOT, env=env)  # noqa: S603 (our own tests)
            if not report.exists():
                raise CommandError(f"{tier}：测试没有运行（{done.returncode}）。")
            suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314 (written a moment ago)
            counted = collect(figures)
        if tier != "races":  # other tiers have a race or two of their own: not the figure of all of them
            counted.pop("races", None)
        today = datetime.datetime.now().astimezone().date().isoformat()
        failed = int(suite.get("failures")) + int(suite.get("errors"))
        ran = int(suite.get("tests")) - int(suite.get("skipped"))
        counted[f"{tier}_tests"] = {"tried": ran, "failed": failed, "seconds": time.monotonic() - begun}
        return {
            name: {**one, "seconds": round(one["seconds"]), "date": today} for name, one in counted.items()
        }


def tests_of(tier: str) -> list[str]:
    return [str(path) for one in TIERS[tier] for path in sorted((ROOT / "tests").glob(one))]


def races() -> list[str]:
    """Every race of tests/test_races.py with its control, once."""
    from tests.test_races import RACES

    found = {}
    for module, *names in RACES.values():
        for name in names:
            where, _, test = name.rpartition(":")
            found[f"tests/{where or module}.py::{test.replace('.', '::')}"] = True
    return list(found)


def collect(figures: Path) -> dict[str, dict]:
    """The lines that tests/tiers.py wrote, summed by name."""
    found: dict[str, dict] = {}
    for line in figures.read_text(encoding="utf-8").splitlines() if figures.exists() else []:
        one = json.loads(line)
        so_far = found.setdefault(one["name"], {"tried": 0, "failed": 0, "seconds": 0.0})
        for key in so_far:
            so_far[key] += one[key]
    return found


def page(results: dict[str, dict]) -> str:
    """docs/gate.md."""
    lines = [
        "# 承诺的数字",
        "",
        "由 `python manage.py gate` 运行测试得出并写入，没有别的来源；每行是一类测试最近一次的结果。",
        "",
        "| 名称 | 数的是什么 | 试过 | 失败 | 秒 | 日期 |",
        "|---|---|---:|---:|---:|---|",
    ]
    for name, one in sorted(results.items()):
        tier = name.removesuffix("_tests")
        words = WORDS.get(name) or f"`{tier}` 的测试，失败的"
        lines.append(
            f"| `{name}` | {words} | {one['tried']:,} | {one['failed']:,} | {one['seconds']} | {one['date']} |"
        )
    return "\n".join(lines) + "\n"

"""Measure the project and its yardsticks in one run: `python -m bench [--people 4000000] [--only pages,lists,…]`.

Needs a PostgreSQL server in DATABASE_URL whose role may make databases, and pgbench. The two provinces (4,000 people and
--people) are made once and kept as cpe_bench_4000 and cpe_bench_<people>; their keys lie in CPE_DATA_DIR/bench. Writes
bench/results.md and bench/results.json: name → {ours, yardstick, ratio, unit, people}. Parts that were not run keep what
they had.
"""

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from bench import load
from bench.pages import Compared
from bench.servers import ROOT, Province

SMALL, LARGE = 4_000, 4_000_000
PARTS = ["pages", "lists", "single", "website", "crowd", "many", "xlsx", "export", "load"]
RESULTS = ROOT / "bench" / "results.json"
# name → (what is compared, wanted: at most or at least)
WANTED = {
    "page_scale_unit": ("每个用人单位页面：大省对小省", "≤", 1.3),
    "page_scale_authority": ("每个主管部门页面：大省对小省", "≤", 1.3),
    "page_scale_bureau": ("每个人社部门页面：大省对小省", "≤", 1.3),
    "page_scale_province": ("省厅页面：大省对小省", "≤", 1.3),
    "list_vs_bare": ("50 行列表页：对同一查询的裸 Django 视图", "≥", 0.8),
    "list_vs_admin": ("50 行列表页：对调好的 Django admin", "≥", 2.5),
    "list_vs_admin_small": ("同上，小省", "≥", 2.5),
    "approve_vs_pgbench": ("一件审核：引擎对 pgbench 跑同样的语句", "≥", 0.5),
    "approve_http_vs_pgbench": ("一件审核：在网页上点击，对 pgbench 跑引擎的语句", "≥", 0),
    "approve_c32_vs_c8": ("同一人社部门下 32 个并发对 8 个", "≥", 0.9),
    "bulk_vs_sql": ("一次审核 10,000 件：对裸 SQL", "≤", 3.0),
    "xlsx_vs_parse": ("导入 100,000 行 .xlsx：对只解析文件", "≤", 2.0),
    "export_memory_mb": ("导出 200,000 行：比空闲多用的内存（MB）", "≤", 50),
}


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m bench")
    asked.add_argument("--people", type=int, default=LARGE)
    asked.add_argument("--only", default=",".join(PARTS))
    options = asked.parse_args()
    parts = options.only.split(",")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    folder = Path(os.environ.get("CPE_DATA_DIR", ROOT / ".data")) / "bench"
    small, large = Province(SMALL, folder), Province(options.people, folder)
    if {"pages", "lists", "single", "website", "crowd", "many"} & set(parts):
        small.prepare()
        large.prepare()
    found = {}
    if "pages" in parts:
        from bench import pages

        found |= pages.measure(small, large)
    if "lists" in parts:
        found |= _lists(small, large)
    for part in ("single", "crowd", "many"):
        if part in parts:
            found |= _apart(part, large)
    if "website" in parts:
        with large.serving() as port:
            found |= _apart("website", large, port, large.known["bureau"])
    if "xlsx" in parts:
        found["xlsx_vs_parse"] = _xlsx()
    if "export" in parts:
        found["export_memory_mb"] = _export()
    if "load" in parts:
        found |= load.measure(load.LOADS)
    _write(found)


def _lists(small: Province, large: Province) -> dict:
    from bench import lists

    at_large, at_small = lists.measure(large), lists.measure(small)

    def compared(rates: dict, other: str, people: int) -> dict:
        return {
            "ours": round(rates["ours"], 1),
            "yardstick": round(rates[other], 1),
            "ratio": round(rates["ours"] / rates[other], 2),
            "unit": "requests/s, 8 connections",
            "people": people,
        }

    return {
        "list_vs_bare": compared(at_large, "bare", large.people),
        "list_vs_admin": compared(at_large, "admin", large.people),
        "list_vs_admin_small": compared(at_small, "admin", small.people),
    }


NAMES = {
    "single": "approve_vs_pgbench",
    "website": "approve_http_vs_pgbench",
    "crowd": "approve_c32_vs_c8",
    "many": "bulk_vs_sql",
}
_PART = """
import json
from bench import deciding

if __name__ == "__main__":
    import os
    deciding.django_on(dict(os.environ))
    print("RESULT " + json.dumps(deciding.{part}(*{given})), flush=True)
"""


def _apart(part: str, large: Province, *given) -> dict:
    """In a process of its own: Django is set up once for one database."""
    script = large.folder / f"{part}.py"
    script.write_text(_PART.format(part=part, given=(large.people, *given)), encoding="utf-8")
    said = _said([sys.executable, str(script)], large.env)
    return {NAMES[part]: json.loads(said.partition("RESULT ")[2])}


def _xlsx() -> dict:
    said = _said([sys.executable, "-m", "bench.intake"], dict(os.environ))
    parsing = float(re.search(r"merely parsing with openpyxl: ([\d.]+)", said)[1])
    check, entry = map(float, re.search(r"check ([\d.]+) s, entry ([\d.]+) s", said).groups())
    return {
        "ours": round(check + entry, 1),
        "yardstick": round(parsing, 1),
        "ratio": round((check + entry) / parsing, 2),
        "unit": "s for 100,000 rows, checked and entered",
        "people": 50_000,
    }


def _export() -> dict:
    said = _said([sys.executable, "-m", "bench.export"], dict(os.environ))
    more = max(float(one) for one in re.findall(r"(\d+) MB more", said))
    idle = float(re.search(r"memory (\d+) MB idle", said)[1])
    return {
        "ours": more,
        "yardstick": idle,
        "ratio": round(more / idle, 2),
        "unit": "MB above idle for 200,000 rows",
        "people": 200_000,
    }


def _said(command: list[str], env: dict) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env={**env, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    sys.stdout.write(done.stdout)
    # The parts say by their exit code that a wish was missed; a crash says nothing.
    if not done.stdout.strip():
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def _write(found: dict) -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    for name, row in found.items():
        results[name] = {**row, "date": today}
    RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# 测量结果",
        "",
        f"{today}，{_machine()}。每一行的两个数在同一次运行里交替测得；绝对值属于这台机器，比值才是结论。",
        "",
        "| 名称 | 比较什么 | 本系统 | 标尺 | 比值 | 要求 | 单位 | 人数 | 日期 |",
        "|---|---|---:|---:|---:|---|---|---:|---|",
    ]
    for name, (what, sign, limit) in WANTED.items():
        row = results.get(name)
        if row:
            value = row["ours"] if name == "export_memory_mb" else row["ratio"]
            met = value <= limit if sign == "≤" else value >= limit
            lines.append(
                f"| `{name}` | {what} | {row['ours']} | {row['yardstick']} | {row['ratio']} | {sign} {limit}"
                f"{'' if met else ' **未达到**'} | {row['unit']} | {row['people']:,} | {row['date']} |"
            )
    for name, row in results.items():
        if row.get("pages"):
            lines += _pages(name, row["pages"])
    lines += load.section(results)
    (ROOT / "bench" / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(lines) + "\n")


def _pages(name: str, pages: list) -> list[str]:
    lines = [
        "",
        f"## {name}",
        "",
        "| 页面 | 小省 ms | 行 | 大省 ms | 行 | 比值 | 大省最大单位 ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in (Compared(*page) for page in pages):
        ratio = f"{one.ratio:.2f}" if one.alike else f"（{one.ratio:.2f}，行数不同）"
        lines.append(
            f"| `{one.path}` | {one.small:.1f} | {one.small_rows} | {one.large:.1f} | {one.large_rows} | {ratio}"
            f" | {one.largest:.1f} |"
        )
    return lines


def _machine() -> str:
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"))
    return (
        f"{os.cpu_count()} 核，{int(memory[1]) / 1024**2:.0f} GiB，{platform.system()} {platform.machine()}，"
        f"Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()

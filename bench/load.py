"""Load (trust.md 4.6): `python -m bench.load [--only L1,L2,…] [--minutes 15]`, on a province of 200,000 people.

L1 60 users for --minutes; L2 300 users for 3 minutes; L3 five logins a second for 60 s beside 20 users; L4 an admin for
whom 5,000 declarations wait; L5 an export of 50,000 rows. The website runs with the settings of production
(config/gunicorn.py: 2 workers of 4 threads), its worker beside it, PostgreSQL and the virtual users (bench/driver.py) on
the same machine; what share of a core the users took is reported. The users' sessions are rows written before
(bench/load_world.py); only L3 logs in. After each load check_invariants must find nothing and the log no error.

Needs what `python -m bench` needs. The province is made once (a minute) and kept as cpe_bench_200000. A load that ran its
whole time is merged into bench/results.json as load_L1 … load_L5; --minutes below 15 shortens L1, L2 and L3, for a look.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import driver
from bench.driver import Measured
from bench.servers import PASSWORD, ROOT, Province
from bench.servers import Browser as PatientBrowser

PEOPLE, MINUTES = 200_000, 15
LOADS = ["L1", "L2", "L3", "L4", "L5"]
# Milliseconds at the 95th percentile: reads, writes (for L3 those of the others, not of who logs in).
LIMITS = {"L1": (400, 700), "L2": (1500, 1500), "L3": (1000, 1000)}
USERS = {"L1": 60, "L2": 300, "L3": 20}
LONGEST = {"L2": 3, "L3": 1}  # minutes
LOGINS = 5  # a second
QUEUE, QUEUE_MS, QUEUE_QUERIES, ROUNDS = 5_000, 300, 12, 40
ROWS, ROWS_SECONDS, ROWS_MB = 50_000, 60, 150


def measure(only: list[str], minutes: float = MINUTES) -> dict[str, dict]:
    """load_L1 … → {ours, yardstick, ratio, unit, people, met, whole, rows}: `ours` is the figure that is nearest to its
    limit, `yardstick` that limit, `rows` everything that was measured as [what, value, limit or ""]; `met` also wants no
    error, clean invariants and a clean log; `whole` whether the load ran its full time."""
    folder = Path(os.environ.get("CPE_DATA_DIR", ROOT / ".data")) / "bench"
    province = Province(PEOPLE, folder)
    if set(only) - {"L5"}:
        province.prepare()
    found = {}
    for name in only:
        if name in USERS:
            result = _users(province, name, min(minutes, LONGEST.get(name, minutes)))
        else:
            result = _queue(province) if name == "L4" else _export()
        found[f"load_{name}"] = result
        print("\n".join(table(f"load_{name}", result)), flush=True)
    return found


def section(results: dict[str, dict]) -> list[str]:
    """The part of bench/results.md: every load that the results hold, "" lines between."""
    loads = {name: one for name, one in results.items() if name.startswith("load_")}
    head = (
        ["", "# 负载", "", f"{PEOPLE:,} 人；网站、后台进程、数据库和测量程序同在一台机器上。"]
        if loads
        else []
    )
    return head + [line for name, one in loads.items() for line in table(name, one)]


def table(name: str, result: dict) -> list[str]:
    """One load as Markdown."""
    said = "达到" if result["met"] else "**未达到**"
    lines = ["", f"## {name}：{said}{'' if result['whole'] else '（缩短的一次）'}", ""]
    lines += ["| 测量 | 结果 | 要求 |", "|---|---:|---:|"]
    return lines + [f"| {what} | {value} | {limit} |" for what, value, limit in result["rows"]]


def _result(rows: list[list], limited: list[tuple[float, float, str]], met: bool, whole: bool = True) -> dict:
    """`limited`: (figure, limit, unit), of which the nearest to its limit stands for the load."""
    ours, limit, unit = max(limited, key=lambda one: one[0] / one[1])
    return {
        "ours": ours,
        "yardstick": limit,
        "ratio": round(ours / limit, 2),
        "unit": unit,
        "people": PEOPLE,
        "met": met and all(figure <= most for figure, most, _ in limited),
        "whole": whole,
        "rows": rows,
    }


# --- L1, L2, L3: people ---------------------------------------------------------------------------------------------


def _users(province: Province, name: str, minutes: float) -> dict:
    seconds = minutes * 60
    counts = _counts(USERS[name])
    pool = counts["practitioner"] * (2 + int(seconds / driver.PER_JOURNEY))
    logins = round(LOGINS * seconds) if name == "L3" else 0
    waiting = 5 + round(3 * minutes)
    world = _world(province, "people", **{**counts, "practitioner": pool}, logins=logins, waiting=waiting)
    log = province.folder / f"{name}.log"
    log.unlink(missing_ok=True)
    with _website(province, log) as port, _working(province, log) as worker:
        _warm(port)
        begun, own, before = time.perf_counter(), time.process_time(), _cores(port, worker)
        measured, entering = asyncio.run(_live(port, counts, world, seconds))
        spent = time.perf_counter() - begun
        share = (time.process_time() - own) / spent
        busy = _shares(before, _cores(port, worker), spent)
    _world(province, "leave")
    problems = [*_said_in(log), *_invariants(province)]
    return _told(name, minutes, measured, entering, spent, share, busy, problems)


def _counts(users: int) -> dict[str, int]:
    counts = {kind: max(1, round(users * share)) for kind, share in driver.SHARES.items()}
    counts["practitioner"] += users - sum(counts.values())
    return counts


async def _live(port: int, counts: dict, world: dict, seconds: float) -> tuple[Measured, Measured]:
    """All users and, where there are any, the logins beside them."""
    measured, entering = Measured(), Measured()
    until = time.monotonic() + seconds + (driver.THINK[1] if world["logins"] else 0)
    tasks = [
        asyncio.create_task(driver.live(port, kind, sessions, measured, until))
        for kind, count in counts.items()
        for sessions in driver.spread(world[kind], count)
    ]
    if world["logins"]:
        await asyncio.sleep(driver.THINK[1])  # the others are there
    for number in world["logins"]:
        if time.monotonic() >= until:
            break
        tasks.append(asyncio.create_task(driver.log_in(port, number, PASSWORD, entering)))
        await asyncio.sleep(1 / LOGINS)
    await asyncio.gather(*tasks)
    return measured, entering


def _told(name, minutes, measured, entering, spent, share, busy, problems) -> dict:
    most_read, most_write = LIMITS[name]
    reads, writes = percentiles(measured.reads), percentiles(measured.writes)
    rows = [
        ["同时在线的用户", USERS[name], ""],
        ["秒", round(spent), ""],
        ["请求", measured.requests, ""],
        ["每秒请求", round(measured.requests / spent, 1), ""],
        [f"读 {len(measured.reads)} 次，p50 / p95 / p99（毫秒）", _shown(reads), f"p95 ≤ {most_read}"],
        [f"写 {len(measured.writes)} 次，p50 / p95 / p99（毫秒）", _shown(writes), f"p95 ≤ {most_write}"],
        ["占时间最多的，次数：p50 / p95 / p99（毫秒）", _dearest(measured), ""],
        ["错误", _counted(measured), 0],
        ["减载（503 和 Retry-After）", measured.shed, ""],
    ]
    if name == "L3":
        tries = len(entering.writes) + sum(entering.errors.values()) + entering.shed
        rows += [
            [f"登录 {tries} 次，每秒", round(tries / (minutes * 60), 1), ""],
            ["提交密码 p50 / p95 / p99（毫秒）", _shown(percentiles(entering.writes)), ""],
            ["登录的错误", _counted(entering), 0],
            ["登录的减载", entering.shed, ""],
        ]
    rows += [
        ["测量程序占用（核）", round(share, 2), "≤ 0.4"],
        [
            "占用（核）",
            "，".join(f"{name} {cores:.2f}" for name, cores in busy.items()),
            f"共 {os.cpu_count()}",
        ],
        ["日志与不变式的问题", "；".join(problems) or 0, 0],
    ]
    limited = [(reads[1], most_read, "ms, p95 of reads"), (writes[1], most_write, "ms, p95 of writes")]
    met = not (problems or measured.errors or entering.errors) and share <= 0.4 and measured.requests > 0
    return _result(rows, limited, met, minutes >= LONGEST.get(name, MINUTES))


def percentiles(times: list[float]) -> tuple[float, float, float]:
    """The 50th, 95th and 99th of these milliseconds: the smallest one that so many percent do not exceed."""
    if not times:
        return 0.0, 0.0, 0.0
    ordered = sorted(times)
    return tuple(round(ordered[-(-len(ordered) * part // 100) - 1], 1) for part in (50, 95, 99))


def _shown(three: tuple[float, float, float]) -> str:
    return " / ".join(f"{one:.0f}" for one in three)


def _dearest(measured: Measured) -> str:
    """The five addresses that took most time in all."""
    ordered = sorted(measured.pages.items(), key=lambda one: -sum(one[1]))[:5]
    return "；".join(f"{what} {len(times)}：{_shown(percentiles(times))}" for what, times in ordered)


def _counted(measured: Measured) -> str | int:
    return "；".join(f"{what} × {count}" for what, count in measured.errors.most_common(5)) or 0


# --- the website and what it leaves -----------------------------------------------------------------------------------


@contextmanager
def _website(province: Province, log: Path) -> Iterator[int]:
    """Two workers of four threads as config/gunicorn.py sets them up; everything it says goes to the log."""
    settings = f"-c python:config.gunicorn --capture-output --error-logfile {log}"
    with province.serving(GUNICORN_CMD_ARGS=settings, CPE_GUNICORN_LOG_LEVEL="warning") as port:
        yield port


@contextmanager
def _working(province: Province, log: Path) -> Iterator[int]:
    """The worker that sends what the decisions cause and sums up the counters; yields its process."""
    with log.open("ab") as said:
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "worker"], cwd=ROOT, env=province.env, stdout=said, stderr=said
        )
        try:
            yield worker.pid
        finally:
            worker.terminate()
            worker.wait(30)


def _warm(port: int) -> None:
    """Every worker has its templates and connections, as after a minute of the day."""
    for _ in range(16):
        PatientBrowser(port).timed("/login/")


def _said_in(log: Path) -> list[str]:
    """What a log must not hold: answers 500, workers that were killed, anything uncaught."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    counts = {
        what: len(re.findall(what, text)) for what in ("Internal Server Error", "WORKER TIMEOUT", "Traceback")
    }
    return [f"{log.name}: {what} × {count}" for what, count in counts.items() if count]


def _invariants(province: Province) -> list[str]:
    """The counters are rolled up first, as the worker does every minute."""
    province.manage("fold_tallies")
    done = subprocess.run(
        [sys.executable, "manage.py", "check_invariants"],
        cwd=ROOT,
        env=province.env,
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return []
    lines = [line for line in done.stdout.splitlines() if "处例外" in line and not line.startswith(" ")]
    return lines or [done.stderr[-300:]]


def _world(province: Province, what: str, **wanted) -> dict:
    command = [sys.executable, "-m", "bench.load_world", what, json.dumps(wanted)]
    done = subprocess.run(command, cwd=ROOT, env=province.env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bench.load_world {what}\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout.partition("RESULT ")[2])


def _cores(port: int, worker: int) -> dict[tuple[str, str], float]:
    """Seconds of core so far, by whose and process: the whole machine (all but idle and waiting for disks), the website,
    its worker, the sessions of its database. What is left of the machine is somebody else's: it was not quiet."""
    spent = [
        int(one) for one in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    ]
    ticks = {("整台机器", ""): sum(spent) - spent[3] - spent[4]}
    marks = {"网站": f"127.0.0.1:{port}\0", "数据库": f" cpe_bench_{PEOPLE} "}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "cmdline").read_text(encoding="utf-8", errors="replace")
            times = (
                (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            )
        except OSError:
            continue  # it ended meanwhile
        name = next((name for name, mark in marks.items() if mark in said), None)
        name = "后台进程" if process.name == str(worker) else name
        if name:
            ticks[name, process.name] = int(times[11]) + int(times[12])
    return {whose: count / os.sysconf("SC_CLK_TCK") for whose, count in ticks.items()}


def _shares(before: dict, after: dict, spent: float) -> Counter:
    """Cores of each between two looks; what a process took that ended in between is left out."""
    shares = Counter()
    for (name, process), seconds in after.items():
        shares[name] += (seconds - before.get((name, process), 0)) / spent
    return shares


# --- L4, L5 -------------------------------------------------------------------------------------------------------


def _queue(province: Province) -> dict:
    """Each page of a queue of 5,000: its time through the website, its statements against those of a short queue."""
    world = _world(province, "queue", wanted=QUEUE)
    log = province.folder / "L4.log"
    log.unlink(missing_ok=True)
    rows, limited, constant = (
        [["待审核的申请（对照）", f"{world['waiting']}（{world['few']}）", QUEUE]],
        [],
        True,
    )
    with _website(province, log) as port:
        _warm(port)
        browser = PatientBrowser(port)
        browser.cookies["sessionid"] = world["session"]
        listed = browser.ask("/inbox/")[1]
        older = re.search(r'rel="next" href="([^"]+)"', listed)[1].replace("&amp;", "&")
        item = re.search(r'href="(/applications/\d+/)"', listed)[1]
        for path in [*world["queries"], f"/inbox/{older}" if older.startswith("?") else older, item]:
            times = percentiles([browser.timed(_quoted(path)) for _ in range(ROUNDS)])
            many, few = world["queries"].get(path, ("", ""))
            asked = f"{many} 条查询（对照 {few}）" if many else "—"
            shape = re.sub(r"\d{2,}", "…", path.partition("?")[0] if path not in world["queries"] else path)
            rows.append(
                [f"`{shape}` p50 / p95 / p99（毫秒），查询", f"{_shown(times)}，{asked}", f"p95 ≤ {QUEUE_MS}"]
            )
            limited.append((times[1], QUEUE_MS, f"ms, p95 of {shape}"))
            if many and "inbox" in path:
                limited.append((many, QUEUE_QUERIES, f"queries of {shape}"))
                constant = constant and many == few
    _world(province, "leave")
    problems = [*_said_in(log), *_invariants(province)]
    rows.append(["查询条数与队列长短无关", "是" if constant else "否", "是"])
    rows.append(["日志与不变式的问题", "；".join(problems) or 0, 0])
    return _result(rows, limited, constant and not problems and world["waiting"] >= QUEUE)


def _quoted(path: str) -> str:
    from bench.pages import quoted

    return path if "%" in path else quoted(path)


def _export() -> dict:
    """bench/export.py: the real worker on a database of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.export", str(ROWS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    found = re.findall(r"(\w+): ([\d,]+) rows, (\w+), ([\d.]+) s,.*?(\d+) MB at most", done.stdout)
    if len(found) != 2:
        raise SystemExit(f"bench.export\n{done.stdout}\n{done.stderr}")
    rows, limited = [], []
    for kind, count, state, seconds, most in found:
        rows.append([f"{kind}：{count} 行，{state}，秒", seconds, f"≤ {ROWS_SECONDS}"])
        rows.append([f"{kind}：进程内存最高（MB）", most, f"≤ {ROWS_MB}"])
        limited.append((float(seconds), ROWS_SECONDS, f"s for {ROWS:,} rows as {kind}"))
        limited.append((float(most), ROWS_MB, f"MB of the worker at most, {kind}"))
    met = all(state == "done" and int(count.replace(",", "")) >= ROWS for _, count, state, *_ in found)
    return _result(rows, limited, met)


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m bench.load")
    asked.add_argument("--only", default=",".join(LOADS))
    asked.add_argument("--minutes", type=float, default=MINUTES)
    options = asked.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    found = measure(options.only.split(","), options.minutes)
    from bench.__main__ import _write

    _write({name: one for name, one in found.items() if one["whole"]})
    return int(not all(one["met"] for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())

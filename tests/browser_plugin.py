"""pytest plugin: tests marked `browser` need Chromium; without it they are skipped loudly, and fail in CI."""

import os
import shutil

import pytest

MISSING = "没有 Chromium，浏览器测试未运行（以 root 在 Debian 上运行 make test 会自动安装）"


def pytest_collection_modifyitems(items):
    if shutil.which("chromium") or os.environ.get("CI") == "true":
        return  # in CI a missing browser lets the test itself fail
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=MISSING))


def pytest_terminal_summary(terminalreporter):
    if any(MISSING in str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(f"!!! {MISSING}", red=True, bold=True)

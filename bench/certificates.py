"""Certificates per second and the memory they take: `python -m bench.certificates [HOW MANY]` (no database).

Prints, for one process: the first certificate (fonts read), then distinct ones, then sealed and examined; the memory
before, after the first and at the end; and a bundle of ten years.
"""

import os
import sys
import time
from datetime import date
from pathlib import Path


def memory() -> int:
    """Resident memory of this process in MB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


def main(how_many: int) -> None:
    from django.conf import settings

    settings.configure(SIGNING_KEY="11" * 32, VERIFYING_KEYS=[])
    from credits.paper.content import Content, canonical, new_code, numbered
    from credits.paper.pdf import Row, Signed, bundle_pdf, certificate_pdf
    from credits.paper.sealing import examine, sealed
    from credits.paper.signing import public_keys, sign

    names = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗𬭚𠅤㛃䶮"

    def content(serial: int, year: int = 2026) -> Content:
        name = (
            names[serial % len(names)] + chr(0x4E00 + serial * 37 % 20000) + chr(0x4E00 + serial * 91 % 20000)
        )
        return Content(
            number=numbered(year, "370900", serial),
            name=name,
            id_number_masked="3709**********2233",
            unit="泰安市保障性住房管理服务中心",
            year=year,
            lines=(("公需科目", "30", "30"), ("专业科目", str(60 + serial % 40), "60"), ("合计", "92", "90")),
            relief="",
            basis="《关于推行继续教育电子证书有关工作的通知》（鲁人社字〔2021〕167号）",
            issued_on=date(2026, 12, 20),
            issuer="泰安市人力资源和社会保障局",
        )

    def signed(serial: int, year: int = 2026) -> Signed:
        what = content(serial, year)
        return Signed(what, new_code(), sign(canonical(what)), "https://jxjy.example.org/verify/")

    def printed(one: Signed) -> bytes:
        return certificate_pdf(one.content, one.code, one.signature, one.verify_url)

    say = sys.stdout.write
    say(f"memory before: {memory()} MB\n")
    started = time.perf_counter()
    printed(signed(1))
    say(f"first certificate: {time.perf_counter() - started:.2f} s, memory {memory()} MB\n")

    size = 0
    started = time.perf_counter()
    for serial in range(2, how_many + 2):
        size += len(printed(signed(serial)))
    seconds = time.perf_counter() - started
    say(
        f"{how_many} certificates: {how_many / seconds:.0f}/s, {size // how_many // 1024} KB each, memory {memory()} MB\n"
    )

    file, keys = printed(signed(1)), public_keys()
    started = time.perf_counter()
    intact = sum(examine(sealed(file), keys).intact for _ in range(how_many))
    say(f"sealed and examined: {intact / (time.perf_counter() - started):.0f}/s, {intact} intact\n")

    years = range(2017, 2027)
    rows = [Row(year, "92", numbered(year, "370900", 7), "有效") for year in years]
    started = time.perf_counter()
    bundle = bundle_pdf(
        "继续教育年度汇总",
        [("姓名", "王晓妮")],
        rows,
        [signed(7, year) for year in years],
        date(2026, 12, 21),
    )
    say(
        f"bundle of {len(rows)}: {time.perf_counter() - started:.2f} s, {len(bundle) // 1024} KB, memory {memory()} MB\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)

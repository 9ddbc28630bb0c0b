"""What `check --deploy --database default` asks the running server: that nothing acknowledged is lost, and that its
log shows nothing that people typed (deploy/postgresql/cpe.conf)."""

from collections.abc import Iterable

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from workflow import virus_scan

WANTED = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "data_checksums": "on",
    "archive_mode": "on",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
    "log_min_messages": "log",
}
STRONGER = {
    "synchronous_commit": ("remote_write", "remote_apply"),
    "archive_mode": ("always",),
    "log_min_messages": ("fatal", "panic"),
}


@register(Tags.database, deploy=True)
def the_server_keeps_what_it_says(databases: Iterable[str] | None = None, **kwargs) -> list[CheckMessage]:
    """One warning for each setting of the main database that is not as it should be."""
    if "default" not in (databases or ()):
        return []
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(WANTED)])
        found = dict(cursor.fetchall())
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        is_super = cursor.fetchone()[0]
    warnings = [
        Warning(
            f"PostgreSQL 的 {name} 是 {found.get(name, '未知')}，应为 {wanted}。",
            hint="见 deploy/postgresql/cpe.conf。",
            id="cpe.W001",
        )
        for name, wanted in WANTED.items()
        if found.get(name) != wanted and found.get(name) not in STRONGER.get(name, ())
    ]
    if is_super:
        warnings.append(
            Warning(
                "网站用数据库的超级用户连接。",
                hint="请改用 deploy/roles.sql 建立的 cpe_app。",
                id="cpe.W002",
            )
        )
    return warnings


@register(Tags.files)
def the_scanner_has_an_address(**kwargs) -> list[CheckMessage]:
    """With an address that cannot be one every upload would be refused."""
    if not settings.CLAMD_ADDRESS:
        return []
    try:
        virus_scan.place_of(settings.CLAMD_ADDRESS)
    except ValueError:
        hint = "写成 127.0.0.1:3310 或 /run/clamav/clamd.ctl；不检查就不填。"
        return [Error("CPE_CLAMD_ADDRESS 不是病毒检查程序的地址。", hint=hint, id="cpe.E002")]
    return []

"""导出日志: one row for everything that leaves the house."""

from desk.exports.models import Export, ExportAccess


def note(export: Export, verb: str) -> None:
    """Write it down, in the caller's transaction."""
    ExportAccess.objects.create(
        export=export,
        verb=verb,
        sheet=export.sheet,
        user=export.by,
        organization=export.organization,
        scope=export.scope,
        count=export.rows_done,
        masked=export.masked,
        reason=export.reason,
    )

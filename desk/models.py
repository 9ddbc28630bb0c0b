"""Tables of the desk: what was exported, by whom and why. Floor 4: everything else is read from below."""

from desk.exports.models import Export as Export
from desk.exports.models import ExportAccess as ExportAccess

"""The lists that can be exported. Adding one: a Sheet in a file of its own, and a line here."""

from desk.exports.people_sheet import PeopleSheet
from desk.exports.sheets import Sheet
from desk.exports.statistics_sheet import StatisticsSheet
from desk.exports.unmet_sheet import UnmetSheet

LISTS: dict[str, Sheet] = {sheet.name: sheet for sheet in (PeopleSheet(), UnmetSheet(), StatisticsSheet())}


def sheet_named(name: str) -> Sheet | None:
    return LISTS.get(name)

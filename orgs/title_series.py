"""职称系列 as choices of a form: they stand over lists that are opened at every look, and change once in years."""

from django.core.cache import cache

from orgs.models import TitleSeries

KEPT_SECONDS = 60  # so long another process may still show a name that an operator has just changed


def series_choices() -> list[tuple[str, str]]:
    """(code, name) of every series in its order; no query while the process remembers them."""
    return cache.get_or_set(
        "title_series", lambda: list(TitleSeries.objects.values_list("pk", "name")), KEPT_SECONDS
    )

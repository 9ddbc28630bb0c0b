"""In which order the level below an organisation is shown: what waits for approval comes first, then bureaus,
authorities and employers, what was closed at the end. An index holds it (Organization), so a level of any length is
paged through without sorting it."""

from django.db.models import Case, IntegerField, When

RANK = Case(
    When(status="pending", then=0),
    When(status="closed", then=4),
    When(kind="bureau", then=1),
    When(kind="authority", then=2),
    default=3,
    output_field=IntegerField(),
)

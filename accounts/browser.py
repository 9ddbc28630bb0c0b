"""Who worked in this browser before: a signed cookie with the ids of the last people who logged in here.

It is no login and opens nothing. It gives a person's own browser a budget of tries that strangers cannot spend,
and keeps what they typed from the next person at a shared computer.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.models import User

COOKIE = "worked_here"
SECONDS = 90 * 24 * 60 * 60
MOST_PEOPLE = 5


def people_here(request: HttpRequest) -> list[int]:
    """Ids of the users who logged in in this browser within 90 days, the latest first."""
    value = request.get_signed_cookie(COOKIE, default="", salt=COOKIE, max_age=SECONDS)
    return [int(part) for part in value.split(".") if part.isdigit()]


def remember_person(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Put `user` in front of the browser's list, unless they stand there already."""
    people = people_here(request)
    if people[:1] == [user.pk]:
        return
    people = [user.pk, *(pk for pk in people if pk != user.pk)][:MOST_PEOPLE]
    response.set_signed_cookie(
        COOKIE,
        ".".join(map(str, people)),
        salt=COOKIE,
        max_age=SECONDS,
        httponly=True,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        samesite="Lax",
    )

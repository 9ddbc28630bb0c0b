"""长者版: larger text and wider spacing, remembered by this browser alone (goal G14)."""

from django.http import HttpRequest, HttpResponse

COOKIE = "elder"
A_YEAR = 365 * 24 * 60 * 60


def is_on(request: HttpRequest) -> bool:
    return request.COOKIES.get(COOKIE) == "1"


def turn(answer: HttpResponse, request: HttpRequest, on: bool) -> HttpResponse:
    """Let the browser remember the choice."""
    if on:
        answer.set_cookie(
            COOKIE, "1", max_age=A_YEAR, httponly=True, samesite="Lax", secure=request.is_secure()
        )
    else:
        answer.delete_cookie(COOKIE, samesite="Lax")
    return answer

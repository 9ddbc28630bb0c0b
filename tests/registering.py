"""Walking through the registration as a person does: choose, fill in, check, submit. Over HTTP, form by form."""

import functools
import itertools
from io import BytesIO

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from accounts.id_number import check_character
from orgs import uscc
from orgs.management.commands import load_reference
from orgs.models import Division, FieldOfStudy, Organization, TitleName, TitleSeries
from registration.situations import answers, situation_of
from workflow.models import Application

PASSWORD = "Wheat-field-27"
_numbers = itertools.count(1)


_read = functools.cache(lambda read: read())


def load_lists() -> None:
    """The shipped reference data that the forms choose from (as load_reference reads it, into empty tables)."""
    Division.objects.bulk_create(Division(**row) for row in _read(load_reference.divisions))
    TitleSeries.objects.bulk_create(TitleSeries(**row) for row in _read(load_reference.title_series))
    TitleName.objects.bulk_create(TitleName(**row) for row in _read(load_reference.title_names))
    FieldOfStudy.objects.bulk_create(FieldOfStudy(**row) for row in _read(load_reference.fields_of_study))


def an_id_number() -> str:
    """A synthetic resident ID number of 岱岳区 that no other maker gives: sequence 000."""
    number = next(_numbers)
    first = f"370911{1950 + number // 300}{number % 300 // 28 + 1:02d}{number % 28 + 1:02d}000"
    return first + check_character(first)


def a_code(head: str = "12370900") -> str:
    """A synthetic credit code, both check characters right."""
    inner = f"{next(_numbers):08d}"
    first = head + inner + uscc.inner_check(inner)
    return first + uscc.outer_check(first)


def a_certificate(name: str = "certificate.png", color: str = "white") -> SimpleUploadedFile:
    content = BytesIO()
    Image.new("RGB", (8, 8), color).save(content, "PNG")
    return SimpleUploadedFile(name, content.getvalue(), "image/png")


def person(**changes) -> dict:
    return {
        "id_kind": "resident",
        "id_number": an_id_number(),
        "name": "测试甲",
        "password": PASSWORD,
        "password2": PASSWORD,
        "mobile": "13800000000",
        "email": "",
        **changes,
    }


def practitioner(**changes) -> dict:
    return person(
        **{
            "education": "bachelor",
            "field_of_study": "0810",
            "title_series": "05",
            "title_level": "middle",
            "title": "工程师",
            "title_mode": "evaluation",
            "title_awarded_on": "2022-06-30",
            **changes,
        }
    )


def organization(role: str, situation: str, superior: Organization, **changes) -> dict:
    return person(
        **{
            **answers(situation_of(role, situation), superior),
            "unit_name": "测试单位",
            "uscc": a_code(),
            "division": "370902",
            "contact_name": "人事科",
            "phone": "0538-8000000",
            "office_hours": "工作日 9:00–17:00",
            "files": a_certificate(),
            **changes,
        }
    )


def address(page: str, role: str, situation: str, chosen: Organization | int) -> str:
    parameter = "employer" if role == "practitioner" else "superior"
    return f"/register/{role}/{page}/?situation={situation}&{parameter}={getattr(chosen, 'pk', chosen)}"


def fill_in(role: str, situation: str, chosen, client: Client | None = None, **changes):
    """POST the form; returns the answer (302 to the check page when it is right)."""
    client = client or Client()
    data = (
        practitioner(**changes)
        if role == "practitioner"
        else organization(role, situation, chosen, **changes)
    )
    return client.post(address("form", role, situation, chosen), data)


def register(role: str, situation: str, chosen, client: Client | None = None, **changes) -> Application:
    """The whole walk; returns the application that was filed."""
    client = client or Client()
    answer = fill_in(role, situation, chosen, client, **changes)
    assert answer.status_code == 302, errors(answer)
    check = client.get(answer.url)
    assert check.status_code == 200
    assert "核对并提交" in check.content.decode()
    answer = client.post(answer.url)
    assert answer.status_code == 302
    assert answer.url.startswith("/register/done/"), answer.url
    return Application.objects.get(pk=int(answer.url.strip("/").rsplit("/", 1)[1]))


def errors(answer) -> dict:
    form = answer.context["form"] if answer.context else None
    return {name: list(texts) for name, texts in form.errors.items()} if form else {}

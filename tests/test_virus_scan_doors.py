"""Every way in for files goes through the virus scanner: whatever form of the permission matrix has a control for them.

A new form is tried as soon as it has its row there, and must be named in TAKING.
"""

import pytest
from django.db import transaction

from credits.models import IntakeBatch
from tests import fuzz_places, test_virus_scan
from tests.fuzzing import answers, chance, encoded
from tests.test_fuzz_forms import POSTED, asked_at
from tests.test_virus_scan import FOUND, INFECTED, file
from workflow.models import Attachment

pytestmark = pytest.mark.django_db
folder, private_files, world = fuzz_places.folder, fuzz_places.private_files, fuzz_places.world
scanner = test_virus_scan.scanner

TAKING = {
    "credits:declare", "credits:relief", "credits:unit_new", "credits:intake_upload", "credits:verify",
    "registration:correction", "registration:replace_code", "registration:form",
}  # fmt: skip


@pytest.mark.parametrize("name", POSTED)
def test_every_form_that_takes_a_file_has_it_scanned(world, scanner, name):
    """Whatever page has a control for files: the scanner is asked, what it knows is refused in words and not kept."""
    with transaction.atomic():
        try:
            taking = _scanned_at(world, scanner, name)
        finally:
            transaction.set_rollback(True)
    assert taking == (name in TAKING)


def _scanned_at(world, scanner, name: str) -> bool:
    """Whether there is a control for files, each of which was tried with each of its form's buttons."""
    taking, dice = False, chance("virus", name)
    for place in world.places(name)[:3]:
        for asked in asked_at(place, name):
            fields = [field for field, (kind, _) in asked.fields.items() if kind == "file"]
            buttons = [
                (field, offered) for field, (kind, offered) in asked.fields.items() if kind == "button"
            ]
            tried = [
                _try(place, asked, fields, pressed, scanner, dice) for pressed in [None, *buttons] if fields
            ]
            if fields:
                taking = True
                # Another button may lead elsewhere (a unit is looked up first): then nobody looks at the file.
                assert any(tried), name
    return taking


def _try(place, asked, fields: list[str], pressed: tuple | None, scanner, dice) -> bool:
    """Send the virus in every field for files; whether it was scanned and refused. In no case is it kept."""
    filled = {
        field: values
        for field, values in answers(asked, dice).items()
        if asked.fields[field][0] != "button" and field not in fields
    }
    filled |= {field: [file()] for field in fields} | (
        {pressed[0]: pressed[1][:1] or ["1"]} if pressed else {}
    )
    before, already = _kept(), len(scanner.scanned)
    body, kind = encoded(filled, dice)
    with transaction.atomic():
        answer = place.client.post(place.url, body, content_type=kind)
        assert answer.status_code < 500
        assert _kept() == before
        transaction.set_rollback(True)
    assert scanner.scanned[already:] in ([], [INFECTED])
    if answer.status_code == 302:  # to another page first, and back to this form
        return False
    assert (len(scanner.scanned) > already) == (FOUND in answer.content.decode())
    return len(scanner.scanned) > already


def _kept() -> tuple[int, int]:
    return Attachment.objects.count(), IntakeBatch.objects.count()

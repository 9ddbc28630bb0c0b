"""Makes a town on the database of the settings and prints what tests/test_replica.py needs to know of it, as JSON."""

import json
import sys

import django

django.setup()

from tests.test_exports import crowd  # noqa: E402
from tests.town import Town  # noqa: E402


def main() -> None:
    town = Town()
    unit = town.employer(name="测试单位甲")
    for _ in range(3):
        town.practitioner(at=unit)
    crowded = town.employer(name="测试单位乙")
    crowd(crowded, 2_100)
    colleague = town.admin(unit, duties=["people"])

    def account(one) -> dict:
        return {"role": one.role, "number": one.user.id_number.reveal()}

    found = {
        "unit": unit.pk,
        "path": unit.path,
        "admin": account(town.super_admin(unit)),
        "colleague": account(colleague),
        "crowded": account(town.super_admin(crowded)),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()

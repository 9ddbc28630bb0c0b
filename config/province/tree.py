"""The organisations: bureaus of every division, authorities below them, employers with a long tail, sub-units."""

import random
from dataclasses import dataclass, field

from orgs.models import Division, Kind

PEOPLE_PER_UNIT = 13
LARGEST = 2_000
UNITS_PER_AUTHORITY = 20
MOST_AUTHORITIES = 25
PRIVATE = 0.35  # of the employers have no authority: straight below the bureau
SUB_UNITS = 0.12  # of the employers lie below another employer


@dataclass
class Place:
    """One organisation to be written; `people` are those employed there directly."""

    id: int
    kind: str
    name: str
    superior: "Place | None"
    division: str
    people: int = 0
    path: str = field(init=False)

    def __post_init__(self):
        above = self.superior.path if self.superior else "/"
        self.path = f"{above}{self.id}/"


def grow(people: int, root: Place, chance: random.Random) -> list[Place]:
    """Every organisation below `root` for so many practitioners, superiors first; ids follow the root's."""
    places: list[Place] = []

    def plant(kind: str, name: str, superior: Place, division: str, staff: int = 0) -> Place:
        places.append(Place(root.id + 1 + len(places), kind, name, superior, division, staff))
        return places[-1]

    bureaus = _bureaus(root, plant)
    weights = [chance.uniform(0.5, 1.5) * (2.5 if depth == 1 else 1) for _, depth in bureaus]
    for (bureau, depth), share in zip(bureaus, _shares(people, weights), strict=True):
        _fill(bureau, share, depth, plant, chance)
    return places


def _bureaus(root: Place, plant) -> list[tuple[Place, int]]:
    """Bureaus that have units of their own, with their depth: the province's has none."""
    divisions = list(Division.objects.filter(code__startswith="37", valid_to=None).order_by("code"))
    made: dict[str, tuple[Place, int]] = {}
    for one in divisions:
        above, depth = made.get(one.parent_id, (root, -1))
        name = f"{one.name}人力资源和社会保障{'厅' if depth < 0 else '局'}"
        made[one.code] = plant(Kind.BUREAU, name, above, one.code), depth + 1
    return [pair for pair in made.values() if pair[1]]


def _fill(bureau: Place, people: int, depth: int, plant, chance: random.Random) -> None:
    sizes = _sizes(people, chance)
    count = max(1, min(MOST_AUTHORITIES, len(sizes) // UNITS_PER_AUTHORITY))
    place = bureau.name.removesuffix("人力资源和社会保障局")
    authorities = [
        plant(Kind.AUTHORITY, f"{place}示例主管局{number}", bureau, bureau.division)
        for number in range(1, count + 1)
    ]
    parents: list[Place] = []
    for number, size in enumerate(sizes, 1):
        name = f"{place}示例单位{number}"
        if parents and chance.random() < SUB_UNITS:
            plant(Kind.EMPLOYER, name + "分部", chance.choice(parents), bureau.division, size)
            continue
        above = bureau if chance.random() < PRIVATE else chance.choice(authorities)
        unit = plant(Kind.EMPLOYER, name, above, bureau.division, size)
        if size >= 3 * PEOPLE_PER_UNIT and len(parents) < 200:
            parents.append(unit)


def _sizes(people: int, chance: random.Random) -> list[int]:
    """Units of very different size: most have a handful of people, a few have hundreds."""
    sizes, left = [], people
    while left > 0:
        size = min(left, LARGEST, max(1, int(PEOPLE_PER_UNIT * 0.38 * chance.paretovariate(1.25))))
        sizes.append(size)
        left -= size
    return sizes


def _shares(total: int, weights: list[float]) -> list[int]:
    """Whole numbers in proportion to the weights that sum to `total`."""
    whole, given, sofar = sum(weights), 0, 0.0
    shares = []
    for weight in weights:
        sofar += weight
        upto = round(total * sofar / whole)
        shares.append(upto - given)
        given = upto
    return shares

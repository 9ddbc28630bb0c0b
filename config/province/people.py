"""The people: users with sealed numbers, accounts, practitioners and one super admin for each organisation."""

import datetime
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from django.db import connection

from accounts.id_number import IdKind, IdNumber, check_character
from config.province.sessions import another
from config.province.tree import Place
from orgs.models import Kind

STEMS, BRANCHES, DIGITS = "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥", "一二三四五六七八九"
FIRST_BIRTH = datetime.date(1962, 1, 1)
DAYS = 14_000  # of birth
CHUNK = 20_000
# (series code, weight, levels by weight); "" is 无.
SERIES = [("", 20), ("03", 22), ("01", 8), ("11", 18), ("05", 20), ("09", 6), ("10", 6)]
LEVELS = [
    ("senior", "正高级职称", 3),
    ("vice_senior", "副高级职称", 17),
    ("middle", "中级职称", 45),
    ("assistant", "助理级职称", 35),
]
USER = ["id", "password", "last_login", "is_superuser", "id_kind", "id_index", "id_sealed", "id_last4", "id_masked", "name", "email", "mobile", "is_staff", "is_active", "created_at"]  # fmt: skip
ACCOUNT = ["id", "role", "status", "place", "reviewer", "reviewer_phone", "waiting_since", "epoch", "user_id"]
PRACTITIONER = ["id", "path", "status", "education", "title_level", "title", "title_mode", "title_awarded_on", "created_at", "account_id", "employer_id", "field_of_study_id", "user_id", "title_series_id"]  # fmt: skip
ADMIN = ["id", "is_super", "duties", "account_id", "organization_id", "role_id", "user_id"]


def number_of(n: int) -> str:
    """The n-th synthetic ID number: areas 379001 …, another birthday each, sequence 000."""
    born = FIRST_BIRTH + datetime.timedelta(days=n % DAYS)
    first = f"379{n // DAYS + 1:03d}{born:%Y%m%d}000"
    return first + check_character(first)


def name_of(n: int) -> str:
    return STEMS[n % 10] + BRANCHES[n // 10 % 12] + DIGITS[n // 120 % 9]


def user_row(n: int, pk: int, password: str, now: datetime.datetime) -> tuple:
    number = IdNumber(IdKind.RESIDENT, number_of(n))
    return (
        pk, password, None, False, number.kind, number.index, number.sealed, number.last_four, number.masked,
        name_of(n), f"p{n}@example.org", f"+86139{n:08d}", False, True, now,
    )  # fmt: skip


def users_of(job: tuple[int, int, int, str, datetime.datetime]) -> Iterator[tuple]:
    """The user rows of one chunk."""
    first, count, pk, password, now = job
    return (user_row(first + step, pk + step, password, now) for step in range(count))


def copy_users(job: tuple[int, int, int, str, datetime.datetime]) -> None:
    """In a process and a connection of its own: sealing the numbers is what costs."""
    with another() as cursor:
        _copy("accounts_user", USER, users_of(job), cursor)


def write_users(count: int, pk: int, password: str, now: datetime.datetime, processes: int) -> None:
    """`count` users with the ids pk, pk + 1, …"""
    jobs = [(start, min(CHUNK, count - start), pk + start, password, now) for start in range(0, count, CHUNK)]
    if processes > 1 and len(jobs) > 1:
        with ProcessPoolExecutor(processes) as pool:
            list(pool.map(copy_users, jobs))
    else:
        _copy("accounts_user", USER, (row for job in jobs for row in users_of(job)))


def write_roles(places: list[Place], pk: int, now: datetime.datetime, chance: random.Random) -> int:
    """Accounts of everybody; practitioners and admins. Users must be numbered in the same order: admins first."""
    admins = [(pk + order, place) for order, place in enumerate(places)]
    _copy("accounts_roleaccount", ACCOUNT, (_account(user, place.kind, place) for user, place in admins))
    _copy("orgs_orgadmin", ADMIN, ((user, True, [], user, place.id, None, user) for user, place in admins))
    with connection.cursor() as cursor:  # who signs was an admin before (invariant I10)
        cursor.execute(_BEFORE, [now - datetime.timedelta(days=365)])
    first = pk + len(places)
    _copy(
        "accounts_roleaccount",
        ACCOUNT,
        (_account(user, "practitioner", place) for user, place in _employed(places, first)),
    )
    titles = _titles(chance, now.date())
    _copy("orgs_practitioner", PRACTITIONER, _practitioners(places, first, titles, now))
    return first


_BEFORE = """
INSERT INTO orgs_historicalorgadmin (id, is_super, duties, history_date, history_type,
                                     account_id, role_id, user_id, organization_id)
SELECT id, is_super, duties, %s, '+', account_id, role_id, user_id, organization_id FROM orgs_orgadmin
"""


def write_keys(cursor) -> None:
    """What people are found by; what the triggers of orgs would have left."""
    cursor.execute(_KEYS)


_KEYS = """
INSERT INTO orgs_personkey (key, path, practitioner_id)
SELECT unnest(orgs_person_keys(u.name, u.id_last4)) AS key, p.path, p.id
  FROM orgs_practitioner p JOIN accounts_user u ON u.id = p.user_id WHERE p.status = 'active'
 ORDER BY key, p.path COLLATE "C", p.id
"""


def _account(user: int, role: str, place: Place) -> tuple:
    return user, role, "active", place.name[:120], "", "", None, 0, user


def _employed(places: list[Place], first: int) -> Iterator[tuple[int, Place]]:
    user = first
    for place in places:
        for _ in range(place.people):
            yield user, place
            user += 1


def _practitioners(places: list[Place], first: int, titles, now) -> Iterator[tuple]:
    for user, place in _employed(places, first):
        series, level, title, mode, day = next(titles)
        yield (
            user,
            place.path,
            "active",
            "bachelor",
            level,
            title,
            mode,
            day,
            now,
            user,
            place.id,
            None,
            user,
            series,
        )


def _titles(chance: random.Random, today: datetime.date) -> Iterator[tuple]:
    """Endless titles in realistic shares."""
    codes, weights = zip(*SERIES, strict=True)
    levels, level_weights = [one[:2] for one in LEVELS], [one[2] for one in LEVELS]
    while True:
        for code, (level, title) in zip(
            chance.choices(codes, weights, k=1000), chance.choices(levels, level_weights, k=1000), strict=True
        ):
            if code:
                day = today - datetime.timedelta(days=chance.randrange(200, 6_000))
                yield code, level, title, "evaluation", day
            else:
                yield None, "", "", "", None


def write_places(places: list[Place], now: datetime.datetime) -> None:
    columns = [
        "id",
        "kind",
        "name",
        "uscc",
        "path",
        "status",
        "contact_name",
        "phone",
        "office_hours",
        "created_at",
        "division_id",
        "superior_id",
    ]
    _copy(
        "orgs_organization",
        columns,
        (
            (
                one.id, one.kind, one.name[:120], "", one.path, "active", f"联系人{one.id}", f"0530-{one.id:07d}",
                "工作日 9:00—17:00", now, one.division or None, one.superior.id,
            )
            for one in places
        ),
    )  # fmt: skip


def _copy(table: str, columns: list[str], rows, cursor=None) -> None:
    """Through the given cursor, else the command's own connection."""
    with (
        cursor or connection.cursor() as used,
        used.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def known(places: list[Place]) -> dict[str, Place]:
    """One organisation of each kind to look at: the largest of its kind in the first city."""
    city = next(
        one
        for one in places
        if one.kind == Kind.BUREAU and one.division.endswith("00") and one.division != "370000"
    )
    below = [one for one in places if one.path.startswith(city.path)]
    employers = [one for one in below if one.kind == Kind.EMPLOYER]
    return {
        "province": next(one for one in places if one.division == "370000"),
        "bureau": city,
        "authority": next(one for one in islice((one for one in below if one.kind == Kind.AUTHORITY), 1)),
        "unit": max(employers, key=lambda one: one.people),
    }

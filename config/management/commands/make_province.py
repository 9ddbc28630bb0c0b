"""A synthetic province for measuring; see config/province."""

import os
import random
import time
from contextlib import contextmanager

from django.contrib.auth.hashers import make_password
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from config.province import hours, people
from config.province.sessions import side_by_side, unguarded
from config.province.tree import Place, grow
from credits.models import Provider
from credits.years import current_year
from orgs.models import Practitioner
from orgs.tree import platform

PASSWORD = "demo-2026-tai"  # the demo's: everybody here is synthetic
LARGE = 200_000  # from here on indexes are made after the rows
SEQUENCES = [
    "accounts_user",
    "accounts_roleaccount",
    "orgs_organization",
    "orgs_orgadmin",
    "orgs_practitioner",
    "workflow_application",
    "credits_intakerecord",
]


class Command(BaseCommand):
    help = "生成一个用于测量的示例省（只写入空的平台；中途停下的，请换一个空的数据库再来）：同样的规模和种子得到同样的数据。"

    def add_arguments(self, parser):
        parser.add_argument("--scale", type=int, default=4_000, help="专业技术人员人数，4 000 到 4 000 000")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)

    def handle(self, *, scale, seed, processes, verbosity, **options):
        if Practitioner.objects.exists():
            raise CommandError("平台上已有人员。示例省只写入空的平台，请换一个空的数据库。")
        self.quiet = not verbosity
        begun = time.monotonic()
        call_command("load_reference", verbosity=0)
        call_command("load_hours", verbosity=0)
        chance, now, year = random.Random(seed), timezone.now(), current_year()
        root = platform()
        provider = Provider.objects.get_or_create(code="province", defaults={"name": "示例省学习平台"})[0]
        with self.timed("机构"):
            places = grow(scale, Place(root.pk, root.kind, root.name, None, ""), chance)
        self.write(scale, places, now, year, chance, processes, provider.pk)
        with self.timed("统计信息"), connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        self.say(
            f"合计 {time.monotonic() - begun:.0f} 秒：{scale} 人，{len(places)} 个机构，{3 * scale} 条平台记录"
        )
        for label, (number, place) in self.accounts(places, scale).items():
            self.say(f"{label}\t{number}\t{PASSWORD}\t{place.name}")

    def write(self, scale, places, now, year, chance, processes, provider) -> None:
        """Everything without the triggers and foreign keys that guard single rows; what a place has before its sum."""
        password, large = make_password(PASSWORD), scale >= LARGE
        with unguarded() as cursor:
            cursor.execute("SELECT coalesce(max(id), 0) + 1 FROM accounts_user")
            first = cursor.fetchone()[0]
            with without_indexes(cursor, large) as again:
                with self.timed("机构入库"):
                    people.write_places(places, now)
                with self.timed("用户"):
                    people.write_users(len(places) + scale, first, password, now, processes)
                with self.timed("角色与人员"):
                    people.write_roles(places, first, now, chance)
                with self.timed("索引"):
                    side_by_side(
                        [again("accounts_user"), again("accounts_roleaccount", "orgs_practitioner")], large
                    )
                    cursor.execute(
                        "ANALYZE accounts_user; ANALYZE orgs_practitioner; ANALYZE orgs_organization"
                    )
                with self.timed("学时记录与人员检索"):
                    side_by_side(
                        [
                            lambda own: hours.write_records(own, provider, year),
                            lambda own: hours.write_ledger(own, year),
                            people.write_keys,
                        ],
                        large,
                    )
                with self.timed("学时索引"):
                    side_by_side(
                        [again("credits_intakerecord"), again("credits_ledgerentry", "credits_standing")],
                        large,
                    )
                with self.timed("学时申报"):
                    hours.write_declarations(year)
            with self.timed("汇总计数"):
                hours.write_tallies()
                hours.write_posted(year)
            for table in SEQUENCES:
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
                )
        with self.timed("办理记录"), transaction.atomic(), connection.cursor() as cursor:
            # Nobody is told of what is only there to be measured.
            cursor.execute("ALTER TABLE workflow_event DISABLE TRIGGER workflow_event_announce")
            hours.write_log()
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE workflow_event ENABLE TRIGGER workflow_event_announce")

    @staticmethod
    def accounts(places, scale) -> dict[str, tuple[str, Place]]:
        """Who can log in to look at it: the admins of one organisation of each kind, and one practitioner."""
        order = {place.id: number for number, place in enumerate(places)}
        known = people.known(places)
        found = {label: (people.number_of(order[place.id]), place) for label, place in known.items()}
        before = sum(place.people for place in places[: order[known["unit"].id]])
        found["practitioner"] = people.number_of(len(places) + before), known["unit"]
        return found

    @contextmanager
    def timed(self, what: str):
        begun = time.monotonic()
        yield
        self.say(f"{what}：{time.monotonic() - begun:.1f} 秒")

    def say(self, text: str) -> None:
        if not self.quiet:
            self.stdout.write(text)
            self.stdout.flush()


@contextmanager
def without_indexes(cursor, really: bool):
    """Drop from the largest tables the indexes that no foreign key needs; `again(table, …)` is a job that makes them."""
    waiting: dict[str, list[str]] = {}
    if really:
        cursor.execute(_INDEXES, [TABLES, TABLES])
        for table, drop, make in cursor.fetchall():
            waiting.setdefault(table, []).append(make)
            cursor.execute(drop)

    def again(*tables: str):
        statements = [one for table in tables for one in waiting.pop(table, [])]

        def job(own) -> None:
            for statement in statements:
                own.execute(statement)

        return job

    yield again
    again(*list(waiting))(cursor)


TABLES = [
    "accounts_user",
    "accounts_roleaccount",
    "orgs_practitioner",
    "credits_intakerecord",
    "credits_ledgerentry",
    "credits_standing",
]
_INDEXES = """
SELECT tablename, format('DROP INDEX %%I', indexname), indexdef FROM pg_indexes
 WHERE schemaname = 'public' AND tablename = ANY(%s) AND indexname NOT IN (SELECT conname FROM pg_constraint)
UNION ALL
SELECT conrelid::regclass::text, format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
  FROM pg_constraint WHERE contype = 'u' AND conrelid::regclass::text = ANY(%s)
"""

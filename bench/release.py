"""人员调出 of 500 people as one action: `python -m bench.release` (uses a scratch database on the same server).

Prints the seconds of the one POST that files all of them, and its statements.
"""

import itertools
import os
import sys
import time

PEOPLE = 500


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ["CPE_TESTING"] = "1"
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_test_environment

    setup_test_environment()
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        from tests.test_transfers import crowd
        from tests.town import Town

        town = Town()
        authority = town.authority()
        old, new = town.employer(under=authority), town.employer(under=authority, name="公路测试中心")
        people = crowd(old, PEOPLE)
        client = town.login(old)
        form = {
            "picked": ",".join(str(person.pk) for person in people),
            "new_unit": new.name,
            "reason": "机构调整",
            "do": "submit",
            "token": "a" * 32,
        }
        statements = itertools.count()

        def counted(execute, sql, params, many, context):
            next(statements)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(counted):
            started = time.perf_counter()
            answer = client.post("/moves/release/", form)
            seconds = time.perf_counter() - started
        done = client.get(answer.url).content.decode().count("待新单位审核")
        sys.stdout.write(f"{done} people, {seconds:.1f} s, {next(statements)} statements\n")
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    from config import embedded

    with embedded.database():
        main()

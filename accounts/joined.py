"""Rows of several models read by one text: for the two queries that every request makes.

The ORM takes three times as long to put such a query together, and to take its answer apart, as PostgreSQL to run it.
Everything else asks through querysets.
"""

from collections.abc import Iterator, Sequence
from functools import cache

from django.db import DEFAULT_DB_ALIAS, connection, models


def columns(model: type[models.Model], alias: str) -> str:
    """All columns of a model's row as they stand in SELECT, in the order that `read` expects."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def read(sql: str, values: Sequence, *chosen: type[models.Model]) -> Iterator[list]:
    """The rows of a query: an instance of each chosen model (None where an outer join found nothing), then what else
    the query selects. SELECT must name `columns` of each chosen model, in this order."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows = cursor.fetchall()
    for row in rows:
        found, place = [], 0
        for model in chosen:
            names, key, converters = _shape(model)
            cells = list(row[place : place + len(names)])
            place += len(names)
            for number, converter in converters:
                cells[number] = converter(cells[number], None, connection)
            found.append(None if cells[key] is None else model.from_db(DEFAULT_DB_ALIAS, names, cells))
        yield [*found, *row[place:]]


@cache
def _shape(model: type[models.Model]) -> tuple[list[str], int, list]:
    """The names of a model's fields, the place of its key, and what some values must pass through (JSON)."""
    fields = model._meta.concrete_fields
    converters = [
        (number, converter)
        for number, field in enumerate(fields)
        for converter in field.get_db_converters(connection)
    ]
    return [field.attname for field in fields], fields.index(model._meta.pk), converters

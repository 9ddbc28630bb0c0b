"""Counters above the person, kept by the database itself: whoever writes a standing or moves people cannot forget them.

Every change of a standing, and every change of a practitioner's place, status or series, leaves one row per place,
year and series in credits_tallydelta, in the same transaction; credits/tallies.py folds them into credits_tally.
Nothing is counted in place up the tree: 32 reviewers of one bureau would wait for each other (speed.md, "Writing").

Statement triggers with transition tables: one approval costs one small insert, a branch of a million people a few
aggregated ones. Whoever writes standings holds a lock on the practitioner, so place and hours are read consistently.
"""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION credits_hours_add(one jsonb, other jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN one IS NULL OR one = '{}' THEN coalesce(other, '{}')
        WHEN other IS NULL OR other = '{}' THEN one
        ELSE (SELECT coalesce(jsonb_object_agg(subject, to_jsonb(hours::text)), '{}')
                FROM (SELECT key AS subject, sum(value::numeric) AS hours
                        FROM (SELECT * FROM jsonb_each_text(one) UNION ALL SELECT * FROM jsonb_each_text(other)) both_
                       GROUP BY key) summed
               WHERE hours <> 0)
    END
$$;
CREATE FUNCTION credits_hours_times(hours jsonb, factor integer) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN factor = 1 OR hours = '{}' THEN hours
        ELSE (SELECT jsonb_object_agg(key, to_jsonb((value::numeric * factor)::text)) FROM jsonb_each_text(hours))
    END
$$;
CREATE FUNCTION credits_hours_total(hours jsonb) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(sum(value::numeric), 0) FROM jsonb_each_text(hours)
$$;
CREATE AGGREGATE credits_hours_sum(jsonb) (
    SFUNC = credits_hours_add, STYPE = jsonb, INITCOND = '{}', COMBINEFUNC = credits_hours_add, PARALLEL = SAFE
);
"""
NO_FUNCTIONS = """
DROP AGGREGATE credits_hours_sum(jsonb);
DROP FUNCTION credits_hours_total(jsonb);
DROP FUNCTION credits_hours_times(jsonb, integer);
DROP FUNCTION credits_hours_add(jsonb, jsonb);
"""

# Posted: what this statement added or took away, in the month and the calendar year in which it happened.
def _count(name: str, event: str, rows: str, referencing: str) -> str:
    return f"""
CREATE FUNCTION credits_count_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO credits_tallydelta (path, year, series, people, begun, complete, hours, posted, at)
    SELECT p.path, s.year, coalesce(p.title_series_id, ''), 0,
           sum(s.factor * (s.total > 0)::integer), sum(s.factor * s.complete::integer),
           credits_hours_sum(credits_hours_times(s.hours, s.factor)), '{{}}'::jsonb, statement_timestamp()
      FROM ({rows}) s JOIN orgs_practitioner p ON p.id = s.practitioner_id
     WHERE p.status = 'active'
     GROUP BY p.path, s.year, p.title_series_id
    UNION ALL
    SELECT p.path, extract(year FROM statement_timestamp() AT TIME ZONE 'Asia/Shanghai')::integer,
           coalesce(p.title_series_id, ''), 0, 0, 0, '{{}}'::jsonb,
           jsonb_build_object(to_char(statement_timestamp() AT TIME ZONE 'Asia/Shanghai', 'MM'),
                              sum(s.factor * s.total)::text), statement_timestamp()
      FROM ({rows}) s JOIN orgs_practitioner p ON p.id = s.practitioner_id
     WHERE p.status = 'active'
     GROUP BY p.path, p.title_series_id
    HAVING sum(s.factor * s.total) <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER credits_count_{name} AFTER {event} ON credits_standing
    REFERENCING {referencing} FOR EACH STATEMENT EXECUTE FUNCTION credits_count_{name}();
"""


_OLD = "SELECT practitioner_id, year, -1 AS factor, total, complete, hours FROM gone"
_NEW = "SELECT practitioner_id, year, 1 AS factor, total, complete, hours FROM come"
STANDINGS = (
    _count("inserted", "INSERT", _NEW, "NEW TABLE AS come")
    + _count("updated", "UPDATE", f"{_OLD} UNION ALL {_NEW}", "OLD TABLE AS gone NEW TABLE AS come")
    + _count("deleted", "DELETE", _OLD, "OLD TABLE AS gone")
)
NO_STANDINGS = "".join(
    f"DROP TRIGGER credits_count_{name} ON credits_standing; DROP FUNCTION credits_count_{name}();"
    for name in ("inserted", "updated", "deleted")
)


def _people(name: str, event: str, rows: str, referencing: str, recheck: str = "") -> str:
    return f"""
CREATE FUNCTION credits_people_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH moved AS MATERIALIZED ({rows})
    INSERT INTO credits_tallydelta (path, year, series, people, begun, complete, hours, posted, at)
    SELECT path, 0, series, sum(factor), 0, 0, '{{}}'::jsonb, '{{}}'::jsonb, statement_timestamp()
      FROM moved GROUP BY path, series
    UNION ALL
    SELECT m.path, s.year, m.series, 0,
           sum(m.factor * (s.total > 0)::integer), sum(m.factor * s.complete::integer),
           credits_hours_sum(credits_hours_times(s.hours, m.factor)), '{{}}'::jsonb, statement_timestamp()
      FROM moved m JOIN credits_standing s ON s.practitioner_id = m.id
     GROUP BY m.path, s.year, m.series;
    {recheck}
    RETURN NULL;
END $$;
CREATE TRIGGER credits_people_{name} AFTER {event} ON orgs_practitioner
    REFERENCING {referencing} FOR EACH STATEMENT EXECUTE FUNCTION credits_people_{name}();
"""


def _side(table: str, factor: int) -> str:
    return (
        f"SELECT {table}.id, {table}.path, coalesce({table}.title_series_id, '') AS series, {factor} AS factor"
    )


_MOVED = """
    FROM gone JOIN come ON come.id = gone.id
   WHERE (gone.path, gone.status, gone.title_series_id) IS DISTINCT FROM (come.path, come.status, come.title_series_id)
"""
# Rules may depend on place, series and level: whoever changed one of them is looked at again.
_RECHECK = """
    INSERT INTO credits_recheck (practitioner_id, at)
    SELECT come.id, statement_timestamp() FROM gone JOIN come ON come.id = gone.id
     WHERE (gone.path, gone.title_series_id, gone.title_level)
           IS DISTINCT FROM (come.path, come.title_series_id, come.title_level)
       AND EXISTS (SELECT FROM credits_standing s WHERE s.practitioner_id = come.id)
    ON CONFLICT (practitioner_id) DO UPDATE SET at = EXCLUDED.at;
"""
PEOPLE = (
    _people("inserted", "INSERT", _side("come", 1) + " FROM come WHERE status = 'active'", "NEW TABLE AS come")
    + _people(
        "updated",
        "UPDATE",
        f"{_side('gone', -1)} {_MOVED} AND gone.status = 'active' UNION ALL"
        f" {_side('come', 1)} {_MOVED} AND come.status = 'active'",
        "OLD TABLE AS gone NEW TABLE AS come",
        _RECHECK,
    )
    + _people("deleted", "DELETE", _side("gone", -1) + " FROM gone WHERE status = 'active'", "OLD TABLE AS gone")
)
NO_PEOPLE = "".join(
    f"DROP TRIGGER credits_people_{name} ON orgs_practitioner; DROP FUNCTION credits_people_{name}();"
    for name in ("inserted", "updated", "deleted")
)


class Migration(migrations.Migration):
    dependencies = [("credits", "0002_append_only"), ("orgs", "0001_initial")]
    operations = [
        migrations.RunSQL(FUNCTIONS, NO_FUNCTIONS),
        migrations.RunSQL(STANDINGS, NO_STANDINGS),
        migrations.RunSQL(PEOPLE, NO_PEOPLE),
    ]

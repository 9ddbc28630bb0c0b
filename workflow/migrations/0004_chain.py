"""The log is a chain: each event carries a digest of what it says and of the event before it (workflow/chain.py).

The database reckons it itself, so that no writer can forget it and a decision stays at its number of statements. The
text that is hashed has no date, no number format and no setting of the session in it; workflow/chain.py writes the
same text in Python.
"""

import django.utils.timezone
from django.db import migrations, models

MAKE = r"""
CREATE FUNCTION event_digest(one workflow_event, previous bytea) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(concat_ws(E'\n',
        'event 1', one.application_id, one.number, one.id, coalesce(one.step_id::text, ''),
        char_length(one.verb) || ':' || one.verb, one.user_id, coalesce(one.organization_id::text, ''),
        (extract(epoch FROM one.at) * 1000000)::bigint, encode(previous, 'hex'), one.comment), 'UTF8'))
$$;
CREATE FUNCTION chain_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    previous bytea;
BEGIN
    -- Volatile: the events that this very statement wrote before are seen, so several of one application are chained.
    SELECT number + 1, digest INTO NEW.number, previous FROM workflow_event
     WHERE application_id = NEW.application_id ORDER BY number DESC LIMIT 1;
    IF NOT FOUND THEN
        NEW.number := 1;
        previous := '';
    END IF;
    NEW.digest := event_digest(NEW, previous);
    RETURN NEW;
END $$;
CREATE TRIGGER workflow_event_chain BEFORE INSERT ON workflow_event
    FOR EACH ROW EXECUTE FUNCTION chain_event();
CREATE TRIGGER workflow_dayseal_append_only BEFORE UPDATE OR DELETE ON workflow_dayseal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
UNMAKE = """
DROP TRIGGER workflow_dayseal_append_only ON workflow_dayseal;
DROP TRIGGER workflow_event_chain ON workflow_event;
DROP FUNCTION chain_event();
DROP FUNCTION event_digest(workflow_event, bytea);
"""
# What was written before: in the order of the ids, which is the order of writing.
CHAIN_OLD = """
ALTER TABLE workflow_event DISABLE TRIGGER workflow_event_append_only;
DO $$
DECLARE
    one workflow_event;
    before workflow_event;
BEGIN
    FOR one IN SELECT * FROM workflow_event ORDER BY application_id, id LOOP
        IF before.application_id = one.application_id THEN
            one.number := before.number + 1;
            one.digest := event_digest(one, before.digest);
        ELSE
            one.number := 1;
            one.digest := event_digest(one, '');
        END IF;
        UPDATE workflow_event SET number = one.number, digest = one.digest WHERE id = one.id;
        before := one;
    END LOOP;
END $$;
ALTER TABLE workflow_event ENABLE TRIGGER workflow_event_append_only;
"""


class Migration(migrations.Migration):
    dependencies = [("workflow", "0003_announce")]
    operations = [
        migrations.CreateModel(
            name="DaySeal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(unique=True, verbose_name="日期")),
                ("after", models.BigIntegerField()),
                ("last", models.BigIntegerField()),
                ("count", models.PositiveIntegerField(verbose_name="条数")),
                ("digest", models.BinaryField(verbose_name="摘要")),
                ("sealed_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="封存时间")),
            ],
            options={
                "verbose_name": "封存",
                "verbose_name_plural": "封存",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("last__gte", models.F("after"))), name="day_seal_runs_forward"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="event",
            name="number",
            field=models.PositiveSmallIntegerField(db_default=0, editable=False, verbose_name="序号"),
        ),
        migrations.AddField(
            model_name="event",
            name="digest",
            field=models.BinaryField(db_default=b"", verbose_name="摘要"),
        ),
        migrations.RunSQL(MAKE, UNMAKE),
        migrations.RunSQL(CHAIN_OLD, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(fields=("application", "number"), name="event_number_once"),
        ),
        migrations.RemoveIndex(model_name="event", name="event_application"),
        migrations.AlterField(
            model_name="event",
            name="application",
            field=models.ForeignKey(
                db_index=False, on_delete=models.deletion.RESTRICT, related_name="events", to="workflow.application"
            ),
        ),
    ]

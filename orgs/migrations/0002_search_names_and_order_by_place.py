"""Names are found by any of their characters, and lists of a branch come in the order of their index (orgs/name_parts.py)."""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

import orgs.name_parts

# As orgs.name_parts cuts what is searched: NFKC, small letters, every run of one to three characters once.
FUNCTION = """
CREATE FUNCTION orgs_name_parts(name text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT coalesce(array_agg(DISTINCT substr(plain.name, start, length)), '{}')
      FROM (SELECT lower(btrim(normalize(name, NFKC))) AS name) plain,
           generate_series(1, 3) AS length, generate_series(1, length(plain.name) - length + 1) AS start
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0001_initial")]
    reviewed = {
        "index": "nothing is released yet: no table has rows that somebody waits for",
        "type": "the collation alone changes, and nothing is released yet",
    }

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION orgs_name_parts(text)"),
        migrations.CreateModel(
            name="PersonKey",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "key", "path", "practitioner", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("key", models.CharField(db_collation="C", max_length=16)),
                ("path", models.CharField(db_collation="C", max_length=255)),
                (
                    "practitioner",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="keys",
                        to="orgs.practitioner",
                    ),
                ),
            ],
            options={"verbose_name": "人员检索", "verbose_name_plural": "人员检索"},
        ),
        migrations.RemoveIndex(model_name="organization", name="organization_path"),
        migrations.RemoveIndex(model_name="organization", name="organization_superior"),
        migrations.RemoveIndex(model_name="practitioner", name="practitioner_path"),
        migrations.AlterField(
            model_name="organization",
            name="path",
            field=models.CharField(db_collation="C", default="", editable=False, max_length=255),
        ),
        migrations.AlterField(
            model_name="practitioner",
            name="path",
            field=models.CharField(db_collation="C", default="", editable=False, max_length=255),
        ),
        migrations.AddIndex(
            model_name="organization",
            index=models.Index(fields=["path"], name="organization_path"),
        ),
        migrations.AddIndex(
            model_name="organization",
            index=models.Index(fields=["superior", "status", "kind", "id"], name="organization_superior"),
        ),
        migrations.AddIndex(
            model_name="organization",
            index=django.contrib.postgres.indexes.GinIndex(
                orgs.name_parts.NameParts("name"), name="organization_name_parts"
            ),
        ),
        migrations.AddIndex(
            model_name="practitioner",
            index=models.Index(fields=["path", "id"], name="practitioner_path"),
        ),
    ]

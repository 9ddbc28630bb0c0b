import django.contrib.postgres.indexes
from django.db import migrations

import orgs.name_parts


class Migration(migrations.Migration):
    dependencies = [("orgs", "0002_person_keys")]
    reviewed = {"index": "nothing is released yet: no table has rows that somebody waits for"}
    operations = [
        migrations.RemoveIndex(model_name="organization", name="organization_name_parts"),
        migrations.AddIndex(
            model_name="organization",
            index=django.contrib.postgres.indexes.GinIndex(
                orgs.name_parts.NameCharacters("name"), name="organization_name_characters"
            ),
        ),
    ]

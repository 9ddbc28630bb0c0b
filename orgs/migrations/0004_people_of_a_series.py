from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orgs", "0003_person_keys")]
    reviewed = {"index": "nothing is released yet: no table has rows that somebody waits for"}
    operations = [
        migrations.AddIndex(
            model_name="practitioner",
            index=models.Index(fields=["title_series", "path", "id"], name="practitioner_series"),
        ),
    ]

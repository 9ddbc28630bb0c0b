from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orgs", "0004_people_of_a_series")]
    reviewed = {"index": "nothing is released yet: no table has rows that somebody waits for"}
    operations = [
        migrations.AddIndex(
            model_name="organization",
            index=models.Index(
                models.F("superior"),
                models.Case(
                    models.When(status="pending", then=0),
                    models.When(status="closed", then=4),
                    models.When(kind="bureau", then=1),
                    models.When(kind="authority", then=2),
                    default=3,
                    output_field=models.IntegerField(),
                ),
                models.F("id"),
                name="organization_level",
            ),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credits", "0005_intake_staging_and_nonces")]

    operations = [
        migrations.AddField(
            model_name=name,
            name="in_plan",
            field=models.BooleanField(blank=True, null=True, verbose_name="已列入单位年度计划"),
        )
        for name in ("declaration", "unitdeclaration")
    ]

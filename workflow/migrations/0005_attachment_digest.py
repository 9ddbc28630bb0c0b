from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("workflow", "0004_chain")]

    operations = [
        AddIndexConcurrently("attachment", models.Index(fields=["sha256"], name="attachment_digest")),
    ]

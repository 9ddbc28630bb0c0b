"""Reference data that operators keep: the names of the kinds of activity. Rules have pages of their own."""

from django.contrib import admin

from credits.models import ActivityKind


@admin.register(ActivityKind)
class ActivityKindAdmin(admin.ModelAdmin):
    list_display = ["name", "code", "order"]
    list_editable = ["order"]

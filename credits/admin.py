"""Reference data that operators keep: kinds of activity and the yearly requirement."""

from django.contrib import admin

from credits.models import ActivityKind, Requirement


@admin.register(ActivityKind)
class ActivityKindAdmin(admin.ModelAdmin):
    list_display = ["name", "max_hours", "order", "is_active"]
    list_editable = ["order", "is_active"]


@admin.register(Requirement)
class RequirementAdmin(admin.ModelAdmin):
    list_display = ["year_from", "subject", "hours", "bureau", "basis"]
    raw_id_fields = ["bureau"]

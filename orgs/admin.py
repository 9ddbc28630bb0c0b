"""Reference data that operators keep: divisions, title series and their titles, fields of study.

The tree and its people are not here: they change through applications and their own pages alone.
"""

from django.contrib import admin

from orgs.models import Division, FieldOfStudy, TitleName, TitleSeries


class KeyedByCode(admin.ModelAdmin):
    """The code is the key that people's rows point to: given once, never changed."""

    def get_readonly_fields(self, request, obj=None):
        return ["code"] if obj else []


@admin.register(Division)
class DivisionAdmin(KeyedByCode):
    list_display = ["code", "name", "parent", "is_local", "valid_from", "valid_to"]
    list_select_related = ["parent"]
    list_filter = ["is_local"]
    search_fields = ["code", "name"]
    autocomplete_fields = ["parent"]


class TitleNameInline(admin.TabularInline):
    model = TitleName
    extra = 0


@admin.register(TitleSeries)
class TitleSeriesAdmin(KeyedByCode):
    list_display = ["code", "name", "order"]
    search_fields = ["name"]
    inlines = [TitleNameInline]


@admin.register(FieldOfStudy)
class FieldOfStudyAdmin(KeyedByCode):
    list_display = ["code", "name", "parent"]
    list_select_related = ["parent"]
    search_fields = ["code", "name"]
    autocomplete_fields = ["parent"]

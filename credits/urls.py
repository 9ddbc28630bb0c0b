from django.urls import path

from credits.views import declaring

app_name = "credits"
urlpatterns = [
    # --- declared hours --------------------------------------------------------------------------
    path("", declaring.mine, name="mine"),
    path("declare/", declaring.declare, name="declare"),
    path("declare/check/", declaring.check, name="check"),
    path("declare/done/<int:application_id>/", declaring.done, name="done"),
    path("years/", declaring.years, name="years"),
]

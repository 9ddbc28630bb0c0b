from django.urls import include, path

from desk import numbers, views, views_figures

app_name = "desk"
urlpatterns = [
    path("", views.home, name="home"),
    path("faq/", views.faq, name="faq"),
    path("statement/", views.statement, name="statement"),
    path("accessibility/", views.accessibility, name="accessibility"),
    path("people/", views.people, name="people"),
    path("people/unmet/", views_figures.unmet_list, name="unmet"),
    path("people/unmet/remind/", views_figures.remind, name="remind"),
    path("people/unmet/remind-all/", views_figures.remind_all, name="remind_all"),
    path("statistics/", views_figures.statistics, name="statistics"),
    path("people/<int:practitioner_id>/", views.person, name="person"),
    path("people/<int:practitioner_id>/history/", views.person_history, name="person_history"),
    path("people/<int:practitioner_id>/number/", numbers.person_number, name="person_number"),
    path("people/<int:practitioner_id>/reset-password/", views.reset_password, name="reset_password"),
    path("organizations/", views.tree, name="tree"),
    path("organizations/waiting/", views_figures.waiting_below, name="waiting"),
    path("organizations/<int:organization_id>/", views.organization, name="organization"),
    path("organizations/<int:organization_id>/waiting/", views_figures.waiting_at, name="waiting_at"),
    path("organizations/<int:organization_id>/below/", views.below, name="below"),
    path(
        "organizations/<int:organization_id>/history/",
        views.organization_history,
        name="organization_history",
    ),
    path("search/", views.find, name="search"),
    path("exports/", include("desk.exports.urls")),
    path("my/held/", include("desk.own.urls")),
]

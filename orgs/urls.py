from django.urls import path

from orgs import views

app_name = "orgs"
urlpatterns = [
    path("admins/", views.admins, name="admins"),
    path("admins/add/", views.add_admin, name="add_admin"),
    path("admins/add/role/", views.appoint, name="appoint"),
    path("admins/<int:admin_id>/", views.admin, name="admin"),
    path("admins/<int:admin_id>/suspend/", views.suspend, name="suspend"),
    path("admins/<int:admin_id>/restore/", views.restore, name="restore"),
    path("admins/<int:admin_id>/invite/", views.invite, name="invite"),
    path("admins/<int:admin_id>/remove/", views.remove, name="remove"),
    path("second-factor/", views.turn_off_second_factor, name="turn_off_second_factor"),
    path("roles/", views.roles, name="roles"),
    path("roles/add/", views.add_role, name="add_role"),
    path("roles/<int:role_id>/", views.edit_role, name="edit_role"),
    path("roles/<int:role_id>/delete/", views.delete_role, name="delete_role"),
    path("succession/", views.succession, name="succession"),
    path("succession/cancel/", views.cancel_succession, name="cancel_succession"),
    path("succession/<int:swap_id>/", views.answer_succession, name="answer_succession"),
]

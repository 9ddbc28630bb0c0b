from django.urls import path

from workflow import views

app_name = "workflow"
urlpatterns = [
    path("inbox/", views.waiting, name="inbox"),
    path("inbox/done/", views.done, name="done"),
    path("inbox/done/remove/", views.remove_done, name="remove_done"),
    path("applications/<int:application_id>/", views.detail, name="detail"),
    path("applications/<int:application_id>/receipt/", views.receipt, name="receipt"),
    path("applications/<int:application_id>/withdraw/", views.withdraw, name="withdraw"),
    path("applications/<int:application_id>/remind/", views.remind, name="remind"),
    path("steps/<int:step_id>/approve/", views.approve, name="approve"),
    path("steps/<int:step_id>/reject/", views.reject, name="reject"),
    path("attachments/<int:attachment_id>/", views.attachment, name="attachment"),
]

from django.urls import path

from workflow.views import bulk, deciding, lists

app_name = "workflow"
urlpatterns = [
    path("inbox/", lists.waiting, name="inbox"),
    path("inbox/done/", lists.done, name="done"),
    path("inbox/done/remove/", lists.remove_done, name="remove_done"),
    path("inbox/check/", bulk.check, name="check_many"),
    path("inbox/decide/", bulk.decide, name="decide_many"),
    path("applications/<int:application_id>/", deciding.detail, name="detail"),
    path("applications/<int:application_id>/receipt/", deciding.receipt, name="receipt"),
    path("applications/<int:application_id>/withdraw/", deciding.withdraw, name="withdraw"),
    path("applications/<int:application_id>/remind/", deciding.remind, name="remind"),
    path("steps/<int:step_id>/approve/", deciding.approve, name="approve"),
    path("steps/<int:step_id>/reject/", deciding.reject, name="reject"),
    path("attachments/<int:attachment_id>/", deciding.attachment, name="attachment"),
]

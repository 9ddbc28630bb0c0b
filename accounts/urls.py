from django.urls import path

from accounts import messages_views, security, views

app_name = "accounts"
urlpatterns = [
    path("login/", views.login, name="login"),
    path("logout/", views.logout, name="logout"),
    path("second-factor/", views.give_second_factor, name="second_factor"),
    path("identity/", views.choose, name="choose"),
    path("identity/<int:account_id>/", views.switch, name="switch"),
    path("forgot/", views.forgot, name="forgot"),
    path("forgot/sent/", views.sent, name="sent"),
    path("reset/<str:token>/", views.reset, name="reset"),
    path("set-password/", views.set_password, name="set_password"),
    path("password/", views.password, name="password"),
    path("messages/", messages_views.message_list, name="messages"),
    path("messages/read/", messages_views.read_all, name="read_messages"),
    path("messages/<int:message_id>/open/", messages_views.open_message, name="open_message"),
    path("messages/<int:message_id>/read/", messages_views.read_message, name="read_message"),
    path("security/", security.security, name="security"),
    path("security/sessions/end/", security.end_session, name="end_session"),
    path("security/second-factor/", security.set_up_second_factor, name="set_up_second_factor"),
    path("security/second-factor/off/", security.turn_off_second_factor, name="turn_off_second_factor"),
    path("security/recovery-codes/", security.recovery_codes, name="recovery_codes"),
    path("security/recovery-codes/renew/", security.renew_recovery_codes, name="renew_recovery_codes"),
]

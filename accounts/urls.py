from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("login/", views.login, name="login"),
    path("logout/", views.logout, name="logout"),
    path("identity/", views.choose, name="choose"),
    path("identity/<int:account_id>/", views.switch, name="switch"),
    path("forgot/", views.forgot, name="forgot"),
    path("forgot/sent/", views.sent, name="sent"),
    path("reset/<str:token>/", views.reset, name="reset"),
    path("set-password/", views.set_password, name="set_password"),
    path("password/", views.password, name="password"),
]

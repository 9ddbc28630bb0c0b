from django.apps import AppConfig
from django.utils.module_loading import import_string


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "用户"

    def ready(self):
        # Importing it registers it; before the models are there it cannot be imported.
        import_string("accounts.checks.keys_open_what_is_sealed")

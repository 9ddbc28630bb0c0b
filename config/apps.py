from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "平台"

    def ready(self):
        from config import checks, key_checks  # noqa: F401 (registers them)

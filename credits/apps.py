from importlib import import_module

from django.apps import AppConfig


class CreditsConfig(AppConfig):
    name = "credits"
    verbose_name = "学时"

    def ready(self):
        # Jobs of the queue, and what is told when somebody arrives (orgs/arrivals.py).
        for name in ("attaching", "checking", "committing", "tidying"):
            import_module(f"credits.intake.{name}")

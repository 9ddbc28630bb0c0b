from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class WorkflowConfig(AppConfig):
    name = "workflow"
    verbose_name = "申请与审核"

    def ready(self):
        # The apps above bring their kinds of application themselves; the engine names none of them.
        autodiscover_modules("flows")

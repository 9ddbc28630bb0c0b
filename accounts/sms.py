"""The seam to an SMS provider.

A sender is any class with `send(mobile, text)`; `settings.SMS_SENDER` names it by its dotted path (environment:
CPE_SMS_SENDER) and it is made anew for each message, so it reads its own settings in `__init__`:

    class ProviderSender:
        def send(self, mobile: str, text: str) -> None:
            '''Hand one message to the provider, within seconds.

            `mobile` is E.164 ("+8613800000000"), `text` Chinese, at most 70 characters where possible and
            without the provider's signature 【…】. Any exception means: not sent. The caller logs its class
            name alone, because messages of providers tend to quote the number.
            '''
"""

import sys

from django.conf import settings
from django.utils.module_loading import import_string


class ConsoleSender:
    """Prints instead of sending: for demonstrations and development."""

    def send(self, mobile: str, text: str) -> None:
        sys.stdout.write(f"短信 {mobile[:-8]}****{mobile[-4:]}：{text}\n")
        sys.stdout.flush()


def send(mobile: str, text: str) -> None:
    """Send one message through the sender of this installation. Raises what the sender raises."""
    import_string(settings.SMS_SENDER)().send(mobile, text)

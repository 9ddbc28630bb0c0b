"""The worker: runs the queue of accounts/queue.py. As many as wanted may run at the same time, one is enough."""

import asyncio
import contextlib
import logging
import signal

from django.conf import settings
from django.core.management import BaseCommand
from procrastinate.contrib.django import app, connector_params
from procrastinate.psycopg_connector import PsycopgConnector

from config.parent import end_with_parent

logger = logging.getLogger(__name__)

# A mail server that does not answer holds a thread for as long as EMAIL_TIMEOUT: the others go on meanwhile.
THREADS = 4
SECONDS_TO_FINISH = 12  # what is running when the worker is told to stop
SECONDS_UNTIL_AGAIN = 5


class Command(BaseCommand):
    help = "后台进程：写消息、发邮件和短信。生产环境与网站一同常驻运行；邮件服务器或数据库中断后自动继续。"

    def handle(self, *args, **options):
        end_with_parent(signal.SIGTERM)
        asyncio.run(until_told())


async def until_told() -> None:
    """Work until SIGTERM or SIGINT; when the database goes away, begin again once it is back."""
    working, told = asyncio.current_task(), asyncio.Event()

    def stop():
        told.set()
        working.cancel()

    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop)
    with contextlib.suppress(asyncio.CancelledError):
        while not told.is_set():
            try:
                await work()
            except Exception as error:  # whatever the driver raises when its server stops
                logger.warning("the worker lost its database: %s", type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), SECONDS_UNTIL_AGAIN)


async def work(number: int = 1, **how) -> None:
    """Run workers; returns when the connection to the database fails, or with `wait=False` when all is done."""
    alias = "worker" if "worker" in settings.DATABASES else "default"
    connector = PsycopgConnector(
        kwargs=connector_params(alias), min_size=1, max_size=THREADS, timeout=SECONDS_UNTIL_AGAIN
    )
    options = {
        "concurrency": THREADS,
        "delete_jobs": "successful",
        "install_signal_handlers": False,
        "shutdown_graceful_timeout": SECONDS_TO_FINISH,
        **how,
    }
    with app.replace_connector(connector):
        async with app.open_async():
            await asyncio.gather(*(app.run_worker_async(**options) for _ in range(number)))

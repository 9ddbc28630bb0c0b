"""Settings of gunicorn, for the demo and for production.

Threads, because each keeps its database connection (CONN_MAX_AGE): 715 requests/s, against 212 with a new
connection per request. The database must allow workers × threads connections.
"""

import gc
import os
import signal
import sys

from config import logs
from config.parent import end_with_parent
from config.tally import REQUESTS

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("CPE_THREADS", "4"))
timeout = 60
graceful_timeout = 10
keepalive = 75  # longer than nginx keeps its own side of a connection open
max_requests = 10_000
max_requests_jitter = 1_000
control_socket_disable = True  # it would be opened in $HOME
# Neither query nor referrer: both can hold what people typed.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s %(D)sus %({x-request-id}o)s'
logconfig_dict = logs.configuration(
    style=os.environ.get("CPE_LOG_FORMAT", "text"),
    level="INFO",
    loggers={
        "gunicorn.error": os.environ.get("CPE_GUNICORN_LOG_LEVEL", "info").upper(),
        "gunicorn.access": "INFO" if os.environ.get("CPE_ACCESS_LOG") == "1" else "WARNING",
    },
)


def on_starting(server):
    """Stop with the demo, however it ends."""
    end_with_parent(signal.SIGQUIT)


def pre_fork(server, worker):
    """Give the worker a region of the request counters that no living one writes into."""
    worker.tally_region = REQUESTS.free_region({one.tally_region for one in server.WORKERS.values()})


def post_fork(server, worker):
    REQUESTS.use(worker.tally_region)


def post_worker_init(worker):
    """What the program consists of stays as long as the worker does: nobody need look through it for garbage again and
    again. A tenth of the time of a page."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    # A thread that has its answer from the database waits this long for one that renders a page, at each of its twenty
    # statements. With the usual 5 ms a signature took 700 ms beside three pages.
    sys.setswitchinterval(0.0005)

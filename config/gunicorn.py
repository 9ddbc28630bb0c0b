"""Settings of gunicorn, for the demo and for production.

Threads, because each keeps its database connection (CONN_MAX_AGE): 715 requests/s, against 212 with a new
connection per request. The database must allow workers × threads connections.
"""

import os
import signal

from config.parent import end_with_parent

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("CPE_THREADS", "4"))
timeout = 60
graceful_timeout = 10
max_requests = 10_000
max_requests_jitter = 1_000
control_socket_disable = True  # it would be opened in $HOME
loglevel = os.environ.get("CPE_GUNICORN_LOG_LEVEL", "info")


def on_starting(server):
    """Stop with the demo, however it ends."""
    end_with_parent(signal.SIGQUIT)

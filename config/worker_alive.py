"""`python -m config.worker_alive`: exit code 0 when a worker gave a sign of life in the last minute, else 1.

For the health check of the worker's container, which runs it twice a minute: without Django, which alone takes a second.
"""

import os
import sys

import psycopg

LONGEST_SILENCE = 60  # seconds; a worker that lives gives a sign every ten


def is_alive(url: str) -> bool:
    """Whether the queue's own table has a recent sign. A database that does not answer is for others to tell."""
    with psycopg.connect(url, connect_timeout=4) as connection:
        silence = "SELECT extract(epoch FROM now() - max(last_heartbeat)) FROM procrastinate_workers"
        seconds = connection.execute(silence).fetchone()[0]
    return seconds is not None and seconds < LONGEST_SILENCE


def main() -> int:
    url = os.environ.get("DATABASE_WORKER_URL") or os.environ["DATABASE_URL"]
    try:
        return 0 if is_alive(url) else 1
    except psycopg.Error as error:
        # Its message may name host and user.
        sys.stderr.write(f"no answer from the database: {type(error).__name__}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())

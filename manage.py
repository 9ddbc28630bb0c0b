#!/usr/bin/env python
"""Django's command line. Without DATABASE_URL it runs on the embedded PostgreSQL (config/embedded.py)."""

import contextlib
import os
import sys

from django.core.management import execute_from_command_line

from config import embedded

WITHOUT_DATABASE = {
    *("help", "version", "--version", "-h", "--help", "collectstatic", "compilemessages", "diffsettings"),
    *("findstatic", "makemessages", "startapp"),
}


def needs_database(arguments: list[str]) -> bool:
    """Tell whether a server has to run for this command line (settings are not read yet)."""
    return bool(arguments) and arguments[0] not in WITHOUT_DATABASE and not {"-h", "--help"} & set(arguments)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    server = embedded.database() if needs_database(sys.argv[1:]) else contextlib.nullcontext()
    try:
        with server:
            execute_from_command_line(sys.argv)
    except embedded.EmbeddedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

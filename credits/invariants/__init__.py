"""What must always be true of hours as a whole (trust.md 4.2), for `manage.py check_invariants`.

One query each, grouped by the database, or a stream read in pieces: nothing is held for four million people at once.
"""

from credits.invariants import certificates, counters, declared, ledger, records

__all__ = ["certificates", "counters", "declared", "ledger", "records"]

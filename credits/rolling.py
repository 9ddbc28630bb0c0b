"""The rolling job of hours: every minute the worker folds counters and looks again at years that may have changed."""

from procrastinate.contrib.django import app

from credits.recheck import recheck
from credits.tallies import fold


@app.periodic(cron="* * * * *", periodic_id="tallies")
@app.task(name="credits.roll", queueing_lock="tallies")
def roll(timestamp: int = 0) -> int:
    """Until nothing waits; returns how many people and changes were handled. Safe to run twice."""
    handled = 0
    while people := recheck():
        handled += people
    while changes := fold():
        handled += changes
    return handled

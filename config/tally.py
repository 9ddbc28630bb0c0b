"""Counters of requests that all worker processes of one gunicorn share: memory that the master makes before it forks.

Each worker writes into a region of its own, so no lock between processes is needed; the threads of one worker share a
lock. A region whose worker has ended is handed to the next one, which counts on: sums never fall until the master
itself is started anew. Whoever is not gunicorn (tests, runserver) uses the first region.

A record is a key (view and status), the sum of durations in microseconds and one count per bucket, the last of them
without an upper bound.
"""

import mmap
import threading
from collections.abc import Iterator

BUCKETS = (5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000)  # µs
REGIONS, RECORDS = 32, 768  # 768 records: views × the statuses that they really answer with
_KEY_CELLS = 12  # 96 bytes
_RECORD_CELLS = _KEY_CELLS + 1 + len(BUCKETS) + 1
_REGION_CELLS = 1 + RECORDS * _RECORD_CELLS  # the first cell is the number of records


class Tally:
    """The counters. `region` is where this process writes; None: nowhere, because every region is taken."""

    def __init__(self, regions: int = REGIONS):
        self._memory = mmap.mmap(-1, regions * _REGION_CELLS * 8)  # anonymous, shared with what is forked
        self._cells = memoryview(self._memory).cast("Q")
        self._lock = threading.Lock()
        self._places: dict[str, int] = {}
        self.regions = regions
        self.region: int | None = 0

    def use(self, region: int | None) -> None:
        """Write into `region` from now on; called once in a worker that was just forked."""
        self._lock = threading.Lock()  # the parent's may have been held by a thread that does not exist here
        self.region = region
        self._places = {}
        if region is not None:
            self._places = {key: place for place, key in self._keys(region)}

    def count(self, view: str, status: int, microseconds: int) -> None:
        """Count one answer."""
        if self.region is None:
            return
        key = f"{view[:88]} {status}"
        bucket = next((n for n, bound in enumerate(BUCKETS) if microseconds <= bound), len(BUCKETS))
        with self._lock:
            place = self._places.get(key) or self._new(key)
            if place:
                self._cells[place] += microseconds
                self._cells[place + 1 + bucket] += 1

    def _new(self, key: str) -> int:
        """Return the place of a new record's sum, 0 when the region is full."""
        start = self.region * _REGION_CELLS
        number = self._cells[start]
        if number == RECORDS:
            return 0
        at = start + 1 + number * _RECORD_CELLS
        written = key.encode()[: _KEY_CELLS * 8].ljust(_KEY_CELLS * 8, b"\0")
        self._memory[at * 8 : (at + _KEY_CELLS) * 8] = written
        self._cells[start] = number + 1  # readers see the record only now
        self._places[key] = at + _KEY_CELLS
        return self._places[key]

    def _keys(self, region: int) -> Iterator[tuple[int, str]]:
        start = region * _REGION_CELLS
        for number in range(self._cells[start]):
            at = start + 1 + number * _RECORD_CELLS
            key = self._memory[at * 8 : (at + _KEY_CELLS) * 8].rstrip(b"\0").decode(errors="replace")
            yield at + _KEY_CELLS, key

    def sums(self) -> dict[tuple[str, str], tuple[int, list[int]]]:
        """{(view, status): (microseconds, counts per bucket)} over all regions."""
        found: dict[tuple[str, str], tuple[int, list[int]]] = {}
        for region in range(self.regions):
            for place, key in self._keys(region):
                view, _, status = key.rpartition(" ")
                total, counts = found.get((view, status), (0, [0] * (len(BUCKETS) + 1)))
                here = self._cells[place + 1 : place + 2 + len(BUCKETS)]
                found[view, status] = (
                    total + self._cells[place],
                    [a + b for a, b in zip(counts, here, strict=True)],
                )
        return found

    def free_region(self, taken: set[int | None]) -> int | None:
        """The lowest region that no living worker writes into."""
        return next((region for region in range(self.regions) if region not in taken), None)


REQUESTS = Tally()

"""A spreadsheet is unpacked in a process of its own: whatever somebody put into it, it has so much memory and no more,
and holds neither keys nor a connection to the database. Meanwhile the worker judges the rows that came before.

The process gets the open file as its standard input and its name as its argument, and writes pickled portions: (rows,
share of the file read), at the end None, or the sentence of Unreadable.
"""

import pickle
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from credits.intake.reading import BROKEN, Line, Lines, Unreadable

AT_A_TIME = 1_000  # rows of a portion
MOST_MEMORY = 192 * 1024 * 1024
_ROOT = Path(__file__).resolve().parents[2]


class LinesApart:
    """What `Lines` gives, from the other process. `share` is how much of the file was read, between 0 and 1."""

    def __init__(self, file: BinaryIO, name: str):
        self.file, self.name, self.share = file, name, 0.0

    def __iter__(self) -> Iterator[Line]:
        command = [sys.executable, "-m", "credits.intake.apart", self.name]
        process = subprocess.Popen(  # noqa: S603 (our own module; the name is an argument, never a command)
            command,
            cwd=_ROOT,
            stdin=self.file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LANG": "C.UTF-8"},
        )
        try:
            yield from self._portions(process.stdout)
        finally:
            process.kill()
            process.stdout.close()
            process.wait()

    def _portions(self, pipe: BinaryIO) -> Iterator[Line]:
        while True:
            try:
                portion = pickle.load(pipe)  # noqa: S301 (written by our own module)
            except (EOFError, pickle.UnpicklingError):
                raise Unreadable(BROKEN) from None  # ended without a word: by its limit
            if portion is None:
                return
            if isinstance(portion, str):
                raise Unreadable(portion)
            rows, self.share = portion
            for number, cells in rows:
                yield Line(number, cells)


def _shortened(line: Line) -> tuple:
    """Without the empty cells at the end."""
    cells = line.cells
    last = next((place for place in range(len(cells), 0, -1) if cells[place - 1] is not None), 0)
    return line.number, cells[:last]


def main(name: str) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))

    def tell(what) -> None:
        pickle.dump(what, sys.stdout.buffer, protocol=pickle.HIGHEST_PROTOCOL)

    lines = Lines(sys.stdin.buffer, name)
    try:
        rows = map(_shortened, lines)
        while portion := list(islice(rows, AT_A_TIME)):
            tell((portion, lines.share))
        tell(None)
    except Unreadable as reason:
        tell(str(reason))
    except MemoryError:
        tell(BROKEN)
    sys.stdout.flush()


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # nobody listens any more
        main(sys.argv[1])

"""One log for all parts: each line with its part's name, on the terminal and in a file rotated by size."""

import os
import queue
import sys
import threading
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)  # ANSI foregrounds, one a part in order of appearance
SUPERVISOR = "smc"  # the name under which the supervisor itself speaks


class JoinedLog:
    """Takes lines of parts; never waits for a reader of stdout nor fails on a full disk.

    `tail(part)` gives the last lines of a part, for the message that says why it did not start.
    """

    def __init__(self, path: Path | None, max_bytes: int = 20_000_000, keep: int = 3, stdout: int = 1) -> None:
        self._path, self._max_bytes, self._keep, self._stdout = path, max_bytes, keep, stdout
        self._file: int | None = None
        self._size = 0
        self._file_error: str | None = None
        self._tails: dict[str, deque[str]] = {}
        self._coloured = os.isatty(stdout) and "NO_COLOR" not in os.environ
        self._width = len("postgrest")
        # A terminal that is stopped (Ctrl-S) or a pipe that nobody reads must not stop the parts: their lines wait
        # here, and are dropped when there are too many.
        self._screen: queue.Queue[bytes | None] = queue.Queue(maxsize=5_000)
        self._dropped = 0
        self._writer = threading.Thread(target=self._write_screen, name="smc-log", daemon=True)
        self._writer.start()

    def line(self, part: str, text: str) -> None:
        """Log one line of a part; `text` without its line end."""
        text = text.rstrip()
        now = datetime.now(UTC)
        tail = self._tails.setdefault(part, deque(maxlen=200))
        tail.append(text)
        self._append(
            f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z {part:<{self._width}} | {text}\n".encode()
        )
        name = f"{part:<{self._width}}"
        if self._coloured:
            name = f"\x1b[{COLOURS[list(self._tails).index(part) % len(COLOURS)]}m{name}\x1b[0m"
        self._show(f"{name} | {text}\n".encode())

    def say(self, text: str) -> None:
        """Log a line of the supervisor itself."""
        self.line(SUPERVISOR, text)

    def banner(self, text: str) -> None:
        """Show text on the terminal as it is; it stays out of the file, for it may hold a one-time link."""
        self._show(text.encode())

    def tail(self, part: str, lines: int = 15) -> list[str]:
        """The last lines of a part, oldest first."""
        return list(self._tails.get(part, ()))[-lines:]

    def close(self) -> None:
        """Give the terminal two seconds to take what is left, and close the file."""
        try:
            self._screen.put(None, timeout=2)
        except queue.Full:
            pass  # nobody reads; the file has it
        else:
            self._writer.join(timeout=2)
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _append(self, line: bytes) -> None:
        if self._path is None:
            return
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
                self._size = os.fstat(self._file).st_size
            if self._size + len(line) > self._max_bytes and self._size > 0:
                os.close(self._file)
                self._file = None
                for n in range(self._keep - 1, 0, -1):
                    older = self._path.with_name(f"{self._path.name}.{n}")
                    if older.exists():
                        older.replace(self._path.with_name(f"{self._path.name}.{n + 1}"))
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                self._append(line)
                return
            self._size += os.write(self._file, line)
            self._file_error = None
        except OSError as error:
            reason = error.strerror or str(error)
            if self._file_error != reason:  # said once, not with every line
                self._file_error = reason
                self._show(f"{SUPERVISOR:<{self._width}} | {self._path}: {reason}; lines are missing there\n".encode())

    def _show(self, line: bytes) -> None:
        try:
            if self._dropped:
                note = f"{SUPERVISOR:<{self._width}} | {self._dropped} lines not shown here; they are in {self._path}\n"
                self._screen.put_nowait(note.encode())
                self._dropped = 0
            self._screen.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def _write_screen(self) -> None:
        gone = False  # the reader (`smc up | head`); then lines are only taken, so that `close` need not wait
        while (line := self._screen.get()) is not None:
            try:
                while line and not gone:
                    line = line[os.write(self._stdout, line) :]
            except OSError:
                gone = True


def print_error(text: str) -> None:
    """One error line on stderr, in the form of every `smc` error."""
    print(f"smc: {text}", file=sys.stderr, flush=True)

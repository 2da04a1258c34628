"""Says, in one line each, that the disk of a running agent fills up, that it is full, and that there is room again."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

LOW = 100_000_000
FULL = 20_000_000  # below it Postgres finds no room for its next log file of 16 MiB
SECONDS = 2.0  # between two looks


def shortage(folder: Path, low: int = LOW) -> str | None:
    """What is wrong with the room at `folder`: cause and cure; None while at least `low` bytes are free."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return None  # the folder is gone or cannot be asked; whoever writes there says so
    if free >= low:
        return None
    megabytes = f"{free // 1_000_000} MB free at {folder}"
    if free >= FULL:
        return f"The disk fills up: {megabytes}. Make room; at {FULL // 1_000_000} MB trading stops."
    return f"The disk is full: {megabytes}. Trading waits, nothing acknowledged is lost; make room, and it goes on."


class DiskWatch:
    """Tells `say` when the room at `folder` gets short, shorter, and enough again; each once."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._said: str | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(SECONDS)

    def look(self) -> None:
        """Look once."""
        # Half as much again before it is called enough, so that a disk at the brink is not told of every other moment.
        found = shortage(self._folder, LOW if self._said is None else LOW * 3 // 2)
        stage = found and found.partition(":")[0]
        if stage == self._said:
            return
        self._said = stage
        self._say(found or f"There is room again at {self._folder}; what waited goes on.")

"""The state folder of one `smc up`: who runs in it, and what it remembers from one start to the next."""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

MIN_FREE_BYTES = 200_000_000


class StateError(Exception):
    """The state folder cannot be used; the message names cause and cure."""


class State:
    """A state folder: `open` makes it usable and owned by this process; files in it are replaced whole, mode 0600."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._lock: int | None = None

    def open(self, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        """Make the folder, take its lock, check that it can be written. Raises StateError."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.folder.stat().st_mode & 0o066:  # 0701 stays: Postgres under root needs the way through
                self.folder.chmod(0o700)
            self._take_lock()
            (self.folder / "logs").mkdir(mode=0o700, exist_ok=True)
            (self.folder / "run").mkdir(mode=0o700, exist_ok=True)
            free = shutil.disk_usage(self.folder).free
            if free < min_free_bytes:
                raise StateError(
                    f"Only {free // 1_000_000} MB are free at {self.folder}. "
                    f"Free {min_free_bytes // 1_000_000} MB, or choose another place with --state."
                )
            self._try_writing()
        except StateError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise StateError(self.why(error)) from None

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self, name: str) -> dict[str, Any] | None:
        """A JSON object that was written before; None where there is none. Raises StateError when it is damaged."""
        path = self.folder / name
        try:
            content = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(self.why(error)) from None
        except ValueError as error:
            raise StateError(f"{path} is damaged ({error}). Restore it, or start over with `smc reset`.") from None
        if not isinstance(content, dict):
            raise StateError(f"{path} is damaged (not a JSON object). Restore it, or start over with `smc reset`.")
        return content

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Replace a JSON file at once: readers see the old or the new one. Raises StateError."""
        path = self.folder / name
        draft = path.with_name(path.name + ".tmp")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(content, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise StateError(self.why(error)) from None

    def remove(self, name: str) -> None:
        """Remove a file that may be gone already."""
        (self.folder / name).unlink(missing_ok=True)

    def announce(self, address: str) -> None:
        """Leave pid and address in the lock file, for whoever finds it taken."""
        assert self._lock is not None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, json.dumps({"pid": os.getpid(), "address": address}).encode(), 0)

    def holder(self) -> dict[str, Any] | None:
        """Who runs here now, {pid, address}; None where nobody does."""
        try:
            lock = os.open(self.folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(self.why(error)) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _lock_content(lock)
        finally:
            os.close(lock)
        return None

    def _take_lock(self) -> None:
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _lock_content(self._lock)
            pid, address = holder.get("pid"), holder.get("address")
            raise StateError(
                f"Already running in {self.folder}"
                + (f": pid {pid}, {address}" if pid else "")
                + ". Use that one, stop it with Ctrl-C there"
                + (f" or `kill {pid}`" if pid else "")
                + ", or give this one another folder with --state and another --port."
            ) from None
        os.ftruncate(self._lock, 0)

    def _try_writing(self) -> None:
        # Free space says nothing of quotas, limits or a read-only mount.
        probe = self.folder / "run" / "probe"
        try:
            with open(probe, "wb") as file:
                file.write(bytes(1_000_000))
                file.flush()
                os.fsync(file.fileno())
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()

    def why(self, error: OSError) -> str:
        """What to tell people of an error of the disk: cause and cure."""
        where = error.filename or self.folder
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return f"No room to write at {where} ({error.strerror}). Make room, or choose another place: --state."
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return f"{where} cannot be written ({error.strerror}). Mend that, or choose another place: --state."
        if isinstance(error, FileExistsError | NotADirectoryError):
            return f"{where} is a file, not a folder. Choose another place with --state."
        return f"{where}: {error.strerror}. Mend it, or choose another place with --state."


def too_open(path: Path) -> str | None:
    """The mode of a secret file that others may read, such as '0644'; None where it is private or not there."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None
    return f"{mode:04o}" if mode & 0o077 else None


def _lock_content(lock: int) -> dict[str, Any]:
    try:
        content = json.loads(os.pread(lock, 4096, 0))
    except ValueError:
        return {}  # it has only just started
    return content if isinstance(content, dict) else {}

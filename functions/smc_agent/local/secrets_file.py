"""The passwords and keys of one state folder, in a file that only its owner reads."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path


def random_password() -> str:
    """256 random bits, safe in a URL."""
    return secrets.token_urlsafe(32)


class SecretsFile:
    """Named secrets in `<state_dir>/secrets.json` (mode 0600), each made once and kept; also by several processes."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "secrets.json"
        self._values = self._read()

    def get(self, name: str, make: Callable[[], str] = random_password) -> str:
        """The secret `name`; made by `make` and saved where there is none yet."""
        if name not in self._values:
            with self._locked():
                # Others may have made it, or others, since it was read.
                self._values = self._read()
                if name not in self._values:
                    self._values[name] = make()
                    self._save()
        return self._values[name]

    def _read(self) -> dict[str, str]:
        values: dict[str, str] = json.loads(self.path.read_text()) if self.path.exists() else {}
        return values

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # The folder is locked: the file is another one after each save.
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _save(self) -> None:
        draft = self.path.with_suffix(".tmp")
        draft.unlink(missing_ok=True)
        # Created with its final mode, then renamed: never readable by others, never half written.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(self._values, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)

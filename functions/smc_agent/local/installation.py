"""Where the program's built parts are: the Rust programs and the web app, relative to the project's root."""

import os
from pathlib import Path


class NotBuilt(Exception):
    """A part is not built; the message names it and what builds it."""


def root() -> Path:
    """The project's root: SMC_HOME, else three folders above this package (an editable install)."""
    home = os.environ.get("SMC_HOME")
    return Path(home).absolute() if home else Path(__file__).resolve().parents[3]


def program(name: str) -> Path:
    """The release build of a Rust program, `executor` or `paper_venue`. Raises NotBuilt."""
    path = root() / "executor" / "target" / "release" / name
    if not os.access(path, os.X_OK):
        raise NotBuilt(
            f"{path} is not built. Run `make setup` (SMC_HOME names the project's root, if it is elsewhere)."
        )
    return path


def web_app() -> Path:
    """The folder of the built web app. Raises NotBuilt."""
    path = root() / "frontend" / "dist"
    if not (path / "index.html").is_file():
        raise NotBuilt(f"The web app is not built ({path}). Run `make setup`.")
    return path

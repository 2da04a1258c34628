"""`make setup` on a machine that lacks a tool: one line that names it, and nothing half done."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
STAMPS = ".venv/.stamps"
NODE_TOO_OLD = {"npm": "exit 0", "node": "exit 1"}
NO_VENV = {"python3.11": '[ "$1" = -c ] && exit 0; mkdir -p .venv/bin; touch .venv/bin/python; exit 1'}


@pytest.mark.parametrize(
    ("tools", "done", "said"),
    [
        ({}, (), "setup: python3.11 not found. Install Python 3.11"),
        ({"python3.11": "exit 1"}, (), "setup: python3.11 is no Python 3.11 or 3.12. Install one"),
        (NO_VENV, (), "setup: python3.11 makes no virtual environment. Install its venv package"),
        ({}, ("python",), "setup: no npm, or a Node older than 20. Install Node 20"),
        (NODE_TOO_OLD, ("python",), "setup: no npm, or a Node older than 20. Install Node 20"),
        ({}, ("python", "postgrest", "js-client"), "setup: cargo not found. Install Rust"),
    ],
)
def test_a_missing_tool_is_named(tools: dict[str, str], done: tuple[str, ...], said: str, tmp_path: Path) -> None:
    programs, project = tmp_path / "bin", tmp_path / "project"
    programs.mkdir()
    for name in ("sh", "env", "find", "mkdir", "rm", "touch"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    for name, script in tools.items():
        (programs / name).write_text(f"#!{programs / 'sh'}\n{script}\n")
        (programs / name).chmod(0o755)
    for folder in ("executor", "frontend", "functions/smc_agent/local/postgrest", "tests/supabase/js"):
        (project / folder).mkdir(parents=True)
    for name in ("requirements.lock", "pyproject.toml", "functions/smc_agent/local/postgrest/package-lock.json",
                 "tests/supabase/js/package-lock.json", "frontend/package-lock.json"):  # fmt: skip
        (project / name).touch()
    for name in done:
        (project / STAMPS).mkdir(parents=True, exist_ok=True)
        (project / STAMPS / name).touch()
    shutil.copy(MAKEFILE, project)
    make = shutil.which("make")
    assert make is not None
    ran = subprocess.run(
        [make, "setup"], cwd=project, env=os.environ | {"PATH": str(programs)}, capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert next(line for line in ran.stderr.splitlines() if not line.startswith("make")).startswith(said)
    assert done or not (project / ".venv").exists(), "what is half made would pass for whole the next time"

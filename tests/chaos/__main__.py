"""Seeded runs of the executor against the paper venue with everything going wrong: see docs/reliability.md.

    python -m tests.chaos [--seeds 200] [--first 1] [--jobs 4] [--json FILE] [--keep]
    python -m tests.chaos --seed 17        one run again; its folder is kept if it fails

Each run is one venue and one executor (release builds). What goes wrong in it, when, and what is traded follow from its
seed; how the processes' steps interleave is up to the machine, so a failing seed may need several repetitions.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from tests.chaos.books import Books, start_server
from tests.chaos.report import Report
from tests.chaos.running import Run
from tests.chaos.scenario import KINDS, scenario

from smc_agent.local.postgres import Postgres


def play(seed: int, base: Path, shared: Postgres) -> Report:
    """One run, in a folder that is left only if it failed."""
    planned = scenario(seed)
    folder = base / f"seed-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    own = start_server(folder / "state") if planned.database == "stopped" else None
    books = None
    if planned.database != "away":
        books = Books(own or shared, f"chaos_{seed}", stops=own is not None)
    try:
        report = Run(planned, folder, books).play()
    except Exception as error:
        report = Report(seed, [f"the run did not begin: {type(error).__name__}: {str(error)[-600:]}"])
    finally:
        if books is not None:
            books.close()
        if own is not None:
            own.stop()
    (folder / "report.json").write_text(json.dumps(asdict(report), indent=1))
    if not report.failures:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def tell(report: Report) -> None:
    flag = "ok  " if not report.failures else "FAIL"
    print(
        f"{flag} seed {report.seed:4} {report.seconds:5.1f} s  {report.market:7} commands {report.commands:3}"
        f" orders {report.venue_orders:3} trades {report.trades:3}  kills {report.kills}"
        f" restarts {report.venue_restarts} cuts {report.network_cuts} db {report.database:7}"
        f" faults {sum(report.faults.values()):3}  bare {report.longest_bare_s:4.1f} s",
        flush=True,
    )
    for text in report.failures[:6]:
        print(f"       {text[:600]}")
    if report.failures:
        print(f"       again: python -m tests.chaos --seed {report.seed}", flush=True)


def summary(reports: list[Report], seconds: float) -> dict[str, object]:
    """The figures of docs/reliability.md."""
    faults: Counter[str] = Counter()
    for report in reports:
        faults.update(report.faults)

    def told(*words: str) -> int:
        return sum(any(word in text for word in words) for report in reports for text in report.failures)

    return {
        "runs": len(reports),
        "failed_runs": sum(bool(report.failures) for report in reports),
        "seconds": round(seconds),
        "commands": sum(report.commands for report in reports),
        "commands_accepted": sum(report.accepted for report in reports),
        "commands_unanswered_at_first": sum(report.unanswered for report in reports),
        "commands_by_table": sum(report.by_table for report in reports),
        "of_these_by_both_ways": sum(report.by_both for report in reports),
        "orders_at_venue": sum(report.venue_orders for report in reports),
        "trades": sum(report.trades for report in reports),
        "executor_kills": sum(report.kills for report in reports),
        "venue_restarts": sum(report.venue_restarts for report in reports),
        "network_cuts": sum(report.network_cuts for report in reports),
        "funding_settled": sum(report.fundings for report in reports),
        "runs_by_market": dict(Counter(report.market for report in reports)),
        "runs_by_database": dict(Counter(report.database for report in reports)),
        "faults": sum(faults.values()),
        "faults_by_kind": {kind: faults[kind] for kind in KINDS},
        "observations": sum(report.observations for report in reports),
        "exact_protection_checks": sum(report.exact_checks for report in reports),
        "longest_bare_s": max((report.longest_bare_s for report in reports), default=0),
        "acknowledged_and_lost": told("acknowledged and not"),
        "doubled": told("times", "asked for by no command", "made orders", "protected or sold", "could open"),
        "unprotected": told("unprotected", "lay bare"),
        "disagreements": told("here,", "not in both", "not open in both", "changed the books"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", action="store_true", help="leave the folders of failed runs")
    options = parser.parse_args()
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    base = Path(tempfile.mkdtemp(prefix="smc-chaos-"))
    base.chmod(0o711)
    begun = time.monotonic()
    server = start_server(base / "shared")
    reports = []
    try:
        with ProcessPoolExecutor(options.jobs) as pool:
            for done in as_completed([pool.submit(play, seed, base, server) for seed in seeds]):
                reports.append(done.result())
                tell(reports[-1])
    finally:
        server.stop()
    figures = summary(reports, time.monotonic() - begun)
    for name, value in figures.items():
        print(f"{name:32} {value}")
    if options.json:
        runs = [asdict(report) for report in sorted(reports, key=lambda report: report.seed)]
        options.json.write_text(json.dumps({"summary": figures, "runs": runs}, indent=1) + "\n")
    failed = sorted(report.seed for report in reports if report.failures)
    if failed and (options.keep or options.seed is not None):
        print(f"folders of the failed runs: {base}")
    else:
        shutil.rmtree(base, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

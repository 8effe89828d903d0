"""A finished study as a small folder for a repository, and back.

    python -m ablation.report.publish STUDY.yaml FOLDER             results/{study} -> FOLDER
    python -m ablation.report.publish --restore STUDY.yaml FOLDER   FOLDER -> results/{study}

The folder holds the report, the figures (SVG), every table, the evidence of the launches and what the figures need
beside; not the raw records. Restored, tables and evidence are in their places, statistics, figures and report are
left out; `snakemake --cores 1 report --configfile STUDY.yaml --config stored=true` makes them, byte for byte.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ablation.plan.schedule import Schedule
from ablation.study.load import StudyError, read_yaml

# In the order in which they are made: restored files get times in this order, since Snakemake compares them.
EVIDENCE = (
    "store/launch-*/accuracy.parquet",
    "sittings/**/*.json",
    "sessions/**/*.json",
    "decisions/**/*.json",
)
TABLES = ("aggregate/*.parquet", "plan.json", "plan.txt")
MADE_ANEW = ("statistics/*.parquet", "figures/*.svg", "report/report.html", "report/report.md")


def publish(schedule: Schedule, folder: Path) -> list[Path]:
    """Copy the study's results into an empty or absent folder. Returns the files, relative to it.

    Raises StudyError where there is no report, or the folder holds something else.
    """
    results = schedule.results
    if not (results / "report/report.html").is_file():
        raise StudyError(f"{results}/report: no report; make it first: snakemake --cores 1 report")
    if folder.resolve().is_relative_to(Path("results").resolve()):
        raise StudyError(
            f"{folder}: lies under results/, where measurements are; name another folder"
        )
    if any(folder.glob("store/*/run.json")) or any(folder.glob("store/*/reads.parquet")):
        raise StudyError(
            f"{folder}: holds raw records, which are never deleted; name another folder"
        )
    if folder.exists() and any(folder.iterdir()) and not (folder / "plan.json").is_file():
        raise StudyError(f"{folder}: holds something that is no published study; name another")
    shutil.rmtree(folder, ignore_errors=True)
    files = found(results, (*EVIDENCE, *TABLES, *MADE_ANEW))
    runs = (Path(run) for run in schedule.timeline_files())
    files += [run.relative_to(results) for run in runs if run.is_file()]
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(results / file, folder / file)
    return files


def restore(schedule: Schedule, folder: Path) -> list[Path]:
    """Copy a published study back to `results/{study}`, which must not exist. Returns the files.

    Raises StudyError.
    """
    results = schedule.results
    if results.exists():
        raise StudyError(
            f"{results}: exists; move it away before a published study takes its place"
        )
    if not (folder / "aggregate/runs.parquet").is_file():
        raise StudyError(f"{folder}: no aggregate/runs.parquet, so no published study")
    now, files = int((folder / "aggregate/runs.parquet").stat().st_mtime), []
    for age, patterns in ((30, EVIDENCE), (20, ("runs/**/*.parquet",)), (10, TABLES)):
        for file in found(folder, patterns):
            (results / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file, results / file)
            os.utime(results / file, (now - age, now - age))
            files.append(file)
    return files


def found(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Files below a folder, in the order of the patterns."""
    return [
        path.relative_to(folder)
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    ]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--restore", action="store_true", help="from the folder back to results/")
    parser.add_argument("study", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    try:
        schedule = Schedule.from_config(read_yaml(args.study), str(args.study))
        files = (restore if args.restore else publish)(schedule, args.folder)
    except StudyError as error:
        raise SystemExit(f"publish: {error}") from None
    where = schedule.results if args.restore else args.folder
    size = sum((where / file).stat().st_size for file in files)
    print(f"publish: {len(files)} files, {size / 1e6:.1f} MB, in {where}")


if __name__ == "__main__":
    main()

"""`aimanga curate`: keep the pictures that are worth learning from."""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aimanga.cli.console import say, say_left_out
from aimanga.text import counted, duration

if TYPE_CHECKING:
    from rich.console import Console

    from aimanga.curate import CurateReport, Decisions, Pictures


def _threshold(help_text: str, default: str) -> Any:  # noqa: ANN401  what typer calls an option
    return typer.Option(help=help_text, show_default=f"the screening's, or {default}", rich_help_panel="Thresholds")


def curate(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="PHOTOS...", help="Pictures and folders.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The folder for the results.", show_default=False)
    ],
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="N|P%",
            help="Keep the N best of those that pass the thresholds, or the best P %.",
            show_default="all that pass",
        ),
    ] = None,
    screening: Annotated[
        Path | None, typer.Option(help="A TOML file with thresholds, as DIR/screening.toml.", show_default=False)
    ] = None,
    crops: Annotated[
        int | None,
        typer.Option(metavar="SIZE", help="Cut the squares with the most detail.", show_default=False),
    ] = None,
    per_image: Annotated[int, typer.Option(min=1, help="Squares of each picture, at most.")] = 1,
    avoid_blur: Annotated[
        bool, typer.Option("--avoid-blur", help="No squares with a background out of focus.")
    ] = False,
    avoid_text: Annotated[bool, typer.Option("--avoid-text", help="No squares with letters.")] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the kept pictures: the default, without --crops.")] = False,
    link: Annotated[bool, typer.Option("--link", help="Link the kept pictures.")] = False,
    manifest_only: Annotated[
        bool, typer.Option("--manifest-only", help="Write no pictures: the manifest and the report only.")
    ] = False,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Enter subfolders; they are mirrored.")] = False,
    max_pixels: Annotated[int, typer.Option(help="Refuse pictures with more pixels.")] = 2**28,
    first_page: Annotated[
        bool, typer.Option("--first-page", help="Of an animation take the first picture, instead of refusing it.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Processes.", show_default="one a core")
    ] = None,
    min_side: Annotated[int | None, _threshold("Pixels of the shorter side.", "256")] = None,
    min_detail: Annotated[float | None, _threshold("Gray levels a pixel.", "8")] = None,
    max_flatness: Annotated[float | None, _threshold("Share of tiles without detail.", "0.7")] = None,
    min_sharpness: Annotated[float | None, _threshold("Less is enlarged or blurred.", "-4.7")] = None,
    max_blockiness: Annotated[float | None, _threshold("More is visible JPEG.", "0.45")] = None,
    max_noise: Annotated[float | None, _threshold("Gray levels.", "4")] = None,
    max_clipping: Annotated[float | None, _threshold("Share of black and white pixels.", "0.35")] = None,
    min_colourfulness: Annotated[float | None, _threshold("10 leaves out gray pictures.", "0")] = None,
    max_text: Annotated[float | None, _threshold("Share of tiles with letters or line art.", "0.3")] = None,
    per_scene: Annotated[int | None, _threshold("Pictures of one scene, at most.", "3")] = None,
) -> None:
    """Keep the pictures with detail; leave out blurred, enlarged, noisy, blocky ones, and copies.

    DIR gets a manifest, a report to look at, and the kept pictures, or crops of them. A second run measures nothing
    again: try other thresholds as often as you like.
    """
    from rich.console import Console

    from aimanga.batch import ProgressDisplay
    from aimanga.config import load
    from aimanga.curate import CurateOptions, Screening, changed, decide, opened, plan_curation, run_curation
    from aimanga.errors import UsageError

    if copy + link + manifest_only > 1:
        raise UsageError("--copy, --link, --manifest-only: only one of them")
    given = {
        "min_side": min_side,
        "min_detail": min_detail,
        "max_flatness": max_flatness,
        "min_sharpness": min_sharpness,
        "max_blockiness": max_blockiness,
        "max_noise": max_noise,
        "max_clipping": max_clipping,
        "min_colourfulness": min_colourfulness,
        "max_text": max_text,
        "per_scene": per_scene,
    }
    thresholds = Screening() if screening is None else load(Screening, screening)
    thresholds = changed(thresholds, {name: value for name, value in given.items() if value is not None})
    pictures: Pictures | None = "copy" if copy else "link" if link else "none" if manifest_only else None
    options = CurateOptions(
        thresholds, _how_many(keep), crops, per_image, avoid_blur, avoid_text, pictures, max_pixels, first_page
    )
    console = Console()
    plan = plan_curation(inputs, output, options, recursive=recursive)
    jobs = jobs or os.cpu_count() or 1
    say(console, f"{counted(len(plan.jobs), 'picture')}, {jobs} at a time")
    say_left_out(console, plan.ignored, plan.subfolders)
    with opened(plan) as known:
        with ProgressDisplay(console, lines={"failed"}) as display:
            decisions = decide(plan, known, jobs=jobs, watcher=display)
        _say_decisions(console, decisions)
        with ProgressDisplay(console, lines={"failed"}) as display:
            result = run_curation(plan, decisions, known, jobs=jobs, watcher=display)
    _say_files(console, result, output)
    raise typer.Exit(result.exit_code)


def _how_many(keep: str | None) -> int | float | None:
    """`1342` is a number of pictures, `55%` a share."""
    from aimanga.errors import UsageError

    if keep is None:
        return None
    try:
        return float(keep.removesuffix("%")) / 100 if keep.endswith("%") else int(keep)
    except ValueError as error:
        raise UsageError(f"--keep {keep}: a number of pictures, or a share such as 55%") from error


def _say_decisions(console: "Console", decisions: "Decisions") -> None:
    known = len(decisions.lines) - decisions.measured - decisions.reasons.get("unreadable", 0)
    say(console, f"{decisions.measured} measured, {known} known in {duration(decisions.seconds)}")
    rejected = len(decisions.lines) - decisions.kept
    why = ", ".join(f"{name} {count}" for name, count in decisions.reasons.items())
    say(console, f"{decisions.kept} kept, {rejected} not{f': {why}' if why else ''}")
    if decisions.crops:
        say(console, f"{counted(decisions.crops, 'crop')} of {counted(decisions.kept, 'picture')}")


def _say_files(console: "Console", result: "CurateReport", output: Path) -> None:
    counts = Counter(record.status for record in result.files)
    if result.files:
        say(console, ", ".join(f"{counts[status]} {status}" for status in ("done", "skipped", "failed")))
    if result.removed:
        say(console, f"{counted(result.removed, 'file')} of a former selection removed")
    for orphan in result.orphans:
        say(console, f"stays, since its picture has gone or changed: {output / orphan}")
    for name in ("manifest.jsonl", "report.html", "screening.toml"):
        say(console, f"written   {output / name}")

"""What a screening is going to look at, and whether it can be done."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aimanga.batch import Job, plan
from aimanga.curate.manifest import MANIFEST, Line, read_manifest
from aimanga.curate.outputs import CROPS, PICTURES, Pictures
from aimanga.curate.screening import Screening
from aimanga.curate.select import Keep
from aimanga.errors import UsageError
from aimanga.images import READABLE_SUFFIXES
from aimanga.options import MAX_PIXELS


@dataclass(frozen=True)
class CurateOptions:
    """How pictures are screened; the fields are those of `aimanga.curate_files`."""

    screening: Screening = field(default_factory=Screening)
    keep: Keep = None
    crops: int | None = None
    per_image: int = 1
    avoid_blur: bool = False
    avoid_text: bool = False
    pictures: Pictures | None = None
    max_pixels: int = MAX_PIXELS
    first_page: bool = False


@dataclass(frozen=True)
class CuratePlan:
    """What `curate_files` is going to look at.

    Attributes:
        jobs: The pictures, and their names relative to the output; sorted.
        former: The manifest that the folder of the results has.
        ignored: Files of the input folders that are not pictures.
        subfolders: Folders that are left out without recursion.
        output: The folder of the results.
        options: How they are screened.
    """

    jobs: tuple[Job, ...]
    former: tuple[Line, ...]
    ignored: int
    subfolders: int
    output: Path
    options: CurateOptions


def plan_curation(
    inputs: str | Path | Sequence[str | Path], output: str | Path, options: CurateOptions, *, recursive: bool = False
) -> CuratePlan:
    """Find the pictures that `curate_files` would look at; arguments and errors as there. Nothing is written."""
    problems = _contradictions(options)
    if problems:
        raise UsageError("; ".join(problems))
    given = sorted({Path(path) for path in ([inputs] if isinstance(inputs, str | Path) else inputs)}, key=Path.absolute)
    output = Path(output)
    for path in (output, *(output / name for name in (PICTURES, CROPS))):
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: the results need a folder, and this is a file")
    if any(path.is_dir() and path.resolve() == output.resolve() for path in given):
        raise UsageError(f"{output}: the results need a folder of their own")
    inside = [(output / name).resolve() for name in (PICTURES, CROPS)]

    def is_result(path: Path) -> bool:
        return any(folder == path or folder in path.parents for folder in inside)

    for path in given:
        if is_result(path.resolve()):
            raise UsageError(f"{path}: lies where the results of {output} go, which curate removes; use another folder")
    # `plan` looks after names that collide; the folder of these names never comes to be.
    base = output / ".names"
    found = plan(given, base, suffixes=READABLE_SUFFIXES, result_name=lambda source: source.name, recursive=recursive)
    jobs = []
    for job in found.jobs:
        here = job.source.parent.resolve()  # of a link, where it lies itself
        if is_result(here):
            continue
        if is_result(job.source.resolve()):
            raise UsageError(f"{job.source}: links to a result in {output}, which curate removes; use another folder")
        jobs.append(Job(job.source, job.target.relative_to(base)))
    if not jobs:
        raise UsageError(f"no pictures found in {', '.join(map(str, given))}, beside the results")
    jobs.sort(key=lambda job: job.target)
    former = read_manifest(output) if (output / MANIFEST).exists() else ()
    return CuratePlan(tuple(jobs), former, found.ignored, found.subfolders, output, options)


def _contradictions(options: CurateOptions) -> list[str]:
    problems = []
    keep = options.keep
    if isinstance(keep, float) and not 0 < keep <= 1:
        problems.append(f"--keep {100 * keep:g}%: a share is above 0 % and at most 100 %")
    if isinstance(keep, int) and keep < 1:
        problems.append(f"--keep {keep}: at least one picture")
    if options.crops is not None and options.crops < 1:
        problems.append(f"--crops {options.crops}: the side of a square in pixels")
    if options.per_image < 1:
        problems.append(f"--per-image {options.per_image}: at least one square of each picture")
    if options.crops is None and (options.per_image > 1 or options.avoid_blur or options.avoid_text):
        problems.append("--per-image, --avoid-blur, --avoid-text: are about the squares that --crops cuts out")
    if options.pictures not in (None, "copy", "link", "none"):
        problems.append(f"pictures {options.pictures!r}: one of copy, link, none")
    return problems

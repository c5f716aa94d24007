"""Find the pictures of a selection, and check that they and the results do not mix."""

from dataclasses import dataclass
from pathlib import Path

from aimanga.batch import Job, Paths, as_paths, plan
from aimanga.curate.manifest import MANIFEST, ManifestEntry, read_manifest
from aimanga.curate.options import CurateOptions
from aimanga.curate.outputs import CROPS, PICTURES
from aimanga.errors import UsageError
from aimanga.images import READABLE_SUFFIXES
from aimanga.text import listed


@dataclass(frozen=True)
class CuratePlan:
    """What `curate_files` is going to measure.

    Attributes:
        jobs: The pictures, and their names relative to the output folder; sorted.
        previous: The manifest of the output folder.
        ignored: Files of the input folders that are not pictures.
        subfolders: Folders that are skipped without `recursive`.
        output: The output folder.
        options: How pictures are selected.
    """

    jobs: tuple[Job, ...]
    previous: tuple[ManifestEntry, ...]
    ignored: int
    subfolders: int
    output: Path
    options: CurateOptions


def plan_curation(inputs: Paths, output: str | Path, options: CurateOptions) -> CuratePlan:
    """Find the pictures that `curate_files` would measure; arguments and errors as there. Nothing is written."""
    given, output = sorted(set(as_paths(inputs)), key=Path.absolute), Path(output)
    folders = [output / name for name in (PICTURES, CROPS)]
    for path in (output, *folders):
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: the results need a folder, and this is a file")
    if any(path.is_dir() and path.resolve() == output.resolve() for path in given):
        raise UsageError(f"{output}: the results need a folder of their own")
    inside = [folder.resolve() for folder in folders]

    def is_result(path: Path) -> bool:
        return any(folder == path or folder in path.parents for folder in inside)

    for path in given:
        if is_result(path.resolve()):
            raise UsageError(f"{path}: is among the results of {output}, which curate removes; use another folder")
    # `plan` resolves name collisions; the folder of these names is never made.
    base = output / ".names"
    found = plan(
        given, base, suffixes=READABLE_SUFFIXES, result_name=lambda source: source.name, recursive=options.recursive
    )
    jobs = []
    for job in found.jobs:
        if is_result(job.source.parent.resolve()):
            continue
        if is_result(job.source.resolve()):
            raise UsageError(f"{job.source}: links to a result in {output}, which curate removes; use another folder")
        jobs.append(Job(job.source, job.target.relative_to(base)))
    if not jobs:
        raise UsageError(f"no pictures found in {listed(given)}, except results")
    jobs.sort(key=lambda job: job.target)
    previous = read_manifest(output) if (output / MANIFEST).exists() else ()
    return CuratePlan(tuple(jobs), previous, found.ignored, found.subfolders, output, options)

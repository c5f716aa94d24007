"""Make a test set of one's own: pictures of several categories, chosen and damaged by a seed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import Field

from aimanga.atomic import replacing
from aimanga.batch import Job, Report, Watcher, plan
from aimanga.config import Config, load
from aimanga.degrade import DEFAULT_DEGRADATION, PairOptions, PairPlan, Recipe, load_degradation, run_pairs
from aimanga.degrade.manifest import read_pairs
from aimanga.errors import AimangaError, UsageError
from aimanga.evaluate.layouts import MANIFEST
from aimanga.hashing import seed_of, sha256_of
from aimanga.images import READABLE_SUFFIXES, PictureFile
from aimanga.options import MAX_PIXELS
from aimanga.version import versions

LICENSES = "licenses.toml"

_FORMAT = "aimanga test set 1"
_SHOWN = 10


class Rights(Config):
    """Where pictures are from."""

    license: str
    """Their licence, as an SPDX identifier."""
    source: str | None = None
    """Where they were published."""


class Licenses(Config):
    """The file `licenses.toml` beside the categories."""

    pictures: dict[str, Rights] = Field(default_factory=dict)
    """By category, or by path within the categories, which counts more."""


@dataclass(frozen=True)
class BuildPlan:
    """What `build_test_set` is going to do.

    Attributes:
        pairs: The chosen pictures, and how they are damaged.
        categories: How many of each category are taken, and how many there were.
        unusable: Pictures that were passed over, and why.
        sources: The folder of the categories.
        licenses: Where pictures are from.
        seed: What chose them.
        output: The folder of the set.
    """

    pairs: PairPlan
    categories: Mapping[str, tuple[int, int]]
    unusable: tuple[str, ...]
    sources: Path
    licenses: Licenses
    seed: int
    output: Path


def build_test_set(
    categories: str | Path,
    output: str | Path,
    *,
    count: int = 125,
    recipe: str | Path | Recipe = DEFAULT_DEGRADATION,
    crop: int | None = None,
    seed: int = 0,
    max_pixels: int = MAX_PIXELS,
    jobs: int = 1,
    watcher: Watcher | None = None,
) -> Report:
    """Make a test set: as many pictures of each category, and what a recipe makes of them.

    `output` gets HR, LR, and `manifest.json` with sources, licences, all drawn parameters, and the SHA-256 of every
    file. The same pictures and arguments give the same bytes. What is there is not made again.

    Args:
        categories: A folder with a folder of pictures for each category; `licenses.toml` in it tells their licences.
        output: The folder.
        count: How many pictures in all. Categories get equal shares; what one lacks the others give.
        recipe: The name of a shipped recipe, a TOML file, or a recipe.
        crop: Side of a square of each picture, at a place that is drawn; None for the whole picture.
        seed: All draws follow from it and from the pictures' names.
        max_pixels: Pass over larger pictures.
        jobs: Number of processes; as for `aimanga.upscale_files`.
        watcher: Told how it goes on.

    Returns:
        The report: a record a picture. Without a failure the manifest is written.

    Raises:
        UsageError: The request is impossible, or `output` holds a set that was made otherwise; nothing was done.
    """
    planned = plan_test_set(categories, output, count=count, recipe=recipe, crop=crop, seed=seed, max_pixels=max_pixels)
    return run_test_set(planned, jobs=jobs, watcher=watcher)


def plan_test_set(
    categories: str | Path,
    output: str | Path,
    *,
    count: int = 125,
    recipe: str | Path | Recipe = DEFAULT_DEGRADATION,
    crop: int | None = None,
    seed: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> BuildPlan:
    """Choose the pictures; arguments and errors as for `build_test_set`. Nothing is written."""
    categories, output = Path(categories), Path(output)
    recipe = load_degradation(recipe)
    if not categories.is_dir():
        raise UsageError(f"{categories}: there is no such folder")
    if count < 1:
        raise UsageError(f"--count {count}: at least one picture")
    if crop is not None and (crop < recipe.scale or crop % recipe.scale):
        raise UsageError(f"--crop {crop}: the side of a crop is a multiple of the scale {recipe.scale}")
    licenses = load(Licenses, categories / LICENSES) if (categories / LICENSES).is_file() else Licenses()
    found = plan(
        [categories], output / "LR", suffixes=READABLE_SUFFIXES, recursive=True,
        result_name=lambda source: f"{source.stem}.png",
    )  # fmt: skip
    by_category: dict[str, list[Job]] = {}
    unusable, outside = [], []
    for job in found.jobs:
        parts = job.target.relative_to(output / "LR").parts
        if len(parts) == 1:
            outside.append(job.source.name)
            continue
        problem = _unusable(job.source, crop or recipe.scale, max_pixels)
        if problem is None:
            by_category.setdefault(parts[0], []).append(job)
        else:
            unusable.append(problem)
    if outside:
        more = f" and {len(outside) - _SHOWN} more" if len(outside) > _SHOWN else ""
        shown = f"{', '.join(outside[:_SHOWN])}{more}"
        raise UsageError(f"{categories}: pictures lie in folders of their categories; outside are {shown}")
    there = {category: len(jobs) for category, jobs in sorted(by_category.items())}
    shares = _shares(there, count)
    if sum(shares.values()) < count:
        raise UsageError(
            f"--count {count}: there are only {sum(there.values())} usable pictures: "
            f"{', '.join(f'{name} {number}' for name, number in there.items())}"
        )
    chosen = [
        job
        for category, jobs in sorted(by_category.items())
        for job in sorted(jobs, key=lambda job: seed_of(seed, _named(job, output), "choice"))[: shares[category]]
    ]
    chosen.sort(key=lambda job: _named(job, output))
    options = PairOptions(recipe=recipe, crop=crop, seed=seed, max_pixels=max_pixels)
    pairs = PairPlan(tuple(chosen), len(chosen), found.ignored, 0, output, recipe, options)
    taken = {category: (shares[category], number) for category, number in there.items()}
    return BuildPlan(pairs, taken, tuple(unusable), categories, licenses, seed, output)


def run_test_set(planned: BuildPlan, *, jobs: int = 1, watcher: Watcher | None = None) -> Report:
    """Do what a plan says; arguments and errors as for `build_test_set`."""
    output = planned.output
    names = {_named(job, output) for job in planned.pairs.jobs}
    if (output / MANIFEST).is_file():
        before = {entry["lr"] for entry in _read(output)["pictures"]}
        if before != {f"LR/{name}" for name in names}:
            raise UsageError(f"{output}: a test set of other pictures is there; choose another folder")
    pairs = replace(planned.pairs, options=planned.pairs.options.replaced(jobs=jobs))
    report = run_pairs(pairs, watcher=watcher)
    if not report.failed:
        _write(planned)
    return report


def verify_test_set(folder: str | Path) -> tuple[str, ...]:
    """Compare the files of a test set with its manifest.

    Returns:
        What is wrong: files that are missing, are other ones, or do not belong to it; empty where all is well.

    Raises:
        UsageError: There is no manifest, or it is none.
    """
    folder = Path(folder)
    expected = {entry[kind]: entry[f"{kind}_sha256"] for entry in _read(folder)["pictures"] for kind in ("hr", "lr")}
    problems = []
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif sha256_of(path) != digest:
            problems.append(f"{name} is another file: its SHA-256 is not {digest}")
    there = (path.relative_to(folder).as_posix() for kind in ("HR", "LR") for path in (folder / kind).rglob("*"))
    problems += [
        f"{name} does not belong to it" for name in sorted(there) if name not in expected and (folder / name).is_file()
    ]
    return tuple(problems)


def _unusable(source: Path, smallest: int, max_pixels: int) -> str | None:
    """Why a picture cannot be taken, by its header."""
    try:
        header = PictureFile(source, max_pixels=max_pixels).header
    except (AimangaError, OSError) as error:
        return str(error)
    if min(header.width, header.height) < smallest:
        return f"{source}: {header.width} x {header.height} is smaller than {smallest}"
    return None


def _shares(there: Mapping[str, int], count: int) -> dict[str, int]:
    """How many of each category: one after the other gives one more, as long as it has one."""
    shares = dict.fromkeys(there, 0)
    left = min(count, sum(there.values()))
    while left:
        for name in [name for name, number in there.items() if shares[name] < number][:left]:
            shares[name] += 1
            left -= 1
    return shares


def _named(job: Job, output: Path) -> str:
    return job.target.relative_to(output / "LR").as_posix()


def _write(planned: BuildPlan) -> None:
    output = planned.output
    pairs = read_pairs(output)
    pictures = []
    for job in planned.pairs.jobs:
        name = _named(job, output)
        pair = pairs[f"LR/{name}"]
        source = job.source.relative_to(planned.sources).as_posix()
        category = name.partition("/")[0]
        rights = planned.licenses.pictures.get(source) or planned.licenses.pictures.get(category)
        pictures.append(
            {
                "name": name.removesuffix(".png").replace("/", "_"),
                "category": category,
                "source": source,
                "license": None if rights is None else rights.license,
                "published": None if rights is None else rights.source,
                "lr": pair.lr,
                "hr": pair.hr,
                "lr_sha256": sha256_of(output / pair.lr),
                "hr_sha256": sha256_of(output / pair.hr),
                "box": list(asdict(pair.box).values()),
                **pair.sample.model_dump(mode="json"),
            }
        )
    options = planned.pairs.options
    content = {
        "format": _FORMAT,
        "seed": planned.seed,
        "scale": planned.pairs.recipe.scale,
        "crop": options.crop,
        "categories": {category: taken for category, (taken, _) in planned.categories.items()},
        "recipe": planned.pairs.recipe.model_dump(mode="json", exclude_none=True),
        "versions": versions("torch", "pyvips"),
        "pictures": pictures,
    }
    content["digest"] = hashlib.sha256(json.dumps(pictures, sort_keys=True).encode()).hexdigest()
    with replacing(output / MANIFEST) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="ascii")


def _read(folder: Path) -> Mapping[str, Sequence[Mapping[str, str]]]:
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: there is no manifest of a test set: {error}") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise UsageError(f"{path}: this is no manifest of a test set ({_FORMAT})")
    return content

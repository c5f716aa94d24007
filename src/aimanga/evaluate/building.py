"""Build a test set: pictures of several categories, chosen and degraded by a seed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import Field

from aimanga.atomic import replacing
from aimanga.batch import Job, Report, Watcher, plan
from aimanga.config import Config, load
from aimanga.degrade import PairOptions, PairPlan, load_degradation, run_pairs
from aimanga.degrade.manifest import read_pairs
from aimanga.errors import AimangaError, UsageError
from aimanga.evaluate.layouts import MANIFEST
from aimanga.evaluate.options import BuildOptions
from aimanga.hashing import seed_of, sha256_of
from aimanga.images import READABLE_SUFFIXES, PictureFile
from aimanga.options import with_options
from aimanga.text import counted, listed
from aimanga.version import versions

LICENSES = "licenses.toml"

_FORMAT = "aimanga test set 1"


class Rights(Config):
    """Licence and source of pictures."""

    license: str
    """Their licence, as an SPDX identifier."""
    source: str | None = None
    """Where they are published."""


class Licenses(Config):
    """The file `licenses.toml` beside the categories."""

    pictures: dict[str, Rights] = Field(default_factory=dict)
    """By category, or by path within the categories, which counts more."""


@dataclass(frozen=True)
class BuildPlan:
    """What `build_test_set` is going to do.

    Attributes:
        pairs: The chosen pictures, and how they are degraded.
        categories: How many pictures of each category are chosen, and of how many.
        unusable: Why other pictures are skipped.
        sources: The folder of the categories.
        licenses: Licences and sources of pictures.
        options: The options.
        output: The folder of the set.
    """

    pairs: PairPlan
    categories: Mapping[str, tuple[int, int]]
    unusable: tuple[str, ...]
    sources: Path
    licenses: Licenses
    options: BuildOptions
    output: Path


@with_options
def build_test_set(
    categories: str | Path,
    output: str | Path,
    options: BuildOptions = BuildOptions(),
    *,
    watcher: Watcher | None = None,
) -> Report:
    """Build a test set: `build_test_set("photos", "testset", count=125, seed=0)`.

    `output` gets HR pictures of all categories, LR pictures made by a degradation recipe, and `manifest.json` with
    sources, licences, all random parameters, and the SHA-256 of every file. The same pictures and options give the same
    bytes. Finished pictures are skipped.

    Args:
        categories: A folder with a folder of pictures for each category; `licenses.toml` in it holds their licences.
        output: The folder.
        options: How; each option can also be given as a keyword. `jobs` as for `aimanga.upscale_files`.
        watcher: Callbacks for plan and progress; `on_plan` gets a `BuildPlan`.

    Returns:
        A record for each picture. The manifest is written if none failed.

    Raises:
        UsageError: The request is impossible, or `output` holds another set; nothing was done.
    """
    planned = plan_test_set(categories, output, options)
    if watcher is not None:
        watcher.on_plan(planned)
    return run_test_set(planned, watcher=watcher)


def plan_test_set(categories: str | Path, output: str | Path, options: BuildOptions) -> BuildPlan:
    """Choose the pictures; arguments and errors as for `build_test_set`. Nothing is written."""
    categories, output = Path(categories), Path(output)
    recipe, count, crop = load_degradation(options.recipe), options.count, options.crop
    if not categories.is_dir():
        raise UsageError(f"{categories}: there is no such folder")
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
        problem = _unusable(job.source, crop or recipe.scale, options.max_pixels)
        if problem is None:
            by_category.setdefault(parts[0], []).append(job)
        else:
            unusable.append(problem)
    if outside:
        raise UsageError(f"{categories}: each category has a folder of its own; outside are {listed(outside, 10)}")
    there = {category: len(jobs) for category, jobs in sorted(by_category.items())}
    shares = equal_shares(there, count)
    if sum(shares.values()) < count:
        usable = ", ".join(f"{name} {number}" for name, number in there.items())
        raise UsageError(f"--count {count}: only {counted(sum(there.values()), 'picture')} can be used: {usable}")
    degrading = PairOptions(
        recipe=recipe, crop=crop, seed=options.seed, max_pixels=options.max_pixels, jobs=options.jobs
    )
    pairs = PairPlan((), 0, found.ignored, 0, output, recipe, degrading)
    chosen: list[Job] = []
    for category, jobs in by_category.items():
        drawn = sorted(jobs, key=lambda job: seed_of(options.seed, pairs.name(job), "choice"))
        chosen += drawn[: shares[category]]
    chosen.sort(key=pairs.name)
    pairs = replace(pairs, jobs=tuple(chosen), pictures=len(chosen))
    taken = {category: (shares[category], number) for category, number in there.items()}
    return BuildPlan(pairs, taken, tuple(unusable), categories, licenses, options, output)


def run_test_set(planned: BuildPlan, *, watcher: Watcher | None = None) -> Report:
    """Run a plan; arguments and errors as for `build_test_set`."""
    output = planned.output
    names = {planned.pairs.name(job) for job in planned.pairs.jobs}
    if (output / MANIFEST).is_file():
        before = {entry["lr"] for entry in _read(output)["pictures"]}
        if before != {f"LR/{name}" for name in names}:
            raise UsageError(f"{output}: this folder holds a test set of other pictures; choose another folder")
    report = run_pairs(planned.pairs, watcher=watcher)
    if not report.failed:
        _write(planned)
    return report


def verify_test_set(folder: str | Path) -> tuple[str, ...]:
    """Compare the files of a test set with its manifest.

    Returns:
        The problems: files that are missing, changed, or not part of the set; empty if there are none.

    Raises:
        UsageError: There is no valid manifest.
    """
    folder = Path(folder)
    expected = {entry[kind]: entry[f"{kind}_sha256"] for entry in _read(folder)["pictures"] for kind in ("hr", "lr")}
    problems = []
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif sha256_of(path) != digest:
            problems.append(f"{name} has changed: its SHA-256 is not {digest}")
    there = (path.relative_to(folder).as_posix() for kind in ("HR", "LR") for path in (folder / kind).rglob("*"))
    problems += [
        f"{name} is not part of the set" for name in sorted(there) if name not in expected and (folder / name).is_file()
    ]
    return tuple(problems)


def _unusable(source: Path, smallest: int, max_pixels: int) -> str | None:
    """Why a picture cannot be used, by its header."""
    try:
        header = PictureFile(source, max_pixels=max_pixels).header
    except (AimangaError, OSError) as error:
        return str(error)
    if min(header.width, header.height) < smallest:
        return f"{source}: {header.width} x {header.height} is smaller than {smallest}"
    return None


def equal_shares(available: Mapping[str, int], count: int) -> dict[str, int]:
    """Divide a number into equal shares; a group that has too few leaves the rest to the others."""
    shares = dict.fromkeys(available, 0)
    for _ in range(min(count, sum(available.values()))):
        smallest = min((name for name in shares if shares[name] < available[name]), key=shares.__getitem__)
        shares[smallest] += 1
    return shares


def _write(planned: BuildPlan) -> None:
    output = planned.output
    pairs = read_pairs(output)
    pictures = []
    for job in planned.pairs.jobs:
        name = planned.pairs.name(job)
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
        "seed": planned.options.seed,
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
        raise UsageError(f"{path}: no manifest of a test set: {error}") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise UsageError(f"{path}: no manifest of a test set ({_FORMAT})")
    return content

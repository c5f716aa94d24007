"""Recipes of benchmarks: methods, test sets, metrics."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from aimanga.config import Config, Key, key_lines, load, place, read_toml, recipe_file
from aimanga.errors import UsageError
from aimanga.options import Device, Precision
from aimanga.problems import Problems
from aimanga.text import printable

SHIPPED = ("factsheet", "models")
"""The recipes in the package: `benchmark-NAME.toml`."""


def _fit_for_a_folder(name: str) -> str:
    if not name.strip(" .") or set(name) & set('/\\:*?"<>|') or printable(name) != name:
        raise ValueError('folders are named after it: it has none of / \\ : * ? " < > | and more than dots')
    return name


Name = Annotated[str, AfterValidator(_fit_for_a_folder)]
Count = Annotated[int, Field(ge=1)]


class ModelMethod(Config):
    """A network."""

    name: Name
    """Its name in the tables."""
    model: str
    """A name of the catalogue, or a weight file."""
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    """0 is a plain bicubic upscale, 1 the network's result; values between blend the two."""
    precision: Precision = "auto"
    device: Device = "auto"


class Resampling(Config):
    """A fixed kernel, as a baseline."""

    name: Name
    """Its name in the tables."""
    resample: Literal["bicubic", "lanczos"]
    """bicubic (as MATLAB's `imresize`) or lanczos (three lobes)."""


class ResultFolder(Config):
    """A folder of results."""

    name: Name
    """Its name in the tables."""
    results: str
    """The folder; `{set}` in it stands for the name of the set. Results are called as their pictures, also with a scale
    or the method's name behind."""


class Program(Config):
    """Any other program, in its own environment."""

    name: Name
    """Its name in the tables."""
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    """The program and its arguments, run without a shell. {input} and {output} stand for a picture and its result, or
    {input_folder} and {output_folder} for folders of all, for programs that take long to start; {scale} for the scale,
    {python} for this Python."""
    folder: str = "."
    """Its working directory."""
    timeout: Annotated[float, Field(gt=0)] | None = None
    """Seconds that a call may take; no limit by default."""
    depends: tuple[str, ...] = ()
    """Files that its results depend on, such as weights: when one changes, the method runs again."""

    @property
    def in_folders(self) -> bool:
        """True if one call takes all pictures of a set."""
        return any("{input_folder}" in part for part in self.command)


class FolderSet(Config):
    """An existing test set: RealSR, DIV2K, pairs such as Set5, one of `aimanga testset`, or a plain folder."""

    name: Name
    """Its name in the tables."""
    folder: str
    """Its folder."""
    scale: Annotated[int, Field(ge=1, le=16)] = 4
    """The scale; of a set with several scales the one to use."""


class BuiltSet(Config):
    """A test set to build from good pictures, as `aimanga testset build` does."""

    name: Name
    """Its name in the tables."""
    categories: str
    """A folder with a folder of pictures for each category."""
    count: Count = 125
    """Number of pictures."""
    recipe: str = "aimanga"
    """The degradation recipe: a name or a TOML file."""
    crop: Count | None = None
    """Side of a random crop of each picture; whole pictures by default."""
    seed: int = 0
    """Every random draw follows from it."""


class Figure(Config):
    """A row of crops for a paper."""

    set: str
    """The set."""
    picture: str
    """The name of its picture."""
    box: tuple[int, int, int, int] | None = None
    """Left, top, width and height in pixels of the results; by default where the methods differ most."""
    metrics: tuple[str, ...] = ()
    """Metrics whose scores are written below each crop."""


_KINDS = ("model", "resample", "results", "command")
_SETS = ("folder", "categories")


def _kind_of(value: object, kinds: Iterable[str]) -> str | None:
    has = value.__contains__ if isinstance(value, Mapping) else (lambda name: hasattr(value, name))
    return next((f"<{kind}>" for kind in kinds if has(kind)), None)


AnyMethod = Annotated[
    Annotated[ModelMethod, Tag("<model>")]
    | Annotated[Resampling, Tag("<resample>")]
    | Annotated[ResultFolder, Tag("<results>")]
    | Annotated[Program, Tag("<command>")],
    Discriminator(
        lambda value: _kind_of(value, _KINDS),
        custom_error_type="kind",
        custom_error_message=f"a method has one of {', '.join(_KINDS)}",
    ),
]
AnySet = Annotated[
    Annotated[FolderSet, Tag("<folder>")] | Annotated[BuiltSet, Tag("<categories>")],
    Discriminator(
        lambda value: _kind_of(value, _SETS),
        custom_error_type="kind",
        custom_error_message=f"a set has one of {', '.join(_SETS)}",
    ),
]


class BenchmarkRecipe(Config):
    """A benchmark. Paths are relative to the current folder."""

    title: str = "Benchmark"
    """The title of the report."""
    description: str = ""
    """What is compared, and why."""
    metrics: tuple[str, ...] = ()
    """Names of metrics; by default all whose weights are here. FR metrics are skipped on sets without ground truth."""
    baseline: str = ""
    """The method that the others are tested against; by default the first one."""
    page_pictures: Annotated[int, Field(ge=0)] = 40
    """Number of pictures embedded in the report; the best and worst ones first."""
    methods: Annotated[tuple[AnyMethod, ...], Field(min_length=1)]
    """What is compared."""
    sets: Annotated[tuple[AnySet, ...], Field(min_length=1)]
    """The pictures."""
    figures: tuple[Figure, ...] = ()
    """For a paper."""


def load_recipe(recipe: str | Path, methods: Sequence[str] = (), sets: Sequence[str] = ()) -> BenchmarkRecipe:
    """Read a recipe.

    Args:
        recipe: The name of one of `SHIPPED`, or a TOML file.
        methods: Use only these of its methods; empty for all.
        sets: Use only these of its sets, and their figures; empty for all.

    Raises:
        UsageError: The file is missing or invalid; the message names all problems with their lines.
    """
    path = recipe_file("benchmark", recipe, SHIPPED)
    found = load(BenchmarkRecipe, path)
    _contradictions(found, key_lines(read_toml(path)[0])).refuse(str(path))
    changes: dict[str, object] = {}
    if methods:
        changes["methods"] = _chosen(found.methods, methods, f"{path}, --methods")
        changes["baseline"] = found.baseline if found.baseline in methods else ""
    if sets:
        changes["sets"] = _chosen(found.sets, sets, f"{path}, --sets")
        changes["figures"] = [figure.model_dump() for figure in found.figures if figure.set in sets]
    return BenchmarkRecipe.model_validate(found.model_dump(exclude_unset=True) | changes)


def _chosen(entries: Sequence[AnyMethod | AnySet], names: Sequence[str], where: str) -> list[dict[str, object]]:
    known = [entry.name for entry in entries]
    missing = [name for name in names if name not in known]
    if missing:
        raise UsageError(f"{where}: there is no {', '.join(missing)} among {', '.join(known)}")
    return [entry.model_dump(exclude_unset=True) for entry in entries if entry.name in names]


def _contradictions(recipe: BenchmarkRecipe, lines: Mapping[Key, int]) -> Problems:
    """Values that are possible each by itself, but not together."""
    problems = Problems()

    def complain(key: Key, what: str) -> None:
        problems.add(f"{place(key, lines)}: {what}")

    for kind, names in (("methods", recipe.methods), ("sets", recipe.sets)):
        seen: set[str] = set()
        for number, entry in enumerate(names):
            # Folders are named after them, on file systems that may ignore case.
            if entry.name.casefold() in seen:
                complain((kind, number, "name"), f"the name {entry.name} is used twice")
            seen.add(entry.name.casefold())
            if entry.name in ("LR", "HR"):
                complain((kind, number, "name"), f"{entry.name} is reserved for the pictures themselves")
    for number, method in enumerate(recipe.methods):
        if isinstance(method, Program):
            for problem in _command_problems(method):
                complain(("methods", number, "command"), problem)
    methods = {method.name for method in recipe.methods}
    if recipe.baseline and recipe.baseline not in methods:
        complain(("baseline",), f"there is no method {recipe.baseline}")
    sets = {entry.name for entry in recipe.sets}
    for number, figure in enumerate(recipe.figures):
        if figure.set not in sets:
            complain(("figures", number, "set"), f"there is no set {figure.set}")
        if figure.box is not None and (min(figure.box) < 0 or min(figure.box[2:]) < 1):
            complain(("figures", number, "box"), "left and top are at least 0, width and height at least 1")
    return problems


def _command_problems(method: Program) -> list[str]:
    text = "\n".join(method.command)
    pairs = [("{input}", "{output}"), ("{input_folder}", "{output_folder}")]
    complete = [all(name in text for name in pair) for pair in pairs]
    partly = [any(name in text for name in pair) for pair in pairs]
    if complete != partly or sum(complete) != 1:
        return ["a command has {input} and {output}, or {input_folder} and {output_folder}"]
    return []

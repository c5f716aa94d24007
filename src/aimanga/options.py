"""Options of the verbs, each declared once: a field of a model with its type, default, limits and description.

The command line (`aimanga.cli.options`), the signature of the Python function and the tables of the documentation are
made from these models.

    class BlurOptions(Config):
        \"\"\"How pictures are blurred.\"\"\"

        sigma: Annotated[float, Field(gt=0), Flag("-s")] = 1.5
        \"\"\"Standard deviation in pixels.\"\"\"
        recursive: Recursive = False

    @with_options
    def blur_files(inputs: Paths, output: Path, options: BlurOptions = BlurOptions()) -> Report: ...

    blur_files("photos", "out", sigma=2)
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Interval, Le, Lt
from pydantic import AfterValidator, Field, ValidationError

from aimanga.config import Config, load
from aimanga.errors import UsageError

DEFAULT_MODEL = "aimanga-x4"
"""The model that is used where none is named."""

MAX_PIXELS = 2**28
"""Larger pictures (16384 x 16384) are refused: a small file can announce a picture that fills the memory."""


@dataclass(frozen=True)
class Flag:
    """How an option looks on the command line, where that does not follow from its name and type.

    Attributes:
        short: A short form: `-r`.
        metavar: What stands for the value in the help.
        default: What the help says instead of the default.
        panel: The heading that it stands under in the help.
        repeated: A tuple is given by repeating the option, instead of with commas.
    """

    short: str = ""
    metavar: str = ""
    default: str = ""
    panel: str = ""
    repeated: bool = False


def _no_folder(path: Path | None) -> Path | None:
    if path is not None and path.is_dir():
        raise ValueError("this is a folder")
    return path


Recursive = Annotated[bool, Flag("-r"), Field(description="Enter subfolders; results mirror them.")]
Overwrite = Annotated[bool, Field(description="Replace results that exist.")]
DryRun = Annotated[bool, Field(description="Only print what would be done.")]
Device = Annotated[str, Field(description="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"],
    Field(description="Type of the convolutions; sums stay in fp32. auto is the fastest within 50 dB of fp32."),
]
Jobs = Annotated[int, Flag("-j"), Field(ge=1, description="Number of processes. On a CPU, one uses all cores well.")]
MaxPixels = Annotated[int, Field(ge=1, description="Refuse pictures with more pixels.")]
FirstPage = Annotated[bool, Field(description="Read the first page of animations and multi-page files.")]
ReportFile = Annotated[
    Path | None,
    AfterValidator(_no_folder),
    Field(description="Append one line of JSON for each picture to this file."),
]
Seed = Annotated[int, Field(description="Every random draw follows from it and from the names of the files.")]


@dataclass(frozen=True)
class Option:
    """One option of a verb, as its model declares it.

    Attributes:
        field: The name of its field, which is that of the Python keyword.
        table: The field of the nested model that it belongs to; None for an option of the verb's own.
        annotation: Its type.
        default: Its default.
        description: What it means.
        limits: Its bounds: `1 to 100`, `above 0`; empty where it has none.
        flag: How it looks on the command line.
    """

    field: str
    table: str | None
    annotation: Any
    default: object
    description: str
    limits: str
    flag: Flag

    @property
    def name(self) -> str:
        """Its name on the command line: `--max-pixels`."""
        return f"--{self.field.replace('_', '-')}"

    @property
    def types(self) -> tuple[Any, ...]:
        """The types that it can have, None left out."""
        parts = get_args(self.annotation) if get_origin(self.annotation) in (Union, UnionType) else (self.annotation,)
        return tuple(part for part in parts if part is not NoneType)

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value."""
        return self.types == (bool,)

    @property
    def is_tuple(self) -> bool:
        """Whether it takes several values."""
        return any(get_origin(kind) is tuple for kind in self.types)

    @property
    def metavar(self) -> str:
        """What stands for its value: `INTEGER`, `auto|fp32|bf16`."""
        if self.flag.metavar:
            return self.flag.metavar
        first = self.types[0]
        first = get_args(first)[0] if get_origin(first) is tuple else first
        if get_origin(first) is Literal:
            return "|".join(map(str, get_args(first)))
        return {int: "INTEGER", float: "NUMBER", Path: "PATH"}.get(first, "TEXT")

    @property
    def default_text(self) -> str:
        """Its default as text; empty where it has none."""
        if self.default is None or self.is_flag:
            return ""
        if isinstance(self.default, tuple):
            return ", ".join(map(str, self.default))
        return str(self.default)


def options_of(kind: type[Config]) -> Iterator[Option]:
    """The options of a model in their order; those of a nested model follow its own, which reads a TOML file."""
    for name, field in kind.model_fields.items():
        flag = next((part for part in field.metadata if isinstance(part, Flag)), Flag())
        description = " ".join((field.description or "").split())
        nested = _model(field.annotation)
        if nested is None:
            limits = _limits(field.metadata)
            yield Option(name, None, field.annotation, field.get_default(), description, limits, flag)
            continue
        file = Flag(metavar="FILE", panel=flag.panel)
        yield Option(name, None, Path | None, None, description, "", file)
        for part, inner in nested.model_fields.items():
            text = " ".join((inner.description or "").split())
            shown = Flag(default=f"{inner.get_default()}", panel=flag.panel)
            yield Option(part, name, inner.annotation, inner.get_default(), text, _limits(inner.metadata), shown)


AnyConfig = TypeVar("AnyConfig", bound=Config)


def changed(options: AnyConfig, keywords: Mapping[str, object]) -> AnyConfig:
    """A model with other values, checked.

    Args:
        options: The model.
        keywords: By field; fields of a nested model stand among those of the model itself, and a nested model can be
            the path of a TOML file.

    Raises:
        UsageError: Values are out of range or contradict each other; the message names all of them.
    """
    kind = type(options)
    values: dict[str, object] = dict(keywords)
    for name, field in kind.model_fields.items():
        nested = _model(field.annotation)
        if nested is None:
            continue
        base = values.get(name, getattr(options, name))
        if isinstance(base, str | Path):
            base = load(nested, Path(base))
        parts = {part: values.pop(part) for part in nested.model_fields if part in values}
        values[name] = _checked(base, parts) if isinstance(base, Config) else base
    return _checked(options, values)


def _checked(options: AnyConfig, values: Mapping[str, object]) -> AnyConfig:
    try:
        return options.replaced(**values)
    except ValidationError as error:
        problems = []
        for detail in error.errors():
            what = detail["msg"].removeprefix("Value error, ")
            name = f"--{str(detail['loc'][0]).replace('_', '-')} " if detail["loc"] else ""
            problems.append(f"{name}{detail['input']}: {what}" if name else what)
        raise UsageError("; ".join(problems)) from error


Result = TypeVar("Result")


def with_options(function: Callable[..., Result]) -> Callable[..., Result]:
    """Let a verb take its options as one model, as plain keywords, or as keywords that change the model.

    The function has a parameter `options` whose type is the model. Its signature gets a keyword for each option.
    """
    signature = inspect.signature(function)
    default = signature.parameters["options"].default
    kind: type[Config] = signature.parameters["options"].annotation
    declared = {option.field: option for option in options_of(kind)}

    @wraps(function)
    def call(*args: object, **keywords: object) -> Result:
        given = {name: keywords.pop(name) for name in list(keywords) if name in declared}
        bound = signature.bind(*args, **keywords)
        if given:
            bound.arguments["options"] = changed(bound.arguments.get("options", default), given)
        return function(*bound.args, **bound.kwargs)

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=option.annotation)
        for name, option in declared.items()
    ]
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]  # where `inspect.signature` looks
        parameters=[*signature.parameters.values(), *added]
    )
    return call


def as_flags(options: Config) -> list[str]:
    """The options that differ from their defaults, as on the command line: `["--scale", "2", "--recursive"]`."""
    flags: list[str] = []
    for option in options_of(type(options)):
        value = getattr(options if option.table is None else getattr(options, option.table), option.field)
        if value == option.default or isinstance(value, Config):
            continue
        values = value if isinstance(value, tuple) else (value,)
        texts = map(str, values) if option.flag.repeated else [",".join(map(str, values))]
        flags += [option.name] if option.is_flag else [part for text in texts for part in (option.name, text)]
    return flags


def _model(annotation: Any) -> type[Config] | None:  # noqa: ANN401  any type
    return annotation if isinstance(annotation, type) and issubclass(annotation, Config) else None


def _limits(metadata: list[Any]) -> str:
    """The bounds in words; where both are included, as `1 to 100`."""
    words: dict[str, str] = {}
    for part in metadata:
        for bound in part if isinstance(part, Interval) else (part,):
            if isinstance(bound, Ge):
                words["low"] = f"at least {bound.ge}"
            elif isinstance(bound, Gt):
                words["low"] = f"above {bound.gt}"
            elif isinstance(bound, Le):
                words["high"] = f"at most {bound.le}"
            elif isinstance(bound, Lt):
                words["high"] = f"below {bound.lt}"
    found = ", ".join(words[end] for end in ("low", "high") if end in words)
    return re.sub(r"at least (\S+), at most (\S+)", r"\1 to \2", found)

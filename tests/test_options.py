"""An option is declared once: Python signature, command line and documentation are made from its field."""

import inspect
from typing import Annotated, Literal, Self

import pytest
import typer
from pydantic import Field, model_validator
from typer.testing import CliRunner

from aimanga.cli.options import with_options as with_command_options
from aimanga.config import Config
from aimanga.errors import UsageError
from aimanga.options import Flag, Recursive, as_flags, changed, options_of, with_options
from aimanga.upscale.options import UpscaleOptions


class Limits(Config):
    """Thresholds."""

    min_side: Annotated[int, Field(ge=1)] = 256
    """Pixels of the shorter side."""
    max_noise: float = 4.0
    """Gray levels."""


class Options(Config):
    """Options of a verb."""

    sigma: Annotated[float, Field(gt=0, le=9), Flag("-s")] = 1.5
    """Standard deviation
    in pixels."""
    mode: Literal["fast", "exact"] = "fast"
    """How."""
    metrics: tuple[str, ...] = ()
    """Names."""
    settings: Annotated[tuple[str, ...], Flag(repeated=True)] = ()
    """Settings."""
    width: int | None = None
    """Width."""
    recursive: Recursive = False
    limits: Annotated[Limits, Flag(panel="Thresholds")] = Limits()
    """Thresholds, as a TOML file."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.width == 13:
            raise ValueError("--width 13 brings bad luck")
        return self


@with_options
def verb(source: str, options: Options = Options(), *, watcher: object = None) -> tuple[str, Options, object]:
    """Do something."""
    return source, options, watcher


def run(*arguments):
    found = []

    @with_command_options
    def command(source: str, options: Options) -> None:
        """Do something."""
        found.append((source, options))

    app = typer.Typer(add_completion=False)
    app.command()(command)
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    if isinstance(result.exception, UsageError):
        raise result.exception
    return found[0] if found else result.output


def test_the_signature_has_a_keyword_for_each_option():
    parameters = inspect.signature(verb).parameters
    assert list(parameters) == [
        "source", "options", "watcher",
        "sigma", "mode", "metrics", "settings", "width", "recursive", "limits", "min_side", "max_noise",
    ]  # fmt: skip
    assert parameters["sigma"].default == 1.5
    assert parameters["max_noise"].kind is inspect.Parameter.KEYWORD_ONLY


def test_options_come_as_a_model_as_keywords_or_both():
    assert verb("a") == ("a", Options(), None)
    assert verb("a", Options(sigma=2))[1] == Options(sigma=2)
    assert verb("a", options=Options(sigma=2), mode="exact", watcher=3) == ("a", Options(sigma=2, mode="exact"), 3)
    assert verb("a", min_side=9)[1] == Options(limits=Limits(min_side=9))


def test_the_command_line_gives_the_same(tmp_path):
    assert run("a") == ("a", Options())
    given = run(
        "a", "-s", "2", "--mode", "exact", "--metrics", "x, y", "--settings", "p=1,2", "--settings", "q", "--recursive"
    )
    wanted = verb("a", sigma=2, mode="exact", metrics=("x", "y"), settings=("p=1,2", "q"), recursive=True)
    assert given == wanted[:2]
    (tmp_path / "limits.toml").write_text("min_side = 5\nmax_noise = 1")
    given = run("a", "--limits", str(tmp_path / "limits.toml"), "--max-noise", "7")
    assert given[1].limits == Limits(min_side=5, max_noise=7)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"sigma": 0}, "--sigma 0: Input should be greater than 0"),
        ({"sigma": 10, "mode": "slow"}, "--sigma 10: Input should be less than or equal to 9; --mode slow: "),
        ({"min_side": 0}, "--min-side 0: "),
        ({"width": 13}, "^--width 13 brings bad luck$"),
    ],
)
def test_wrong_values_are_named_alike_in_python_and_on_the_command_line(keywords, message):
    with pytest.raises(UsageError, match=message):
        verb("a", **keywords)
    arguments = [text for name, value in keywords.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    with pytest.raises(UsageError, match=message):
        run("a", *arguments)


def test_an_unknown_keyword_is_a_type_error():
    with pytest.raises(TypeError, match="sigmma"):
        verb("a", sigmma=2)


def test_the_help_shows_short_forms_limits_defaults_and_panels():
    shown = " ".join(run("--help").split())
    assert "--sigma -s NUMBER Standard deviation in pixels. (above 0, at most 9) [default: 1.5]" in shown
    assert "--mode fast|exact" in shown
    assert "Thresholds" in shown
    assert "--min-side INTEGER Pixels of the shorter side. (at least 1) [default: (256)]" in shown


def test_a_field_that_is_added_is_an_option_everywhere():
    class More(UpscaleOptions):
        glow: Annotated[float, Field(ge=0)] = 0.5
        """How much the result glows."""

    @with_options
    def upscale(source: str, options: More = More()) -> More:
        """Upscale."""
        return options

    @with_command_options
    def command(options: More) -> None:
        """Upscale."""

    app = typer.Typer(add_completion=False)
    app.command()(command)
    assert inspect.signature(upscale).parameters["glow"].default == 0.5
    assert upscale("a", glow=2).glow == 2
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    assert "--glow" in shown
    assert "How much the result glows." in shown


def test_an_option_knows_its_limits():
    class Bounded(Config):
        a: Annotated[int, Field(ge=1, le=100)] = 1
        """A."""
        b: Annotated[float | None, Field(gt=0)] = None
        """B."""
        c: Annotated[float, Field(lt=1)] = 0.5
        """C."""
        d: Annotated[float, Field(le=1)] = 0.5
        """D."""

    assert [option.limits for option in options_of(Bounded)] == ["1 to 100", "above 0", "below 1", "at most 1"]


def test_a_model_is_not_changed_by_what_is_wrong():
    options = Options()
    with pytest.raises(UsageError):
        changed(options, {"sigma": 2, "mode": "slow"})
    assert options == Options()


def test_options_as_flags_are_the_same_options():
    assert as_flags(Options()) == []
    options = Options(
        sigma=2, mode="exact", metrics=("x", "y"), settings=("p=1,2", "q"), recursive=True, limits=Limits(min_side=5)
    )
    assert as_flags(options)[:4] == ["--sigma", "2.0", "--mode", "exact"]
    assert run("a", *as_flags(options)) == ("a", options)

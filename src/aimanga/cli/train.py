"""`aimanga train`: train a network on the user's own photos."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from aimanga.cli.console import say
from aimanga.text import counted, duration

if TYPE_CHECKING:
    from rich.console import Console

    from aimanga.batch import ProgressDisplay, Watcher
    from aimanga.train import RecipeFile

# Where nobody watches a bar, a line is due after so many seconds.
_SECONDS_PER_LINE = 30


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="RECIPE", help="A TOML file, or one of aimanga, psnr, smoke.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="The run's folder.", show_default="runs/RECIPE"),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Learn from this, instead of the recipe's; can be repeated."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a value of the recipe: train.lr=2e-4; can be repeated."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last state in DIR.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what the recipe means and costs here; train nothing.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
) -> None:
    """Train a network on your own photos, from Real-ESRGAN's weights or from none.

    Ctrl-C ends it after the iteration at work and loses nothing: --resume goes on. Several GPUs:
    torchrun --nproc-per-node N -m aimanga train RECIPE.
    """
    from rich.console import Console

    from aimanga.errors import UsageError

    if recipe is None and not (resume and output):
        raise UsageError("a recipe is needed, or --resume with --output")
    try:
        from aimanga.train import load_recipe
        from aimanga.train import train as run
    except ModuleNotFoundError as error:
        raise UsageError(f"training needs {error.name}: pip install 'aimanga[train]'") from error
    # Of the processes that torchrun starts the first one speaks.
    console = Console(quiet=os.environ.get("RANK", "0") != "0")
    if recipe is None:
        assert output is not None
        recipe = str(output / "recipe.toml")
    if explain:
        _explain(console, load_recipe(recipe, settings or [], data or []), device)
        return
    if output is None:
        output = Path("runs") / Path(recipe).stem.removeprefix("train-")
    with _Display(console) as display:
        result = run(
            recipe,
            output,
            settings=settings or [],
            data=data or [],
            resume=resume,
            device=device,
            jobs=os.cpu_count() or 1,
            watcher=display,
        )
    say(console, f"{result.reason} at iteration {result.iteration}")
    if result.reason in ("interrupted", "terminated", "out of time"):
        say(console, f"everything is saved; aimanga train -o {output} --resume goes on")
    for name in (result.best.name, "latest.safetensors", "report.html"):
        say(console, f"written   {result.folder / name}")
    raise typer.Exit(result.exit_code)


def _explain(console: "Console", file: "RecipeFile", device: str) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from aimanga.train import consequences, values

    say(console, f"{file.path}\n")
    for value in values(file):
        if value.key == "description":
            say(console, f"{str(value.value).strip()}\n")
            continue
        shown = "-" if value.value is None else _in_toml(value.value)
        console.print(Text(f"{value.key} = {shown}", style="" if value.default else "bold"), soft_wrap=True)
        console.print(Padding(Text(value.description, style="dim"), (0, 0, 0, 4)))
    found = consequences(file, device)
    recipe = file.recipe
    networks = ", ".join(f"{name} {count:,} weights" for name, count in found.parameters.items())
    say(console, f"\nOn {found.device}, {found.precision}:")
    say(console, f"  {networks}")
    say(console, f"  {found.samples:,} squares of {recipe.data.crop} pixels in {recipe.train.iterations:,} iterations")
    say(console, f"  about {_bytes(found.memory)} of memory on each device, {_bytes(found.disk)} on the disk")
    seconds = found.seconds_per_iteration
    say(
        console,
        f"  about {seconds:.2f} s an iteration, {_days(seconds * recipe.train.iterations)} in all, measured here",
    )
    if found.stand_in:
        say(
            console,
            "  measured with random weights in place of VGG19's, which are missing: aimanga weights fetch vgg19",
        )


def _in_toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_in_toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_in_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count > 1e9 else f"{count / 1e6:.0f} MB"


def _days(seconds: float) -> str:
    return duration(seconds) if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


class _Display:
    """Shows a training: a bar with the time that remains, and a line for what is worth one."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._console = console
        self._progress = Progress(
            TextColumn("{task.completed}/{task.total}"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("remaining"),
            # A minute's speed: iterations take unequal times.
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            speed_estimate_period=60,
        )
        self._task: Any = None
        self._check: ProgressDisplay | None = None
        self._last_line = time.monotonic()
        self._usual: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_check()
        self._progress.stop()

    def checking(self, files: int) -> "Watcher":
        """Say it, and show how it goes on: ten thousand pictures take minutes."""
        from aimanga.batch import ProgressDisplay

        say(self._console, f"checking {counted(files, 'picture')}")
        self._check = ProgressDisplay(self._console, lines=())
        self._check.__enter__()
        return self._check

    def iterated(self, iteration: int, iterations: int, figures: Mapping[str, float]) -> None:
        """Move the bar."""
        # Single batches differ by much: shown is what is usual lately.
        last = figures["difference"]
        self._usual = last if self._usual is None else 0.95 * self._usual + 0.05 * last
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task("", total=iterations, completed=iteration - 1)
        self._progress.update(self._task, completed=iteration, description=f"difference {self._usual:.4f}")

    def happened(self, event: Mapping[str, object]) -> None:
        """Print a line, where the event is worth one."""
        self._end_check()
        shown = getattr(self, f"_say_{event['event']}", None)
        if shown is not None:
            shown(dict(event))

    def _end_check(self) -> None:
        if self._check is not None:
            self._check.__exit__(None, None, None)
            self._check = None

    def _say_start(self, event: dict[str, Any]) -> None:
        networks = ", ".join(f"{name} {count:,}" for name, count in event["parameters"].items())
        on = event["device"] if event["processes"] == 1 else f"{event['processes']} x {event['device']}"
        say(self._console, f"{event['start']} on {on}, {event['precision']}; weights: {networks}")
        skipped = f" ({counted(event['problems'], 'picture')} left out)" if event["problems"] else ""
        watched = f"{event['held_out']} held out, {event['real']} real ones to look at"
        say(self._console, f"{counted(event['pictures'], 'picture')} to learn from{skipped}, {watched}")
        if event["resumed"]:
            say(self._console, f"goes on from iteration {event['iteration']}")

    def _say_train(self, event: dict[str, Any]) -> None:
        if self._console.is_terminal or time.monotonic() - self._last_line < _SECONDS_PER_LINE:
            return
        self._last_line = time.monotonic()
        losses = ", ".join(f"{name} {value:.4f}" for name, value in event["losses"].items() if value is not None)
        say(self._console, f"{event['iteration']:>7}  {losses}, {event['samples_per_second']:.1f} squares/s")

    def _say_validation(self, event: dict[str, Any]) -> None:
        for name, scores in event["scores"].items():
            found = ", ".join(
                f"{metric} {'-' if score is None else f'{score:.4f}'}{_mark(f'{name} {metric}', event)}"
                for metric, score in scores.items()
            )
            say(self._console, f"{event['iteration']:>7}  {name.replace('_', ' ')}: {found}")

    def _say_warning(self, event: dict[str, Any]) -> None:
        self._emphasize(f"{event['iteration']:>7}  warning: {event['message']}")

    def _say_rollback(self, event: dict[str, Any]) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=event["to"])
        self._emphasize(f"{event['iteration']:>7}  {event['message']}")

    def _emphasize(self, line: str) -> None:
        self._console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True, emoji=False)


def _mark(series: str, event: Mapping[str, Any]) -> str:
    if event["iteration"] == 0:
        return ""
    return " (best)" if series in event["best"] else " (worse than at the start)" if series in event["worse"] else ""

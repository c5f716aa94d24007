"""`aimanga train`."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aimanga.batch import Job, ProgressDisplay
from aimanga.cli.console import say
from aimanga.cli.options import with_options
from aimanga.text import counted, duration, file_size
from aimanga.train.options import TrainOptions
from aimanga.train.verbs import explain_training
from aimanga.train.verbs import train as run_training
from aimanga.train.watcher import TrainWatcher

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from aimanga.train import Explanation

# Without a terminal a line is printed every so many seconds.
_SECONDS_PER_LINE = 30


@with_options
def train(
    options: TrainOptions,
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="A TOML file, or one of aimanga, aimanga-x4, aimanga-x4-fast, finetune-cpu, psnr, smoke.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="The run's folder.", show_default="runs/RECIPE"),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print the recipe's values and cost instead of training.")
    ] = False,
) -> None:
    """Pretrained weights are Real-ESRGAN's, your own, or none.

    Ctrl-C ends it after the current iteration and loses nothing; continue with --resume. Several GPUs: torchrun
    --nproc-per-node N -m aimanga train RECIPE.
    """
    from rich.console import Console

    # Only the first process of torchrun prints.
    console = Console(quiet=os.environ.get("RANK", "0") != "0")
    if explain:
        _print_explanation(console, explain_training(recipe, output, options))
        return
    with _Display(console) as display:
        result = run_training(recipe, output, options, jobs=options.jobs or os.cpu_count() or 1, watcher=display)
    say(console, f"{result.reason} at iteration {result.iteration}")
    if result.reason in ("interrupted", "terminated", "out of time"):
        say(console, f"everything is saved; resume with: aimanga train -o {result.folder} --resume")
    for name in (result.best.name, "latest.safetensors", "report.html"):
        say(console, f"written   {result.folder / name}")
    raise typer.Exit(result.exit_code)


def _print_explanation(console: "Console", found: "Explanation") -> None:
    from rich.padding import Padding
    from rich.text import Text

    say(console, f"{found.path}\n")
    for value in found.values:
        if value.key == "description":
            say(console, f"{str(value.value).strip()}\n")
            continue
        shown = "-" if value.value is None else _in_toml(value.value)
        console.print(Text(f"{value.key} = {shown}", style="" if value.default else "bold"), soft_wrap=True)
        console.print(Padding(Text(value.description, style="dim"), (0, 0, 0, 4)))
    cost, recipe = found.cost, found.recipe
    seconds = cost.seconds_per_iteration
    total = duration(seconds * recipe.train.iterations)
    networks = ", ".join(f"{name} {counted(count, 'weight')}" for name, count in cost.parameters.items())
    say(console, f"\nOn {cost.device}, {cost.precision}:")
    say(console, f"  {networks}")
    crops = f"{counted(cost.samples, 'crop')} of {recipe.data.crop} x {recipe.data.crop} pixels"
    say(console, f"  {crops} in {counted(recipe.train.iterations, 'iteration')}")
    say(console, f"  about {file_size(cost.memory)} of memory per device, {file_size(cost.disk)} on disk")
    say(console, f"  about {seconds:.2f} s per iteration, {total} in all, measured here")
    if cost.random_vgg and recipe.losses.perceptual is not None:
        name = recipe.losses.perceptual.network
        say(console, f"  measured with random weights for {name}, which is missing: aimanga weights fetch {name}")


def _in_toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_in_toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_in_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


class _Display(ProgressDisplay, TrainWatcher):
    """Shows the progress of a training: a bar with the remaining time, and lines for events."""

    def __init__(self, console: "Console") -> None:
        from aimanga.batch.progress import progress_bar

        super().__init__(console, lines=())
        # The speed of the last minute: iterations take unequal times.
        self._training = progress_bar(console, "{task.completed}/{task.total}", "{task.description}", seconds=60)
        self._task: TaskID | None = None
        self._last_line = time.monotonic()
        self._l1: float | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._training.stop()

    def on_batch(self, jobs: Sequence[Job]) -> None:
        """Show the progress of the check: ten thousand pictures take minutes."""
        say(self.console, f"checking {counted(len(jobs), 'picture')}")
        super().on_batch(jobs)

    def on_iteration(self, iteration: int, iterations: int, figures: Mapping[str, float]) -> None:
        """Move the bar."""
        # Smoothed: single batches differ by much.
        last = figures["l1"]
        self._l1 = last if self._l1 is None else 0.95 * self._l1 + 0.05 * last
        if self._task is None:
            self._training.start()
            self._task = self._training.add_task("", total=iterations, completed=iteration - 1)
        self._training.update(self._task, completed=iteration, description=f"L1 {self._l1:.4f}")

    def on_event(self, event: Mapping[str, object]) -> None:
        """Print a line for an event, except for some kinds."""
        self._progress.stop()
        shown = getattr(self, f"_say_{event['event']}", None)
        if shown is not None:
            shown(dict(event))

    def _say_start(self, event: dict[str, Any]) -> None:
        networks = ", ".join(f"{name} {count:,}" for name, count in event["parameters"].items())
        on = event["device"] if event["processes"] == 1 else f"{event['processes']} x {event['device']}"
        say(self.console, f"{event['start']} on {on}, {event['precision']}; weights: {networks}")
        skipped = f" ({counted(event['problems'], 'picture')} skipped)" if event["problems"] else ""
        validated = f"validation on {event['held_out']} held-out and {event['real']} real ones"
        say(self.console, f"training on {counted(event['pictures'], 'picture')}{skipped}, {validated}")
        if event["resumed"]:
            say(self.console, f"resumes at iteration {event['iteration']}")

    def _say_stored(self, event: dict[str, Any]) -> None:
        if event["crops"] in (0, event["of"]) or time.monotonic() - self._last_line >= _SECONDS_PER_LINE:
            self._last_line = time.monotonic()
            size = file_size(event["bytes"])
            say(
                self.console,
                f"{event['crops']} of {counted(event['of'], 'crop')} stored with what stays the same, {size}",
            )

    def _say_train(self, event: dict[str, Any]) -> None:
        if self.console.is_terminal or time.monotonic() - self._last_line < _SECONDS_PER_LINE:
            return
        self._last_line = time.monotonic()
        losses = ", ".join(f"{name} {value:.4f}" for name, value in event["losses"].items() if value is not None)
        say(self.console, f"{event['iteration']:>7}  {losses}, {event['samples_per_second']:.1f} crops/s")

    def _say_validation(self, event: dict[str, Any]) -> None:
        for name, scores in event["scores"].items():
            found = ", ".join(
                f"{metric} {'-' if score is None else f'{score:.4f}'}{_mark(f'{name} {metric}', event)}"
                for metric, score in scores.items()
            )
            say(self.console, f"{event['iteration']:>7}  {name.replace('_', ' ')}: {found}")

    def _say_warning(self, event: dict[str, Any]) -> None:
        self._emphasize(f"{event['iteration']:>7}  warning: {event['message']}")

    def _say_rollback(self, event: dict[str, Any]) -> None:
        if self._task is not None:
            self._training.update(self._task, completed=event["to"])
        self._emphasize(f"{event['iteration']:>7}  {event['message']}")

    def _emphasize(self, line: str) -> None:
        self.console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True, emoji=False)


def _mark(series: str, event: Mapping[str, Any]) -> str:
    if event["iteration"] == 0:
        return ""
    return " (best)" if series in event["best"] else " (worse than at the start)" if series in event["worse"] else ""

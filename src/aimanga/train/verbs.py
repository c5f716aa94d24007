"""The functions of `aimanga train`; importing them needs none of the packages of the extra `train`."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aimanga.errors import UsageError
from aimanga.options import with_options
from aimanga.train.options import TrainOptions
from aimanga.train.watcher import TrainWatcher

if TYPE_CHECKING:
    from aimanga.train.explain import Explanation
    from aimanga.train.loop import TrainResult


@with_options
def train(
    recipe: str | Path | None = None,
    output: str | Path | None = None,
    options: TrainOptions = TrainOptions(),
    *,
    watcher: TrainWatcher | None = None,
) -> "TrainResult":
    """Train a network: `train("aimanga", "runs/mine", data=["curated"], set=["train.batch_size=8"])`.

    `output` receives the checkpoints (`best.safetensors`, `latest.safetensors`, and the best by each metric), the
    states to resume from, `log.jsonl`, TensorBoard files, validation sheets, and `report.html`. The same recipe and
    pictures give the same bytes on one machine, however often the training was interrupted. Processes of `torchrun`
    share the work.

    Args:
        recipe: One of `TRAIN_RECIPES`, or a TOML file; left out, that of the run to resume.
        output: The run's folder; left out, `runs/` and the recipe's name.
        options: How; each option can also be given as a keyword. A script that asks for several `jobs` needs the
            `if __name__ == "__main__":` of Python's multiprocessing.
        watcher: Callbacks for progress.

    Returns:
        How it ended. Ctrl-C and SIGTERM end it after the current iteration; everything is saved.

    Raises:
        UsageError: The recipe, the data or the folder cannot be used; the message names everything that is wrong.
        ResourceError: There is too little disk space.
        KeyboardInterrupt: Ctrl-C was pressed twice; the last state stays.
    """
    with _extra():
        from aimanga.train.loop import fit, set_up
        from aimanga.train.reading import load_train_recipe, recipe_of
    recipe = recipe_of(recipe, output, resume=options.resume)
    file = load_train_recipe(recipe, options.set, options.data)
    folder = Path(output or Path("runs") / Path(recipe).stem.removeprefix("train-"))
    with ExitStack() as stack:
        return fit(set_up(file, folder, options, watcher or TrainWatcher(), stack))


@with_options
def explain_training(
    recipe: str | Path | None = None,
    output: str | Path | None = None,
    options: TrainOptions = TrainOptions(),
) -> "Explanation":
    """Explain a recipe instead of training; arguments and errors as for `train`. Nothing is written."""
    with _extra():
        from aimanga.train.explain import explain
        from aimanga.train.reading import load_train_recipe, recipe_of
    file = load_train_recipe(recipe_of(recipe, output, resume=options.resume), options.set, options.data)
    return explain(file, options.device)


@contextmanager
def _extra() -> Iterator[None]:
    """Say which extra has a missing package."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"training needs {error.name}: pip install 'aimanga[train]'") from error

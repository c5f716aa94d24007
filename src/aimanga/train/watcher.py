"""Callbacks for the progress of a training."""

from collections.abc import Mapping

from aimanga.batch import Watcher


class TrainWatcher(Watcher):
    """Callbacks of a training; those of `Watcher` are for the check of its pictures."""

    def on_iteration(self, iteration: int, iterations: int, figures: Mapping[str, float]) -> None:
        """An iteration is done; the figures are those of `Learner.step`."""

    def on_event(self, event: Mapping[str, object]) -> None:
        """An event was written into the log: see `Log`."""

"""The log of a training: a line of JSON for each event, and TensorBoard files."""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aimanga.images import read

FILE, TENSORBOARD = "log.jsonl", "tensorboard"

Event = dict[str, Any]
"""`event`, `iteration`, `time`, and the fields of its kind."""

# Events that a rollback or resumption makes void if they are of a later iteration.
_VOIDED = frozenset({"train", "validation", "inputs", "saved"})


class Log:
    """Writes events as they happen.

    Kinds of events: `start`, `stored` (number of stored crops), `train` (means over some iterations), `validation`,
    `inputs` (a sheet of the network's inputs), `saved`, `warning`, `rollback`, `end`. An unfinished line of a killed
    process is removed.

    Args:
        folder: The run's folder, which exists.
        tensorboard: Write TensorBoard files, too.
        resumed_at: The iteration that the training resumes from; later points are purged from TensorBoard.
    """

    def __init__(self, folder: Path, *, tensorboard: bool, resumed_at: int | None = None) -> None:
        self._folder = folder
        path = folder / FILE
        _drop_unfinished_line(path)
        # Line-buffered: nothing is lost if the process is killed.
        self._file = path.open("a", encoding="ascii", buffering=1)
        self._board: Any = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            purge = None if resumed_at is None else resumed_at + 1
            self._board = SummaryWriter(str(folder / TENSORBOARD), purge_step=purge)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def write(self, event: str, iteration: int, **fields: object) -> Event:
        """Write an event and return it as it was written: values that are not finite become null."""
        time = datetime.now(UTC).isoformat(timespec="seconds")
        written: Event = {"event": event, "iteration": iteration, "time": time, **_finite(fields)}
        self._file.write(json.dumps(written, allow_nan=False) + "\n")
        if self._board is not None:
            self._to_tensorboard(written)
        return written

    def _to_tensorboard(self, event: Event) -> None:
        iteration = event["iteration"]
        if event["event"] == "train":
            for group in ("losses", "lr", "gradients"):
                self._curves(group, event[group], iteration)
            self._curves("training", {key: event[key] for key in ("l1", "samples_per_second")}, iteration)
        elif event["event"] == "validation":
            for kind, scores in event["scores"].items():
                self._curves(kind, scores, iteration)
            for kind, path in event["grids"].items():
                self._picture(kind, path, iteration)
        elif event["event"] == "inputs":
            self._picture("inputs", event["picture"], iteration)
        else:
            return
        self._board.flush()

    def _curves(self, group: str, values: Mapping[str, float | None], iteration: int) -> None:
        for name, value in values.items():
            if value is not None:
                self._board.add_scalar(f"{group}/{name}", value, iteration)

    def _picture(self, name: str, path: str, iteration: int) -> None:
        self._board.add_image(f"pictures/{name}", read(self._folder / path).pixels, iteration, dataformats="HWC")


def read_log(folder: Path) -> list[Event]:
    """The events of a run, in order, without those that a rollback or resumption made void."""
    found: list[Event] = []
    for event in _lines(folder / FILE):
        back_to = event["to"] if event["event"] == "rollback" else None
        if event["event"] == "start":
            back_to = event["iteration"]
        if back_to is not None:
            found = [old for old in found if old["event"] not in _VOIDED or old["iteration"] <= back_to]
        found.append(event)
    return found


def _lines(path: Path) -> Iterator[Event]:
    if not path.is_file():
        return
    with path.open(encoding="ascii", errors="replace") as file:
        for line in file:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a killed process's last line
            if isinstance(event, dict) and {"event", "iteration"} <= event.keys():
                yield event


def _drop_unfinished_line(path: Path) -> None:
    if not path.is_file():
        return
    with path.open("r+b") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def _finite(value: Any) -> Any:  # noqa: ANN401  whatever JSON can hold
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value

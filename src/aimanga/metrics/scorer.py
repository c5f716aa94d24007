"""Score pictures: one metric or several, one picture or many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from aimanga import weights
from aimanga.device import choose_device
from aimanga.errors import PictureError, UsageError
from aimanga.images import Picture
from aimanga.metrics import ntire
from aimanga.metrics.catalog import METRICS, Measure, Metric, find_metric
from aimanga.tensors import from_array


@dataclass(frozen=True)
class Scores:
    """What metrics say of one picture.

    Attributes:
        values: Score by name of the metric; PSNR of equal pictures is infinite.
        problems: Why a metric has no score, by its name: the picture is too small for it, say.
    """

    values: Mapping[str, float]
    problems: Mapping[str, str] = field(default_factory=dict)


class Scorer:
    """Metrics that are loaded once, for many pictures.

    Args:
        names: Names of metrics; see `aimanga.metrics.METRICS`.
        device: `auto`, `cpu`, `cuda` or `cuda:N`; NRQM and PI compute on the CPU.

    Attributes:
        metrics: What was asked for, in order, each once.
        missing: Why a metric cannot run, by its name: its weights are not here.

    Raises:
        UsageError: A metric is not known, none was asked for, or there is no such device.
        ModelError: None of the metrics can run, or a weight file is damaged.
    """

    def __init__(self, names: Sequence[str], device: str = "auto") -> None:
        self.metrics = tuple(dict.fromkeys(find_metric(name) for name in names))
        if not self.metrics:
            raise UsageError("no metric was asked for")
        self.device = _with_float64(choose_device(device), device)
        self.missing: dict[str, str] = {}
        self._measures: dict[str, Measure] = {}
        for metric in self.metrics:
            reason = missing_weights(metric)
            if reason:
                self.missing[metric.name] = reason
                continue
            for part in map(find_metric, metric.parts or (metric.name,)):
                if part.name not in self._measures and part.load is not None:
                    self._measures[part.name] = part.load(self.device)
        if not self._measures:
            for name in self.metrics[0].weights:
                weights.find(name)  # says what is missing, where it is published, and where it goes

    def __call__(self, picture: Picture, reference: Picture | None = None) -> Scores:
        """Score one picture with every metric that can run.

        Args:
            picture: Any picture; its alpha channel is not looked at, its samples are those that it stores.
            reference: The picture as it should be, of the same size, for the metrics that need it.

        Raises:
            UsageError: A metric needs a reference and there is none.
        """
        pictures = as_pictures(picture)
        references = None if reference is None else as_pictures(reference)
        values: dict[str, float] = {}
        problems: dict[str, str] = {}
        for metric in self._running(references):
            for name in metric.parts or (metric.name,):
                if name not in values and name not in problems:
                    try:
                        values[name] = float(self._measure(name, pictures, references))
                    except PictureError as error:
                        problems[name] = str(error)
            lacking = [problems[part] for part in metric.parts if part in problems]
            if lacking:
                problems[metric.name] = "; ".join(lacking)
            elif metric.parts:
                values[metric.name] = ntire.perceptual_score(values)
        asked = [metric.name for metric in self.metrics]
        return Scores(
            {name: values[name] for name in asked if name in values},
            {name: problems[name] for name in asked if name in problems},
        )

    def batch(self, pictures: Tensor, references: Tensor | None = None) -> dict[str, Tensor]:
        """Score a batch of pictures of one size.

        Args:
            pictures: N x 3 x H x W, float32, RGB, range [0, 1]; rounded to 8 bits, as files are.
            references: Likewise.

        Returns:
            For every metric that can run its N scores, float64, on the CPU.

        Raises:
            UsageError: A metric needs references and there are none.
            PictureError: The pictures are too small for a metric, the references have another size, or there are
                values that are not finite.
            ValueError: The shape or the type is another one.
        """
        pictures = on_8_bits(_checked(pictures))
        references = None if references is None else on_8_bits(_checked(references))
        scores: dict[str, Tensor] = {}
        for metric in self._running(references):
            for name in metric.parts or (metric.name,):
                if name not in scores:
                    scores[name] = self._measure(name, pictures, references)
            if metric.parts:
                rows = zip(*(scores[part].tolist() for part in metric.parts), strict=True)
                sums = [ntire.perceptual_score(dict(zip(metric.parts, row, strict=True))) for row in rows]
                scores[metric.name] = torch.tensor(sums, dtype=torch.float64)
        return {metric.name: scores[metric.name] for metric in self.metrics if metric.name in scores}

    def _running(self, references: Tensor | None) -> list[Metric]:
        running = [metric for metric in self.metrics if metric.name not in self.missing]
        lacking = [metric.name for metric in running if metric.needs_reference and references is None]
        if lacking:
            raise UsageError(f"{', '.join(lacking)}: compares with a reference, and there is none")
        return running

    def _measure(self, name: str, pictures: Tensor, references: Tensor | None) -> Tensor:
        # Without TF32, whose ten bits would show in the third digit of a score.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            on_device = pictures.to(self.device), None if references is None else references.to(self.device)
            return self._measures[name](*on_device).double().cpu()


def score(
    name: str, picture: Picture | Tensor, reference: Picture | Tensor | None = None, *, device: str = "auto"
) -> float:
    """Score one picture with one metric: `score("niqe", aimanga.read("photo.jpg"))`.

    The metric stays loaded: a second call costs only the score. For several metrics or many pictures see `Scorer`.

    Args:
        name: A name of `aimanga.metrics.METRICS`.
        picture: The picture; or 1 x 3 x H x W, float32, RGB, range [0, 1].
        reference: The picture as it should be, for the metrics that compare.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        UsageError: There is no such metric or device, or it needs a reference.
        ModelError: Its weights are not here; the message says how to get them.
        PictureError: The picture is too small for it, or the reference has another size.
    """
    pictures, references = (None if x is None else _as_tensor(x) for x in (picture, reference))
    if pictures is None:
        raise TypeError("there is no picture to score")
    return float(_loaded(name, device).batch(pictures, references)[find_metric(name).name])


def missing_weights(metric: Metric) -> str:
    """Why a metric cannot run: what is missing and the commands that bring it; empty where nothing is."""
    absent = [name for name in metric.weights if not weights.weight_file(name).path.is_file()]
    return "" if not absent else f"{metric.name}: weights missing: aimanga weights fetch {' '.join(absent)}"


def available_metrics(*, with_reference: bool) -> tuple[str, ...]:
    """The names of all metrics whose weights are here.

    Args:
        with_reference: Whether there are references to compare with.
    """
    return tuple(
        metric.name
        for metric in METRICS
        if (with_reference or not metric.needs_reference) and not missing_weights(metric)
    )


def metric_names(asked: str | None, *, with_reference: bool) -> tuple[str, ...]:
    """What people ask for: names with commas or spaces between them, `all`, or nothing for `available_metrics`.

    Args:
        asked: The names; they are not looked up.
        with_reference: Whether there are references to compare with: `all` are those that can run then.
    """
    if asked is None:
        return available_metrics(with_reference=with_reference)
    names = tuple(name for name in asked.replace(" ", ",").split(",") if name)
    if "all" in names:
        return tuple(metric.name for metric in METRICS if with_reference or not metric.needs_reference)
    return names


def as_pictures(picture: Picture) -> Tensor:
    """A picture as metrics take it: 1 x 3 x H x W, float32, range [0, 1], on 8 bits; gray thrice, without alpha."""
    return on_8_bits(from_array(picture.pixels)).expand(-1, 3, -1, -1)


def on_8_bits(pictures: Tensor) -> Tensor:
    """Round to the nearest of 256 levels, a half up; clipped to [0, 1]."""
    return pictures.clamp(0, 1).mul_(255).add_(0.5).floor_().div_(255)


def _as_tensor(picture: Picture | Tensor) -> Tensor:
    if isinstance(picture, Picture):
        return as_pictures(picture)
    if isinstance(picture, Tensor):
        return picture
    raise TypeError(f"a picture is an aimanga.Picture or a tensor, not {type(picture).__name__}: see aimanga.read")


def _checked(pictures: Tensor) -> Tensor:
    if pictures.ndim != 4 or pictures.shape[1] != 3 or len(pictures) == 0 or not pictures.is_floating_point():
        raise ValueError(
            f"pictures are N x 3 x H x W, float32, range [0, 1]; these are {tuple(pictures.shape)} {pictures.dtype}"
        )
    if not pictures.isfinite().all():
        raise PictureError("the picture holds values that are not finite")
    return pictures.float()


def _with_float64(device: torch.device, name: str) -> torch.device:
    if device.type != "mps":
        return device
    if name == "auto":
        return torch.device("cpu")
    raise UsageError(f"--device {name}: metrics compute in float64, which this device does not know; use cpu")


@lru_cache(maxsize=8)
def _loaded(name: str, device: str) -> Scorer:
    return Scorer([name], device)

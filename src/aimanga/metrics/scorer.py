"""Score pictures with one metric or several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from aimanga import weights
from aimanga.device import choose_device
from aimanga.errors import PictureError, UsageError
from aimanga.images import Picture
from aimanga.metrics.catalog import METRICS, LoadedMetric, Metric, find_metric
from aimanga.problems import Problems
from aimanga.tensors import from_array


@dataclass(frozen=True)
class Scores:
    """The scores of one picture.

    Attributes:
        values: Metric to score; PSNR of equal pictures is infinite.
        problems: Metric to the reason why it has no score: for example, the picture is too small.
    """

    values: Mapping[str, float]
    problems: Mapping[str, str] = field(default_factory=dict)


class Scorer:
    """Metrics that are loaded once, for many pictures.

    Args:
        names: Names of metrics; see `aimanga.metrics.METRICS`.
        device: `auto`, `cpu`, `cuda` or `cuda:N`; NRQM and PI always run on the CPU.

    Attributes:
        metrics: The metrics, in order, each once.
        missing: Metric to the reason why it cannot run: its weights are missing.

    Raises:
        UsageError: A metric is unknown, no name is given, or there is no such device.
        ModelError: None of the metrics can run, or a weight file is damaged.
    """

    def __init__(self, names: Sequence[str], device: str = "auto") -> None:
        self.metrics = tuple(dict.fromkeys(find_metric(name) for name in names))
        if not self.metrics:
            raise UsageError("no metric was named")
        self.device = _with_float64(choose_device(device), device)
        self.missing: dict[str, str] = {}
        self._loaded: dict[str, LoadedMetric] = {}
        for metric in self.metrics:
            reason = missing_weights(metric)
            if reason:
                self.missing[metric.name] = reason
                continue
            for part in map(find_metric, metric.parts or (metric.name,)):
                if part.name not in self._loaded and part.load is not None:
                    self._loaded[part.name] = part.load(self.device)
        if not self._loaded:
            for name in self.metrics[0].weights:
                weights.find(name)  # raises an error that says how to get them

    def __call__(self, picture: Picture, reference: Picture | None = None) -> Scores:
        """Score one picture with every metric that can run.

        Args:
            picture: Any picture; its alpha channel is ignored.
            reference: The ground truth, of the same size, for full-reference metrics.

        Raises:
            UsageError: A full-reference metric is among them and there is no reference.
        """
        scores = self._scores(as_pictures(picture), None if reference is None else as_pictures(reference))
        return Scores(
            {name: float(score) for name, score in scores.items() if isinstance(score, Tensor)},
            {name: str(error) for name, error in scores.items() if isinstance(error, PictureError)},
        )

    def batch(self, pictures: Tensor, references: Tensor | None = None) -> dict[str, Tensor]:
        """Score a batch of pictures of one size.

        Args:
            pictures: N x 3 x H x W, float32, RGB, range [0, 1]; they are rounded to 8 bits, as files are.
            references: Likewise.

        Returns:
            Metric to N scores, float64, on the CPU, for every metric that can run.

        Raises:
            UsageError: A full-reference metric is among them and there are no references.
            PictureError: The pictures are too small for a metric, the references have another size, or values are not
                finite.
            ValueError: The shape or the type is another one.
        """
        pictures = on_8_bits(_checked(pictures))
        scores = {}
        for name, score in self._scores(
            pictures, None if references is None else on_8_bits(_checked(references))
        ).items():
            if isinstance(score, PictureError):
                raise score
            scores[name] = score
        return scores

    def _scores(self, pictures: Tensor, references: Tensor | None) -> dict[str, Tensor | PictureError]:
        """The N scores of every metric that can run, in float64 on the CPU, or the reason why it has none."""
        running = [metric for metric in self.metrics if metric.name not in self.missing]
        lacking = [metric.name for metric in running if metric.needs_reference and references is None]
        if lacking:
            raise UsageError(f"{', '.join(lacking)}: a reference is needed, and there is none")
        scores: dict[str, Tensor | PictureError] = {}
        for metric in running:
            for name in metric.parts or (metric.name,):
                if name not in scores:
                    scores[name] = self._run(name, pictures, references)
            if metric.combine is not None:
                scores[metric.name] = _combined(metric, scores)
        return {metric.name: scores[metric.name] for metric in running}

    def _run(self, name: str, pictures: Tensor, references: Tensor | None) -> Tensor | PictureError:
        on_device = pictures.to(self.device), None if references is None else references.to(self.device)
        # Without TF32, whose ten bits would change the third digit of a score.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            try:
                return self._loaded[name](*on_device).double().cpu()
            except PictureError as error:
                return error


def _combined(metric: Metric, scores: Mapping[str, Tensor | PictureError]) -> Tensor | PictureError:
    """The scores of a composite metric."""
    assert metric.combine is not None
    problems, parts = Problems(), {}
    for name in metric.parts:
        score = scores[name]
        if isinstance(score, PictureError):
            problems.add(str(score))
        else:
            parts[name] = score
    return PictureError(str(problems)) if problems else metric.combine(parts)


def score(
    name: str, picture: Picture | Tensor, reference: Picture | Tensor | None = None, *, device: str = "auto"
) -> float:
    """Score one picture with one metric: `score("niqe", aimanga.read("photo.jpg"))`.

    The metric stays loaded for the next call. Use `Scorer` for several metrics or many pictures.

    Args:
        name: A name of `aimanga.metrics.METRICS`.
        picture: The picture; or 1 x 3 x H x W, float32, RGB, range [0, 1].
        reference: The ground truth, likewise, for full-reference metrics.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        UsageError: There is no such metric or device, or it needs a reference.
        ModelError: Its weights are missing; the message says how to get them.
        PictureError: The picture is too small for it, or the reference has another size.
    """
    references = None if reference is None else _as_tensor(reference)
    return float(_loaded(name, device).batch(_as_tensor(picture), references)[find_metric(name).name])


def missing_weights(metric: Metric) -> str:
    """The reason why a metric cannot run, with the command that gets its weights; empty if they are present."""
    absent = [name for name in metric.weights if not weights.weight_file(name).present]
    return "" if not absent else f"{metric.name}: weights missing: aimanga weights fetch {' '.join(absent)}"


def available_metrics(*, with_reference: bool) -> tuple[str, ...]:
    """The names of all metrics whose weights are present.

    Args:
        with_reference: Include full-reference metrics.
    """
    return tuple(
        name for name in metric_names("all", with_reference=with_reference) if not missing_weights(find_metric(name))
    )


def metric_names(asked: str | None, *, with_reference: bool) -> tuple[str, ...]:
    """Parse a list of metrics.

    Args:
        asked: Names separated by commas or spaces, which are not looked up; `all`; or None for `available_metrics`.
        with_reference: Include full-reference metrics in `all`.
    """
    if asked is None:
        return available_metrics(with_reference=with_reference)
    names = tuple(name for name in asked.replace(" ", ",").split(",") if name)
    if "all" in names:
        return tuple(metric.name for metric in METRICS if with_reference or not metric.needs_reference)
    return names


def as_pictures(picture: Picture) -> Tensor:
    """Convert a picture to 1 x 3 x H x W, float32, range [0, 1], rounded to 8 bits; gray is repeated, alpha dropped."""
    return on_8_bits(from_array(picture.pixels)).expand(-1, 3, -1, -1)


def on_8_bits(pictures: Tensor) -> Tensor:
    """Round to the nearest of 256 levels, halves up; clipped to [0, 1]."""
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
    raise UsageError(f"--device {name}: metrics compute in float64, which this device does not support; use cpu")


@lru_cache(maxsize=8)
def _loaded(name: str, device: str) -> Scorer:
    return Scorer([name], device)

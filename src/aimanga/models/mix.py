"""Mixtures of networks: the sum of their weights, each times a factor.

Factors that sum to 1 interpolate between networks or, where one is negative, extrapolate. `base=1 trained=1 start=-1`
adds to a network what a training has changed in another one (task arithmetic).

Sources: X. Wang et al., "ESRGAN", ECCVW 2018, arXiv:1809.00219, section 3.4 (network interpolation); X. Wang et al.,
"Deep Network Interpolation for Continuous Imagery Effect Transition", CVPR 2019, arXiv:1811.10515; G. Ilharco et al.,
"Editing Models with Task Arithmetic", ICLR 2023, arXiv:2212.04089.
"""

import copy
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from aimanga.errors import ModelError
from aimanga.models.catalog import LoadedModel, load_model
from aimanga.models.checkpoint import save_checkpoint
from aimanga.models.networks import Generator
from aimanga.models.options import MixOptions
from aimanga.models.rrdbnet import RRDBNet
from aimanga.models.variants import Variant, convert
from aimanga.options import with_options
from aimanga.problems import Problems

Parts = Mapping[str, float] | Mapping[Path, float] | Sequence[str]
"""Models and their factors: a mapping from names or weight files, or texts `FILE=FACTOR` as on the command line."""


@dataclass(frozen=True)
class Mixture:
    """Models of one network, each with a factor.

    Attributes:
        models: The models as they were loaded, but converted to one variant of RRDBNet where that is exact.
        factors: A factor for each.
        converted: The names of the models that were converted.
    """

    models: tuple[LoadedModel, ...]
    factors: tuple[float, ...]
    converted: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The sum as text: `1 a.pth + 0.5 b.pth - 0.5 c.pth`."""
        return _sum((factor, model.name) for model, factor in self._used)

    @property
    def parent(self) -> str:
        """The sum with the digests of the files; models with the factor 0 are left out."""
        return _sum((factor, f"{model.name} (sha256 {model.sha256})") for model, factor in self._used)

    @property
    def sha256(self) -> str:
        """The digest of `parent`, which stands for that of a file."""
        return hashlib.sha256(self.parent.encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def arguments(self) -> list[str]:
        """The models and factors as on the command line: `["a.pth=0.5", "b.pth=0.5"]`."""
        return [f"{model.name}={factor:.12g}" for model, factor in self._used]

    @property
    def license(self) -> str | None:
        """The licence of all, or all licences joined with AND (SPDX); None if one is unknown."""
        return joined_licenses([model.license for model, _ in self._used])

    @property
    def training_data(self) -> str | None:
        """All training sets; None if one is unknown."""
        known = [model.training_data for model, _ in self._used if model.training_data is not None]
        return "; ".join(dict.fromkeys(known)) if len(known) == len(self._used) else None

    @property
    def notes(self) -> list[str]:
        """What a user should know about the result, a sentence each."""
        notes = []
        total = math.fsum(self.factors)
        if not math.isclose(total, 1, abs_tol=1e-6):
            notes.append(
                f"the factors sum to {total:.6g}, not to 1: such a network usually makes no good pictures; look at some"
            )
        if self.converted:
            variant = self.models[0].network.options
            notes.append(
                f"{', '.join(self.converted)}: converted to attention {variant['attention']}, upsampler "
                f"{variant['upsampler']}, with the same output"
            )
        unknown = [model.name for model, _ in self._used if model.license is None]
        if unknown:
            notes.append(f"the licence is unknown, since that of {', '.join(unknown)} is")
        return notes

    def with_factors(self, factors: Sequence[float]) -> "Mixture":
        """The same models with other factors."""
        return replace(self, factors=tuple(factors))

    def network(self) -> Generator:
        """Compute the weights, in float64; a single model with the factor 1 keeps each bit.

        Returns:
            A new network in float32, in evaluation mode.

        Raises:
            ModelError: A weight of the sum is not finite in float32.
        """
        terms = [(factor, model.network.state_dict()) for model, factor in self._used]
        network = copy.deepcopy(self.models[0].network)
        with torch.no_grad():
            for name, tensor in network.state_dict().items():
                total = terms[0][0] * terms[0][1][name].double()
                for factor, state in terms[1:]:
                    total += factor * state[name].double()
                if not bool(torch.isfinite(tensor.copy_(total)).all()):
                    raise ModelError(f"{self.text}: {name} is not finite")
        return network

    def model(self) -> LoadedModel:
        """The mixture as a model; errors as for `network`."""
        network, first = self.network(), self.models[0]
        return LoadedModel(
            self.text, network, network.scale, first.scale, self.license, self.sha256, self.training_data, self.parent
        )

    @property
    def _used(self) -> list[tuple[LoadedModel, float]]:
        both = list(zip(self.models, self.factors, strict=True))
        return [(model, factor) for model, factor in both if factor] or both


@with_options
def mix(parts: Parts, output: str | Path, options: MixOptions = MixOptions()) -> Mixture:
    """Add up the weights of models, each times its factor: `mix({"a.pth": 0.3, "b.pth": 0.7}, "c.safetensors")`.

    This works for networks of which one was trained from the other, or all from one start. Factors can be negative, and
    larger than 1. The checkpoint holds float32, and says which files with which digests and factors it was made from.

    Args:
        parts: Names or weight files of models of one network, with their factors; or texts `FILE=FACTOR`.
        output: The `.safetensors` file.
        options: See `MixOptions`; its fields can be given as keywords.

    Returns:
        What was mixed; its `notes` say what is worth knowing.

    Raises:
        UsageError: A model cannot be loaded or has another network, a factor is not a finite number, or `output` cannot
            be written; the message names all problems, and nothing was written.
        ModelError: A weight of the sum is not finite.
    """
    path = Path(output)
    problems = Problems()
    pairs = parsed_parts(parts, problems)
    check_output(path, [name for name, _ in pairs], problems, overwrite=options.overwrite)
    mixture = load_mixture(pairs, problems)
    write_mixture(mixture, path)
    return mixture


def write_mixture(mixture: Mixture, path: Path) -> None:
    """Write a mixture as a checkpoint; errors as for `Mixture.network`."""
    save_checkpoint(
        path,
        mixture.network(),
        scale=mixture.models[0].scale,
        license=mixture.license,
        training_data=mixture.training_data,
        parent=mixture.parent,
    )


def check_output(path: Path, names: Iterable[str], problems: Problems, *, overwrite: bool) -> None:
    """See that a mixture can be written, without replacing one of its parts."""
    if path.suffix.lower() != ".safetensors" or path.is_dir() or not path.parent.is_dir():
        problems.add(f"{path}: a mixture is written to a .safetensors file in a folder that exists")
    elif path.resolve() in {Path(name).resolve() for name in names}:
        problems.add(f"{path}: this is one of the files to mix; choose another name")
    elif path.exists() and not overwrite:
        problems.add(f"{path}: this file exists; choose another name, or --overwrite")


def parsed_parts(parts: Parts, problems: Problems) -> list[tuple[str, float]]:
    """Models and their factors; what is malformed is added to the problems and left out.

    Args:
        parts: As for `mix`. A path can contain `=`: a factor follows the last one.
        problems: Where problems are added.
    """
    if isinstance(parts, Mapping):
        pairs = [(str(name), float(factor)) for name, factor in parts.items()]
    else:
        pairs = []
        for text in parts:
            name, _, factor = text.rpartition("=")
            try:
                pairs.append((name, float(factor)))
            except ValueError:
                problems.add(f"{text}: a model and its factor were expected, such as {name or text}=0.5")
    for name, number in pairs:
        if not name:
            problems.add(f"={number:g}: the model before the = is missing")
        if not math.isfinite(number):
            problems.add(f"{name}={number}: a factor is a finite number")
    if not pairs and not problems:
        problems.add("there is nothing to mix")
    elif pairs and not any(number for _, number in pairs):
        problems.add("all factors are 0")
    return [(name, number) for name, number in pairs if name]


def load_mixture(pairs: Iterable[tuple[str, float]], problems: Problems | None = None) -> Mixture:
    """Load the models of a mixture.

    Args:
        pairs: Names or weight files, with their factors.
        problems: Earlier problems, which are refused together with those found here.

    Raises:
        UsageError: There were problems, a model cannot be loaded, or networks differ; the message names all.
    """
    problems = Problems() if problems is None else problems
    models, factors = [], []
    for name, factor in pairs:
        with problems.noting():
            models.append(load_model(name))
            factors.append(factor)
    names: dict[str, str] = {}
    for model in models:
        if model.sha256 in names:
            twice = dict.fromkeys((names[model.sha256], model.name))
            problems.add(f"{' and '.join(twice)}: the same weights are named twice; give them one factor")
        names.setdefault(model.sha256, model.name)
    for model in models[1:]:
        problems.add(*_differences(models[0], model))
    problems.refuse()
    alike = _in_one_variant(models, problems)
    problems.refuse()
    converted = tuple(new.name for new, old in zip(alike, models, strict=True) if new is not old)
    return Mixture(tuple(alike), tuple(factors), converted)


def joined_licenses(licenses: Sequence[str | None]) -> str | None:
    """One SPDX expression for weights that were made from several; None if a licence is unknown."""
    known = list(dict.fromkeys(license for license in licenses if license is not None))
    if None in licenses or len(known) < 2:
        return None if None in licenses else known[0]
    parts = (part for each in known for part in ([f"({each})"] if " OR " in each else each.split(" AND ")))
    return " AND ".join(dict.fromkeys(parts))


def _differences(first: LoadedModel, other: LoadedModel) -> list[str]:
    """Why two networks cannot be mixed, whatever their variants."""
    kinds = [type(model.network).__name__ for model in (first, other)]
    if kinds[0] != kinds[1]:
        return [f"{first.name} is a {kinds[0]}, {other.name} a {kinds[1]}: they have no weights in common"]
    ours, theirs = first.network.options, other.network.options
    differing = [
        f"{name} {ours[name]} and {theirs[name]}"
        for name in ours
        if ours[name] != theirs[name] and name not in ("attention", "upsampler")
    ]
    return [f"{first.name} and {other.name} are different networks: {', '.join(differing)}"] if differing else []


def _in_one_variant(models: Sequence[LoadedModel], problems: Problems) -> list[LoadedModel]:
    """Convert the models to the variant that can hold all of them; what cannot be converted is a problem."""
    networks = {model.name: model.network for model in models if isinstance(model.network, RRDBNet)}
    attentive = [(name, network) for name, network in networks.items() if network.attention != "none"]
    attention = attentive[0][1].attention if attentive else "none"
    shuffled = any(network.upsampler == "pixelshuffle" for network in networks.values())
    variant = Variant(attention, "pixelshuffle" if shuffled else "nearest")
    alike = []
    for model in models:
        network = networks.get(model.name)
        if network is None or Variant(network.attention, network.upsampler) == variant:
            alike.append(model)
            continue
        where = f"{model.name} has attention {network.attention}, {attentive[0][0]} {attention}" if attentive else ""
        with problems.noting(where):
            alike.append(replace(model, network=convert(network, variant)))
    return alike


def _sum(terms: Iterable[tuple[float, str]]) -> str:
    text = " ".join(f"{'-' if factor < 0 else '+'} {abs(factor):.12g} {name}" for factor, name in terms)
    return text.removeprefix("+ ") if text.startswith("+") else text.replace("- ", "-", 1)

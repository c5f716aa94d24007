"""Weight files: where they lie, how they get there, and whether they are what they should be.

Nothing here reaches the network but `fetch`, and that only when a user asks for it.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from aimanga.atomic import remove_remains, replacing
from aimanga.errors import ModelError
from aimanga.hashing import sha256_of

FOLDER_VARIABLE = "AIMANGA_WEIGHTS"
"""The environment variable that names another folder for fetched weights than the platform's cache."""

_TIMEOUT = 30  # seconds without a byte
_CLIP_RN50 = "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"
_REALESRGAN = "https://github.com/xinntao/Real-ESRGAN/releases/download"


@dataclass(frozen=True)
class WeightFile:
    """A published file of weights that can be fetched.

    Attributes:
        name: How users call it.
        purpose: What it is good for, in a few words.
        file: Its name on the disk.
        url: Where it is published.
        size: Its size in bytes; 0 where that is not known.
        sha256: Its SHA-256 in hexadecimal, or as much of its beginning as is published: nothing, in the worst case.
        license: The licence, as an SPDX identifier.
    """

    name: str
    purpose: str
    file: str
    url: str
    size: int
    sha256: str
    license: str

    @property
    def path(self) -> Path:
        """Where the file lies, or would lie."""
        return folder() / self.file


WEIGHT_FILES: tuple[WeightFile, ...] = (
    WeightFile(
        name="realesrgan-x4plus-fp32",
        purpose="the default model as published, in float32",
        file="RealESRGAN_x4plus.pth",
        url=f"{_REALESRGAN}/v0.1.0/RealESRGAN_x4plus.pth",
        size=67_040_989,
        sha256="4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        license="BSD-3-Clause",
    ),
    WeightFile(
        name="realesrgan-x2plus",
        purpose="photos, for a scale of 2",
        file="RealESRGAN_x2plus.pth",
        url=f"{_REALESRGAN}/v0.2.1/RealESRGAN_x2plus.pth",
        size=67_061_725,
        sha256="49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
        license="BSD-3-Clause",
    ),
    WeightFile(
        name="realesrnet-x4plus",
        purpose="photos, smoother: trained without a discriminator",
        file="RealESRNet_x4plus.pth",
        url=f"{_REALESRGAN}/v0.1.1/RealESRNet_x4plus.pth",
        size=67_040_989,
        sha256="",
        license="BSD-3-Clause",
    ),
    WeightFile(
        name="realesr-general-x4v3",
        purpose="photos, small and fast",
        file="realesr-general-x4v3.pth",
        url=f"{_REALESRGAN}/v0.2.5.0/realesr-general-x4v3.pth",
        size=4_885_111,
        sha256="8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
        license="BSD-3-Clause",
    ),
    WeightFile(
        name="realesr-general-wdn-x4v3",
        purpose="its partner that leaves noise, for `models blend`",
        file="realesr-general-wdn-x4v3.pth",
        url=f"{_REALESRGAN}/v0.2.5.0/realesr-general-wdn-x4v3.pth",
        size=4_885_111,
        sha256="1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
        license="BSD-3-Clause",
    ),
    WeightFile(
        name="realesrgan-x4plus-netd",
        purpose="training: Real-ESRGAN's discriminator",
        file="RealESRGAN_x4plus_netD.pth",
        url=f"{_REALESRGAN}/v0.2.2.3/RealESRGAN_x4plus_netD.pth",
        size=0,
        sha256="",
        license="BSD-3-Clause",
    ),
    WeightFile(
        name="vgg19",
        purpose="training: the perceptual loss",
        file="vgg19-dcbb9e9d.pth",
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        size=574_673_361,
        sha256="dcbb9e9d",
        license="BSD-3-Clause",
    ),
    WeightFile(
        name="vgg16",
        purpose="metrics: LPIPS (vgg) and DISTS",
        file="vgg16-397923af.pth",
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        size=553_433_881,
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        license="BSD-3-Clause",
    ),
    WeightFile(
        name="alexnet",
        purpose="metrics: LPIPS (alex)",
        file="alexnet-owt-7be5be79.pth",
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        size=244_408_911,
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        license="BSD-3-Clause",
    ),
    WeightFile(
        name="nrqm",
        purpose="metrics: NRQM and PI",
        file="nrqm-model.mat",
        url="https://raw.githubusercontent.com/chaoma99/sr-metric/master/model.mat",
        size=0,
        sha256="",
        license="MIT",
    ),
    WeightFile(
        name="clip-rn50",
        purpose="metrics: CLIP-IQA",
        file="RN50.pt",
        url=f"https://openaipublic.azureedge.net/clip/models/{_CLIP_RN50}/RN50.pt",
        size=255_827_503,
        sha256=_CLIP_RN50,
        license="MIT",
    ),
    WeightFile(
        name="musiq-koniq",
        purpose="metrics: MUSIQ",
        file="koniq_ckpt.npz",
        url="https://storage.googleapis.com/gresearch/musiq/koniq_ckpt.npz",
        size=0,
        sha256="",
        license="Apache-2.0",
    ),
    WeightFile(
        name="maniqa-koniq",
        purpose="metrics: MANIQA",
        file="ckpt_koniq10k.pt",
        url="https://github.com/IIGROUP/MANIQA/releases/download/Koniq10k/ckpt_koniq10k.pt",
        size=543_335_435,
        sha256="a207f8ab57322e6be38ff5c8d019301dc032b454bef21c3c9f9dbf7974eebff6",
        license="Apache-2.0",
    ),
)
"""The files that aimanga knows how to get: one visible list."""


def folder() -> Path:
    """The folder of fetched weights: `AIMANGA_WEIGHTS`, or `aimanga` in the platform's cache folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("aimanga"))


def is_name(name: str | None) -> bool:
    """Whether a file of `WEIGHT_FILES` is called so."""
    return any(entry.name == name for entry in WEIGHT_FILES)


def weight_file(name: str) -> WeightFile:
    """Look up a file of `WEIGHT_FILES` by its name.

    Raises:
        ModelError: There is none of this name.
    """
    for entry in WEIGHT_FILES:
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in WEIGHT_FILES)
    raise ModelError(f"{name}: no weight file of this name is known. Known are: {names}")


def find(name: str) -> Path:
    """Find a fetched file, and verify it; the network is not touched.

    Args:
        name: A name of `WEIGHT_FILES`.

    Returns:
        The path of the file.

    Raises:
        ModelError: It is not there or damaged; the message says how to get it.
    """
    entry = weight_file(name)
    if not entry.path.is_file():
        raise ModelError(
            f"{name}: its weights are not on this machine. `aimanga weights fetch {name}` gets {entry.file}"
            f"{_size_in_words(entry)} from {entry.url} into {entry.path.parent}; without a network, bring the file by "
            f"other means and put it there with `aimanga weights add {name} FILE`"
        )
    verify(entry.path, entry.sha256, remedy=f"aimanga weights fetch {name}")
    return entry.path


def fetch(name: str, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Download a file into the folder, unless it is there already.

    The file gets its name only when it is whole and verified; a download that was cut off begins anew.

    Args:
        name: A name of `WEIGHT_FILES`.
        progress: Told the bytes that are there, and the bytes in all, 0 where that is not known.

    Returns:
        The path of the file.

    Raises:
        ModelError: The file cannot be had or is not what it should be.
    """
    from pooch import HTTPDownloader

    entry = weight_file(name)
    if entry.path.is_file() and sha256_of(entry.path).startswith(entry.sha256):
        return entry.path
    _make_room(entry)
    download = HTTPDownloader(progressbar=_Progress(progress), chunk_size=2**18, timeout=_TIMEOUT)
    with replacing(entry.path) as part:
        try:
            download(entry.url, str(part), None)
        except OSError as error:  # of the disk, or of the network: requests' errors are OSErrors too
            raise ModelError(
                f"{name}: {entry.url} could not be fetched into {entry.path.parent}: {error}. Nothing is left of it; "
                f"try again, or bring the file by other means and use `aimanga weights add {name} FILE`"
            ) from error
        found = sha256_of(part)
        if not found.startswith(entry.sha256):
            raise ModelError(
                f"{name}: what {entry.url} gave is not the published file: its SHA-256 is {found}, expected "
                f"{entry.sha256}. Nothing is left of it; a proxy may have answered in place of the server"
            )
    return entry.path


def add(name: str, file: Path) -> Path:
    """Put a file that was brought by other means into the folder: for machines without a network.

    Args:
        name: A name of `WEIGHT_FILES`.
        file: The file, which is copied.

    Returns:
        The path of the copy.

    Raises:
        ModelError: The file is missing or is not what it should be.
    """
    entry = weight_file(name)
    verify(file, entry.sha256, remedy=f"aimanga weights fetch {name}")
    _make_room(entry)
    with replacing(entry.path) as part:
        shutil.copyfile(file, part)
    return entry.path


def packaged(package: str, resource: str, *, distribution: str, sha256: str) -> Path:
    """Find a file that an installed data package carries, and verify it.

    Args:
        package: The import name of the data package. It is located, never imported: no code of it runs.
        resource: The file's path inside the package, with forward slashes.
        distribution: What to `pip install` where the package is missing.
        sha256: The expected SHA-256 of the file, in hexadecimal.

    Returns:
        The path of the file.

    Raises:
        ModelError: The package or the file is missing, or the file is damaged.
    """
    spec = util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"{resource}: its package is not installed; install it with: pip install {distribution}")
    path = Path(spec.submodule_search_locations[0], *resource.split("/"))
    verify(path, sha256, remedy=f"pip install --force-reinstall --no-deps {distribution}")
    return path


def verify(path: Path, sha256: str, *, remedy: str) -> None:
    """Check a file against its SHA-256.

    Args:
        path: The file.
        sha256: The expected digest in hexadecimal, or its beginning.
        remedy: A command that brings the right file, for the error message.

    Raises:
        ModelError: The file is missing or its digest differs.
    """
    if not path.is_file():
        raise ModelError(f"{path}: this weight file is missing; bring it with: {remedy}")
    found = sha256_of(path)
    if not found.startswith(sha256):
        raise ModelError(
            f"{path}: this weight file is damaged or another one: its SHA-256 is {found}, expected {sha256}; "
            f"bring the right one with: {remedy}"
        )


def _make_room(entry: WeightFile) -> None:
    """Make the folder, clear it of what killed downloads left, and see that the file will fit."""
    home = entry.path.parent
    home.mkdir(parents=True, exist_ok=True)
    remove_remains(home)
    free = shutil.disk_usage(home).free
    if free < entry.size:
        raise ModelError(
            f"{entry.name}: {home} has {free / 1e6:.0f} MB left, the file takes {entry.size / 1e6:.0f} MB; "
            f"make room, or name another folder in {FOLDER_VARIABLE}"
        )


def _size_in_words(entry: WeightFile) -> str:
    return f" ({entry.size / 1e6:.0f} MB)" if entry.size else ""


class _Progress:
    """What pooch wants of a progress bar, for a function that is told how far it is."""

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self.total = 0  # pooch puts the server's figure here
        self.tell = tell
        self.done = 0

    def update(self, count: int) -> None:
        self.done += count  # the last chunk counts as a whole one
        self.tell(min(self.done, self.total) if self.total else self.done, self.total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass

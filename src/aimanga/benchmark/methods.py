"""Methods that can be run: networks, kernels, other programs."""

import hashlib
import shutil
import sys
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from aimanga.atomic import replacing
from aimanga.batch import Tick
from aimanga.benchmark.command import ProgramError, filled, run_program
from aimanga.benchmark.recipe import ModelMethod, Program, Resampling
from aimanga.degrade.resize import resize as resize_lanczos
from aimanga.errors import PictureError, UsageError
from aimanga.hashing import sha256_of
from aimanga.images import PictureFile, read, write
from aimanga.tensors import from_array, resize, to_array
from aimanga.upscale import UpscaleOptions, load_engine, upscale_file
from aimanga.upscale.precision import describe as describe_place
from aimanga.version import __version__

Runnable = ModelMethod | Resampling | Program
"""A method that can be run."""


def fingerprint(method: Runnable) -> str:
    """A hash of all that the results of a method depend on besides the pictures; when it changes they are discarded.

    Raises:
        AimangaError: A model cannot be loaded, or a file is missing.
    """
    if isinstance(method, ModelMethod):
        engine = load_engine(method.model, method.device, method.precision)
        parts = [__version__, engine.model.sha256, engine.precision, engine.device.type, method.strength]
    elif isinstance(method, Resampling):
        parts = [__version__, method.resample]
    else:
        files = [sha256_of(Path(path)) for path in method.depends]
        parts = [method.command, files]
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()


def describe(method: Runnable) -> str:
    """Describe a method in words."""
    if isinstance(method, ModelMethod):
        engine = load_engine(method.model, method.device, method.precision)
        known = engine.model
        place = describe_place(engine.device, engine.precision)
        parts = [f"{Path(known.name).name}, {place}, SHA-256 {known.sha256[:12]}"]
        parts += [] if method.strength == 1 else [f"strength {method.strength:g}"]
        parts += [known.license] if known.license else []
        return ", ".join(parts)
    if isinstance(method, Resampling):
        return {"bicubic": "bicubic, as MATLAB's imresize", "lanczos": "Lanczos, three lobes"}[method.resample]
    return f"the program {' '.join(method.command)}"


def check_method(method: Runnable) -> None:
    """See that a method can run, as far as that can be known before the work.

    Raises:
        AimangaError: It cannot.
    """
    if isinstance(method, ModelMethod):
        load_engine(method.model, method.device, method.precision)
    elif isinstance(method, Program):
        folder = Path(method.folder).expanduser()
        program = filled(method.command[:1], {"python": sys.executable})[0]
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder} to run in")
        # As the operating system will look for it: a path is relative to the folder in which it runs.
        local = "/" in program or "\\" in program
        if shutil.which(str(folder / program) if local else program) is None:
            raise UsageError(f"there is no program {program}")
        missing = [path for path in method.depends if not Path(path).is_file()]
        if missing:
            raise UsageError(f"there is no file {', '.join(missing)} on which it depends")


def run_method(
    method: Runnable, source: Path, target: Path, scale: int, log: Path, work: Path, tick: Tick = lambda share: None
) -> float:
    """Upscale a picture.

    Args:
        method: The method.
        source: The LR picture.
        target: The result, a `.png` file; its folder exists. It is written whole or not at all.
        scale: The scale.
        log: The file for the output of another program; its folder exists.
        work: The folder that another program writes into; it exists.
        tick: Called with the share of the work that is done.

    Returns:
        Wall time in seconds, with reading and writing, without checking the result of another program.

    Raises:
        AimangaError: The method fails.
        PictureError: The result is no picture, or has another size.
    """
    begin = time.perf_counter()
    if isinstance(method, ModelMethod):
        options = UpscaleOptions(
            model=method.model, scale=scale, strength=method.strength, device=method.device, precision=method.precision
        )
        upscale_file(source, target, tick, options=options)
        return time.perf_counter() - begin
    if isinstance(method, Resampling):
        _resample(method, source, target, scale)
        return time.perf_counter() - begin
    result = work / f"{target.stem}.png"
    values = {"input": source.absolute(), "output": result.absolute(), "scale": scale, "python": sys.executable}
    run_program(filled(method.command, values), Path(method.folder).expanduser(), log.absolute(), method.timeout)
    seconds = time.perf_counter() - begin
    if not result.is_file():
        raise ProgramError(f"{method.command[0]} succeeded without writing {{output}} (see {log})")
    check_result(result, source, scale)
    with replacing(target) as part:
        shutil.copyfile(result, part)
    result.unlink()
    return seconds


def warm_up(method: Runnable) -> None:
    """Load the network and run it once, so that the first picture takes no longer than the others."""
    if isinstance(method, ModelMethod):
        _warm_up(method.model, method.device, method.precision)


@lru_cache(maxsize=1)
def _warm_up(model: str, device: str, precision: str) -> None:
    load_engine(model, device, precision).seconds_per_pixel()


def check_result(result: Path, source: Path, scale: int) -> None:
    """See that a result is a whole picture of the right size.

    Raises:
        PictureError: It is not; the message says what was expected, and what was found.
    """
    before, after = PictureFile(source).header, read(result)
    expected = before.width * scale, before.height * scale
    if (after.width, after.height) != expected:
        raise PictureError(
            f"the result is {after.width} x {after.height}, and {expected[0]} x {expected[1]} was expected"
        )


def _resample(method: Resampling, source: Path, target: Path, scale: int) -> None:
    picture = read(source)
    x = from_array(picture.pixels)
    size = picture.height * scale, picture.width * scale
    enlarged = resize(x, *size) if method.resample == "bicubic" else resize_lanczos(x, *size, "lanczos")
    pixels = to_array(enlarged, picture.pixels.dtype)
    write(replace(picture, pixels=pixels, alpha=None), target)  # no metric looks at alpha

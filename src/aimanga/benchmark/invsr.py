"""Run InvSR on a folder, as a method of a benchmark: `python -m aimanga.benchmark.invsr INPUTS OUTPUTS`.

InvSR (Z. Yue, K. Liao, C. C. Loy, "Arbitrary-steps Image Super-resolution via Diffusion Inversion", CVPR 2025,
arXiv:2412.09013) is a program of its own, in its own environment, under a licence for non-commercial use: users install
it themselves. This adapter finds and checks the checkout, converts the pictures, runs it, and checks the results.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from aimanga.batch import find
from aimanga.errors import AimangaError, UsageError
from aimanga.images import READABLE_SUFFIXES, Picture, read, rgb, write
from aimanga.problems import Problems

_PROGRAM = "inference_invsr.py"
_FILES = (_PROGRAM, "sampler_invsr.py", "configs/sample-sd-turbo.yaml")
_PREDICTOR = "noise_predictor_sd_turbo_v5.pth"
# The cache folder of Stable Diffusion Turbo, as diffusers names it.
_TURBO = "models--stabilityai--sd-turbo"
_CLONE = "git clone https://github.com/zsyOAOA/InvSR"
# Only InvSR's own variant of diffusers has this pipeline; it needs a GPU.
_CHECK = """
import omegaconf, torch
from diffusers import StableDiffusionInvEnhancePipeline
assert torch.cuda.is_available(), "InvSR needs a CUDA GPU, and PyTorch sees none"
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run InvSR; returns the exit code: 0 all results are there, 1 some are not, 2 it cannot run."""
    parser = argparse.ArgumentParser(
        prog="python -m aimanga.benchmark.invsr", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("inputs", type=Path, help="folder of pictures")
    parser.add_argument("outputs", type=Path, help="folder for NAME.png of each")
    parser.add_argument("--checkout", type=Path, help="InvSR's folder; else $INVSR, ./InvSR, or ~/InvSR")
    parser.add_argument("--python", type=Path, help="the Python of its environment; else $INVSR_PYTHON, or its .venv")
    parser.add_argument("--sd-path", type=Path, help="where Stable Diffusion Turbo is; else its folder weights")
    parser.add_argument("--predictor", type=Path, help=f"its noise predictor; else weights/{_PREDICTOR}")
    parser.add_argument("--steps", type=int, default=1, help="sampling steps, 1 to 5")
    parser.add_argument("--chopping-size", type=int, help="side of the tiles that pictures are split into")
    parser.add_argument("--color-fix", choices=("wavelet", "ycbcr"), help="as in the authors' own comparison: wavelet")
    given = parser.parse_args(arguments)
    try:
        return _run(given)
    except (AimangaError, OSError) as error:
        sys.stderr.write(f"invsr: {error}\n")
        return 2


def _run(given: argparse.Namespace) -> int:
    checkout = _find_checkout(given.checkout)
    python = _find_python(given.python, checkout)
    weights = (given.sd_path or checkout / "weights").absolute()
    predictor = (given.predictor or checkout / "weights" / _PREDICTOR).absolute()
    if not 1 <= given.steps <= 5:
        raise UsageError(f"--steps {given.steps}: InvSR has 1 to 5")
    _check_weights(weights, predictor)
    _check_environment(python, checkout)
    pictures = find([given.inputs], suffixes=READABLE_SUFFIXES)
    given.outputs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aimanga-invsr-") as folder:
        for picture in pictures:
            _convert(picture, Path(folder))
        command = [
            str(python), _PROGRAM, "-i", folder, "-o", str(given.outputs.absolute()),
            "--sd_path", str(weights), "--started_ckpt_path", str(predictor), "--num_steps", str(given.steps),
        ]  # fmt: skip
        if given.chopping_size is not None:
            command += ["--chopping_size", str(given.chopping_size)]
        if given.color_fix is not None:
            command += ["--color_fix", given.color_fix]
        code = subprocess.run(command, cwd=checkout, env=_offline(), check=False).returncode
    missing = [picture.name for picture in pictures if not (given.outputs / f"{picture.stem}.png").is_file()]
    if code:
        sys.stderr.write(f"invsr: {_PROGRAM} failed with exit code {code}\n")
    if missing:
        sys.stderr.write(f"invsr: no result of {', '.join(missing)}\n")
    return 1 if code or missing else 0


def _find_checkout(given: Path | None) -> Path:
    named = given or _from_environment("INVSR")
    places = [named] if named else [Path("InvSR"), Path.home() / "InvSR"]
    checkout = next((place for place in places if place.is_dir()), None)
    if checkout is None:
        raise UsageError(f"there is no InvSR in {' or '.join(map(str, places))}: {_CLONE}, or name it with --checkout")
    missing = [name for name in _FILES if not (checkout / name).is_file()]
    if missing:
        raise UsageError(f"{checkout}: this is no checkout of InvSR: {', '.join(missing)} is missing ({_CLONE})")
    return checkout.absolute()


def _find_python(given: Path | None, checkout: Path) -> Path:
    python = given or _from_environment("INVSR_PYTHON") or checkout / ".venv" / "bin" / "python"
    if not python.is_file():
        raise UsageError(f"{python}: there is no such Python; name that of InvSR's environment with --python")
    return python.absolute()  # not resolved: an environment's Python is a link that has to stay one


def _from_environment(variable: str) -> Path | None:
    named = os.environ.get(variable)
    return Path(named) if named else None


def _check_weights(weights: Path, predictor: Path) -> None:
    problems = Problems()
    if not predictor.is_file():
        problems.add(
            f"{predictor}: the noise predictor is missing; fetch {_PREDICTOR} from https://huggingface.co/OAOA/InvSR"
        )
    if not (weights / _TURBO).is_dir():
        problems.add(
            f"{weights / _TURBO}: Stable Diffusion Turbo is missing; in InvSR's environment: "
            f"huggingface-cli download stabilityai/sd-turbo --cache-dir {weights}"
        )
    problems.refuse()


def _check_environment(python: Path, checkout: Path) -> None:
    """Check that InvSR can start."""
    said = subprocess.run(
        [python, "-c", _CHECK], cwd=checkout, env=_offline(), capture_output=True, text=True, check=False
    )
    if said.returncode:
        last = (said.stderr.strip().splitlines() or ["no output"])[-1]
        raise UsageError(f"{python}: InvSR cannot run in this environment: {last}")


def _offline() -> dict[str, str]:
    """The environment variables that keep the libraries of InvSR offline."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def _convert(picture: Path, folder: Path) -> None:
    """Write a picture as 8-bit RGB PNG, upright: InvSR reads nothing else reliably."""
    target = folder / f"{picture.stem}.png"
    if target.exists():
        raise UsageError(f"{picture}: another picture has the same name {picture.stem}, and would have the same result")
    write(rgb(Picture(read(picture).pixels)), target)


if __name__ == "__main__":
    sys.exit(main())

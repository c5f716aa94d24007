"""Does `aimanga degrade fit` find a hidden recipe? Prints distances on pictures that took no part.

    python benchmarks/fit.py PHOTOS

PHOTOS is a folder of photos of good quality, a hundred or more. A third of them is degraded by a secret, narrow
recipe: these are the "real" pictures. The recipe is fitted with another third, and judged with the last one: half of
it degraded by the secret recipe, half by the fitted one, and by Real-ESRGAN's.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from aimanga.degrade import Recipe, fit_recipe, load_degradation, make_pairs
from aimanga.degrade.features import damage_features, distance
from aimanga.degrade.fit import PATCH
from aimanga.errors import AimangaError
from aimanga.images import read
from aimanga.tensors import from_array

SECRET = {
    "description": "A mild camera picture, put on the web once.",
    "stages": [
        {
            "blur": {"size": [7, 13], "sinc": 0.0, "kinds": {"isotropic": 1.0}, "sigma": [0.8, 1.2]},
            "resize": {"directions": {"down": 1.0}, "factor": [0.6, 1.0], "modes": {"bilinear": 1.0}},
            "noise": {"kinds": {"gaussian": 1.0}, "gaussian_sigma": [4.0, 8.0], "gray": 0.0},
            "compression": {"codecs": {"jpeg": 1.0}, "jpeg_quality": [60, 75]},
        },
        {
            "blur": {
                "probability": 0.3, "size": [7, 13], "sinc": 0.0, "kinds": {"isotropic": 1.0}, "sigma": [0.3, 0.6],
            },
            "noise": {"kinds": {"poisson": 1.0}, "poisson_scale": [0.1, 0.4], "gray": 0.0},
        },
    ],
    "final": {
        "modes": {"area": 1.0}, "sinc": 0.1, "compression": {"codecs": {"jpeg": 1.0}, "jpeg_quality": [70, 85]},
    },
}  # fmt: skip


def features(photos: list[Path], recipe: Recipe, seed: int, folder: Path) -> torch.Tensor:
    """The damage features of random crops of photos, degraded."""
    side = PATCH * recipe.scale
    make_pairs(photos, folder, recipe=recipe, crop=side, per_image=-(-512 // len(photos)), seed=seed)
    return damage_features(torch.cat([from_array(read(path).pixels) for path in sorted((folder / "LR").iterdir())]))


def usable(photos: list[Path]) -> list[Path]:
    """Those that are large enough."""
    found = []
    for path in photos:
        try:
            picture = read(path)
        except AimangaError:
            continue
        if min(picture.width, picture.height) >= 4 * PATCH * 2:
            found.append(path)
    return found


def main() -> None:
    """Hide, fit, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    photos = usable(sorted(arguments.photos.iterdir()))
    order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(arguments.seed)).tolist()
    photos = [photos[place] for place in order]
    high, hidden, last = photos[::3], photos[1::3], photos[2::3]
    secret = Recipe.model_validate(SECRET)
    start = load_degradation("realesrgan")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pairs(hidden, folder / "hidden", recipe=secret, crop=4 * PATCH * 2, per_image=4, seed=1)
        begin = time.perf_counter()

        def on_trial(trial: int, best: float) -> None:
            if trial % 10 == 0:
                print(f"{trial:4} trials, {time.perf_counter() - begin:5.0f} s: {best:.4f}", flush=True)

        found = fit_recipe(
            high, folder / "hidden" / "LR", trials=arguments.trials, seed=arguments.seed, on_trial=on_trial
        )
        print(f"\n{len(high)} photos to fit with, {len(hidden)} hidden, {len(last)} to judge with")
        print(f"fit says: {found.before:.3f} before, {found.after:.3f} after, floor {found.floor:.3f}")
        wanted = features(last[::2], secret, 2, folder / "wanted")
        gaps = {}
        for title, recipe in (("realesrgan", start), ("fitted", found.recipe), ("the secret itself", secret)):
            gaps[title] = distance(features(last[1::2], recipe, 3, folder / title), wanted)
            print(f"{title:20} {gaps[title]:.4f}")
        print(f"realesrgan / fitted = {gaps['realesrgan'] / gaps['fitted']:.2f}")
        print(found.recipe.model_dump_json(exclude_none=True))


if __name__ == "__main__":
    main()

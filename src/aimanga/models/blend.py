"""Network interpolation: the mixture of two networks whose factors sum to 1."""

from pathlib import Path

from aimanga.errors import UsageError
from aimanga.models.mix import load_mixture, write_mixture
from aimanga.models.options import BlendOptions
from aimanga.options import with_options


@with_options
def blend_files(
    first: str | Path, second: str | Path, output: str | Path, options: BlendOptions = BlendOptions()
) -> None:
    """Blend two models and write the result as a checkpoint: (1 - alpha) first + alpha second.

    `aimanga.models.mix` has the arithmetic, and takes any number of models.

    Args:
        first: The name or the weight file of a model.
        second: Another model with the same network.
        output: The `.safetensors` file, which is replaced if it exists.
        options: See `BlendOptions`; its fields can be given as keywords.

    Raises:
        UsageError: An option is out of range, `output` is not a `.safetensors` file in a folder that exists, a model
            cannot be loaded, or the networks differ.
    """
    path, alpha = Path(output), options.alpha
    if path.suffix.lower() != ".safetensors" or not path.parent.is_dir():
        raise UsageError(f"{path}: a blend is written to a .safetensors file in a folder that exists")
    write_mixture(load_mixture([(str(first), 1 - alpha), (str(second), alpha)]), path)

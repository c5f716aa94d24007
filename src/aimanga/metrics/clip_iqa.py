"""CLIP-IQA: whether CLIP finds that a picture goes with "Good photo." or with "Bad photo.".

Source: J. Wang, K. Chan, C. Loy, "Exploring CLIP for Assessing the Look and Feel of Images", AAAI 2023,
arXiv:2207.12396.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aimanga.errors import ModelError, PictureError
from aimanga.metrics.clip_rn50 import CLIPRN50, SMALLEST_SIDE
from aimanga.metrics.torchscript import is_torchscript, read_torchscript
from aimanga.tensor_files import read_tensors

# The tokens of openai/CLIP's `clip/bpe_simple_vocab_16e6.txt.gz` (MIT): start, "good" or "bad", "photo", ".", end.
GOOD_PHOTO = (49406, 886, 1125, 269, 49407)
BAD_PHOTO = (49406, 2103, 1125, 269, 49407)

# Mean and deviation of the pictures on which CLIP was trained.
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

# What files hold beside the weights: sizes, and the causal mask.
_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "attn_mask")

_URL = (
    "https://openaipublic.azureedge.net/clip/models/"
    "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762/RN50.pt"
)


class CLIPIQA(nn.Module):
    """The quality of a picture without a reference, between 0 and 1; higher is better.

    It is CLIP-IQA, without the learned prompts of CLIP-IQA+: the softmax over the cosines between the picture and both
    prompts, times CLIP's logit scale (100 in the published file).

    The text tower is asked once, for the prompts; only the image tower is kept, so `state_dict()` has the entries
    `visual.*` of `CLIPRN50`'s.

    Pictures are scored one by one, at their own size. The convolutions take about 0.3 GB of memory a megapixel, where
    the first stage has 256 channels at a quarter of both sides; the attention that pools them takes 25 MB a megapixel.

    Args:
        clip: CLIP with its weights.
    """

    mean: Tensor
    std: Tensor
    prompts: Tensor
    logit_scale: Tensor

    def __init__(self, clip: CLIPRN50) -> None:
        super().__init__()
        self.visual = clip.visual
        with torch.no_grad():
            prompts = F.normalize(clip.encode_text(torch.tensor([GOOD_PHOTO, BAD_PHOTO])), dim=1)
        self.register_buffer("prompts", prompts, persistent=False)
        self.register_buffer("logit_scale", clip.logit_scale.detach().exp(), persistent=False)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Score pictures.

        Args:
            pictures: N x 3 x H x W, float32, RGB, range [0, 1], already rounded to 8 bits where that is wanted; H and
                W are at least 31.

        Returns:
            N scores, float32.

        Raises:
            PictureError: The pictures are too small.
        """
        height, width = pictures.shape[2:]
        if min(height, width) < SMALLEST_SIDE:
            raise PictureError(
                f"CLIP-IQA needs pictures of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels, not {width} x {height}"
            )
        return torch.cat([self._score(picture) for picture in torch.split(pictures, 1)])

    def _score(self, picture: Tensor) -> Tensor:
        features = F.normalize(self.visual((picture - self.mean) / self.std), dim=1)
        logits = self.logit_scale * features @ self.prompts.T
        return logits.softmax(1)[:, 0]


def load_clip_iqa(path: Path) -> CLIPIQA:
    """Load CLIP-IQA with the weights of OpenAI's CLIP RN50.

    Args:
        path: `RN50.pt` as published, a TorchScript archive in half precision, or a file that holds its state dict.

    Returns:
        The network in float32, frozen, in evaluation mode.

    Raises:
        ModelError: The file is missing, damaged, or not of this network.
    """
    with torch.device("meta"):
        clip = CLIPRN50()
    load_clip(clip, path)
    return CLIPIQA(clip).eval()


def load_clip(clip: CLIPRN50, path: Path) -> None:
    """Give a CLIP of any width the weights of a file.

    Args:
        clip: The network; its own weights are replaced, wherever they are, by float32 on the CPU. It is left frozen,
            in evaluation mode.
        path: A TorchScript archive of the network, or a file that holds its state dict.

    Raises:
        ModelError: The file is missing, damaged, or not of this network.
    """
    expected = clip.state_dict()
    tensors = read_torchscript(path) if is_torchscript(path) else read_tensors(path)
    state = {name: tensor for name, tensor in tensors.items() if name.rsplit(".", 1)[-1] not in _NOT_WEIGHTS}
    for name in expected:
        if name.endswith(".num_batches_tracked"):  # a count for the training, which converted files leave out
            state.setdefault(name, torch.zeros((), dtype=torch.int64))
    wrong = [f"{name} is missing" for name in expected if name not in state]
    wrong += [f"{name} is unknown" for name in state if name not in expected]
    wrong += [
        f"{name} is {tuple(tensor.shape)}, not {tuple(expected[name].shape)}"
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ModelError(f"{path}: these are not the weights of CLIP RN50: {'; '.join(wrong[:3])}{more}. Get {_URL}")
    clip.load_state_dict({name: tensor.to(expected[name].dtype) for name, tensor in state.items()}, assign=True)
    clip.requires_grad_(False).eval()

"""CLIP-IQA: whether CLIP matches a picture with the prompt "Good photo." or "Bad photo.".

Source: J. Wang, K. Chan, C. Loy, "Exploring CLIP for Assessing the Look and Feel of Images", AAAI 2023,
arXiv:2207.12396.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aimanga.metrics.clip_rn50 import CLIPRN50, SMALLEST_SIDE
from aimanga.metrics.levels import require_size
from aimanga.metrics.torchscript import is_torchscript, read_torchscript
from aimanga.tensor_files import load_weights, read_tensors
from aimanga.weights import weight_file

# The tokens of openai/CLIP's `clip/bpe_simple_vocab_16e6.txt.gz` (MIT): start, "good" or "bad", "photo", ".", end.
GOOD_PHOTO = (49406, 886, 1125, 269, 49407)
BAD_PHOTO = (49406, 2103, 1125, 269, 49407)

# Mean and standard deviation of CLIP's training set.
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

# What files hold besides the weights: sizes, the causal mask, and counters that only training needs.
_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "attn_mask", "num_batches_tracked")

_URL = weight_file("clip-rn50").url


class CLIPIQA(nn.Module):
    """No-reference quality of a picture, from 0 to 1; higher is better.

    This is CLIP-IQA, without the learned prompts of CLIP-IQA+: the softmax over the cosine similarities between the
    picture and both prompts, times CLIP's logit scale (100 in the published file).

    The text encoder runs once, on the prompts. Only the image encoder is kept: `state_dict()` has the entries
    `visual.*` of `CLIPRN50`.

    Pictures are scored one by one, at their own size. Memory is about 0.3 GB a megapixel for the convolutions (256
    channels at a quarter of the size in the first stage) and 25 MB a megapixel for the attention pooling.

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
            pictures: N x 3 x H x W, float32, RGB, range [0, 1]; H and W are at least 31.

        Returns:
            N scores, float32.

        Raises:
            PictureError: The pictures are too small.
        """
        require_size(pictures, "CLIP-IQA", SMALLEST_SIDE)
        return torch.cat([self._score(picture) for picture in torch.split(pictures, 1)])

    def _score(self, picture: Tensor) -> Tensor:
        features = F.normalize(self.visual((picture - self.mean) / self.std), dim=1)
        logits = self.logit_scale * features @ self.prompts.T
        return logits.softmax(1)[:, 0]


def load_clip_iqa(path: Path) -> CLIPIQA:
    """Load CLIP-IQA with the weights of OpenAI's CLIP RN50.

    Args:
        path: The published `RN50.pt`, a TorchScript archive in half precision, or a file with its state dict.

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
    """Load the weights of a file into a CLIP of any width, and freeze it in evaluation mode.

    Args:
        clip: The network, which can be on the meta device; afterwards it is on the CPU, in float32.
        path: A TorchScript archive of the network, or a file with its state dict.

    Raises:
        ModelError: The file is missing, damaged, or not of this network.
    """
    tensors = read_torchscript(path) if is_torchscript(path) else read_tensors(path)
    state = {name: tensor for name, tensor in tensors.items() if name.rsplit(".", 1)[-1] not in _NOT_WEIGHTS}
    counters = [name for name in clip.state_dict() if name.endswith(".num_batches_tracked")]
    state |= dict.fromkeys(counters, torch.zeros((), dtype=torch.int64))
    load_weights(clip, state, f"{path}: these are not the weights of CLIP RN50", remedy=f"Get {_URL}")
    clip.requires_grad_(False).eval()

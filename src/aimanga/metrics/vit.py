"""ViT: a transformer on the patches of a picture.

Sources: A. Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021,
arXiv:2010.11929; names of the parameters as in timm 0.5 (Apache-2.0), `vit_base_patch8_224`.
"""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Hidden features of an MLP over those of a token.
_MLP_RATIO = 4


def attend(qkv: Tensor, heads: int, bias: Tensor | None = None) -> Tensor:
    """Multi-head attention: softmax(Q K^T / sqrt(d) + bias) V in each head, d being the features of a head.

    Args:
        qkv: ... x T x 3C: queries, keys and values of T tokens, concatenated; the heads split the C features.
        heads: Number of heads, a divisor of C.
        bias: Added to the logits; broadcasts to ... x heads x T x T.

    Returns:
        ... x T x C, the heads concatenated.
    """
    query, key, value = qkv.reshape(*qkv.shape[:-1], 3, heads, -1).movedim(-3, 0).transpose(-3, -2)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias).transpose(-3, -2).flatten(-2)


class Attention(nn.Module):
    """Multi-head self-attention.

    Args:
        width: Features of a token.
        heads: Number of heads, a divisor of `width`.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map N x T x width to the same shape."""
        out: Tensor = self.proj(attend(self.qkv(tokens), self.heads))
        return out


class MLP(nn.Module):
    """Two linear layers with a GELU between them.

    Args:
        width: Features of a token.
        hidden: Hidden features.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ... x width to the same shape."""
        out: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return out


class Block(nn.Module):
    """One pre-norm layer of the transformer: attention and an MLP, each with a residual.

    Args:
        width: Features of a token.
        heads: Heads of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, _MLP_RATIO * width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map N x T x width to the same shape."""
        tokens = tokens + self.attn(self.norm1(tokens))
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out


class PatchEmbed(nn.Module):
    """The token of each patch of a picture.

    Args:
        patch: Side of a patch in pixels.
        width: Features of a token.
    """

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map N x 3 x H x W to N x (H W / patch^2) x width, in row-major order."""
        out: Tensor = self.proj(pictures)
        return out.flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """The tokens after some blocks of a ViT. The defaults are ViT-B/8, with 86,576,872 parameters.

    It has all parameters of the classifier, so that a complete file can be loaded; what follows the last tap is not
    computed.

    Args:
        taps: Numbers of the blocks whose output tokens are returned.
        side: Height and width of a picture in pixels, a multiple of `patch`.
        patch: Side of a patch in pixels.
        width: Features of a token.
        depth: Number of blocks.
        heads: Heads of the attention, a divisor of `width`.
        classes: Outputs of the classifier.

    Raises:
        ValueError: A tap is not the number of a block.
    """

    def __init__(
        self,
        taps: Collection[int],
        *,
        side: int = 224,
        patch: int = 8,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        if not set(taps) <= set(range(depth)):
            raise ValueError(f"a ViT of {depth} blocks has no taps {sorted(set(taps) - set(range(depth)))}")
        self.taps = frozenset(taps)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (side // patch) ** 2, width))
        self.patch_embed = PatchEmbed(patch, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Compute the tokens of a batch.

        Args:
            pictures: N x 3 x side x side, RGB, normalized.

        Returns:
            For each tap, in the order of the blocks, N x (1 + patches) x width: the class token, then the patches in
            row-major order.
        """
        tokens = self.patch_embed(pictures)
        tokens = torch.cat((self.cls_token.expand(len(tokens), -1, -1), tokens), 1) + self.pos_embed
        found = []
        for number in range(max(self.taps) + 1):
            tokens = self.blocks[number](tokens)
            if number in self.taps:
                found.append(tokens)
        return found

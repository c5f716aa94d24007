"""CLIP's RN50: a ResNet for pictures and a transformer for text, with a shared embedding space.

Sources: A. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021,
arXiv:2103.00020, in the details as openai/CLIP `clip/model.py` (MIT); K. He et al., "Deep Residual Learning for Image
Recognition", CVPR 2016, arXiv:1512.03385; T. He et al., "Bag of Tricks for Image Classification with Convolutional
Neural Networks", CVPR 2019, arXiv:1812.01187 (ResNet-D: the stem of three convolutions, average pooling in blocks that
halve the size); R. Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019, arXiv:1904.11486.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALLEST_SIDE = 31
"""The smallest picture: 31 pixels become 16 in the first convolution, and 1 after four halvings."""

EMBEDDING = 1024
"""Features of the embedding of a picture or a text."""

CONTEXT_LENGTH = 77
"""The largest number of tokens of a text."""

VOCABULARY = 49_408
"""Number of tokens; the last one ends a text."""

# Blocks of each stage, and the ratio of a block's output channels to those of its inner convolutions.
_STAGES = (3, 4, 6, 3)
_EXPANSION = 4

_HEAD_FEATURES = 64  # of an attention head, in both encoders
_GRID = 7  # of the features of the training pictures, 224 x 224 at 1/32


class Bottleneck(nn.Module):
    """Three convolutions, the outer ones 1 x 1, added to the input or to a projection of it.

    Convolutions are not strided: both branches of a block that halves the size are average-pooled, against aliasing.

    Args:
        channels: Channels of the input.
        width: Channels of the inner convolutions; the output has four times as many.
        stride: 1, or 2 to halve the size.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = _EXPANSION * width
        self.stride = stride
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module = nn.Identity()
        if channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map N x channels x H x W to N x 4 width x H / stride x W / stride, rounded down."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        if self.stride > 1:
            out, x = F.avg_pool2d(out, self.stride), F.avg_pool2d(x, self.stride)
        return F.relu(self.bn3(self.conv3(out)).add_(self.downsample(x)), inplace=True)


class AttentionPool(nn.Module):
    """Attention pooling: the mean of the features is the query; the mean and the features are keys and values.

    CLIP adds a positional embedding to the features, which requires pictures of 224 x 224. CLIP-IQA omits it and takes
    any size: `positional_embedding` is in the published file, but is not used.

    Args:
        channels: Channels of the features, in heads of 64.
        out_features: Features of the result.
    """

    def __init__(self, channels: int, out_features: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.zeros(_GRID**2 + 1, channels))
        self.k_proj = nn.Linear(channels, channels)
        self.q_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.c_proj = nn.Linear(channels, out_features)

    def forward(self, features: Tensor) -> Tensor:
        """Pool N x channels x H x W to N x out_features."""
        pixels = features.flatten(2).transpose(1, 2)
        mean = pixels.mean(1, keepdim=True)
        tokens = torch.cat((mean, pixels), 1)
        query, key, value = (
            projected.unflatten(2, (-1, _HEAD_FEATURES)).transpose(1, 2)
            for projected in (self.q_proj(mean), self.k_proj(tokens), self.v_proj(tokens))
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.c_proj(attended.flatten(1))
        return out


class ModifiedResNet(nn.Module):
    """CLIP's ResNet-50: a stem of three convolutions, average pooling against aliasing, attention pooling.

    Args:
        width: Output channels of the stem and of the inner convolutions of the first stage; a multiple of 2.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        channels = width
        stages = []
        for stage, blocks in enumerate(_STAGES):
            inner = width * 2**stage
            layers = []
            for block in range(blocks):
                layers.append(Bottleneck(channels, inner, 2 if stage > 0 and block == 0 else 1))
                channels = _EXPANSION * inner
            stages.append(nn.Sequential(*layers))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.attnpool = AttentionPool(channels, EMBEDDING)

    def forward(self, x: Tensor) -> Tensor:
        """Map N x 3 x H x W, normalized, H and W at least `SMALLEST_SIDE`, to N x `EMBEDDING`."""
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = F.relu(self.bn3(self.conv3(x)), inplace=True)
        x = F.avg_pool2d(x, 2)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        out: Tensor = self.attnpool(x)
        return out


class QuickGELU(nn.Module):
    """The approximation x sigmoid(1.702 x) of GELU that CLIP was trained with."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to a tensor of any shape."""
        return x * torch.sigmoid(1.702 * x)


class TextBlock(nn.Module):
    """One pre-norm layer of the text transformer: causal attention and an MLP, each with a residual.

    Args:
        features: Features of a token, in heads of 64.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(features, features // _HEAD_FEATURES, batch_first=True)
        self.ln_1 = nn.LayerNorm(features)
        self.mlp = nn.Sequential(
            OrderedDict(
                c_fc=nn.Linear(features, 4 * features), gelu=QuickGELU(), c_proj=nn.Linear(4 * features, features)
            )
        )
        self.ln_2 = nn.LayerNorm(features)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map N x L x features to the same shape; a token attends to itself and the previous ones."""
        x = self.ln_1(tokens)
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device, dtype=x.dtype)
        tokens = tokens + self.attn(x, x, x, attn_mask=mask, is_causal=True, need_weights=False)[0]
        out: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return out


class TextTransformer(nn.Module):
    """The layers of the text encoder.

    Args:
        features: Features of a token.
        layers: Number of layers.
    """

    def __init__(self, features: int, layers: int) -> None:
        super().__init__()
        self.resblocks = nn.Sequential(*(TextBlock(features) for _ in range(layers)))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map N x L x features to the same shape."""
        out: Tensor = self.resblocks(tokens)
        return out


class CLIPRN50(nn.Module):
    """CLIP with the names of OpenAI's file; the image encoder has no positional embedding.

    The defaults are the published configuration, with 102,007,137 parameters.

    Args:
        width: Channels of the stem of the image encoder; a multiple of 2.
        text_features: Features of a token of the text encoder; a multiple of 64.
        text_layers: Layers of the text encoder.
    """

    def __init__(self, *, width: int = 64, text_features: int = 512, text_layers: int = 12) -> None:
        super().__init__()
        self.visual = ModifiedResNet(width)
        self.transformer = TextTransformer(text_features, text_layers)
        self.token_embedding = nn.Embedding(VOCABULARY, text_features)
        self.positional_embedding = nn.Parameter(torch.zeros(CONTEXT_LENGTH, text_features))
        self.ln_final = nn.LayerNorm(text_features)
        self.text_projection = nn.Parameter(torch.zeros(text_features, EMBEDDING))
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Compute the embeddings of texts.

        Args:
            tokens: N x L, int64: start token, text, end token (the last one of the vocabulary), then anything; L is at
                most `CONTEXT_LENGTH`.

        Returns:
            N x `EMBEDDING`, not normalized: the features of the end token, projected.
        """
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]
        x = self.transformer(x)
        ends = x[torch.arange(len(tokens)), tokens.argmax(1)]
        out: Tensor = self.ln_final(ends) @ self.text_projection
        return out

"""MobileSAM's image encoder (Zhang et al. 2023, arXiv 2306.14289): TinyViT-5M (Wu et al. 2022, arXiv 2207.10666) with SAM's
neck. Modules are named as in the official checkpoint."""

import torch
from torch import nn
from torch.nn import functional as F

from .attention import attend, combine, separate, separate_projections
from .layers import from_windows, neck, to_windows

DIMS = (64, 128, 160, 320)
DEPTHS = (2, 2, 6, 2)
HEADS = (2, 4, 5, 10)
WINDOWS = (7, 7, 14, 7)
#: Sides of the stages' maps at 1024 pixels. The last stage does not halve, so that the embedding is 64 x 64.
SIDES = (256, 128, 64, 64)


class ConvBn(nn.Sequential):
    def __init__(self, channels, out, kernel=1, stride=1, groups=1):
        super().__init__()
        self.add_module("c", nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False))
        self.add_module("bn", nn.BatchNorm2d(out))

    @torch.no_grad()
    def fold(self):
        """Moves the batch norm into the convolution."""
        scale = self.bn.weight / torch.sqrt(self.bn.running_var + self.bn.eps)
        self.c.weight.mul_(scale[:, None, None, None])
        self.c.bias = nn.Parameter(self.bn.bias - self.bn.running_mean * scale)
        self.bn = nn.Identity()


class MbConv(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv1 = ConvBn(dim, 4 * dim)
        self.conv2 = ConvBn(4 * dim, 4 * dim, 3, groups=4 * dim)
        self.conv3 = ConvBn(4 * dim, dim)

    def forward(self, x):
        return F.gelu(x + self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x))))))


class PatchMerging(nn.Module):
    def __init__(self, dim, out, stride):
        super().__init__()
        self.conv1 = ConvBn(dim, out)
        self.conv2 = ConvBn(out, out, 3, stride, groups=out)
        self.conv3 = ConvBn(out, out)

    def forward(self, x):
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


class Attention(nn.Module):
    """Attention within each window, with a learnt bias for each distance: [B, side * side, dim] -> the same."""

    def __init__(self, dim, heads, side):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        # The biases are stored in the order in which a walk over all pairs of places first meets each distance.
        places = [(row, column) for row in range(side) for column in range(side)]
        order: dict[tuple[int, int], int] = {}
        indices = [
            order.setdefault((abs(row - other_row), abs(column - other_column)), len(order))
            for row, column in places
            for other_row, other_column in places
        ]
        self.attention_biases = nn.Parameter(torch.zeros(heads, len(order)))
        self.register_buffer("indices", torch.tensor(indices).view(len(places), len(places)), persistent=False)
        self.parts = None

    def forward(self, x):
        x = self.norm(x)
        bias = self.attention_biases[:, self.indices]
        width = self.proj.in_features // self.heads
        if self.parts is not None:
            q, k, v = (part(x) for part in self.parts)
            return self.proj(attend(q, k, v, self.heads, width**-0.5, bias[None]))
        q, k, v = separate(self.qkv(x), self.heads).chunk(3, -1)
        logits = (q @ k.transpose(-2, -1)) * width**-0.5 + bias
        return self.proj(combine(logits.softmax(-1) @ v))

    def fold(self):
        # The layer's output is ordered by head, and within each by query, key and value.
        order = torch.arange(self.qkv.out_features).reshape(self.heads, 3, -1).transpose(0, 1).flatten()
        self.parts = separate_projections(self.qkv, order)
        del self.qkv


class Mlp(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class TinyVitBlock(nn.Module):
    """[B, C, side, side] -> the same."""

    def __init__(self, dim, heads, side, window):
        super().__init__()
        self.side, self.window = side, window
        self.attn = Attention(dim, heads, window)
        self.local_conv = ConvBn(dim, dim, 3, groups=dim)
        self.mlp = Mlp(dim)

    def forward(self, x):
        tokens = x.permute(0, 2, 3, 1)
        windows = to_windows(tokens, self.side, self.window)
        attended = self.attn(windows.flatten(1, 2)).view(windows.shape)
        tokens = tokens + from_windows(attended, self.side, self.window)
        tokens = self.local_conv(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return (tokens + self.mlp(tokens)).permute(0, 3, 1, 2)


class Stage(nn.Module):
    def __init__(self, blocks, downsample):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        if downsample is not None:
            self.downsample = downsample

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.downsample(x) if hasattr(self, "downsample") else x


class PatchEmbed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.seq = nn.Sequential(ConvBn(3, dim // 2, 3, 2), nn.GELU(), ConvBn(dim // 2, dim, 3, 2))

    def forward(self, x):
        return self.seq(x)


class TinyVit(nn.Module):
    """x [N, 3, 1024, 1024], normalised, padded at the right and bottom -> image embeddings [N, 256, 64, 64]."""

    def __init__(self):
        super().__init__()
        self.patch_embed = PatchEmbed(DIMS[0])
        stages = []
        for i, (dim, depth) in enumerate(zip(DIMS, DEPTHS)):
            blocks = [MbConv(dim) if i == 0 else TinyVitBlock(dim, HEADS[i], SIDES[i], WINDOWS[i]) for _ in range(depth)]
            last = i == len(DIMS) - 1
            stages.append(Stage(blocks, None if last else PatchMerging(dim, DIMS[i + 1], SIDES[i] // SIDES[i + 1])))
        self.layers = nn.ModuleList(stages)
        #: TinyViT's classifier, unused; here so that the checkpoint loads strictly.
        self.norm_head = nn.LayerNorm(DIMS[-1])
        self.head = nn.Linear(DIMS[-1], 1000)
        self.neck = neck(DIMS[-1])

    def forward(self, x):
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        return self.neck(x)

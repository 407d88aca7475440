"""DINOv2 (Oquab et al. 2023, arXiv 2304.07193) with and without registers (Darcet et al. 2023, arXiv 2309.16588).

Written from the papers and the published checkpoints: the modules are named so that an official state dict loads strictly.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from .attention import attend, separate_projections

PATCH = 14
#: The checkpoints' position embedding is a 37 x 37 grid: 518 pixels.
GRID = 37


@dataclass(frozen=True)
class Size:
    dim: int
    depth: int
    heads: int
    #: A gated feed-forward layer (SwiGLU) of this width instead of the plain one of 4 * dim.
    gated: int = 0


SIZES = {
    "small": Size(384, 12, 6),
    "base": Size(768, 12, 12),
    "large": Size(1024, 24, 16),
    "giant": Size(1536, 40, 24, gated=4096),
}

#: Mean and standard deviation of ImageNet, of values in 0..1.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.parts = None

    def forward(self, x):
        q, k, v = [part(x) for part in self.parts] if self.parts is not None else self.qkv(x).chunk(3, -1)
        return self.proj(attend(q, k, v, self.heads, (self.proj.in_features // self.heads) ** -0.5))

    def fold(self):
        self.parts = separate_projections(self.qkv)
        del self.qkv


class Mlp(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class GatedMlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.w12 = nn.Linear(dim, 2 * hidden)
        self.w3 = nn.Linear(hidden, dim)

    def forward(self, x):
        gate, value = self.w12(x).chunk(2, -1)
        return self.w3(F.silu(gate) * value)


class LayerScale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * self.gamma


class Block(nn.Module):
    def __init__(self, size: Size):
        super().__init__()
        self.norm1 = nn.LayerNorm(size.dim, eps=1e-6)
        self.attn = Attention(size.dim, size.heads)
        self.ls1 = LayerScale(size.dim)
        self.norm2 = nn.LayerNorm(size.dim, eps=1e-6)
        self.mlp = GatedMlp(size.dim, size.gated) if size.gated else Mlp(size.dim)
        self.ls2 = LayerScale(size.dim)

    def forward(self, x):
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))

    @torch.no_grad()
    def fold(self):
        """Moves the layer scales into the layers before them."""
        last = self.mlp.w3 if isinstance(self.mlp, GatedMlp) else self.mlp.fc2
        for scale, linear in ((self.ls1, self.attn.proj), (self.ls2, last)):
            linear.weight.mul_(scale.gamma[:, None])
            linear.bias.mul_(scale.gamma)
        self.ls1, self.ls2 = nn.Identity(), nn.Identity()


class PatchEmbed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH, PATCH)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Dinov2(nn.Module):
    """pixel_values [N, 3, H, W] (ImageNet mean and deviation, H and W multiples of 14) -> the tokens [N, 1 + registers +
    HW / 196, dim] after the final norm and before it: class token, registers, patches row by row."""

    def __init__(self, size: str, registers: int = 0):
        super().__init__()
        facts = SIZES[size]
        self.registers = registers
        self.patch_embed = PatchEmbed(facts.dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, facts.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + GRID * GRID, facts.dim))
        if registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, registers, facts.dim))
        #: Only used in training; here so that the checkpoints load strictly.
        self.mask_token = nn.Parameter(torch.zeros(1, facts.dim))
        self.blocks = nn.ModuleList(Block(facts) for _ in range(facts.depth))
        self.norm = nn.LayerNorm(facts.dim, eps=1e-6)

    def forward(self, pixel_values):
        height, width = pixel_values.shape[2] // PATCH, pixel_values.shape[3] // PATCH
        x = self.patch_embed(pixel_values) + self.positions(height, width)
        first = [self.cls_token + self.pos_embed[:, :1]]
        if self.registers:
            first.append(self.register_tokens)
        x = torch.cat([torch.cat(first, 1).expand(x.shape[0], -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x), x

    def positions(self, height, width):
        """The position embedding at another grid, [1, height * width, dim].

        Bicubic, as the released code asks PyTorch for it. Without registers: no antialiasing, and a scale of
        (side + 0.1) / 37, except at 37 x 37, where nothing is resampled. With registers: antialiased, to the exact size. As
        two products with matrices of weights, which every runtime computes alike, whatever its own resampling does.
        """
        table = self.pos_embed[0, 1:].reshape(GRID, GRID, -1)
        height, width = (torch.as_tensor(side, dtype=torch.float32) for side in (height, width))
        if self.registers:
            weights = [antialiased_weights(side, GRID / side) for side in (height, width)]
        else:
            unchanged = (height == GRID) & (width == GRID)
            weights = [
                bicubic_weights(side, torch.where(unchanged, torch.ones(()), GRID / (side + 0.1)))
                for side in (height, width)
            ]
        rows, columns = weights
        # [height, 37] x [37, 37 * dim], then [width, 37] x [height, 37, dim].
        table = (rows @ table.reshape(GRID, -1)).reshape(-1, GRID, table.shape[-1])
        return (columns @ table).reshape(1, -1, table.shape[-1])


def cubic(distance, a):
    """Keys' cubic convolution kernel."""
    d = distance.abs()
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * d * a - 4 * a
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros(())))


def bicubic_weights(side, step):
    """[side, 37]: what each of the 37 old positions gives to each new one, at `step` old positions a new one. Positions
    beyond the border count as the border's."""
    reach = 3
    centres = (torch.arange(side) + 0.5) * step - 0.5
    positions = torch.arange(-reach, GRID + reach, dtype=torch.float32)
    weights = cubic(centres[:, None] - positions[None, :], -0.75)
    first = weights[:, : reach + 1].sum(1, keepdim=True)
    last = weights[:, GRID + reach - 1 :].sum(1, keepdim=True)
    return torch.cat([first, weights[:, reach + 1 : GRID + reach - 1], last], 1)


def antialiased_weights(side, step):
    """[side, 37], as `bicubic_weights`, with the kernel widened where the grid shrinks, and cut off at the border."""
    centres = (torch.arange(side) + 0.5) * step - 0.5
    positions = torch.arange(GRID, dtype=torch.float32)
    weights = cubic((centres[:, None] - positions[None, :]) / torch.clamp(step, min=1), -0.5)
    return weights / weights.sum(1, keepdim=True)

"""SAM's image encoder (Kirillov et al. 2023, arXiv 2304.02643): a ViT with windowed and global attention and relative
positions split by axis (Li et al. 2021, arXiv 2112.01526). Modules are named as in the official checkpoints."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from .attention import attend, combine, separate, separate_projections
from .layers import MlpBlock, from_windows, neck, to_windows

SIDE = 1024
PATCH = 16
GRID = SIDE // PATCH
WINDOW = 14


@dataclass(frozen=True)
class Size:
    dim: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]


SIZES = {
    "b": Size(768, 12, 12, (2, 5, 8, 11)),
    "l": Size(1024, 24, 16, (5, 11, 17, 23)),
    "h": Size(1280, 32, 16, (7, 15, 23, 31)),
}


class Attention(nn.Module):
    """Attention among the side x side tokens of each window: [B, side, side, dim] -> the same."""

    def __init__(self, dim, heads, side):
        super().__init__()
        self.heads, self.side = heads, side
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, dim // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, dim // heads))
        offsets = torch.arange(side)[:, None] - torch.arange(side)[None, :] + side - 1
        self.register_buffer("offsets", offsets, persistent=False)
        self.parts = None

    def forward(self, x):
        return self.proj(self.plain(x) if self.parts is None else self.fused(x))

    def fold(self):
        self.parts = separate_projections(self.qkv)
        del self.qkv

    def plain(self, x):
        """As the paper has it: a table of logits, to which the two tables of relative positions are added."""
        batch, side = x.shape[0], self.side
        q, k, v = (separate(part, self.heads) for part in self.qkv(x.flatten(1, 2)).chunk(3, -1))
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        down, across = self.relative(q)
        logits = logits.view(batch, self.heads, side, side, side, side)
        logits = logits + down[..., :, None] + across[..., None, :]
        attention = logits.view(batch, self.heads, side * side, side * side).softmax(-1)
        return combine(attention @ v).view(x.shape)

    def fused(self, x):
        """The same function without the table: relative positions become further dimensions of queries and keys. A query
        brings what each row and column would add, a key says with a one in which row and column it lies."""
        batch, side, heads = x.shape[0], self.side, self.heads
        dim = self.proj.in_features
        x = x.reshape(batch, side * side, dim)
        q, k, v = (part(x) for part in self.parts)
        per_head = q.reshape(batch, side * side, heads, dim // heads)
        down, across = self.relative(per_head.transpose(1, 2))
        # [B, heads, side, side, side] -> [B, tokens, heads, side]
        relative = [table.reshape(batch, heads, side * side, side).transpose(1, 2) for table in (down, across)]
        scaled = per_head * (dim // heads) ** -0.5
        q = torch.cat([scaled, *relative], -1).reshape(batch, side * side, -1)
        place = torch.cat([torch.eye(side).repeat_interleave(side, 0), torch.eye(side).repeat(side, 1)], 1)
        place = place[None, :, None, :].expand(batch, side * side, heads, 2 * side)
        k = torch.cat([k.reshape(per_head.shape), place], -1).reshape(batch, side * side, -1)
        return attend(q, k, v, heads, 1.0).reshape(batch, side, side, dim)

    def relative(self, q):
        """q [B, heads, tokens, d] -> what rows and columns of keys add: twice [B, heads, side, side, side]."""
        batch, heads, _, width = q.shape
        q = q.reshape(batch, heads, self.side, self.side, width)
        rows, columns = (table[self.offsets].transpose(1, 2) for table in (self.rel_pos_h, self.rel_pos_w))
        return q @ rows, (q.transpose(2, 3) @ columns).transpose(2, 3)


class Block(nn.Module):
    def __init__(self, size: Size, window: int):
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(size.dim, eps=1e-6)
        self.attn = Attention(size.dim, size.heads, window or GRID)
        self.norm2 = nn.LayerNorm(size.dim, eps=1e-6)
        self.mlp = MlpBlock(size.dim, 4 * size.dim, F.gelu)

    def forward(self, x):
        attended = self.norm1(x)
        if self.window:
            attended = from_windows(self.attn(to_windows(attended, GRID, self.window)), GRID, self.window)
        else:
            attended = self.attn(attended)
        x = x + attended
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH, PATCH)

    def forward(self, x):
        return self.proj(x).permute(0, 2, 3, 1)


class SamVit(nn.Module):
    """x [N, 3, 1024, 1024], normalised, padded at the right and bottom -> image embeddings [N, 256, 64, 64]."""

    def __init__(self, size: str):
        super().__init__()
        facts = SIZES[size]
        self.patch_embed = PatchEmbed(facts.dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, GRID, GRID, facts.dim))
        self.blocks = nn.ModuleList(
            Block(facts, 0 if i in facts.global_blocks else WINDOW) for i in range(facts.depth)
        )
        self.neck = neck(facts.dim)

    def forward(self, x):
        x = self.patch_embed(x) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.neck(x.permute(0, 3, 1, 2))

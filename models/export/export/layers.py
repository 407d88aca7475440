"""What SAM's encoders and its decoder share."""

import torch
from torch import nn
from torch.nn import functional as F


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of [N, C, H, W]."""

    def __init__(self, channels, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps
        self.channels_last = False

    def forward(self, x):
        if self.channels_last:
            last = x.permute(0, 2, 3, 1)
            return F.layer_norm(last, self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)
        centred = x - x.mean(1, keepdim=True)
        scaled = centred / torch.sqrt(centred.pow(2).mean(1, keepdim=True) + self.eps)
        return self.weight[:, None, None] * scaled + self.bias[:, None, None]

    def fold(self):
        self.channels_last = True


class MlpBlock(nn.Module):
    def __init__(self, dim, hidden, activation):
        super().__init__()
        self.lin1 = nn.Linear(dim, hidden)
        self.lin2 = nn.Linear(hidden, dim)
        self.activation = activation

    def forward(self, x):
        return self.lin2(self.activation(self.lin1(x)))


def neck(channels):
    """An encoder's last layers: -> [N, 256, 64, 64]."""
    return nn.Sequential(
        nn.Conv2d(channels, 256, 1, bias=False),
        LayerNorm2d(256),
        nn.Conv2d(256, 256, 3, padding=1, bias=False),
        LayerNorm2d(256),
    )


def to_windows(x, grid, side):
    """[B, grid, grid, C] -> [B * windows, side, side, C], padded with zeros at the right and bottom."""
    padding = -grid % side
    if padding:
        x = F.pad(x, (0, 0, 0, padding, 0, padding))
    count, channels = (grid + padding) // side, x.shape[-1]
    x = x.reshape(-1, count, side, count, side, channels).transpose(2, 3)
    return x.reshape(-1, side, side, channels)


def from_windows(windows, grid, side):
    """The inverse of `to_windows`."""
    count, channels = -(-grid // side), windows.shape[-1]
    x = windows.reshape(-1, count, count, side, side, channels).transpose(2, 3)
    return x.reshape(-1, count * side, count * side, channels)[:, :grid, :grid]

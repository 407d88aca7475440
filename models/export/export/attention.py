"""Attention as one fused node of the exported graph, and what turns a network into its exported form.

ONNX Runtime's MultiHeadAttention (domain com.microsoft) works block by block where it is given neither mask nor bias, so
that the [tokens, tokens] table, which decides both time and memory of a vision transformer, never exists.
"""

import torch
from torch import nn
from torch.nn import functional as F


def separate(x, heads):
    """[B, S, heads * d] -> [B, heads, S, d]."""
    batch, length, width = x.shape
    return x.reshape(batch, length, heads, width // heads).transpose(1, 2)


def combine(x):
    """[B, heads, S, d] -> [B, S, heads * d]."""
    batch, heads, length, width = x.shape
    return x.transpose(1, 2).reshape(batch, length, heads * width)


class FusedAttention(torch.autograd.Function):
    """softmax(scale * q k^T + bias) v of every head: q [B, S, heads * d], k [B, L, heads * d], v [B, L, heads * e] ->
    [B, S, heads * e]; bias [1, heads, S, L] or None."""

    @staticmethod
    def forward(ctx, q, k, v, bias, heads, scale):
        q, k, v = (separate(x, heads) for x in (q, k, v))
        return combine(F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale))

    @staticmethod
    def symbolic(g, q, k, v, bias, heads, scale):
        inputs = [q, k, v]
        if bias is not None and bias.node().mustBeNone() is False:
            inputs += [missing(g), missing(g), bias]
        fused = g.op("com.microsoft::MultiHeadAttention", *inputs, num_heads_i=heads, scale_f=scale)
        fused.setType(v.type().with_sizes(q.type().sizes()[:-1] + [v.type().sizes()[-1]]) if q.type().sizes() else v.type())
        return fused


def missing(g):
    """An optional input of a node that is left out."""
    none = g.op("prim::Constant")
    none.setType(torch._C.OptionalType.ofTensor())
    return none


def attend(q, k, v, heads, scale, bias=None):
    return FusedAttention.apply(q, k, v, bias, heads, scale)


@torch.no_grad()
def separate_projections(qkv: nn.Linear, order=None) -> nn.ModuleList:
    """The thirds of one linear layer as layers of their own, so that a graph need not take its output apart.

    order: of its outputs, where the thirds are not one after the other.
    """
    weight, bias = (qkv.weight, qkv.bias) if order is None else (qkv.weight[order], qkv.bias[order])
    parts = []
    for part_weight, part_bias in zip(weight.chunk(3), bias.chunk(3)):
        part = nn.Linear(qkv.in_features, len(part_bias))
        part.weight.copy_(part_weight)
        part.bias.copy_(part_bias)
        parts.append(part)
    return nn.ModuleList(parts)


def fold(module: nn.Module) -> None:
    """Turns a network, as its checkpoint has it, into the same function in the form that is exported: every part that knows a
    cheaper form of itself takes it."""
    for part in list(module.modules()):
        if hasattr(part, "fold"):
            part.fold()

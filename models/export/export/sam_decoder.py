"""SAM's prompt encoder and mask decoder (Kirillov et al. 2023, arXiv 2304.02643), the same for every SAM and MobileSAM.
Modules are named as in the official checkpoints."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .attention import attend, combine, separate
from .layers import LayerNorm2d, MlpBlock

SIDE = 1024
GRID = 64
DIM = 256
HEADS = 8
MASKS = 4


class PositionEncoding(nn.Module):
    """Random Fourier features of places in 0..1."""

    def __init__(self):
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, DIM // 2))

    def forward(self, places):
        """[..., 2] as x, y -> [..., 256]."""
        waves = 2 * math.pi * ((2 * places - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([torch.sin(waves), torch.cos(waves)], -1)

    def grid(self):
        """[1, 64 * 64, 256], row by row."""
        centres = (torch.arange(GRID) + 0.5) / GRID
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        return self(torch.stack([x, y], -1)).reshape(1, GRID * GRID, DIM)


class PromptEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.pe_layer = PositionEncoding()
        #: Of background points, foreground points, a box's first and second corner.
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, DIM) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, DIM)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, 4, 2, 2),
            LayerNorm2d(4),
            nn.GELU(),
            nn.Conv2d(4, 16, 2, 2),
            LayerNorm2d(16),
            nn.GELU(),
            nn.Conv2d(16, DIM, 1),
        )
        self.no_mask_embed = nn.Embedding(1, DIM)

    def points(self, coords, labels):
        """coords [B, P, 2] in pixels of the 1024 frame, labels [B, P] -> [B, P, 256]."""
        labels = labels[..., None]
        embedded = self.pe_layer((coords + 0.5) / SIDE) * (labels != -1)
        embedded = embedded + self.not_a_point_embed.weight * (labels == -1)
        for label, embedding in enumerate(self.point_embeddings):
            embedded = embedded + embedding.weight * (labels == label)
        return embedded

    def mask(self, mask_input, has_mask_input):
        """[B, 1, 256, 256] logits -> [B, 256, 64, 64]; without a mask, the embedding that says so."""
        none = self.no_mask_embed.weight.reshape(1, DIM, 1, 1)
        return has_mask_input * self.mask_downscaling(mask_input) + (1 - has_mask_input) * none


class Attention(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.q_proj = nn.Linear(DIM, inner)
        self.k_proj = nn.Linear(DIM, inner)
        self.v_proj = nn.Linear(DIM, inner)
        self.out_proj = nn.Linear(inner, DIM)
        self.fused = False

    def forward(self, q, k, v):
        q, k, v = self.q_proj(q), self.k_proj(k), self.v_proj(v)
        scale = (self.q_proj.out_features // HEADS) ** -0.5
        if self.fused:
            return self.out_proj(attend(q, k, v, HEADS, scale))
        q, k, v = (separate(x, HEADS) for x in (q, k, v))
        return self.out_proj(combine(((q @ k.transpose(-2, -1)) * scale).softmax(-1) @ v))

    def fold(self):
        self.fused = True


class TwoWayBlock(nn.Module):
    """Prompts attend to each other and to the image, then the image to the prompts."""

    def __init__(self, first):
        super().__init__()
        self.first = first
        self.self_attn = Attention(DIM)
        self.norm1 = nn.LayerNorm(DIM)
        self.cross_attn_token_to_image = Attention(DIM // 2)
        self.norm2 = nn.LayerNorm(DIM)
        self.mlp = MlpBlock(DIM, 2048, F.relu)
        self.norm3 = nn.LayerNorm(DIM)
        self.norm4 = nn.LayerNorm(DIM)
        self.cross_attn_image_to_token = Attention(DIM // 2)

    def forward(self, tokens, image, token_places, image_places):
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + token_places
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        placed_image = image + image_places
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + token_places, placed_image, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(image + self.cross_attn_image_to_token(placed_image, tokens + token_places, tokens))
        return tokens, image


class TwoWayTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([TwoWayBlock(True), TwoWayBlock(False)])
        self.final_attn_token_to_image = Attention(DIM // 2)
        self.norm_final_attn = nn.LayerNorm(DIM)

    def forward(self, image, image_places, prompts):
        tokens = prompts
        for layer in self.layers:
            tokens, image = layer(tokens, image, prompts, image_places)
        attended = self.final_attn_token_to_image(tokens + prompts, image + image_places, image)
        return self.norm_final_attn(tokens + attended), image


class Perceptron(nn.Module):
    def __init__(self, out):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(DIM, DIM), nn.Linear(DIM, DIM), nn.Linear(DIM, out)])

    def forward(self, x):
        first, second, last = self.layers
        return last(F.relu(second(F.relu(first(x)))))


class MaskDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.transformer = TwoWayTransformer()
        self.iou_token = nn.Embedding(1, DIM)
        self.mask_tokens = nn.Embedding(MASKS, DIM)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(DIM, DIM // 4, 2, 2),
            LayerNorm2d(DIM // 4),
            nn.GELU(),
            nn.ConvTranspose2d(DIM // 4, DIM // 8, 2, 2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(Perceptron(DIM // 8) for _ in range(MASKS))
        self.iou_prediction_head = Perceptron(MASKS)

    def forward(self, image, image_places, prompts):
        """image [B, 256, 64, 64], image_places [1, 4096, 256], prompts [B, P, 256] -> masks [B, 4, 256, 256], IoU [B, 4]."""
        batch = prompts.shape[0]
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])[None].expand(batch, -1, -1)
        tokens, image = self.transformer(image.flatten(2).transpose(1, 2), image_places, torch.cat([own, prompts], 1))
        image = image.transpose(1, 2).reshape(-1, DIM, GRID, GRID)
        upscaled = self.output_upscaling(image)
        kernels = [mlp(tokens[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)]
        masks = torch.stack(kernels, 1) @ upscaled.flatten(2)
        return masks.reshape(-1, MASKS, 4 * GRID, 4 * GRID), self.iou_prediction_head(tokens[:, 0])


class SamDecoder(nn.Module):
    """Prompts and an image embedding -> masks at a quarter of the input's side, and their predicted IoU. The upscaling to the
    image that other exports hold is left out: the program does it for the one mask that it keeps.

    multimask: all four masks, the first being the one for unambiguous prompts. Otherwise one: that one where there are three
    points or more (padding and box corners count), else the best of the other three.
    """

    def __init__(self, multimask: bool):
        super().__init__()
        self.multimask = multimask
        self.prompt_encoder = PromptEncoder()
        self.mask_decoder = MaskDecoder()

    def forward(self, image_embeddings, point_coords, point_labels, mask_input, has_mask_input):
        prompts = self.prompt_encoder.points(point_coords, point_labels)
        image = image_embeddings + self.prompt_encoder.mask(mask_input, has_mask_input)
        image = image.expand(prompts.shape[0], -1, -1, -1)
        masks, iou = self.mask_decoder(image, self.prompt_encoder.pe_layer.grid(), prompts)
        if self.multimask:
            return masks, iou
        preference = torch.tensor([1000.0, 0, 0, 0]) * (point_coords.shape[1] - 2.5)
        best = (iou + preference).argmax(1)
        # One matrix product chooses, where indexing by batch would need several nodes.
        chosen = F.one_hot(best, MASKS).to(masks.dtype)[:, None]
        mask = chosen @ masks.flatten(2)
        return mask.reshape(-1, 1, *masks.shape[2:]), (iou * chosen[:, 0]).sum(1, keepdim=True)

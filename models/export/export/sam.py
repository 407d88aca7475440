"""Encoders as the program feeds them, and the parts of SAM's checkpoints."""

import torch
from torch import nn
from torch.nn import functional as F

from .sam_decoder import SamDecoder
from .sam_vit import SamVit
from .tiny_vit import TinyVit

SIDE = 1024
#: Mean and standard deviation of ImageNet, of values in 0..255.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


def preprocess(image):
    """image float [H, W, 3], RGB in 0..255, no side longer than 1024 -> [1, 3, 1024, 1024], normalised, padded with zeros at
    the right and bottom."""
    # Planes first: channels last, runtimes take the three values of a pixel one by one.
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (MEAN, STD))
    x = (image.permute(2, 0, 1) - mean) / std
    height, width = image.shape[0], image.shape[1]
    padded = F.pad(x[None], (0, SIDE - width, 0, SIDE - height))
    return padded.reshape(1, 3, SIDE, SIDE)  # Says to the graph what it could not know.


class PreparingEncoder(nn.Module):
    """An encoder that takes the image as it is: input_image float [H, W, 3] -> image embeddings [1, 256, 64, 64]."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_image):
        return self.encoder(preprocess(input_image))


class Sam(nn.Module):
    """A whole SAM, named as in the official checkpoints."""

    def __init__(self, encoder):
        super().__init__()
        decoder = SamDecoder(multimask=False)
        self.image_encoder = encoder
        self.prompt_encoder = decoder.prompt_encoder
        self.mask_decoder = decoder.mask_decoder

    def decoder(self, multimask: bool) -> SamDecoder:
        decoder = SamDecoder(multimask)
        decoder.prompt_encoder, decoder.mask_decoder = self.prompt_encoder, self.mask_decoder
        return decoder


def build(size: str) -> Sam:
    """size: b, l or h, or mobile."""
    return Sam(TinyVit() if size == "mobile" else SamVit(size))

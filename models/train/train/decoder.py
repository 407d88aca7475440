"""The promptable decoder: points, box and mask prompt to a mask and an estimate of its IoU.

A small U-shaped network (Ronneberger et al. 2015, arXiv 1505.04597) over the frozen features of the embedded encoder. What it
is asked arrives in three ways: as maps of the prompts themselves (discs and distances, as in RITM, Sofiiuk et al. 2021, arXiv
2102.06583), as similarity of every position to the clicked ones, and as similarity to the mean of what the mask prompt calls
foreground and background (prototypes, as in PANet, Wang et al. 2019, arXiv 1908.06391).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEATURES = {
    "features_s2": 16,
    "features_s4": 24,
    "features_s8": 32,
    "features_s16": 96,
    "features_s32": 320,
    "match_s8": 192,
    "match_s16": 576,
}
"""Outputs of the encoder that the decoder reads, with their channels; float32 [batch, channels, height/s, width/s]."""

PROMPT_STRIDE = 4
MASK_STRIDE = 2
FOREGROUND, BACKGROUND, TOP_LEFT, BOTTOM_RIGHT, PADDING = 1.0, 0.0, 2.0, 3.0, -1.0
FAR = 1e6
"""Squared distance in pixels where there is no point."""
LARGEST_PROMPT = 8.0
"""Mask prompts are clipped to this logit, both ways."""


FEATURE_SCALE = {"features_s2": 2.6, "features_s4": 4.6, "features_s8": 5.0, "features_s16": 2.9, "features_s32": 1.9}
"""Root mean squares over images of the training sets: divided by them, features need no normalisation layers."""


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside the identity, which alone counts at the start (Zhang et al. 2019, arXiv 1901.09321)."""

    def __init__(self, width: int, dilation: int = 1):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.zeros_(self.second.weight)
        for layer in (self.first, self.second):
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


def projection(into: int, out: int, kernel: int = 1, stride: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(into, out, kernel, stride, kernel // 2)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


FACTS = 11 + 6
"""About a mask, for its IoU prediction."""


def estimate_head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(FACTS, 64), nn.ReLU(), nn.Linear(64, 1))


class Decoder(nn.Module):
    """See `forward`. `widths` are the channels at stride 2, 4, 8 and 16."""

    def __init__(self, widths: tuple[int, int, int, int] = (16, 32, 48, 96)):
        super().__init__()
        w2, w4, w8, w16 = widths
        self.prompt4 = projection(15, w4, 3)
        self.prompt8 = projection(w4, w8, 3, 2)
        self.prompt16 = projection(w8, w16, 3, 2)
        self.from32 = projection(320, w16)
        self.from16 = projection(96 + 4, w16)
        self.from8 = projection(32 + 4, w8)
        self.from4 = projection(24 + 3 + 4, w4)
        self.from2 = projection(16 + 3 + 2, w2)
        self.down32 = projection(w16, w16)
        self.up16 = projection(w16, w16)
        self.up8 = projection(w16, w8)
        self.up4 = projection(w8, w4)
        self.up2 = projection(w4, w2)
        self.body32 = nn.Sequential(Residual(w16), Residual(w16))
        self.body16 = nn.Sequential(Residual(w16), Residual(w16))
        self.body8 = nn.Sequential(Residual(w8), Residual(w8, 2))
        self.body4 = Residual(w4)
        self.body2 = projection(w2, w2, 3)
        self.out = nn.Conv2d(w2, 1, 1)
        self.keep = nn.Parameter(torch.tensor(0.3))
        self.iou = estimate_head()

    def forward(
        self,
        pixel_values: Tensor,
        features: dict[str, Tensor],
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Draws one mask per image.

        Args:
            pixel_values: float32 [batch, 3, height, width], RGB 0..255; height and width are multiples of 32.
            features: see FEATURES.
            point_coords: float32 [batch, points, 2], (x, y) in pixels of `pixel_values`.
            point_labels: float32 [batch, points]: 1 foreground, 0 background, 2 and 3 corners of a box, -1 padding.
            mask_input: float32 [batch, 1, height/4, width/4], logits.
            has_mask_input: float32 [batch], 0 or 1.

        Returns:
            Logits float32 [batch, 1, height/2, width/2], and IoU predictions float32 [batch, 1] in 0..1.
        """
        points = Points(pixel_values, point_coords, point_labels)
        has = has_mask_input.reshape(-1, 1, 1, 1)
        prior = mask_input.clamp(-LARGEST_PROMPT, LARGEST_PROMPT) * has
        foreground = torch.sigmoid(prior)

        even = {name: features[name] / scale for name, scale in FEATURE_SCALE.items()}
        pixels2 = F.avg_pool2d(pixel_values, 2) / 127.5 - 1
        pixels4 = F.avg_pool2d(pixels2, 2)

        # At stride 4
        colours = torch.cat([pixels4, F.avg_pool2d(pixels4, 3, 1, 1)], 1)
        alike4 = points.likeness(torch.cat([centred(features["features_s4"]), 0.5 * unit_colours(colours)], 1))
        near_colour = points.colour_likeness(pixels4)
        maps = points.maps(prior.shape[-2], prior.shape[-1])
        proto4 = prototypes(centred(features["features_s4"]), foreground, has)
        given = torch.cat([maps, near_colour, prior / 4, foreground * has, has.expand_as(prior)], 1)
        p4 = F.relu(self.prompt4(given))
        p8 = F.relu(self.prompt8(p4))
        p16 = F.relu(self.prompt16(p8))

        # At stride 8 and 16
        match8, match16 = centred(features["match_s8"]), centred(features["match_s16"])
        foreground8 = F.avg_pool2d(foreground, 2)
        foreground16 = F.avg_pool2d(foreground8, 2)
        proto8 = prototypes(match8, foreground8, has)
        proto16 = prototypes(match16, foreground16, has)
        alike8 = points.likeness(match8)
        alike16 = points.likeness(match16)

        x16 = self.from16(torch.cat([even["features_s16"], alike16, proto16], 1)) + p16
        x32 = self.from32(even["features_s32"]) + self.down32(F.avg_pool2d(x16, 2))
        x32 = self.body32(F.relu(x32))
        x16 = self.body16(F.relu(x16 + doubled(self.up16(x32))))
        x8 = self.from8(torch.cat([even["features_s8"], alike8, proto8], 1)) + p8 + doubled(self.up8(x16))
        x8 = self.body8(F.relu(x8))
        x4 = self.from4(torch.cat([even["features_s4"], pixels4, alike4, proto4], 1)) + p4 + doubled(self.up4(x8))
        x4 = self.body4(F.relu(x4))
        discs = points.discs(pixels2.shape[-2], pixels2.shape[-1], MASK_STRIDE, 4.0)
        x2 = self.from2(torch.cat([even["features_s2"], pixels2, discs], 1)) + doubled(self.up2(x4))
        x2 = self.body2(F.relu(x2))
        logits = self.out(F.relu(x2)) + self.keep * doubled(prior)

        return logits, self.estimate(logits.detach(), match8, prior, foreground, has, points)

    def estimate(
        self,
        logits: Tensor,
        match8: Tensor,
        prior: Tensor,
        foreground: Tensor,
        has: Tensor,
        points: "Points",
    ) -> Tensor:
        """IoU prediction, float32 [batch, 1]: from how sure the mask is, how its border parts what differs, how far it follows the
        mask prompt. Not from the features themselves, which tell one kind of image from another and mislead on kinds never
        seen. No gradient reaches the mask."""
        drawn = torch.sigmoid(logits)
        drawn4 = F.avg_pool2d(drawn, 2)
        drawn8 = F.avg_pool2d(drawn4, 2)
        mean = (2, 3)
        area = drawn8.mean(mean)
        unsure = (4 * drawn * (1 - drawn)).mean(mean)
        common = torch.minimum(drawn4, foreground).mean(mean)
        either = torch.maximum(drawn4, foreground).mean(mean)
        flag = has.reshape(-1, 1)
        inside4 = (prior * drawn4).mean(mean) / (area + 1e-3)
        outside4 = (prior * (1 - drawn4)).mean(mean) / (1 - area + 1e-3)
        narrow, wide = (torch.sigmoid(4 * (logits - step)).mean(mean) for step in (1, -1))
        inner = drawn8 * F.max_pool2d(1 - drawn8, 3, 1, 1)
        outer = (1 - drawn8) * F.max_pool2d(drawn8, 3, 1, 1)
        facts = [
            area,
            torch.sqrt(area),
            unsure / (area + 1e-3) / 4,
            flag * common / (either + 1e-3),
            flag,
            inside4 / 4,
            outside4 / 4,
            narrow / (wide + 1e-3),
            logits.clamp(0, 10).mean(mean) / (area + 1e-3) / 5,
            likenesses(match8, torch.cat([drawn8, 1 - drawn8, inner, outer], 1)),
            points.count(FOREGROUND) / 8,
            points.count(BACKGROUND) / 8,
        ]
        return torch.sigmoid(self.iou(torch.cat(facts, 1)))


def doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def centred(x: Tensor) -> Tensor:
    """Unit vectors along channels after the image's mean is taken out: what tells positions of *this* image apart."""
    x = x - x.mean((2, 3), keepdim=True)
    return x * torch.rsqrt((x * x).sum(1, keepdim=True) + 1e-6)


def unit_colours(x: Tensor) -> Tensor:
    x = x - x.mean((2, 3), keepdim=True)
    return x * torch.rsqrt((x * x).sum(1, keepdim=True) + 0.02)


def prototypes(x: Tensor, foreground: Tensor, has: Tensor) -> Tensor:
    """Cosine of every position to the mean foreground and to the mean background, [batch, 2, h, w]; 0 without a mask prompt.

    `x` holds unit vectors [batch, channels, h, w], `foreground` their share in the object [batch, 1, h, w].
    """
    means = unit_means(x, torch.cat([foreground, 1 - foreground], 1))
    return torch.bmm(means, x.flatten(2)).reshape(x.shape[0], 2, x.shape[2], x.shape[3]) * has


def likenesses(x: Tensor, shares: Tensor) -> Tensor:
    """Cosines between the means of `x` [batch, channels, h, w] over every two of four parts, whose shares of the positions are
    [batch, 4, h, w]; [batch, 6]."""
    means = unit_means(x, shares)
    cosines = torch.bmm(means, means.transpose(1, 2))
    return torch.stack([cosines[:, i, j] for i in range(4) for j in range(i)], 1)


def unit_means(x: Tensor, shares: Tensor) -> Tensor:
    """Directions of the means of `x` [batch, channels, h, w] over parts with shares [batch, parts, h, w]; [batch, parts, channels]."""
    means = torch.bmm(shares.flatten(2), x.flatten(2).transpose(1, 2))
    return means * torch.rsqrt((means * means).sum(2, keepdim=True) + 1e-6)


def bell(squares: Tensor, radius: float) -> Tensor:
    return torch.exp(squares / (-2 * radius * radius))


class Points:
    """The points of a batch, and what maps they make. A box is its two corners."""

    def __init__(self, pixel_values: Tensor, coords: Tensor, labels: Tensor):
        self.coords = coords
        self.labels = labels
        height, width = pixel_values.shape[-2], pixel_values.shape[-1]
        # As grid_sample wants them: -1 and 1 are the outer edges.
        self.places = torch.stack([2 * coords[:, :, 0] / width - 1, 2 * coords[:, :, 1] / height - 1], 2).unsqueeze(1)

    def of(self, label: float) -> Tensor:
        """1 for points of this label, float32 [batch, points]."""
        return (self.labels == label).to(self.coords)

    def count(self, label: float) -> Tensor:
        return self.of(label).sum(1, keepdim=True)

    def at(self, x: Tensor) -> Tensor:
        """Values of `x` [batch, channels, h, w] at the points, [batch, points, channels]."""
        return F.grid_sample(x, self.places, mode="bilinear", padding_mode="border", align_corners=False)[:, :, 0].transpose(1, 2)

    def most_alike(self, cosines: Tensor, label: float) -> Tensor:
        """Over points of a label, of cosines [batch, points, h, w]; -1 where there are none. [batch, 1, h, w]"""
        # The others are moved out of range: the fewest passes over the largest maps.
        return (cosines + 10 * (self.of(label) - 1)[:, :, None, None]).amax(1, keepdim=True).clamp(min=-1)

    def likeness(self, x: Tensor) -> Tensor:
        """Cosine to the most alike positive and to the most alike negative point, [batch, 2, h, w]; -1 without one."""
        at = self.at(x)
        at = at * torch.rsqrt((at * at).sum(2, keepdim=True) + 1e-6)
        cosines = torch.bmm(at, x.flatten(2)).reshape(x.shape[0], at.shape[1], x.shape[2], x.shape[3])
        return torch.cat([self.most_alike(cosines, label) for label in (FOREGROUND, BACKGROUND)], 1)

    def colour_likeness(self, pixels: Tensor) -> Tensor:
        """Like `likeness`, of colours: 1 the same, to 0. [batch, 2, h, w]"""
        at = self.at(F.avg_pool2d(pixels, 3, 1, 1))
        # |a - b|^2 as |a|^2 + |b|^2 - 2 a.b: one product instead of a map per point and colour.
        both = torch.bmm(at, pixels.flatten(2)).reshape(pixels.shape[0], at.shape[1], pixels.shape[2], pixels.shape[3])
        own, length = pixels.square().sum(1, keepdim=True), at.square().sum(2)
        maps = []
        for label in (FOREGROUND, BACKGROUND):
            away = length + FAR * (1 - self.of(label))
            maps.append((away[:, :, None, None] - 2 * both).amin(1, keepdim=True))
        return torch.exp(-(torch.cat(maps, 1) + own).clamp(min=0) / 0.08)

    def nearest(self, height: int, width: int, stride: int) -> list[Tensor]:
        """Squared distance to the nearest positive and to the nearest negative point, two maps [batch, 1, h, w]; FAR without one."""
        y = (torch.arange(height, device=self.coords.device).to(self.coords) + 0.5) * stride
        x = (torch.arange(width, device=self.coords.device).to(self.coords) + 0.5) * stride
        maps = []
        for label in (FOREGROUND, BACKGROUND):
            away = FAR * (1 - self.of(label))
            dy = (y[None, None, :] - self.coords[:, :, 1:]).square() + away.unsqueeze(2)
            dx = (x[None, None, :] - self.coords[:, :, :1]).square()
            maps.append((dy[:, :, :, None] + dx[:, :, None, :]).amin(1, keepdim=True).clamp(max=FAR))
        return maps

    def discs(self, height: int, width: int, stride: int, radius: float) -> Tensor:
        """Bells around positive and around negative points, [batch, 2, h, w] in 0..1; `radius` in pixels."""
        return torch.cat([bell(of, radius) for of in self.nearest(height, width, stride)], 1)

    def maps(self, height: int, width: int) -> Tensor:
        """Ten maps at stride 4, [batch, 10, h, w], all about within -1..1."""
        nearest = self.nearest(height, width, PROMPT_STRIDE)
        bells = [bell(of, radius) for radius in (6.0, 18.0, 54.0) for of in nearest]
        to_positive, to_negative = (torch.sqrt(of + 16.0) for of in nearest)
        nearer = torch.tanh(0.7 * torch.log(to_negative / to_positive))
        return torch.cat([*bells, nearer, *self.box(height, width)], 1)

    def box(self, height: int, width: int) -> list[Tensor]:
        """Inside the box, near its border, and whether there is one: three maps [batch, 1, h, w]."""
        corner = [(self.coords * self.of(label).unsqueeze(2)).sum(1)[:, :, None, None] for label in (TOP_LEFT, BOTTOM_RIGHT)]
        has = (self.count(TOP_LEFT) * self.count(BOTTOM_RIGHT))[:, :, None, None].clamp(max=1)
        y = ((torch.arange(height, device=self.coords.device).to(self.coords) + 0.5) * PROMPT_STRIDE)[None, None, :, None]
        x = ((torch.arange(width, device=self.coords.device).to(self.coords) + 0.5) * PROMPT_STRIDE)[None, None, None, :]
        depth = torch.minimum(
            torch.minimum(x - corner[0][:, :1], corner[1][:, :1] - x),
            torch.minimum(y - corner[0][:, 1:], corner[1][:, 1:] - y),
        )
        inside = torch.sigmoid(depth / 2) * has
        border = torch.exp(-depth.square() / 72) * has
        return [inside, border, has.expand_as(inside)]

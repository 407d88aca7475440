"""Names and shapes of the official checkpoints, written down from what is published about them, not from the modules here."""


def norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def linear(name, inputs, outputs):
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def conv(name, inputs, outputs, kernel, bias=True):
    shapes = {f"{name}.weight": (outputs, inputs, kernel, kernel)}
    return shapes | ({f"{name}.bias": (outputs,)} if bias else {})


def dinov2(dim, depth, gated=0, registers=0):
    """dinov2_vit{s,b,l,g}14[_reg4]_pretrain.pth"""
    shapes = {"cls_token": (1, 1, dim), "pos_embed": (1, 1370, dim), "mask_token": (1, dim)}
    if registers:
        shapes["register_tokens"] = (1, registers, dim)
    shapes |= conv("patch_embed.proj", 3, dim, 14)
    for i in range(depth):
        block = f"blocks.{i}"
        shapes |= norm(f"{block}.norm1", dim) | norm(f"{block}.norm2", dim)
        shapes |= linear(f"{block}.attn.qkv", dim, 3 * dim) | linear(f"{block}.attn.proj", dim, dim)
        shapes |= {f"{block}.ls1.gamma": (dim,), f"{block}.ls2.gamma": (dim,)}
        if gated:
            shapes |= linear(f"{block}.mlp.w12", dim, 2 * gated) | linear(f"{block}.mlp.w3", gated, dim)
        else:
            shapes |= linear(f"{block}.mlp.fc1", dim, 4 * dim) | linear(f"{block}.mlp.fc2", 4 * dim, dim)
    return shapes | norm("norm", dim)


def sam_neck(name, dim):
    return (
        conv(f"{name}.0", dim, 256, 1, bias=False)
        | norm(f"{name}.1", 256)
        | conv(f"{name}.2", 256, 256, 3, bias=False)
        | norm(f"{name}.3", 256)
    )


def sam_vit(dim, depth, heads, global_blocks):
    """image_encoder of sam_vit_{b,l,h}_*.pth"""
    encoder = "image_encoder"
    shapes = {f"{encoder}.pos_embed": (1, 64, 64, dim)} | conv(f"{encoder}.patch_embed.proj", 3, dim, 16)
    for i in range(depth):
        block = f"{encoder}.blocks.{i}"
        distances = 127 if i in global_blocks else 27
        shapes |= norm(f"{block}.norm1", dim) | norm(f"{block}.norm2", dim)
        shapes |= {f"{block}.attn.rel_pos_{axis}": (distances, dim // heads) for axis in "hw"}
        shapes |= linear(f"{block}.attn.qkv", dim, 3 * dim) | linear(f"{block}.attn.proj", dim, dim)
        shapes |= linear(f"{block}.mlp.lin1", dim, 4 * dim) | linear(f"{block}.mlp.lin2", 4 * dim, dim)
    return shapes | sam_neck(f"{encoder}.neck", dim)


def conv_bn(name, inputs, outputs, kernel=1, groups=1):
    statistics = {f"{name}.bn.running_mean": (outputs,), f"{name}.bn.running_var": (outputs,)}
    return (
        conv(f"{name}.c", inputs // groups, outputs, kernel, bias=False)
        | norm(f"{name}.bn", outputs)
        | statistics
        | {f"{name}.bn.num_batches_tracked": ()}
    )


def tiny_vit():
    """image_encoder of mobile_sam.pt"""
    encoder = "image_encoder"
    shapes = conv_bn(f"{encoder}.patch_embed.seq.0", 3, 32, 3) | conv_bn(f"{encoder}.patch_embed.seq.2", 32, 64, 3)
    stages = [(64, 2, 0, 0, 128), (128, 2, 4, 7, 160), (160, 6, 5, 14, 320), (320, 2, 10, 7, 0)]
    for i, (dim, depth, heads, window, following) in enumerate(stages):
        for j in range(depth):
            block = f"{encoder}.layers.{i}.blocks.{j}"
            if i == 0:
                shapes |= conv_bn(f"{block}.conv1", 64, 256)
                shapes |= conv_bn(f"{block}.conv2", 256, 256, 3, groups=256)
                shapes |= conv_bn(f"{block}.conv3", 256, 64)
                continue
            shapes |= norm(f"{block}.attn.norm", dim) | {f"{block}.attn.attention_biases": (heads, window * window)}
            shapes |= linear(f"{block}.attn.qkv", dim, 3 * dim) | linear(f"{block}.attn.proj", dim, dim)
            shapes |= norm(f"{block}.mlp.norm", dim)
            shapes |= linear(f"{block}.mlp.fc1", dim, 4 * dim) | linear(f"{block}.mlp.fc2", 4 * dim, dim)
            shapes |= conv_bn(f"{block}.local_conv", dim, dim, 3, groups=dim)
        if following:
            down = f"{encoder}.layers.{i}.downsample"
            shapes |= conv_bn(f"{down}.conv1", dim, following)
            shapes |= conv_bn(f"{down}.conv2", following, following, 3, groups=following)
            shapes |= conv_bn(f"{down}.conv3", following, following)
    shapes |= norm(f"{encoder}.norm_head", 320) | linear(f"{encoder}.head", 320, 1000)
    return shapes | sam_neck(f"{encoder}.neck", 320)


def sam_decoder():
    """prompt_encoder and mask_decoder of every SAM and of MobileSAM"""
    prompts = "prompt_encoder"
    shapes = {f"{prompts}.pe_layer.positional_encoding_gaussian_matrix": (2, 128)}
    for name in (*(f"point_embeddings.{i}" for i in range(4)), "not_a_point_embed", "no_mask_embed"):
        shapes[f"{prompts}.{name}.weight"] = (1, 256)
    masks = f"{prompts}.mask_downscaling"
    shapes |= conv(f"{masks}.0", 1, 4, 2) | norm(f"{masks}.1", 4)
    shapes |= conv(f"{masks}.3", 4, 16, 2) | norm(f"{masks}.4", 16) | conv(f"{masks}.6", 16, 256, 1)
    decoder = "mask_decoder"
    for i in range(2):
        layer = f"{decoder}.transformer.layers.{i}"
        shapes |= attention(f"{layer}.self_attn", 256)
        shapes |= attention(f"{layer}.cross_attn_token_to_image", 128)
        shapes |= attention(f"{layer}.cross_attn_image_to_token", 128)
        shapes |= linear(f"{layer}.mlp.lin1", 256, 2048) | linear(f"{layer}.mlp.lin2", 2048, 256)
        for j in range(1, 5):
            shapes |= norm(f"{layer}.norm{j}", 256)
    shapes |= attention(f"{decoder}.transformer.final_attn_token_to_image", 128)
    shapes |= norm(f"{decoder}.transformer.norm_final_attn", 256)
    shapes |= {f"{decoder}.iou_token.weight": (1, 256), f"{decoder}.mask_tokens.weight": (4, 256)}
    up = f"{decoder}.output_upscaling"
    shapes |= {f"{up}.0.weight": (256, 64, 2, 2), f"{up}.0.bias": (64,)} | norm(f"{up}.1", 64)
    shapes |= {f"{up}.3.weight": (64, 32, 2, 2), f"{up}.3.bias": (32,)}
    heads = [(f"output_hypernetworks_mlps.{i}", 32) for i in range(4)] + [("iou_prediction_head", 4)]
    for name, outputs in heads:
        for j, width in enumerate((256, 256, outputs)):
            shapes |= linear(f"{decoder}.{name}.layers.{j}", 256, width)
    return shapes


def attention(name, inner):
    shapes = {}
    for part in "qkv":
        shapes |= linear(f"{name}.{part}_proj", 256, inner)
    return shapes | linear(f"{name}.out_proj", inner, 256)


#: What is published as the number of parameters; batch norm statistics and SAM's random frequencies do not count.
CHECKPOINTS = {
    "dinov2-small": (dinov2(384, 12), 22_056_576),
    "dinov2-base": (dinov2(768, 12), 86_580_480),
    "dinov2-large": (dinov2(1024, 24), 304_368_640),
    "dinov2-giant": (dinov2(1536, 40, gated=4096), 1_136_480_768),
    "dinov2-small-reg": (dinov2(384, 12, registers=4), 22_058_112),
    "dinov2-giant-reg": (dinov2(1536, 40, gated=4096, registers=4), 1_136_486_912),
    "sam-vit-b": (sam_vit(768, 12, 12, (2, 5, 8, 11)) | sam_decoder(), 93_735_472),
    "sam-vit-l": (sam_vit(1024, 24, 16, (5, 11, 17, 23)) | sam_decoder(), 312_342_832),
    "sam-vit-h": (sam_vit(1280, 32, 16, (7, 15, 23, 31)) | sam_decoder(), 641_090_608),
    "mobile-sam": (tiny_vit() | sam_decoder(), 10_130_092),
}

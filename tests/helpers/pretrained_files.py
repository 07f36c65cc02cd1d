"""Small random files in the names of published image models, and what those models compute, written out."""

import torch

DIM, HEADS, SIDE = 32, 2, 3  # SIDE: of the position table in the file
EARLY = (8, 16)


def random(*shape):
    return torch.randn(shape) * 0.2


def add_layer(state, name, *shape):
    state[f"{name}.weight"], state[f"{name}.bias"] = random(*shape), random(shape[0])


def add_norm(state, name, dim):
    state[f"{name}.weight"], state[f"{name}.bias"] = 1 + random(dim), random(dim)


def add_blocks(state, prefix, count, dim=DIM, scales=()):
    for i in range(count):
        start = f"{prefix}.{i}"
        for norm in ("norm1", "norm2"):
            add_norm(state, f"{start}.{norm}", dim)
        add_layer(state, f"{start}.attn.qkv", 3 * dim, dim)
        add_layer(state, f"{start}.attn.proj", dim, dim)
        add_layer(state, f"{start}.mlp.fc1", 2 * dim, dim)
        add_layer(state, f"{start}.mlp.fc2", dim, 2 * dim)
        for scale in scales:
            state[f"{start}.{scale}"] = random(dim)


def vit(blocks=3, places=SIDE**2 + 1, scales=(), dim=DIM):
    torch.manual_seed(0)
    state = {"cls_token": random(1, 1, dim), "pos_embed": random(1, places, dim)}
    add_layer(state, "patch_embed.proj", dim, 3, 16, 16)
    add_blocks(state, "blocks", blocks, dim, scales)
    add_norm(state, "norm", dim)
    return state


def mae(blocks=3, decoder=0, decoder_dim=16):
    state = vit(blocks)
    if decoder:
        state["mask_token"] = random(1, 1, decoder_dim)
        state["decoder_pos_embed"] = random(1, SIDE**2 + 1, decoder_dim)
        add_layer(state, "decoder_embed", decoder_dim, DIM)
        add_blocks(state, "decoder_blocks", decoder, decoder_dim)
        add_norm(state, "decoder_norm", decoder_dim)
        add_layer(state, "decoder_pred", 768, decoder_dim)
    return state


def deit3(blocks=3):
    state = vit(blocks, SIDE**2, ("gamma_1", "gamma_2"))
    add_layer(state, "head", 10, DIM)
    return state


def dinov2(blocks=3):
    return vit(blocks, scales=("ls1.gamma", "ls2.gamma")) | {
        "mask_token": random(1, DIM),
        "register_tokens": random(1, 4, DIM),
    }


def hugging_face(blocks=3, split=False):
    """DINOv2 as Hugging Face names it; `split` holds the position of the class token apart."""
    state, new = dinov2(blocks), {}
    changes = {
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
        "attn.proj": "attention.output.dense",
        "ls1.gamma": "layer_scale1.lambda1",
        "ls2.gamma": "layer_scale2.lambda1",
    }
    for key, value in state.items():
        for old, changed in changes.items():
            key = key.replace(old, changed)
        key = key.replace("blocks.", "encoder.layer.").replace("pos_embed", "embeddings.position_embeddings")
        key = f"embeddings.{key}" if key.endswith("_token") or key == "register_tokens" else key
        key = key.replace("norm.", "layernorm.") if key.startswith("norm.") else key
        parts = value.chunk(3) if "attn.qkv" in key else [value]
        for part, name in zip(parts, ("query", "key", "value"), strict=False):
            new[key.replace("attn.qkv", f"attention.attention.{name}")] = part.contiguous()
    if split:
        table = new.pop("embeddings.position_embeddings")
        new["embeddings.class_position_embedding"] = table[:, :1].contiguous()
        new["embeddings.patch_position_embeddings"] = table[:, 1:].contiguous()
    return new


def convmae(blocks=3):
    torch.manual_seed(0)
    state = {"pos_embed": random(1, SIDE**2, DIM)}
    for stage, (inputs, dim, kernel) in enumerate(((3, 8, 4), (8, 16, 2), (16, DIM, 2)), 1):
        add_layer(state, f"patch_embed{stage}.proj", dim, inputs, kernel, kernel)
        add_norm(state, f"patch_embed{stage}.norm", dim)
    add_layer(state, "patch_embed4", DIM, DIM)
    for stage, dim in enumerate(EARLY, 1):
        for i in range(2):
            start = f"blocks{stage}.{i}"
            add_norm(state, f"{start}.norm1", dim)
            add_norm(state, f"{start}.norm2", dim)
            add_layer(state, f"{start}.conv1", dim, dim, 1, 1)
            add_layer(state, f"{start}.attn", dim, 1, 5, 5)
            add_layer(state, f"{start}.conv2", dim, dim, 1, 1)
            add_layer(state, f"{start}.mlp.fc1", 2 * dim, dim, 1, 1)
            add_layer(state, f"{start}.mlp.fc2", dim, 2 * dim, 1, 1)
    add_blocks(state, "blocks3", blocks)
    add_norm(state, "norm", DIM)
    for stage, (dim, kernel) in enumerate(((8, 4), (16, 2)), 1):
        add_layer(state, f"stage{stage}_output_decode", DIM, dim, kernel, kernel)
    return state


def cvt(depths=(1, 2, 3)):
    torch.manual_seed(0)
    state = {"stage2.cls_token": random(1, 1, DIM)}
    for stage, (inputs, dim, kernel) in enumerate(((3, 8, 7), (8, 16, 3), (16, DIM, 3))):
        add_layer(state, f"stage{stage}.patch_embed.proj", dim, inputs, kernel, kernel)
        add_norm(state, f"stage{stage}.patch_embed.norm", dim)
        for i in range(depths[stage]):
            start = f"stage{stage}.blocks.{i}"
            add_norm(state, f"{start}.norm1", dim)
            add_norm(state, f"{start}.norm2", dim)
            for part in "qkv":
                conv = f"{start}.attn.conv_proj_{part}"
                state[f"{conv}.conv.weight"] = random(dim, 1, 3, 3)
                add_norm(state, f"{conv}.bn", dim)
                state[f"{conv}.bn.running_mean"] = random(dim)
                state[f"{conv}.bn.running_var"] = 1 + torch.rand(dim)
                state[f"{conv}.bn.num_batches_tracked"] = torch.tensor(5)
                add_layer(state, f"{start}.attn.proj_{part}", dim, dim)
            add_layer(state, f"{start}.attn.proj", dim, dim)
            add_layer(state, f"{start}.mlp.fc1", 2 * dim, dim)
            add_layer(state, f"{start}.mlp.fc2", dim, 2 * dim)
    add_norm(state, "norm", DIM)
    add_layer(state, "head", 10, DIM)
    return state

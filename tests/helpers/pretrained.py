"""Networks and the files that they start from."""

import torch
from safetensors.torch import save_file

from mixformer.configs.model import ModelConfig
from tests.helpers import pretrained_files as files
from tests.helpers.pretrained_files import DIM, EARLY, HEADS

VIT = ModelConfig(
    "small", depth=2, dim=DIM, heads=HEADS, mlp_ratio=2.0, search_size=64, template_size=32, bins=8, position="frozen"
)
SCALED = VIT.replace(layer_scale=True)
CONVMAE = VIT.replace(backbone="convmae", early_depths=(2, 2), early_dims=EARLY)
CVT = VIT.replace(
    backbone="cvt", early_depths=(1, 2), early_dims=EARLY, early_heads=(1, 2), position="none", activation="quick_gelu"
)
DECODER = VIT.replace(decoder_depth=2, decoder_dim=16, decoder_heads=4, drop_path=0.0)
FILES = {
    "mae": (files.mae, VIT),
    "deit3": (files.deit3, SCALED),
    "dinov2": (files.dinov2, SCALED),
    "dinov2, Hugging Face": (files.hugging_face, SCALED),
    "dinov2, Hugging Face, two tables": (lambda: files.hugging_face(split=True), SCALED),
    "convmae": (files.convmae, CONVMAE),
    "cvt": (files.cvt, CVT),
}


def write(state, path):
    """As its publishers do: under an entry of `torch.save`, but a CvT bare; or as safetensors."""
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state if "stage2.cls_token" in state else {"model": state, "epoch": 7}, path)
    return path


def template_tokens(model, image):
    """What the backbone makes of a single template, which is what the source makes of an image without class token."""
    with torch.no_grad():
        return model.eval().backbone.remember(image[:, None])[1]

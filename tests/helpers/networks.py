"""Small networks of every kind, with attention that is not even."""

import torch

from mixformer.configs.model import ModelConfig
from mixformer.models import build_model
from mixformer.weights.load_save import save_model

SIZES = {"depth": 2, "dim": 32, "heads": 2, "search_size": 64, "template_size": 32, "bins": 16, "head_dim": 16}
DENSE = {"prediction_tokens": 0, "score": "spm"}
CVT = {"backbone": "cvt", "early_depths": (1, 2), "early_dims": (8, 16), "early_heads": (1, 2), "position": "none"}
KINDS = {
    "token": {},
    "single": {"prediction_tokens": 1},
    "query": {"head": "query", "prediction_tokens": 1, "score": "none"},
    "pyramid": {**DENSE, "head": "pyramid"},
    "convmae": {**DENSE, "head": "pyramid", "backbone": "convmae", "early_depths": (1, 1), "early_dims": (8, 16)},
    "cvt": {**DENSE, **CVT, "head": "corner", "search_size": 80, "template_size": 48},  # 5 and 3 tokens a side
    "cvt_token": CVT,
    "decoder": {**DENSE, "head": "corner", "decoder_depth": 1, "decoder_dim": 16, "decoder_heads": 2},
    "symmetric": {"attention": "symmetric"},
    "symmetric_cvt": {**DENSE, **CVT, "head": "corner", "attention": "symmetric"},
}


def network(kind, online=1):
    torch.manual_seed(1)
    config = ModelConfig(kind, **{**SIZES, **KINDS[kind]})
    model = build_model(config).eval()
    t, s = config.template_size, config.search_size
    for parameter in model.parameters():  # initial weights give attention that is nearly even
        parameter.data.mul_(1.5)
    return model, torch.randn(1, 1 + online, 3, t, t), torch.randn(1, 3, s, s)


def narrow_model(folder):
    """Write a model folder of a small network, which makes tables of ablations cheap."""
    torch.manual_seed(0)
    sizes = {"depth": 6, "dim": 24, "heads": 2, "patch_size": 16, "search_size": 48, "template_size": 32}
    config = ModelConfig("narrow", head="corner", prediction_tokens=0, score="none", **sizes)
    save_model(build_model(config), folder)
    return folder

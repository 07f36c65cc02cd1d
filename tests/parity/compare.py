"""Runs a network as the references were made, and compares every array of a reference with it."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mixformer.imaging.boxes import cxcywh_to_xyxy
from mixformer.models import Memory, MixFormer, Prediction
from mixformer.models.layers import maps_of
from mixformer.models.spm import precise_roi_pool
from tests.parity.rebuild import State, input_image, rebuild_state

BOX_TOLERANCE = 1e-5  # boxes, probabilities and score logits, absolute
FEATURE_TOLERANCE = 1e-4  # features and logits, in units of their standard deviation (or an eighth of the largest)
_EDGES = "lrtb"
_CORNERS = ("tl", "br")


def write_checkpoint(description: dict[str, Any], path: Path, changes: dict[str, Any] | None = None) -> Path:
    """A rebuilt reference as an official checkpoint file."""
    state = rebuild_state(description, changes)
    net = OrderedDict((key, torch.from_numpy(value)) for key, value in state.items())
    torch.save({"epoch": 500, "net_type": "MixFormer", "net": net, "stats": None, "settings": None}, path)
    return path


def run_reference(model: MixFormer, description: dict[str, Any], runs: list[str]) -> tuple[State, State]:
    """Everything a reference may hold, computed by our network.

    Args:
        model: in evaluation mode; its dtype is used.
        description: content of NAME.json.
        runs: such as "train", "train_rate0.5", "test2".

    Returns:
        Outputs by name (taps before any position is picked out), and the taps' whole batch for their statistics.
    """
    results: State = {}
    whole: State = {}
    dtype = next(model.parameters()).dtype
    for run in runs:
        batch, online = (2, 1) if run.startswith("train") else (1, int(run[-1]))
        names = ["input/template", "input/online_template", "input/online_template2"][: 1 + online]
        images = {key: torch.from_numpy(input_image(key, tuple(shape))) for key, shape in description["inputs"].items()}
        templates = torch.stack([images[name][:batch] for name in names], 1).to(dtype)
        search = images["input/search"][:batch].to(dtype)
        scales = _scales(model, description, run, batch)
        with torch.no_grad(), Recorder(model) as recorder:
            memory = model.remember(templates, scales, keep_features=True)
            regions = _regions(description, batch, dtype)
            prediction = model.locate(search, memory, scales, regions=regions, keep_features=True)
        taps = recorder.official(batch) | _block_taps(model, memory, prediction, run)
        with torch.no_grad():
            if model.config.head == "token":
                taps |= _token_head_taps(model, prediction)
            outputs = _outputs(model, prediction) | {"template_feat_slice": _template_slice(model, memory)}
            if model.config.score == "spm":
                outputs["pred_scores_gt_roi"] = prediction.scores
                outputs["pred_scores_own_roi"] = model.locate(search, memory, scales).scores
                taps["score.prroipool"] = _pooled(model, prediction, regions)
        results |= {f"{run}/{key}": value.numpy() for key, value in outputs.items()}
        whole |= {f"tap/{run}/{key}": value.numpy() for key, value in taps.items()}
    return results, whole


class Pair(NamedTuple):
    """One array of a reference and ours, with the tolerance of their largest difference."""

    got: np.ndarray
    expected: np.ndarray
    tolerance: float


def pair_up(reference: State, taps: dict[str, Any], results: State, whole: State) -> dict[str, Pair]:
    """Every array of a reference beside ours; AssertionError if we lack one.

    The keys `.../stats` hold mean, standard deviation and largest value of a whole tapped tensor.
    """
    pairs: dict[str, Pair] = {}
    for key, expected in reference.items():
        if key.startswith("tap/"):
            tensor, (mean, deviation, top) = whole[key].astype(np.float64), taps[key]["stats"]
            assert list(tensor.shape) == taps[key]["shape"], key
            if deviation is None:  # a single number: a score logit
                pairs[key] = Pair(_pick(tensor, taps[key]["positions"]), expected, BOX_TOLERANCE)
                continue
            # After a ReLU a map may be nearly all 0: then its large values say more about rounding than the spread.
            tolerance = FEATURE_TOLERANCE * max(deviation, top / 8)
            pairs[key] = Pair(_pick(tensor, taps[key]["positions"]), expected, tolerance)
            ours = np.array([tensor.mean(), tensor.std(ddof=1), np.abs(tensor).max()])
            pairs[f"{key}/stats"] = Pair(ours, np.array([mean, deviation, top]), tolerance)
            continue
        assert key in results, f"no output of ours stands for {key}"
        small = any(word in key for word in ("boxes", "prob_", "marginal_", "pred_scores", "xyxy"))
        tolerance = BOX_TOLERANCE if small else FEATURE_TOLERANCE * float(expected.std())
        pairs[key] = Pair(results[key][: len(expected)], expected, tolerance)
    return pairs


def difference(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference; the shapes must be equal."""
    assert got.shape == expected.shape, (got.shape, expected.shape)
    return float(np.abs(got.astype(np.float64) - expected.astype(np.float64)).max())


def runs_of(reference: State) -> list[str]:
    """The runs a reference holds, in its order."""
    return list(dict.fromkeys(key.split("/")[0] for key in reference if not key.startswith("tap/")))


def _pick(tensor: np.ndarray, positions: list[Any]) -> np.ndarray:
    """First 8 channels of some positions of batch item 0: tokens (B, N, C), maps (B, C, H, W) or vectors (B, C)."""
    if tensor.ndim == 4:
        return np.stack([tensor[0, :8, y, x] for y, x in positions])
    return tensor[0, positions, :8] if tensor.ndim == 3 else tensor[:1, :8]


def _scales(model: MixFormer, description: dict[str, Any], run: str, batch: int) -> Tensor | None:
    """Factors of the progressive depth pruning: the rate in the run's name, on the listed layers."""
    if "_rate" not in run:
        return None
    scales = torch.ones(model.config.depth, 2, batch)
    scales[description["config"]["TRAIN"]["REMOVE_LAYERS"]] = float(run.split("_rate")[1])
    return scales


def _outputs(model: MixFormer, prediction: Prediction) -> dict[str, Tensor]:
    grid, extra = model.config.search_grid, model.config.prediction_tokens
    tokens = prediction.tokens
    search = tokens[:, : tokens.shape[1] - extra].transpose(1, 2).reshape(len(tokens), -1, grid, grid)
    found = {
        "pred_boxes": prediction.boxes[:, None],
        "xyxy": cxcywh_to_xyxy(prediction.boxes),
        "search_feat_slice": search[:, :8, ::5, ::5],
    }
    probabilities = prediction.logits.softmax(-1)
    if model.config.head == "token":
        found["reg_tokens_slice"] = tokens[:, -extra:, :16]
        for index, edge in enumerate(_EDGES):
            found |= {f"prob_{edge}": probabilities[:, index], f"logit_{edge}": prediction.logits[:, index]}
        if prediction.scores is not None:
            found["pred_scores"] = prediction.scores
        return found
    side = round(prediction.logits.shape[-1] ** 0.5)
    for index, (corner, column, row) in enumerate((("tl", "l", "t"), ("br", "r", "b"))):
        found |= {f"prob_{corner}": probabilities[:, index], f"score_{corner}": prediction.logits[:, index]}
        square = probabilities[:, index].reshape(-1, side, side)
        found |= {f"marginal_{column}": square.sum(1), f"marginal_{row}": square.sum(2)}
    return found


def _regions(description: dict[str, Any], batch: int, dtype: torch.dtype) -> Tensor | None:
    boxes = description.get("gt_bboxes_xyxy")
    return None if boxes is None else torch.tensor(boxes[:batch], dtype=torch.float32).to(dtype)


def _template_slice(model: MixFormer, memory: Memory) -> Tensor:
    return maps_of(memory.templates, model.config.template_grid)[:, 0, :8, ::3, ::3]


def _pooled(model: MixFormer, prediction: Prediction, regions: Tensor) -> Tensor:
    grid = model.config.search_grid
    return precise_roi_pool(maps_of(prediction.tokens[:, : grid**2], grid)[:, 0], regions * grid, 4)


def _block_taps(model: MixFormer, memory: Memory, prediction: Prediction, run: str) -> dict[str, Tensor]:
    """Block outputs: joint (templates, then search and prediction tokens) in training, apart in the cached passes."""
    taps: dict[str, Tensor] = {}
    names = _block_names(model)
    for name, templates, search in zip(names, memory.features, prediction.features, strict=True):
        if run.startswith("train"):
            taps[name] = torch.cat([templates, search], 1)
        else:
            taps |= {f"{name}.set_online": templates, f"{name}.forward_test": search}
    return taps


def _block_names(model: MixFormer) -> list[str]:
    """Official names of all mixed-attention blocks in order."""
    prefix = {"vit": ["blocks"], "convmae": ["blocks3"], "cvt": [f"stage{i}.blocks" for i in range(3)]}
    stages = zip(prefix[model.config.backbone], model.config.stages, strict=True)
    return [f"{name}.{index}" for name, stage in stages for index in range(stage.depth)]


def _token_head_taps(model: MixFormer, prediction: Prediction) -> dict[str, Tensor]:
    """The official head is called once per token: left, right, top, bottom."""
    head, tokens = model.box_head, prediction.tokens[:, -model.config.prediction_tokens :]
    hidden = head.hidden_norm(head.hidden(tokens)).relu()
    taps: dict[str, Tensor] = {}
    for index in range(len(_EDGES)):
        suffix = f"#{index}" if index else ""
        taps[f"box_head.layers.0{suffix}"] = hidden[:, index]
        taps[f"box_head.layers.1{suffix}"] = prediction.logits[:, index]
    return taps


class Recorder:
    """Outputs of embeddings, stems and heads, under their official names.

    Our embeddings see all templates in one call and then the search region; the official ones see the template, all
    online templates, and the search region, so a first output is split.
    """

    def __init__(self, model: MixFormer) -> None:
        self._calls: dict[str, list[Tensor]] = {}
        self._handles: list[Any] = []
        self._modules = _tapped_modules(model)

    def __enter__(self) -> Recorder:
        for name, module in self._modules.items():
            self._handles.append(module.register_forward_hook(self._keep(name)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def official(self, batch: int) -> dict[str, Tensor]:
        """What was recorded for a batch, by official name."""
        taps: dict[str, Tensor] = {}
        for name, calls in self._calls.items():
            if len(calls) == 1:  # heads
                taps[name] = calls[0]
                continue
            templates = calls[0].unflatten(0, (batch, -1))
            parts = (templates[:, 0], templates[:, 1:].flatten(0, 1), calls[1])
            taps |= {f"{name}#{index}" if index else name: part for index, part in enumerate(parts)}
        return taps

    def _keep(self, name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Tensor) -> None:
            if name == "patch_embed":
                output = output.flatten(2).transpose(1, 2)
            self._calls.setdefault(name, []).append(output.flatten(1, 2) if name == "patch_embed4" else output)

        return hook


def _tapped_modules(model: MixFormer) -> dict[str, nn.Module]:
    """Modules by official name."""
    found: dict[str, nn.Module] = {}
    if model.config.backbone == "vit":
        found["patch_embed"] = model.backbone.patch_embed
    elif model.config.backbone == "cvt":
        found |= {f"stage{index}.patch_embed": stage.patch_embed for index, stage in enumerate(model.backbone.parts)}
    else:
        stem = model.backbone.patch_embed
        found |= {f"patch_embed{index + 1}": embed for index, embed in enumerate(stem.embeds)}
        found |= {f"blocks{i + 1}.{j}": block for i, part in enumerate(stem.blocks) for j, block in enumerate(part)}
        found["patch_embed4"] = stem.proj
    if model.config.dense:
        for corner in _CORNERS:
            units = getattr(model.box_head, corner).named_children()
            found |= {f"box_head.{name}_{corner}": unit for name, unit in units}
    if model.config.score == "spm":
        for index, look in enumerate(model.score_head.cross_attentions):
            found |= {f"score.proj.{index}": look.proj, f"score.norm2.{index}": look.norm}
        found["score.score_head"] = model.score_head.layers[-1]
    return found

"""Record the attention weights of a network's blocks, and the distributions of its box, in one forward pass."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixformer.configs.argument_checks import checked
from mixformer.configs.model import ModelConfig
from mixformer.errors import ConfigError, FrameError
from mixformer.inspection.map_parts import FloatMap, at_places, search_shapes, split_pairs, template_shapes
from mixformer.models import Memory, MixFormer, Prediction, SymmetricMixFormer
from mixformer.models.attention import TokenLayout, attention_weights
from mixformer.models.block import Block
from mixformer.models.corner import log_marginals

Stages = Literal["auto", "last", "all"]


class Grid(NamedTuple):
    """The places of one crop in one block.

    Attributes:
        queries: number of queries, and of tokens, along a side.
        keys: number of keys along a side; in MixCvT, about half as many.

    Example:
        >>> from mixformer.inspection import Grid
        >>> Grid(queries=5, keys=3).key_centers().round(1).tolist()
        [0.1, 0.5, 0.9]
    """

    queries: int
    keys: int

    def key_centers(self) -> NDArray[np.float64]:
        """Return the positions (keys,) along a side, as fractions of the crop. MixCvT has one at every second token."""
        stride = math.ceil(self.queries / self.keys)
        return (np.arange(self.keys) * stride + 0.5) / self.queries


@dataclass(frozen=True)
class BlockAttention:
    """Attention weights of one block, averaged over its heads.

    Attributes:
        name: such as "S2-B10" for block 10 of stage 2, both counted from 0, as in the figures of the journal paper.
        template: places of a template crop.
        search: places of the search crop.
        maps: float32 weights by the name "QUERIES_to_KEYS", where both words are "template" (the static template),
            "online" (the n online templates), "search" or "tokens" (the E prediction tokens). The shape is the shape of
            the queries, then of the keys: (places,) for "template" and "search", row-major, (n, places) for "online",
            (E,) for "tokens". All maps of one query sum to 1. Pairs that do not attend to each other are left out.
        left: (places,) True for the search tokens that the block sees, or None if it sees all
            (`ModelConfig.elimination`). Weights of the others, as queries and as keys, are 0.

    Example:
        >>> from mixformer.inspection import inspect_frame
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> seen = inspect_frame(DEMO_CLIP, DEMO_BOX, frame=2)
        >>> seen.result.blocks[-1].maps["tokens_to_search"].shape
        (4, 196)
    """

    name: str
    template: Grid
    search: Grid
    maps: dict[str, FloatMap]
    left: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Distributions:
    """The probabilities from which the box is computed. A query head has none.

    Attributes:
        edges: (4, positions) of the left, right, top and bottom edge. Position k is at k / positions of the crop. For a
            corner head, these are the marginals of its maps.
        corners: (2, rows, columns) of the top-left and the bottom-right corner; None without a corner head.

    Example:
        >>> from mixformer.inspection import inspect_frame
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> seen = inspect_frame(DEMO_CLIP, DEMO_BOX, frame=2)
        >>> seen.result.distributions.edges.sum(1).round(3).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """

    edges: FloatMap | None
    corners: FloatMap | None


@dataclass(frozen=True)
class Inspection:
    """The attention and the distributions of one forward pass.

    Attributes:
        blocks: attention of the blocks, in the order in which they run.
        distributions: distributions of the box.
        prediction: result of `MixFormer.locate`, with `features` and all tokens.

    Example:
        >>> from mixformer.inspection import inspect_frame
        >>> from mixformer.video.demo import DEMO_BOX, DEMO_CLIP
        >>> seen = inspect_frame(DEMO_CLIP, DEMO_BOX, frame=2)
        >>> [block.name for block in seen.result.blocks][-1], len(seen.result.box)
        ('S0-B7', 4)
    """

    blocks: list[BlockAttention]
    distributions: Distributions
    prediction: Prediction

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Predicted center x, center y, width and height as fractions of the search crop."""
        cx, cy, w, h = (float(v) for v in self.prediction.boxes[0])
        return cx, cy, w, h

    @property
    def score(self) -> float | None:
        """Logit that the target is in the crop; None without a score head."""
        scores = self.prediction.scores
        return None if scores is None else float(scores[0])


@torch.inference_mode()
@checked
def inspect_attention(model: MixFormer, templates: Tensor, search: Tensor, stages: Stages = "auto") -> Inspection:
    """Run a network on one frame and keep its attention and its distributions.

    The network runs as usual. Fused attention does not return its weights, so they are computed again from the input of
    each block, one head at a time.

    Args:
        model: the network, in evaluation mode.
        templates: (1, N, 3, t, t) normalized, static template first.
        search: (1, 3, s, s) normalized.
        stages: "last" or "all" stages; "auto" is "last" for MixCvT, whose first stage alone has 13 million weights, and
            "all" for the others.

    Raises:
        FrameError: if the tensors do not hold exactly one frame.
        ConfigError: for unknown stages.

    Example:
        >>> import torch
        >>> from mixformer import load_model
        >>> from mixformer.inspection import inspect_attention
        >>> model = load_model("mixformerv2_dino_s8")
        >>> sizes = model.config.template_size, model.config.search_size
        >>> templates, search = torch.zeros(1, 2, 3, sizes[0], sizes[0]), torch.zeros(1, 3, sizes[1], sizes[1])
        >>> len(inspect_attention(model, templates, search).blocks)
        8
    """
    if templates.ndim != 5 or search.ndim != 4 or len(templates) != 1 or len(search) != 1:
        raise FrameError(
            f"inspection takes one frame, templates (1, N, 3, t, t) and search (1, 3, s, s), not "
            f"{tuple(templates.shape)} and {tuple(search.shape)}; take one of the batch, as in search[:1]"
        )
    # 1. Run the network, and keep the output of every block.
    wanted = _choose_stages(model.config, stages)
    memory = model.remember(templates, keep_features=True)
    prediction = model.locate(search, memory, keep_features=True)
    # 2. Compute the weights of each block from its input, for the search tokens that are left there.
    symmetric = isinstance(model, SymmetricMixFormer)
    blocks = []
    left = None
    for index, number, inputs in _block_inputs(model, templates, search, memory, prediction):
        stage = model.backbone.parts[index]
        block = stage.typed_blocks[number]
        left = np.arange(stage.size.search_grid**2) if number == 0 or left is None else left
        if index in wanted:
            name, count = f"S{index}-B{number}", templates.shape[1]
            blocks.append(_attention(name, block, inputs, stage.layouts, count, left, symmetric))
        if number in stage.kept_after:
            kept = block.kept(inputs[1], stage.layouts[1], memory.blocks[number], stage.kept_after[number])
            left = left[kept[0].numpy(force=True)]
    return Inspection(blocks, distributions_of(prediction, model.config), prediction)


def distributions_of(prediction: Prediction, config: ModelConfig) -> Distributions:
    """Compute the probabilities of edges and corners of the first prediction in a batch."""
    if prediction.logits is None:
        return Distributions(None, None)
    logits = prediction.logits[0].float()
    if not config.dense:
        return Distributions(_download(logits.softmax(1)), None)
    side = math.isqrt(logits.shape[1])
    columns, rows = log_marginals(logits.view(2, side, side))
    edges = torch.stack([columns[0], columns[1], rows[0], rows[1]]).softmax(1)
    return Distributions(_download(edges), _download(logits.softmax(1).view(2, side, side)))


def _choose_stages(config: ModelConfig, stages: Stages) -> set[int]:
    every = range(len(config.stages))
    if stages not in ("auto", "last", "all"):
        raise ConfigError(f"stages must be 'auto', 'last' or 'all', not {stages!r}")
    only_last = stages == "last" or (stages == "auto" and config.backbone == "cvt")
    return set(every[-1:] if only_last else every)


def _block_inputs(
    model: MixFormer, templates: Tensor, search: Tensor, memory: Memory, prediction: Prediction
) -> Iterator[tuple[int, int, tuple[Tensor, Tensor]]]:
    """Yield the numbers of stage and block, and the template and search tokens that the block takes."""
    outputs = iter(prediction.features)
    t_outputs = iter(memory.features)
    for index, stage in enumerate(model.backbone.parts):
        t, s = stage.embed_templates(templates), stage.embed_search(search)
        places = t.shape[1]
        for number in range(len(stage.blocks)):
            yield index, number, (t, s)
            s = next(outputs)
            if isinstance(model, SymmetricMixFormer):  # its features hold template and search tokens
                t, s = s[:, :places], s[:, places:]
            else:
                t = next(t_outputs)
        if stage is not model.backbone.parts[-1]:
            templates, search = stage.template_maps(t), stage.search_map(s)


def _attention(
    name: str,
    block: Block,
    inputs: tuple[Tensor, Tensor],
    layouts: tuple[TokenLayout, TokenLayout],
    count: int,
    left: NDArray[np.intp],
    symmetric: bool,
) -> BlockAttention:
    """Compute the weights of a block from its input: tokens of `count` templates, and search tokens at `left`."""
    # 1. Project the tokens to queries and keys.
    (t_layout, s_layout), extra = layouts, layouts[1].extra
    t_queries, t_own = block.attn.project(block.norm1(inputs[0]), t_layout)
    s_queries, s_own = block.attn.project(block.norm1(inputs[1]), s_layout)
    template = Grid(t_layout.grid, math.isqrt(t_own.keys.shape[2] // count))
    whole = len(left) == s_layout.grid**2
    search = Grid(s_layout.grid, math.isqrt(s_own.keys.shape[2] - extra) if whole else s_layout.grid)
    # 2. Compute the weights of what each side reaches, and cut them into pairs.
    t_keys, s_keys = template_shapes(template.keys, count), search_shapes(search.keys, extra)
    own, other, both = (t_own.keys, t_keys), (s_own.keys, s_keys), (t_own.concat(s_own).keys, t_keys | s_keys)
    t_seen, s_seen = {"all": (both, both), "self": (own, other), "templates": (other, own)}[block.attn.reach]
    t_seen = t_seen if symmetric else own
    t_weights = _mean_weights(t_queries, t_seen[0], block.attn.scale)
    s_weights = _mean_weights(s_queries, s_seen[0], block.attn.scale)
    if not whole:
        s_weights = at_places(s_weights, left, s_layout.grid**2, extra)
    still = block.attn.reach == "templates" and not symmetric  # then templates attend to nothing
    maps = {} if still else split_pairs(t_weights, template_shapes(template.queries, count), t_seen[1])
    maps |= split_pairs(s_weights, search_shapes(search.queries, extra), s_seen[1])
    return BlockAttention(name, template, search, maps, None if whole else np.isin(np.arange(s_layout.grid**2), left))


def _mean_weights(queries: Tensor, keys: Tensor, scale: float) -> FloatMap:
    """Average the weights over heads, one in memory at a time: (1, heads, Nq, d), (1, heads, Nk, d) -> (Nq, Nk)."""
    total = queries.new_zeros(queries.shape[2], keys.shape[2], dtype=torch.float32)
    for q, k in zip(queries[0].float(), keys[0].float(), strict=True):
        total += attention_weights(q, k, scale)
    return _download(total / queries.shape[1])


def _download(values: Tensor) -> FloatMap:
    return values.float().cpu().numpy()

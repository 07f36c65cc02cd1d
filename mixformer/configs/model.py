"""The frozen configuration of a network. A variant is data, never code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from mixformer.configs.base_config import BaseConfig
from mixformer.configs.model_checks import check_elimination, check_integration

Reach = Literal["self", "all", "templates"]  # what search tokens attend to in a block


class StageSize(NamedTuple):
    """Sizes of one stage of mixed-attention blocks."""

    depth: int  # blocks
    dim: int  # token width in channels
    heads: int  # attention heads
    search_grid: int  # tokens along one side of the search crop
    template_grid: int  # tokens along one side of a template crop


@dataclass(frozen=True)
class ModelConfig(BaseConfig):
    """All settings that decide the shape and arithmetic of one network.

    `depth`, `dim` and `heads` describe the last stage of the backbone; a plain transformer has only this stage.

    Attributes:
        name: variant name, for messages and files.
        depth: number of transformer blocks.
        dim: token width in channels.
        heads: attention heads; must divide `dim`.
        mlp_ratio: hidden width of the MLP in units of `dim`, in every stage.
        patch_size: side in pixels of the square that one token of the last stage covers.
        search_size: side of the search crop in pixels, a multiple of `patch_size`.
        template_size: side of a template crop in pixels, a multiple of `patch_size`.
        backbone: "vit" = plain transformer (MixViT, MixFormerV2); "convmae" = the same after two convolutional stages;
            "cvt" = three stages of windowed mixed attention (MixCvT).
        early_depths: blocks of the stages before the last one, "convmae" and "cvt" only.
        early_dims: their widths in channels.
        early_heads: their attention heads, "cvt" only.
        decoder_depth: pre-trained MAE decoder blocks appended to the backbone ("+DN" of the journal paper, 4.2.4).
        decoder_dim: their width in channels, which the prediction heads then have too.
        decoder_heads: their attention heads.
        attention: "asymmetric" = templates do not attend to the search region, so they can be encoded once;
            "symmetric" = all tokens attend to all (ablation of the journal paper, table 4), so nothing can be cached.
        separate_blocks: number of first blocks, over all stages, in which search region and templates attend only to
            themselves ("SAM" of the journal paper's table 3).
        cross_blocks: number of last blocks in which search region and templates attend only to each other ("CAM" of
            that table); with asymmetric attention the templates stay unchanged there. For dense heads only.
        fusion_layers: number of layers of TransT's feature fusion between backbone and head ("ECA + CFA" of that
            table); 0 = none. For dense heads only.
        projection: how backbone "cvt" makes queries, keys and values: "conv_bn" = depth-wise convolution and batch norm
            before a linear layer (W-MAM); "conv_ln" = with a layer norm; "linear" = the linear layer alone (S-MAM). See
            the journal paper's table 5.
        activation: activation of the MLPs: "gelu", or "quick_gelu" = x * sigmoid(1.702 x) as in the official MixCvT;
            mmtracking runs the same weights with "gelu".
        position: "sincos" = fixed 2-D sin-cos tables; "frozen" = tables from a pre-trained model, not trained;
            "learned" = trained tables (the journal paper's position embeddings 3, 1 and 2); "none" for the
            convolutional projections of "cvt", which need none.
        layer_scale: learned per-channel scale on both residual branches (DeiT III, DINOv2).
        prediction_tokens: extra tokens in the last stage: 4 for MixFormerV2's left, right, top, bottom; 1 for the query
            head, or for a token head that predicts all edges from one token; 0 for dense heads.
        elimination: pairs of a block (from 0) and the number of search tokens that are kept after it;
            `((1, 98), (3, 49))` keeps 98 after block 1 and 49 after block 3. The tokens that the prediction tokens
            attend to most are kept; later blocks leave out the others, which saves time. Blocks must rise and numbers
            fall. Only for plain backbones whose heads read prediction tokens alone.
        head: "token" (V2), "query" (the box from one token), "corner" (plain) or "pyramid" (pyramidal corner).
        shared_mlp: True = the four prediction tokens of the token head share an MLP (V2); False = each has its own
            (supplement, table 2a).
        bins: positions per edge of the token head.
        head_dim: first width of the corner towers; the token heads work at the width of the tokens.
        score: "spm" = score prediction module of the first papers; "token" = V2 score MLP on each prediction token,
            logits averaged as in the official code; "token_mean" = tokens averaged first, as in the V2 supplement;
            "none" = no score.
        frozen_norms: batch norms that keep statistics and parameters even in training: "none", those of the
            "backbone", or "all" (heads too).
        drop_path: rate of stochastic depth in the last block, rising linearly from 0 over the last stage (training
            only).
        unused_keys: True if the official file carries entries of its base class that no computation reads, so that
            conversion back can write them.
        mean: per-channel RGB mean of the normalization, for values in 0..1.
        std: per-channel RGB standard deviation.

    Raises ConfigError if a value is out of range or does not fit the others.

    Example:
        >>> from mixformer import ModelConfig
        >>> config = ModelConfig("mine", depth=4, search_size=224, template_size=112)
        >>> config.search_grid, config.template_grid
        (14, 7)
    """

    name: str
    depth: int
    dim: int = 768
    heads: int = 12
    mlp_ratio: float = 4.0
    patch_size: int = 16
    search_size: int = 288
    template_size: int = 128
    backbone: Literal["vit", "convmae", "cvt"] = "vit"
    early_depths: tuple[int, ...] = ()
    early_dims: tuple[int, ...] = ()
    early_heads: tuple[int, ...] = ()
    decoder_depth: int = 0
    decoder_dim: int = 512
    decoder_heads: int = 16
    attention: Literal["asymmetric", "symmetric"] = "asymmetric"
    separate_blocks: int = 0
    cross_blocks: int = 0
    fusion_layers: int = 0
    projection: Literal["conv_bn", "conv_ln", "linear"] = "conv_bn"
    activation: Literal["gelu", "quick_gelu"] = "gelu"
    position: Literal["sincos", "frozen", "learned", "none"] = "sincos"
    layer_scale: bool = False
    prediction_tokens: int = 4
    elimination: tuple[tuple[int, int], ...] = ()
    head: Literal["token", "query", "corner", "pyramid"] = "token"
    shared_mlp: bool = True
    bins: int = 96
    head_dim: int = 384
    score: Literal["spm", "token", "token_mean", "none"] = "token"
    frozen_norms: Literal["none", "backbone", "all"] = "none"
    drop_path: float = 0.0
    unused_keys: bool = False
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_sizes()
        self._check_backbone()
        self._check_heads()
        check_integration(self, self._require)
        check_elimination(self, self._require)

    def _check_sizes(self) -> None:
        single = ("depth", "dim", "heads", "patch_size", "search_size", "template_size", "bins")
        several = ("early_depths", "early_dims", "early_heads")
        for name in (*single, *several, "decoder_dim", "decoder_heads"):
            value = getattr(self, name)
            whole = all(isinstance(x, int) and x > 0 for x in (value if name in several else (value,)))
            self._require(whole, f"{name} must be a whole number above 0, not {value!r}")
        whole = isinstance(self.decoder_depth, int) and self.decoder_depth >= 0
        self._require(whole, f"decoder_depth must be a whole number, 0 or more, not {self.decoder_depth!r}")
        for name in ("search_size", "template_size"):
            size = getattr(self, name)
            self._require(
                size % self.patch_size == 0, f"{name} {size} is not a multiple of patch_size {self.patch_size}"
            )
        self._require(self.mlp_ratio > 0, "mlp_ratio must be above 0")
        self._check_limits()
        self._require(0 <= self.drop_path < 1, "drop_path must be in [0, 1)")

    def _check_limits(self) -> None:
        """Check limits far beyond any published network, so that a damaged or hostile file cannot build a huge one."""
        self._bound(1, 256, "depth", "early_depths")
        self._bound(0, 256, "decoder_depth")
        self._bound(1, 8192, "dim", "early_dims", "decoder_dim", "head_dim")
        self._bound(1, 1024, "heads", "early_heads", "decoder_heads")
        self._bound(0.01, 64, "mlp_ratio")
        self._bound(1, 4096, "search_size", "template_size")
        self._bound(2, 4096, "bins")  # a true edge lies between two
        self._bound(0, 16, "prediction_tokens")
        self._require(len(self.early_depths) <= 4, "there are at most 4 early stages")
        for name in ("search_grid", "template_grid"):
            tokens = getattr(self, name)
            self._require(
                tokens <= 128, f"{tokens} tokens along a side of a crop exceed the limit of 128; lower {name[:-4]}size"
            )
        self._bound(-100, 100, "mean")
        self._bound(1e-6, 100, "std")

    def _check_backbone(self) -> None:
        early = len(self.early_dims)
        heads = early if self.backbone == "cvt" else 0
        self._require(len(self.early_depths) == early, "early_depths and early_dims must have the same length")
        self._require(len(self.early_heads) == heads, f"backbone {self.backbone!r} needs {heads} early_heads")
        self._require(
            (early > 0) == (self.backbone != "vit"),
            f"backbone {self.backbone!r} needs {'early_dims' if early == 0 else 'empty early_dims'}",
        )
        self._require(
            not early or self.patch_size == 4 * 2**early, f"{early} early stages need patch_size {4 * 2**early}"
        )
        plain = self.backbone != "cvt"
        convolved = not plain and self.projection != "linear"
        fits = self.position == "none" if convolved else self.position != "none" or not plain
        self._require(fits, 'position must be "none" for backbone "cvt", and only for it')
        self._require(not plain or self.projection == "conv_bn", 'projection is only for backbone "cvt"')
        self._require(
            plain or not self.decoder_depth, 'decoder_depth must be 0 for backbone "cvt": no MAE decoder fits it'
        )
        for stage in self.stages:
            self._require(stage.dim % stage.heads == 0, f"heads {stage.heads} does not divide dim {stage.dim}")
            self._require(stage.dim % 4 == 0, f"dim {stage.dim} must be a multiple of 4")

    def _check_heads(self) -> None:
        tokens = {"token": (1, 4), "query": (1,), "corner": (0,), "pyramid": (0,)}[self.head]
        wanted = " or ".join(str(n) for n in tokens)
        self._require(self.prediction_tokens in tokens, f"head {self.head!r} needs prediction_tokens {wanted}")
        self._require(
            not self.score.startswith("token") or self.prediction_tokens > 0,
            f"score {self.score!r} needs prediction tokens",
        )

        self._require(
            self.shared_mlp or (self.head == "token" and self.prediction_tokens == 4),
            'shared_mlp = false needs head "token" with 4 prediction tokens',
        )

    @property
    def search_grid(self) -> int:
        """Tokens along one side of the search crop, in the last stage."""
        return self.search_size // self.patch_size

    @property
    def template_grid(self) -> int:
        """Tokens along one side of a template crop, in the last stage."""
        return self.template_size // self.patch_size

    @property
    def final_dim(self) -> int:
        """Width of the tokens that the heads read."""
        return self.decoder_dim if self.decoder_depth else self.dim

    @property
    def dense(self) -> bool:
        """True if the box is read from a map of the search region, not from prediction tokens."""
        return self.prediction_tokens == 0

    @property
    def predicts_edges(self) -> bool:
        """True if the head predicts distributions of the box's edges, not the box alone."""
        return self.head != "query"

    @property
    def stages(self) -> tuple[StageSize, ...]:
        """The stages of mixed-attention blocks, in order."""
        search, template = self.search_grid, self.template_grid
        last = StageSize(self.depth, self.dim, self.heads, search, template)
        stages = [last]
        for depth, dim, heads in zip(self.early_depths, self.early_dims, self.early_heads, strict=False):
            finer = 2 ** (len(self.early_dims) + 1 - len(stages))
            stages.insert(-1, StageSize(depth, dim, heads, search * finer, template * finer))
        if self.decoder_depth:
            stages.append(StageSize(self.decoder_depth, self.decoder_dim, self.decoder_heads, search, template))
        return tuple(stages)

    @property
    def mixing_depth(self) -> int:
        """Number of mixed-attention blocks in all stages together."""
        return sum(stage.depth for stage in self.stages)

    @property
    def reads_templates(self) -> bool:
        """True if a part after the backbone reads the templates' tokens: the score prediction module, or the fusion."""
        return self.score == "spm" or self.fusion_layers > 0

    @property
    def fusion_size(self) -> tuple[int, int, int]:
        """Width, heads and hidden width of the MLPs of the fusion, as in TransT; less for a narrower backbone."""
        width, heads = (256, 8) if self.final_dim >= 256 else (self.final_dim, self.stages[-1].heads)
        return width, heads, 8 * width

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """For each block, the tokens that its search tokens attend to."""
        mixed = self.mixing_depth - self.separate_blocks - self.cross_blocks
        kinds: tuple[tuple[Reach, int], ...] = (
            ("self", self.separate_blocks), ("all", mixed), ("templates", self.cross_blocks),
        )  # fmt: skip
        return tuple(kind for kind, count in kinds for _ in range(count))

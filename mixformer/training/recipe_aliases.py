"""Names in recipes of version 0.1.0, and `upgrade_recipe`, which replaces them by today's names."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from mixformer.errors import ConfigError, shown
from mixformer.files import parse_json

KEYS = {
    "start": "init_from",
    "changes": "model_overrides",
    "steps": "max_steps",
    "batch": "batch_size",
    "accumulate": "grad_accum_steps",
    "validate": "val_data",
    "validate_every": "val_interval",
    "save_every": "save_interval",
    "optimiser": "optimizer",
    "data.lookalikes": "distractor_prob",
    "data.moving": "smooth_motion",
    "data.crops": "crop_on",
    "crops.motion": "small_motion_prob",
    "crops.motion_spread": "small_motion_scale",
    "crops.coarse": "low_res_prob",
    "crops.flip_each": "crop_flip_prob",
    "crops.blur": "blur_prob",
    "optimizer.warmup": "warmup_steps",
    "optimizer.decay": "decay_steps",
    "optimizer.drop_at": "lr_drop_at",
    "optimizer.clip": "grad_clip",
    "optimizer.ema": "ema_decay",
    "optimizer.freeze": "freeze_blocks",
    "loss.iou": "iou_weight",
    "loss.overlap": "iou_type",
    "loss.edges": "dfl",
    "loss.hints": "aux",
    "teacher.logits": "kl_weight",
    "teacher.features": "feature_weight",
    "pruning.remove": "blocks",
    "pruning.form": "variant",
    "masks.normalise": "normalize",
}
"""Old dotted key, below today's name of its section -> the new last part."""
VALUES = {
    ("stage", "boxes"): "box",
    ("stage", "distil"): "distill",
    ("optimizer.schedule", "tail"): "wsd",
    ("optimizer.schedule", "step"): "multistep",
    ("data.sets.name", "own"): "custom",
}
"""Today's dotted key and an old value -> the new value."""
STATE_PREFIXES = {"hints.": "aux_head."}
"""Old beginning of a module's name in a training state -> the new one."""

_DEEPEST = 16  # parts of a dotted key
_SECTIONS = {"data", "data.sets", "crops", "optimizer", "loss", "teacher", "pruning", "masks"}
# Version 0.1.0 knew one folder of pictures by these names; (folder, share of the weight of stills).
_STILLS = (
    ("tiny_coco", 3.0), ("imagenet_samples", 3.0), ("bsds500", 1.0), ("raccoon", 1.0), ("kangaroo", 1.0),
    ("camvid", 1.0),
)  # fmt: skip
_CUTOUTS = ("tiny_coco", "imagenet_samples", "tuxpaint_stamps")
_BACKGROUNDS = ("imagenet_samples", "debian_wallpapers", "camvid")


def upgrade_recipe(values: Mapping[str, Any], changes: Iterable[str] = ()) -> dict[str, Any]:
    """Apply changes to a recipe, and replace names of version 0.1.0, with one `DeprecationWarning` that lists them.

    A change is "key=value" with a dotted key, such as "optimizer.lr=1e-4" or "data.sets.0.weight=2"; the value is JSON,
    or else text. Raises ConfigError for another form, or a key that is there under its old and its new name.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"a recipe is an object with fields, not {values!r:.200}")
    renamed: dict[str, str] = {}
    found = _rename(values, "", renamed)
    for change in changes:
        _apply(found, change, renamed)
    _name_the_old_sets(found, renamed)
    if renamed:
        words = ", ".join(f"{old} -> {new}" for old, new in renamed.items())
        warnings.warn(f"recipe names of version 0.1.0; use the new ones: {words}", DeprecationWarning, stacklevel=3)
    return found


def _rename(values: Mapping[str, Any], section: str, renamed: dict[str, str]) -> dict[str, Any]:
    """Copy one section, and those below it, with today's names; add each replaced name to `renamed`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = KEYS.get(f"{section}{key}", key)
        path = f"{section}{name}"
        if name != key:
            renamed[f"{section}{key}"] = path
        if name in found:
            raise ConfigError(f"the recipe gives {path} twice, also under its old name; keep the new one")
        if path in _SECTIONS and isinstance(value, Mapping):
            value = _rename(value, f"{path}.", renamed)
        elif path in _SECTIONS and isinstance(value, list | tuple):
            value = [_rename(each, f"{path}.", renamed) if isinstance(each, Mapping) else each for each in value]
        elif isinstance(value, str) and (new := VALUES.get((path, value))):
            renamed[f"{path} = {value!r}"] = repr(new)
            value = new
        found[name] = value
    return found


def _apply(values: dict[str, Any], change: str, renamed: dict[str, str]) -> None:
    """Apply one "a.b=value" to nested values."""
    key, value = _parse(change)
    parts = key.split(".")
    if len(parts) > _DEEPEST:
        raise ConfigError(f"{change!r}: a recipe has no section that is {len(parts)} deep")
    # Rename the path and its value as a recipe with only this entry.
    for part in reversed(parts):
        value = {part: value}
    node: Any = _rename(value, "", renamed)
    place: Any = values
    for number in range(len(parts)):
        ((name, node),) = node.items()
        if isinstance(place, list) and name in map(str, range(len(place))):
            name = int(name)
        elif not isinstance(place, dict):
            raise ConfigError(f"{change!r}: {'.'.join(parts[:number])} is not a section of a recipe")
        if number == len(parts) - 1:
            place[name] = node
        else:
            place = place[name] if isinstance(place, list) else place.setdefault(name, {})


def _parse(change: str) -> tuple[str, Any]:
    """Split a change into dotted key and value."""
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise ConfigError(f"{change!r} does not change a recipe; write key=value, such as optimizer.lr=1e-4")
    try:
        value = parse_json(text, f"the value of {shown(key, 60)}", ConfigError)
    except ConfigError as error:  # JSON with values that cannot be used is an error, any other text is text
        if not isinstance(error.__cause__, json.JSONDecodeError):
            raise
        value = text
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{change!r}: the value is not a finite number")
    return key, value


def _name_the_old_sets(values: dict[str, Any], renamed: dict[str, str]) -> None:
    """Replace the weights `data.sequences`, `stills` and `synthetic` by entries of `data.sets` below `data.root`."""
    data = values.get("data")
    if not isinstance(data, dict):
        return
    weights = {key: data.pop(key) for key in ("sequences", "stills", "synthetic") if key in data}
    root = data.pop("root", None)
    renamed |= {f"data.{key}": "an entry of data.sets" for key in weights}
    if root is not None:
        renamed["data.root"] = "data.sets.root" if weights else "data_root"
    if not weights:
        if root is not None:
            values["data_root"] = root
        return
    sets = _checked_sets(data.get("sets", ()), weights)
    folder = "" if root is None else f"{str(root).rstrip('/')}/"
    made = _old_sets(folder, weights, other_sampler=data.get("sampler", "near") != "near")
    if made and not sets:
        data.setdefault("negative_rule", "elsewhere")
    if made:
        data["sets"] = sets + made


def _checked_sets(sets: Any, weights: Mapping[str, Any]) -> list[Any]:
    """Return the entries of `data.sets`, and check the old weights."""
    if not isinstance(sets, list | tuple):
        raise ConfigError(f"data.sets must be a list of tables, not {sets!r:.200}")
    if wrong := [key for key, weight in weights.items() if not isinstance(weight, int | float)]:
        raise ConfigError(f"data.{wrong[0]} must be a number, not {weights[wrong[0]]!r:.200}")
    return list(sets)


def _old_sets(root: str, weights: Mapping[str, float], *, other_sampler: bool) -> list[dict[str, Any]]:
    """Make the entries for the old weights, in their old order and with their old shares."""
    found: list[dict[str, Any]] = []
    if weight := weights.get("sequences"):
        near = {"sampler": "near"} if other_sampler else {}
        found.append({"root": f"{root}sequences", "where": {"dev_use": "train"}, "weight": weight, **near})
    if weight := weights.get("stills"):
        total = sum(share for _, share in _STILLS)
        found += [
            {"kind": "images", "root": f"{root}images/{name}", "weight": weight * share / total}
            for name, share in _STILLS
        ]
    if weight := weights.get("synthetic"):
        cutouts, backgrounds = ([f"{root}images/{name}" for name in names] for names in (_CUTOUTS, _BACKGROUNDS))
        found.append({"kind": "cutouts", "root": cutouts, "backgrounds": backgrounds, "weight": weight})
    return found

"""When and with what the online templates are replaced: the official rules as a pure function (spec 3.5, 3.6)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mixformer.configs.tracker import TrackerConfig


@dataclass(frozen=True)
class TemplateBuffer:
    """Bookkeeping of the online templates.

    Attributes:
        best_score: highest score of the running interval, decayed each frame; -1 before there is one.
        count: online templates there are.
        next_slot: slot that the next commit overwrites once the ring is full.
    """

    best_score: float = -1.0
    count: int = 1
    next_slot: int = 0


@dataclass(frozen=True)
class TemplateUpdate:
    """What one frame means for the templates.

    Attributes:
        ring: the bookkeeping after this frame.
        take: this frame is the candidate from now on.
        commit: the interval ends: write the candidate (or, without one, the initial template) to `slot`.
        slot: index of the online template to write; equal to the old count when one is appended.
    """

    ring: TemplateBuffer
    take: bool = False
    commit: bool = False
    slot: int = 0


def decide(ring: TemplateBuffer, score: float | None, frame_index: int, config: TrackerConfig) -> TemplateUpdate:
    """Apply the rule to one frame.

    Args:
        ring: the bookkeeping before this frame.
        score: probability of this frame's box; None = the model has no score head, then the rule "score" never updates.
        frame_index: 1 for the first frame after `init`.
        config: rule, interval, ring size, threshold and decay.
    """
    if config.update == "never" or config.update_interval == 0:
        return TemplateUpdate(ring)
    commit = frame_index % config.update_interval == 0
    if config.update == "interval":
        take = commit
    elif score is None:
        return TemplateUpdate(ring)
    else:
        best = ring.best_score * config.score_decay
        take = score > config.score_threshold and score > best
        ring = replace(ring, best_score=score if take else best)
    if not commit:
        return TemplateUpdate(ring, take)
    if ring.count < config.online_templates:
        slot, count, following = ring.count, ring.count + 1, ring.next_slot
    else:
        slot, count, following = ring.next_slot, ring.count, (ring.next_slot + 1) % config.online_templates
    return TemplateUpdate(TemplateBuffer(-1.0, count, following), take, True, slot)

"""The update rule of the online templates, as a function without side effects.

The official trackers have the same rule: `lib/test/tracker/*_online.py` of MixFormer and MixFormerV2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mixformer.configs.tracking_config import TrackerConfig


@dataclass(frozen=True)
class TemplateBuffer:
    """Counters of the online templates, which fill a ring buffer."""

    best_score: float = -1.0  # highest score of the running interval, decayed each frame; -1 before there is one
    count: int = 1  # number of online templates
    next_slot: int = 0  # slot that the next update overwrites once the buffer is full


@dataclass(frozen=True)
class TemplateUpdate:
    """The decision about the templates in one frame."""

    buffer: TemplateBuffer  # the counters after this frame
    take: bool = False  # cut a candidate for the next template out of this frame
    commit: bool = False  # store the candidate (or else the initial template) in `slot`, because the interval ends
    slot: int = 0  # index of the online template to overwrite; equal to the old count when a template is appended


def update_policy(
    buffer: TemplateBuffer, score: float | None, frame_index: int, config: TrackerConfig
) -> TemplateUpdate:
    """Decide whether a frame becomes the candidate, and whether the candidate becomes a template.

    Args:
        buffer: the counters before this frame.
        score: probability (0..1) of this frame's box. It is None for a model without a score head; then `config.update`
            "score" never updates.
        frame_index: number of the frame since the target was given, 1 for the first update.
        config: kind of update, interval, buffer size, threshold and decay.

    Example:
        >>> every_2 = TrackerConfig(update_interval=2)
        >>> first = update_policy(TemplateBuffer(), 0.9, 1, every_2)
        >>> first.take, first.commit
        (True, False)
        >>> second = update_policy(first.buffer, 0.8, 2, every_2)
        >>> second.take, second.commit  # the first frame was better and becomes the template
        (False, True)
    """
    if config.update == "never" or config.update_interval == 0:
        return TemplateUpdate(buffer)
    # 1. Is this frame the best of the interval so far?
    commit = frame_index % config.update_interval == 0
    if config.update == "interval":
        take = commit
    elif score is None:
        return TemplateUpdate(buffer)
    else:
        best = buffer.best_score * config.score_decay
        take = score > config.score_threshold and score > best
        buffer = replace(buffer, best_score=score if take else best)
    if not commit:
        return TemplateUpdate(buffer, take)
    # 2. At the end of the interval: append a template while there is room, then overwrite the oldest.
    if buffer.count < config.online_templates:
        slot, count, following = buffer.count, buffer.count + 1, buffer.next_slot
    else:
        slot, count, following = buffer.next_slot, buffer.count, (buffer.next_slot + 1) % config.online_templates
    return TemplateUpdate(TemplateBuffer(-1.0, count, following), take, True, slot)

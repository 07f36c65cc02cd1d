"""Masked pre-training: the loss is the one of the papers, it is learnt, and the pictures show what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mixformer.configs.model import ModelConfig
from mixformer.data.sample_dataset import Batch
from mixformer.errors import ConfigError
from mixformer.models import build_model
from mixformer.models.mae import MaskConfig, draw_split
from mixformer.training import DataSection, Recipe, train
from mixformer.training.pretraining import PretrainStage, patch_target
from mixformer.training.reconstructions import reconstruction_sheet

TINY = ModelConfig("tiny", 2, 48, 3, patch_size=8, search_size=32, template_size=16, bins=16)
MASKS = MaskConfig(decoder_depth=1, decoder_dim=32, decoder_heads=2)


def make(seed=0, config=TINY, **changes):
    torch.manual_seed(seed)
    return PretrainStage(build_model(config), MASKS.replace(**changes))


def pictures(batch=4, seed=0):
    """Stripes whose direction, color and width are the sample's own, so that the rest of a picture tells a patch."""
    random = np.random.default_rng(seed)
    templates, search = np.zeros((batch, 2, 16, 16, 3)), np.zeros((batch, 32, 32, 3))
    for index in range(batch):
        angle, width, color = random.uniform(0, 3.14), random.uniform(4, 9), random.uniform(60, 120, 3)
        for image in (*templates[index], search[index]):
            y, x = np.mgrid[: len(image), : len(image)] + random.integers(0, 9)
            wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 6.28 / width)
            image += 128 + color * wave[..., None]
    crops = (torch.from_numpy(x.clip(0, 255).astype(np.uint8)) for x in (templates, search))
    return Batch(*crops, torch.zeros(batch, 4), torch.ones(batch))  # type: ignore[call-arg]


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("kind", ["mae", "trackmae"])
def test_the_loss_is_the_mean_squared_error_of_hidden_patches(kind, normalize):
    stage, batch = make(kind=kind, normalize=normalize).eval(), pictures()
    loss, parts = stage(batch, seeded())
    found = stage.autoencoder(stage.model.normalize(batch.templates), stage.model.normalize(batch.search), seeded())
    squares, values = [], []
    for one in found:
        images, guess = one.images.detach().numpy(), one.patches.detach().numpy()
        grid = images.shape[2] // 8
        for sample in range(len(images)):
            for index in one.split.hidden[sample].tolist():
                row, column = divmod(index, grid)
                square = images[sample, :, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
                target = square.transpose(1, 2, 0).ravel().astype(np.float64)
                if normalize:
                    target = (target - target.mean()) / np.sqrt(target.var(ddof=1) + 1e-6)
                squares.append(np.mean((guess[sample, index] - target) ** 2))
                values.append(target)
    assert len(squares) == 4 * 12 + (4 * 2 * 3 if kind == "mae" else 0)
    assert loss.item() == pytest.approx(np.mean(squares), rel=1e-5)
    assert parts["search"].item() == pytest.approx(np.mean(squares[:48]), rel=1e-5)
    assert ("templates" in parts) == (kind == "mae")
    if normalize:
        assert parts["flat"].item() == pytest.approx(np.mean(np.square(values)), rel=1e-3)


def test_targets_of_patches_have_mean_0_and_variance_1_but_where_nothing_varies():
    images = torch.rand(2, 3, 16, 16, generator=seeded())
    images[0, :, :8, :8] = 0.3
    target = patch_target(images, 8, True)
    assert target[0, 0].abs().max() < 1e-3
    torch.testing.assert_close(target[1].mean(-1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(target[1].var(-1), torch.ones(4), atol=1e-4, rtol=0)


def test_the_generator_fixes_the_masks_and_without_one_the_global_seed_does():
    stage, batch = make(), pictures()
    first, again, other = (stage(batch, seeded(seed))[0].item() for seed in (3, 3, 4))
    assert first == again != other
    torch.manual_seed(3)
    assert stage(batch)[0].item() == first  # one stream, whoever owns it
    assert stage(batch)[0].item() != first


def test_only_what_is_pre_trained_gets_gradients():
    stage = make()
    stage(pictures(), seeded())[0].backward()
    for name, parameter in stage.named_parameters():
        idle = "head" in name or name.endswith(("backbone.tokens", "backbone.pos_tokens", "pos_search", "pos_template"))
        assert parameter.requires_grad == (not idle), name
        assert (parameter.grad is not None) == (not idle), name


@pytest.mark.parametrize("kind", ["mae", "trackmae"])
def test_a_fixed_batch_is_learnt(kind):
    stage, batch = make(kind=kind), pictures()
    trained = [p for p in stage.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, 3e-3)
    losses = []
    for _ in range(80):
        loss, _ = stage(batch, seeded())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * min(losses[0], 1.0)


def told_by_templates(index, ratio):
    """Ramps of one direction and color all over templates and search region, but for noise where that is seen."""
    random = torch.Generator().manual_seed(index)
    ramp = torch.linspace(-1, 1, 8)[:, None].expand(8, 8)
    turned = torch.rand(8, generator=random) < 0.5
    colors = torch.randint(0, 2, (8, 1, 1, 3), generator=random) * 160 - 80
    patch = 128 + torch.stack([ramp.T if turn else ramp for turn in turned])[..., None] * colors
    templates, search = patch.repeat(1, 2, 2, 1)[:, None].repeat(1, 2, 1, 1, 1), patch.repeat(1, 4, 4, 1)
    for picture, places in zip(search, draw_split(8, 16, ratio, seeded(index)).visible.tolist(), strict=True):
        for place in places:
            y, x = (8 * part for part in divmod(place, 4))
            picture[y : y + 8, x : x + 8] = torch.randint(0, 256, (8, 8, 3), generator=random)
    return Batch(templates.byte(), search.byte(), torch.zeros(8, 4), torch.ones(8))


def test_what_only_the_templates_tell_is_learnt_from_them():
    stage = make(ratio=0.9)
    optimizer = torch.optim.AdamW([p for p in stage.parameters() if p.requires_grad], 3e-3)
    for step in range(60):
        loss, _ = stage(told_by_templates(step, 0.9), seeded(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    batch = told_by_templates(1000, 0.9)
    own = stage(batch, seeded(1000))[0].item()
    other = stage(replace(batch, templates=batch.templates.roll(1, 0)), seeded(1000))[0].item()
    assert own < 0.5
    assert other > own + 0.2


def test_half_precision_gives_nearly_the_same_loss():
    stage, batch = make(), pictures()
    exact = stage(batch, seeded())[0].item()
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = stage(batch, seeded())
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("kind", ["mae", "trackmae"])
@pytest.mark.parametrize("normalize", [True, False])
def test_the_sheet_shows_original_covered_and_restored(kind, normalize):
    stage, batch = make(kind=kind, normalize=normalize).eval(), pictures()
    sheet = reconstruction_sheet(stage.autoencoder, batch, seeded(), count=3)
    columns = 4 if kind == "trackmae" else 3
    assert sheet.shape == (3 * 32 + 2 * 4, columns * 32 + (columns - 1) * 4, 3)
    assert sheet.dtype == np.uint8
    split = draw_split(3, 16, 0.75, seeded())
    first = (columns - 3) * 36
    original, covered, restored = (sheet[36:68, first + i * 36 : first + i * 36 + 32] for i in range(3))
    np.testing.assert_array_equal(original, batch.search[1].numpy())
    for place in range(16):
        y, x = (8 * part for part in divmod(place, 4))
        here = np.s_[y : y + 8, x : x + 8]
        if place in split.hidden[1]:
            assert (covered[here] == 128).all()
            assert (restored[here] != original[here]).any()
        else:
            np.testing.assert_array_equal(covered[here], original[here])
            np.testing.assert_array_equal(restored[here], original[here])
    if kind == "trackmae":
        np.testing.assert_array_equal(sheet[36:68:2, :32:2], batch.templates[1, 0].numpy())


def test_perfect_predictions_give_back_the_picture(monkeypatch):
    stage, batch = make().eval(), pictures()
    images = stage.model.normalize(batch.search)
    found = stage.autoencoder(stage.model.normalize(batch.templates), images, seeded())[0]
    perfect = [replace(found, patches=patch_target(images, 8, True))]
    monkeypatch.setattr(stage.autoencoder, "forward", lambda *_: perfect)
    loss, _ = stage(batch, seeded())
    assert loss.item() < 1e-12
    sheet = reconstruction_sheet(stage.autoencoder, batch, seeded())
    np.testing.assert_array_equal(sheet[:, 108:140], sheet[:, 36:68])


def test_a_backbone_with_convolutions_is_refused():
    config = TINY.replace(backbone="convmae", patch_size=16, early_depths=(1, 1), early_dims=(8, 12))
    with pytest.raises(ConfigError, match="plain transformer"):
        make(config=config)


@pytest.mark.parametrize("kind", ["mae", "trackmae"])
def test_a_finished_run_has_a_picture_of_what_it_restores(kind, tmp_path):
    """Figure 5 of the journal paper, drawn again when the same command finds the run complete."""
    network = {"depth": 1, "dim": 32, "heads": 2, "search_size": 64, "template_size": 32}
    recipe = Recipe("mixvit_stage1", network, stage="pretrain", max_steps=2, batch_size=2, data=DataSection(workers=0))
    recipe = recipe.replace(masks=MASKS.replace(kind=kind))
    for _ in range(2):
        train(recipe, tmp_path, dry_run=True)
        with Image.open(tmp_path / "reconstructions.png") as picture:
            sheet = np.asarray(picture)
        columns = 4 if kind == "trackmae" else 3
        assert sheet.shape == (6 * 64 + 5 * 4, columns * 64 + (columns - 1) * 4, 3)
        covered = sheet[:64, -132:-68]
        assert 0.7 < (covered == 128).all(-1).mean() < 0.8  # three of four patches
        (tmp_path / "reconstructions.png").unlink()

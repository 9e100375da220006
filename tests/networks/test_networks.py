"""Shapes, sizes and starting points of the networks; their values are in tests/conformance."""

import weakref
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

from sam_diffsr_cli import resize
from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.config import LITE, PAPER, EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.diffusion.preconditioning import precondition
from sam_diffsr_cli.diffusion.schedule import make_schedule, respace
from sam_diffsr_cli.networks import folded_unet
from sam_diffsr_cli.networks.folded_unet import FoldedUNet
from sam_diffsr_cli.networks.model import SuperResolver, build_encoder, build_model
from tests.helpers import shaken_model

SMALL_FULL = ModelConfig(
    encoder=EncoderConfig(kind="rrdb", num_feat=4, num_block=2),
    unet=UNetConfig(kind="full", widths=(4, 8, 12)),
)
SMALL_FOLDED = ModelConfig(
    encoder=EncoderConfig(kind="residual", num_feat=4, num_block=5),
    unet=UNetConfig(kind="folded", widths=(8, 12, 16)),
    diffusion=LITE.diffusion,
)
by_kind = pytest.mark.parametrize(
    "config",
    [pytest.param(SMALL_FULL, id="full"), pytest.param(SMALL_FOLDED, id="folded")],
)

ATOL = 1e-5


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def photo(height: int, width: int, batch: int = 1) -> Tensor:
    return drawn(batch, 3, height, width).clamp(-1, 1)


def shaken(config: ModelConfig) -> SuperResolver:
    return shaken_model(config, 0.1).requires_grad_(requires_grad=False)


def count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def predict(model: SuperResolver, lr: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
    schedule = make_schedule(model.config.diffusion)
    with torch.inference_mode():
        return model.predict_eps(x_t, t, model.condition(lr), schedule)


# The paper's network.


def conv(name: str, outputs: int, inputs: int, side: int = 3) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs, side, side), f"{name}.bias": (outputs,)}


def linear(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def rrdb_listing(feat: int, blocks: int) -> dict[str, tuple[int, ...]]:
    listing = conv("conv_first", feat, 3) | conv("conv_last", 3, feat)
    for name in ("trunk_conv", "upconv1", "upconv2", "HRconv"):
        listing |= conv(name, feat, feat)
    for dense in [f"RRDB_trunk.{i}.RDB{k}" for i in range(blocks) for k in (1, 2, 3)]:
        for i in range(1, 6):
            outputs = feat if i == 5 else feat // 2
            listing |= conv(f"{dense}.conv{i}", outputs, feat + (i - 1) * feat // 2)
    return listing


def resnet_listing(name: str, inputs: int, outputs: int, dim: int) -> dict[str, tuple[int, ...]]:
    listing = linear(f"{name}.mlp.1", outputs, dim)
    listing |= conv(f"{name}.block1.block.1", outputs, inputs)
    listing |= conv(f"{name}.block2.block.1", outputs, outputs)
    return listing | (conv(f"{name}.res_conv", outputs, inputs, 1) if inputs != outputs else {})


def unet_listing(
    dim: int, mults: tuple[int, ...], condition: int, scale: int
) -> dict[str, tuple[int, ...]]:
    widths = [dim * m for m in mults]
    listing = linear("mlp.0", 4 * dim, dim) | linear("mlp.2", dim, 4 * dim)
    listing |= {"cond_proj.weight": (condition, dim, 2 * scale, 2 * scale)}
    listing |= {"cond_proj.bias": (dim,)}
    for i, (inputs, outputs) in enumerate(zip([3, *widths], widths, strict=False)):
        listing |= resnet_listing(f"downs.{i}.0", inputs, outputs, dim)
        listing |= resnet_listing(f"downs.{i}.1", outputs, outputs, dim)
        listing |= conv(f"downs.{i}.2.conv.1", outputs, outputs) if i + 1 < len(widths) else {}
    for i, (below, width) in enumerate(zip(widths[:0:-1], widths[-2::-1], strict=True)):
        listing |= resnet_listing(f"ups.{i}.0", 2 * below, width, dim)
        listing |= resnet_listing(f"ups.{i}.1", width, width, dim)
        listing |= conv(f"ups.{i}.2.conv.0", width, width, 4)
    for name in ("mid_block1", "mid_block2"):
        listing |= resnet_listing(name, widths[-1], widths[-1], dim)
    return listing | conv("final_conv.0.block.1", dim, dim) | conv("final_conv.1", 3, dim, 1)


def on_meta(config: ModelConfig) -> SuperResolver:
    """Build without memory for the parameters."""
    with torch.device("meta"):
        return SuperResolver(config)


def test_paper_noise_predictor_has_the_published_size() -> None:
    assert round(count_parameters(on_meta(PAPER).denoise_fn) / 1e6, 2) == 12.93


def test_paper_encoder_has_the_published_size() -> None:
    assert round(count_parameters(on_meta(PAPER).rrdb) / 1e6, 2) == 12.38


def test_paper_tensors_have_the_published_names_and_shapes() -> None:
    expected = {f"rrdb.{name}": shape for name, shape in rrdb_listing(64, 17).items()}
    unet = unet_listing(64, (1, 2, 3, 4), 6 * 64, 4)
    expected |= {f"denoise_fn.{name}": shape for name, shape in unet.items()}
    state = on_meta(PAPER).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected


def test_factor_eight_adds_a_third_upsampling_convolution() -> None:
    added = on_meta(replace(PAPER, scale=8)).state_dict().keys() - on_meta(PAPER).state_dict()
    assert added == {"rrdb.upconv3.weight", "rrdb.upconv3.bias"}


# Encoders.


@by_kind
def test_encoder_returns_a_feature_per_block_and_the_last_sum(config: ModelConfig) -> None:
    features = build_encoder(config)(photo(6, 8)).features
    shapes = [tuple(feature.shape) for feature in features]
    assert shapes == [(1, 4, 6, 8)] * (config.encoder.num_block + 1)


@by_kind
def test_condition_is_every_third_feature(config: ModelConfig) -> None:
    model, lr = shaken(config), photo(6, 8)
    features = model.rrdb(lr).features
    expected = torch.cat([features[i] for i in range(2, len(features), 3)], dim=1)
    assert torch.equal(torch.cat(model.condition(lr).features, dim=1), expected)
    assert expected.shape[1] == config.encoder.num_condition_features


@pytest.mark.parametrize("scale", [4, 8])
def test_rrdb_image_has_the_scaled_size_and_is_clipped(scale: int) -> None:
    model = shaken(replace(SMALL_FULL, scale=scale))
    sr = model.rrdb(10 * photo(3, 5)).sr
    assert tuple(sr.shape) == (1, 3, 3 * scale, 5 * scale)
    assert float(sr.abs().max()) <= 1


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_untrained_residual_encoder_returns_bicubic(scale: int) -> None:
    lr = photo(5, 6)
    sr = build_encoder(replace(SMALL_FOLDED, scale=scale))(lr).sr
    assert torch.equal(sr, resize.upscale(lr, scale))


@by_kind
def test_answer_of_the_encoder_is_clipped_in_the_condition(config: ModelConfig) -> None:
    assert float(shaken(config).condition(5 * photo(6, 8)).sr.abs().max()) <= 1


def test_residual_of_lite_is_taken_against_the_encoder() -> None:
    condition = shaken(SMALL_FOLDED).condition(photo(6, 8))
    assert torch.equal(condition.base, condition.sr)


def test_residual_of_the_paper_is_taken_against_bicubic() -> None:
    model, lr = shaken(SMALL_FULL), photo(6, 8)
    condition = model.condition(lr)
    assert torch.equal(condition.base, model.upsampled(lr))
    assert not torch.equal(condition.base, condition.sr)


def test_divisor_255_upsamples_the_photo_as_it_is() -> None:
    lr = photo(6, 8)
    expected = resize.upscale(lr, 4)
    torch.testing.assert_close(build_model(SMALL_FULL).upsampled(lr), expected, rtol=0, atol=ATOL)


def test_divisor_256_upsamples_a_darker_photo() -> None:
    lr, model = photo(6, 8), build_model(replace(SMALL_FULL, lr_divisor=256))
    expected = resize.upscale((lr + 1) / 2 * 255, 4) / 256 * 2 - 1
    torch.testing.assert_close(model.upsampled(lr), expected, rtol=0, atol=ATOL)


# Noise predictors.


@by_kind
@pytest.mark.parametrize("size", [(8, 12), (12, 8)], ids=["8x12", "12x8"])
def test_predicted_noise_has_the_shape_of_its_input(
    config: ModelConfig, size: tuple[int, int]
) -> None:
    x_t = drawn(2, 3, 4 * size[0], 4 * size[1])
    eps = predict(shaken(config), photo(*size, batch=2), x_t, torch.tensor([3, 90]))
    assert eps.shape == x_t.shape
    assert eps.dtype == torch.float32


@by_kind
def test_batch_equals_its_items_one_by_one(config: ModelConfig) -> None:
    model, lr, x_t, t = shaken(config), photo(8, 8, 2), drawn(2, 3, 32, 32), torch.tensor([3, 90])
    singles = [predict(model, lr[i : i + 1], x_t[i : i + 1], t[i : i + 1]) for i in range(2)]
    together = predict(model, lr, x_t, t)
    torch.testing.assert_close(together, torch.cat(singles), rtol=0, atol=1e-4)


@by_kind
def test_predicted_noise_depends_on_step_and_photo(config: ModelConfig) -> None:
    model, lr, x_t, t = shaken(config), photo(8, 8), drawn(1, 3, 32, 32), torch.tensor([40])
    eps = predict(model, lr, x_t, t)
    assert not torch.allclose(eps, predict(model, lr, x_t, t + 1), rtol=0, atol=ATOL)
    assert not torch.allclose(eps, predict(model, -lr, x_t, t), rtol=0, atol=ATOL)


@by_kind
def test_arguments_are_not_modified(config: ModelConfig) -> None:
    lr, x_t, t = photo(8, 8), drawn(1, 3, 32, 32), torch.tensor([40])
    predict(shaken(config), lr, x_t, t)
    assert torch.equal(lr, photo(8, 8))
    assert torch.equal(x_t, drawn(1, 3, 32, 32))
    assert t.tolist() == [40]


@by_kind
def test_respaced_chain_tells_the_network_the_trained_step(config: ModelConfig) -> None:
    model, lr, x_t = shaken(config), photo(8, 8), drawn(1, 3, 32, 32)
    trained = make_schedule(config.diffusion)
    short = respace(trained, torch.tensor([20, 60, 99]))
    with torch.inference_mode():
        condition = model.condition(lr)
        of_row = model.predict_eps(x_t, torch.tensor([1]), condition, short)
        of_step = model.predict_eps(x_t, torch.tensor([60]), condition, trained)
    torch.testing.assert_close(of_row, of_step, rtol=0, atol=ATOL)


@pytest.mark.parametrize("t", [0, 50, 99])
def test_untrained_lite_predicts_the_best_linear_guess(t: int) -> None:
    x_t = drawn(1, 3, 32, 32)
    eps = predict(build_model(SMALL_FOLDED), photo(8, 8), x_t, torch.tensor([t]))
    skip = precondition(make_schedule(SMALL_FOLDED.diffusion).alphas_cumprod, 0.33).skip[t]
    torch.testing.assert_close(eps, float(skip) * x_t, rtol=0, atol=ATOL)


def test_inner_network_sees_scaled_input_and_its_answer_is_scaled() -> None:
    model, lr, x_t, t = shaken(SMALL_FOLDED), photo(8, 8), drawn(1, 3, 32, 32), torch.tensor([70])
    level = float(make_schedule(SMALL_FOLDED.diffusion).alphas_cumprod[70])
    variance = level * 0.33**2 + 1 - level
    with torch.inference_mode():
        features, base, *_ = model.condition(lr)
        inner = model.denoise_fn(x_t / variance**0.5, t, features, base)
    expected = ((1 - level) ** 0.5 * x_t) / variance + (level / variance) ** 0.5 * 0.33 * inner
    torch.testing.assert_close(predict(model, lr, x_t, t), expected, rtol=0, atol=ATOL)


@by_kind
def test_what_is_prepared_beforehand_changes_no_bit(config: ModelConfig) -> None:
    model, lr, x_t = shaken(config), photo(8, 12, 2), drawn(2, 3, 32, 48)
    schedule = make_schedule(config.diffusion)
    with torch.inference_mode():
        condition = model.condition(lr)
        prepared = model.prepare(condition)
        assert prepared.features == ()
        for step in (70, 3):
            t = torch.tensor([step, step + 1])
            expected = model.predict_eps(x_t, t, condition, schedule)
            assert torch.equal(model.predict_eps(x_t, t, prepared, schedule), expected)


def test_the_scaled_residual_is_let_go_once_it_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    model, lr, x_t = shaken(SMALL_FOLDED), photo(8, 8), drawn(1, 3, 32, 32)
    given: list[weakref.ref[Tensor]] = []
    plainly = folded_unet._fold

    def fold(x: Tensor, scale: int) -> Tensor:
        given.append(weakref.ref(x))
        return plainly(x, scale)

    alive = []
    with torch.inference_mode():
        condition = model.prepare(model.condition(lr))
        monkeypatch.setattr(folded_unet, "_fold", fold)
        middle = model.denoise_fn.get_submodule("middle")
        middle.register_forward_pre_hook(lambda *_: alive.append(given[-1]() is not None))
        schedule = make_schedule(SMALL_FOLDED.diffusion)
        model.predict_eps(x_t, torch.tensor([3]), condition, schedule)
    assert alive == [False]


def test_the_folded_network_sees_residual_base_and_features_as_one_input() -> None:
    """Its first layer and its fusions, computed in parts, are those on what lies side by side."""
    model, lr, x = shaken(SMALL_FOLDED), photo(8, 8), drawn(1, 3, 32, 32)
    network = model.denoise_fn
    assert isinstance(network, FoldedUNet)
    with torch.inference_mode():
        condition = model.condition(lr)
        folded = pixel_unshuffle(torch.cat([x, condition.base], dim=1), 4)
        expected = network.conv_in(folded) + network.cond_proj(torch.cat(condition.features, dim=1))
        found: list[torch.Tensor] = []
        first = network.get_submodule("downs.0.block1")
        hook = first.register_forward_pre_hook(lambda _, given: found.append(given[0].clone()))
        network(x, torch.tensor([3]), condition.features, condition.base)
        hook.remove()
    torch.testing.assert_close(found[0], expected, rtol=0, atol=1e-4)


# Sizes that fit.

SIZED = [
    pytest.param(SMALL_FOLDED, 4, id="folded-x4"),
    pytest.param(replace(SMALL_FOLDED, scale=3), 4, id="folded-x3"),
    pytest.param(SMALL_FULL, 1, id="full-3-levels-x4"),
    pytest.param(
        replace(SMALL_FULL, unet=UNetConfig(kind="full", widths=(4, 4, 4, 4))), 2, id="full-4-x4"
    ),
    pytest.param(
        ModelConfig(scale=2, encoder=SMALL_FOLDED.encoder, unet=SMALL_FULL.unet), 2, id="full-3-x2"
    ),
]


@pytest.mark.parametrize(("config", "multiple"), SIZED)
def test_size_multiple_is_what_the_levels_ask_for(config: ModelConfig, multiple: int) -> None:
    assert config.size_multiple == multiple


@pytest.mark.parametrize(("config", "multiple"), SIZED)
@pytest.mark.parametrize("counts", [(2, 2), (3, 5)], ids=["2x2", "3x5"])
def test_any_size_of_that_multiple_runs(
    config: ModelConfig, multiple: int, counts: tuple[int, int]
) -> None:
    height, width = multiple * counts[0], multiple * counts[1]
    x_t = drawn(1, 3, config.scale * height, config.scale * width)
    eps = predict(build_model(config), photo(height, width), x_t, torch.tensor([5]))
    assert eps.shape == x_t.shape


@pytest.mark.parametrize(("config", "multiple"), SIZED)
def test_photo_of_the_least_size_runs(config: ModelConfig, multiple: int) -> None:
    side = config.least_size
    assert side % multiple == 0
    x_t = drawn(1, 3, config.scale * side, config.scale * side)
    eps = predict(build_model(config), photo(side, side), x_t, torch.tensor([5]))
    assert eps.shape == x_t.shape


@pytest.mark.parametrize(
    ("config", "multiple"), [case for case in SIZED if str(case.id).startswith("full")]
)
def test_one_multiple_less_than_the_least_size_cannot_run(
    config: ModelConfig, multiple: int
) -> None:
    side = config.least_size - multiple
    x_t = drawn(1, 3, config.scale * side, config.scale * side)
    with pytest.raises(RuntimeError, match="Padding size"):
        predict(build_model(config), photo(side, side), x_t, torch.tensor([5]))


# Building.


def test_same_seed_builds_the_same_parameters() -> None:
    first, second = build_model(SMALL_FOLDED, 3).state_dict(), build_model(SMALL_FOLDED, 3)
    assert all(torch.equal(first[n], tensor) for n, tensor in second.state_dict().items())


def test_another_seed_builds_other_parameters() -> None:
    first, second = (build_model(SMALL_FOLDED, seed).state_dict() for seed in (3, 4))
    assert not torch.equal(first["denoise_fn.conv_in.weight"], second["denoise_fn.conv_in.weight"])


def test_building_keeps_the_global_random_state() -> None:
    before = torch.get_rng_state()
    build_model(SMALL_FOLDED)
    assert torch.equal(torch.get_rng_state(), before)


def test_model_without_preconditioning_returns_the_network_as_it_is() -> None:
    config = replace(SMALL_FOLDED, diffusion=DiffusionConfig())
    x_t = drawn(1, 3, 32, 32)
    eps = predict(build_model(config), photo(8, 8), x_t, torch.tensor([50]))
    assert torch.equal(eps, torch.zeros_like(x_t))

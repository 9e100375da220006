"""Verifying tells a model that works from one that does not, and a chain from another."""

import hashlib
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sam_diffsr_cli.chain_config import DiffusionConfig
from sam_diffsr_cli.checkpoints.registry import bundled_weights
from sam_diffsr_cli.checkpoints.store import load_weights, save_weights
from sam_diffsr_cli.config import EncoderConfig, ModelConfig, UNetConfig
from sam_diffsr_cli.diagnosis import verifying
from sam_diffsr_cli.diagnosis.verifying import check_against, check_digest, check_runs
from sam_diffsr_cli.errors import InputError, WeightsError
from sam_diffsr_cli.networks.model import SuperResolver, build_model
from sam_diffsr_cli.upscaling.model import Upscaler, load_upscaler
from tests.helpers import also_slowly

CPU = torch.device("cpu")
STEPS = 4
PAPER_KIND = ModelConfig(
    encoder=EncoderConfig(kind="rrdb", num_feat=8, num_block=2),
    unet=UNetConfig(kind="full", widths=(8, 16)),
    diffusion=DiffusionConfig(num_timesteps=STEPS, sampling_steps=STEPS),
)
ANY = Path("any.safetensors")
Arrays = dict[str, np.ndarray]


def upscaler_of(model: SuperResolver) -> Upscaler:
    return Upscaler(model=model.eval(), device=CPU)


# ------------------------------------------------------------------------------------- digest


def test_the_digest_of_a_file_is_told() -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    found = check_digest(digest, digest, ANY)
    assert (found.name, found.found) == ("digest", f"sha256 {digest}")


def test_a_digest_in_capitals_is_the_same() -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    assert check_digest(digest, digest.upper(), ANY).found.endswith(digest)


@pytest.mark.parametrize("expected", ["", "0" * 64, "half"])
def test_another_digest_is_refused_with_both(expected: str) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    expected = digest[:32] if expected == "half" else expected
    with pytest.raises(WeightsError, match=r"any\.safetensors") as caught:
        check_digest(digest, expected, ANY)
    assert str(caught.value).endswith(f"is {digest}, expected {expected}")


# --------------------------------------------------------------------------------------- runs


def test_the_bundled_model_runs_and_looks_like_the_picture() -> None:
    checks = list(check_runs(load_upscaler(None, CPU), ANY))
    names = [check.name for check in checks]
    assert names == ["0 steps", "2 steps", "0 steps with --clean 1", "2 steps with --clean 1"]
    for check in checks:
        # What cleans takes some of the drawn grain for noise.
        above = 1.5 if "--clean" in check.name else 5
        assert float(check.found.split()[1]) > verifying.LEAST_LR_PSNR + above
        assert "the same bits twice" in check.found


@pytest.mark.parametrize("seed", range(3))
def test_random_weights_of_the_papers_kind_are_refused(seed: int) -> None:
    with pytest.raises(WeightsError, match="does not look like the picture") as caught:
        list(check_runs(upscaler_of(build_model(PAPER_KIND, seed)), ANY))
    assert str(caught.value).startswith("any.safetensors: the result of 4 steps ")
    assert caught.value.hint


@pytest.mark.parametrize("seed", [0, *also_slowly(*range(1, 6))])
def test_a_file_whose_numbers_are_in_another_order_is_refused(seed: int, tmp_path: Path) -> None:
    model = load_weights(bundled_weights()).model
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
    path = tmp_path / "scrambled.safetensors"
    save_weights(path, model, "scrambled")
    with pytest.raises(WeightsError, match="the result of 0 steps does not look"):
        list(check_runs(load_upscaler(path, CPU), path))


SOUND = ["0 steps", "2 steps", "0 steps with --clean 1"]
"""Checks that do not use the noise predictor of photos that are not clean."""


@pytest.mark.slow
def test_a_noise_predictor_that_does_not_fit_is_found_by_the_steps_that_use_it() -> None:
    parts = (("clean_distilled_denoise_fn", ["0 steps"]), ("distilled_denoise_fn", SOUND))
    for name, before in parts:
        model = load_weights(bundled_weights()).model
        with torch.no_grad():
            for parameter in model.get_submodule(name).parameters():
                parameter.mul_(2.0)
        found = check_runs(upscaler_of(model), ANY)
        assert [next(found).name for _ in before] == before
        with pytest.raises(WeightsError, match=r"the result of 2 steps.* does not look"):
            next(found)


def test_a_model_that_gives_another_result_the_second_time_is_refused() -> None:
    model = load_weights(bundled_weights()).model
    upscaler = upscaler_of(model)
    network: Any = model.network("distilled_denoise_fn")
    inner = network.predict

    def fickle(*arguments: Any) -> Any:
        answer = inner(*arguments)
        return answer + 0.1 * torch.randn_like(answer)

    network.predict = fickle
    with pytest.raises(WeightsError, match=r"2 steps.* give another result the second time"):
        list(check_runs(upscaler, ANY))


# ---------------------------------------------------------------------------------- reference


@pytest.fixture(scope="module")
def model() -> SuperResolver:
    return build_model(PAPER_KIND, 5).eval()


def cosine_betas() -> list[float]:
    """Nichol and Dhariwal 2021, equation 17, in plain Python's numbers."""

    def signal(u: float) -> float:
        return float(np.cos((u + 0.008) / 1.008 * np.pi / 2) ** 2)

    return [min(1 - signal((t + 1) / STEPS) / signal(t / STEPS), 0.999) for t in range(STEPS)]


def record_chain(model: SuperResolver, size: tuple[int, int] = (6, 8)) -> Arrays:
    """Run Ho et al. 2020, algorithm 2, with the residual clipped, in float64 between networks."""
    rng = np.random.default_rng(0)
    height, width = size
    lr = rng.uniform(-1, 1, (1, 3, height, width)).astype(np.float32)
    shape = (STEPS + 1, 1, 3, 4 * height, 4 * width)
    noises = rng.standard_normal(shape).astype(np.float32)
    betas = cosine_betas()
    signals = np.cumprod([1 - beta for beta in betas])  # alpha-bar
    with torch.inference_mode():
        condition = model.condition(torch.from_numpy(lr))
        x = noises[0].astype(np.float64)
        for t in reversed(range(STEPS)):
            x_t, step = torch.from_numpy(x).float(), torch.tensor([t])
            eps = model.denoise_fn(x_t, step, condition.features, condition.base).double().numpy()
            x_start = ((x - (1 - signals[t]) ** 0.5 * eps) / signals[t] ** 0.5).clip(-1, 1)
            before = signals[t - 1] if t else 1.0
            alpha, left = 1 - betas[t], 1 - signals[t]
            x = before**0.5 * betas[t] / left * x_start + alpha**0.5 * (1 - before) / left * x
            if t:
                x = x + (betas[t] * (1 - before) / left) ** 0.5 * noises[STEPS - t]
        base = condition.base.double().numpy()
    sr = x.clip(-1, 1) / PAPER_KIND.diffusion.residual_scale + base
    levels = ((sr[0] + 1) / 2 * 255).round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
    return {"lr": lr, "noises": noises, "sr": sr.astype(np.float32), "sr_uint8": levels}


@pytest.fixture(scope="module")
def chain(model: SuperResolver) -> Arrays:
    return record_chain(model)


def write(path: Path, arrays: Arrays) -> Path:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type] # of its own stubs
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chain.npz"


def refused(model: SuperResolver, path: Path) -> InputError:
    with pytest.raises(InputError, match=r"chain\.npz") as caught:
        check_against(upscaler_of(model), path)
    return caught.value


def test_the_recorded_chain_is_reproduced(model: SuperResolver, chain: Arrays, path: Path) -> None:
    found = check_against(upscaler_of(model), write(path, chain))
    assert found.name == "reference"
    assert found.found.endswith(f" 0 of {chain['sr'].size} levels differ")


@pytest.mark.parametrize("dtype", [">f4", "f8"])
def test_other_formats_of_the_numbers_are_read(
    model: SuperResolver, chain: Arrays, path: Path, dtype: str
) -> None:
    arrays = {name: a.astype(dtype) if a.dtype == "f4" else a for name, a in chain.items()}
    assert " 0 of " in check_against(upscaler_of(model), write(path, arrays)).found


def shifted(chain: Arrays) -> Arrays:
    return chain | {"sr": chain["sr"] + np.float32(2e-3)}


def one_pixel(chain: Arrays) -> Arrays:
    sr = chain["sr"].copy()
    sr[0, 1, 3, 5] += 0.01
    return chain | {"sr": sr}


def other_noise(chain: Arrays) -> Arrays:
    return chain | {"noises": chain["noises"][::-1]}


def other_photo(chain: Arrays) -> Arrays:
    return chain | {"lr": chain["lr"][..., ::-1]}


@pytest.mark.parametrize("change", [shifted, one_pixel, other_noise, other_photo])
def test_another_result_is_refused(
    model: SuperResolver, chain: Arrays, path: Path, change: Callable[[Arrays], Arrays]
) -> None:
    with pytest.raises(WeightsError, match="the recorded result is another one") as caught:
        check_against(upscaler_of(model), write(path, change(chain)))
    assert "largest difference" in str(caught.value)


def test_the_chain_of_another_model_is_refused(chain: Arrays, path: Path) -> None:
    with pytest.raises(WeightsError, match="another one"):
        check_against(upscaler_of(build_model(PAPER_KIND, 6)), write(path, chain))


def test_levels_that_differ_are_counted(model: SuperResolver, chain: Arrays, path: Path) -> None:
    levels = chain["sr_uint8"].copy()
    levels[:2, 0] ^= 1
    found = check_against(upscaler_of(model), write(path, chain | {"sr_uint8": levels})).found
    assert f" 6 of {levels.size} levels differ" in found


def shorter(chain: Arrays) -> Arrays:
    return chain | {"noises": chain["noises"][:-1]}


def smaller(chain: Arrays) -> Arrays:
    return chain | {"lr": chain["lr"][..., :-2]}


def flat(chain: Arrays) -> Arrays:
    return chain | {"lr": chain["lr"][0]}


def gray(chain: Arrays) -> Arrays:
    return chain | {"lr": chain["lr"][:, :1]}


def twice(chain: Arrays) -> Arrays:
    return chain | {"lr": np.concatenate([chain["lr"]] * 2)}


def single(chain: Arrays) -> Arrays:
    return chain | {"lr": np.array(0, np.float32)}


def as_planes(chain: Arrays) -> Arrays:
    return chain | {"sr_uint8": chain["sr_uint8"].transpose(2, 0, 1)}


@pytest.mark.parametrize("change", [shorter, smaller, flat, gray, twice, single, as_planes])
def test_a_chain_that_does_not_fit_the_model_is_refused(
    model: SuperResolver, chain: Arrays, path: Path, change: Callable[[Arrays], Arrays]
) -> None:
    error = refused(model, write(path, change(chain)))
    assert "its arrays are" in str(error)
    assert error.hint == "this model enlarges 4 times in 4 steps"


def test_an_input_of_a_size_that_the_model_cannot_take_is_refused(
    model: SuperResolver, path: Path
) -> None:
    config = ModelConfig(
        encoder=PAPER_KIND.encoder,
        unet=UNetConfig(kind="full", widths=(8, 8, 8, 8)),
        diffusion=PAPER_KIND.diffusion,
    )
    assert config.size_multiple == 2
    arrays = record_chain(model, (5, 6))
    assert "this model takes multiples of 2 from 4 on" in str(
        refused(build_model(config), write(path, arrays))
    )


@pytest.mark.parametrize("name", ["lr", "noises", "sr", "sr_uint8"])
def test_an_array_that_is_missing_is_named(
    model: SuperResolver, chain: Arrays, path: Path, name: str
) -> None:
    write(path, {key: array for key, array in chain.items() if key != name})
    assert f"holds no {name}" in str(refused(model, path))


@pytest.mark.parametrize("kind", ["text", "complex", "nan", "infinite"])
@pytest.mark.parametrize("name", ["lr", "noises", "sr"])
def test_an_array_of_other_than_finite_numbers_is_refused(
    model: SuperResolver, chain: Arrays, path: Path, name: str, kind: str
) -> None:
    array = chain[name].copy()
    if kind in {"text", "complex"}:
        array = array.astype("U4" if kind == "text" else complex)
    else:
        array[..., -1] = np.nan if kind == "nan" else -np.inf
    write(path, chain | {name: array})
    assert f"{name} holds other than finite numbers" in str(refused(model, path))


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.place,))


def test_pickled_arrays_are_refused_and_not_run(
    model: SuperResolver, chain: Arrays, path: Path, tmp_path: Path
) -> None:
    place = tmp_path / "ran"
    pickle.loads(pickle.dumps(Trap(place)))  # noqa: S301 - that it works is shown
    assert place.exists()
    place.unlink()
    write(path, chain | {"lr": np.array([Trap(place)], dtype=object)})
    assert "cannot be read as .npz" in str(refused(model, path))
    assert not place.exists()
    path.write_bytes(pickle.dumps(Trap(place)))
    assert "cannot be read as .npz" in str(refused(model, path))
    assert not place.exists()


def spoiled(data: bytes) -> bytes:
    """Change what was compressed, not the directory of the archive."""
    return data[:200] + bytes(400) + data[600:]


def npy(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read("lr.npy")


def texts(_: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in ("lr", "noises", "sr", "sr_uint8"):
            archive.writestr(f"{name}.npy", b"some text")
    return made.getvalue()


def endless(data: bytes) -> bytes:
    """Claim an array of a terabyte in a file of some bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(made, "w") as other:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "lr.npy":
                head = io.BytesIO()
                np.lib.format.write_array_header_1_0(
                    head, {"descr": "<f4", "fortran_order": False, "shape": (1, 3, 2**19, 2**19)}
                )
                content = head.getvalue() + bytes(64)
            other.writestr(name, content)
    return made.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        lambda _: b"",
        lambda _: b"garbage" * 100,
        lambda data: data[:-30],
        lambda data: data[: len(data) // 2],
        spoiled,
        npy,
        texts,
        endless,
    ],
    ids=["empty", "garbage", "cut", "half", "spoiled", "npy", "texts", "endless"],
)
def test_what_is_no_npz_is_refused(
    model: SuperResolver, chain: Arrays, path: Path, make: Callable[[bytes], bytes]
) -> None:
    path.write_bytes(make(write(path, chain).read_bytes()))
    assert "\n" not in str(refused(model, path))


def test_a_file_that_unpacks_to_much_is_refused_before_it_is(
    model: SuperResolver, chain: Arrays, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, chain | {"noises": np.zeros((8, 1, 3, 512, 512), np.float32)})
    monkeypatch.setattr(verifying, "MOST_REFERENCE_BYTES", 1 << 20)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    assert path.stat().st_size < 1 << 20
    assert "larger than 2 GiB unpacked" in str(refused(model, path))


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_what_is_no_file_is_refused(model: SuperResolver, path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
    assert "cannot be read as .npz" in str(refused(model, path))

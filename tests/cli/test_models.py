"""``samsr models``: what each subcommand prints, writes and exits with."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import constants
from safetensors.torch import save_file

from sam_diffsr_cli.checkpoints.inspection import inspect_file
from sam_diffsr_cli.checkpoints.registry import BUNDLED, DEFAULT_MODEL, DIGESTS, bundled_weights
from sam_diffsr_cli.checkpoints.store import read_tensors, save_weights
from sam_diffsr_cli.config import LITE, ModelConfig
from sam_diffsr_cli.networks.model import build_model
from sam_diffsr_cli.strict import from_json
from tests.helpers import TINY
from tests.helpers import samsr as run_samsr
from tests.hub_server import HubServer, Repository, serve_hub

samsr = partial(run_samsr, "models")
VECTORS = Path(__file__).resolve().parents[1] / "conformance" / "vectors"
CHECKPOINT = "model_ckpt_steps_9.ckpt"
STEERING = "\x1b[2J\x1b]0;x\x07\r\u202eevil\x9b1m"
STEERS = ("\x1b", "\x07", "\r", "\u202e", "\x9b")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_weights(path, build_model(TINY), "drawn by chance", torch.float32, "steps = 3\n")
    return path


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A file whose every text would steer the terminal."""
    path = tmp_path / "evil.safetensors"
    save_weights(path, build_model(TINY), STEERING, torch.float32, f"# {STEERING}\n")
    tensors, metadata = read_tensors(path)
    save_file(tensors, path, metadata | {"samsr.version": STEERING, STEERING: STEERING})
    return path


# --------------------------------------------------------------------------------------- list


def test_list_tells_each_model_with_its_numbers() -> None:
    code, stdout, stderr = samsr("list")
    assert code == 0
    for model in BUNDLED:
        mark = " (default)" if model.name == DEFAULT_MODEL else ""
        assert f"{model.name}{mark}: x{model.scale}, {model.preset} preset, " in stdout
        for each in model.measured:
            assert f"  {each.data}, {each.method}: PSNR-Y {each.psnr_y:.2f} dB" in stdout
    assert "org/name" in stderr


def test_list_as_json_is_one_document_and_marks_the_default() -> None:
    code, stdout, stderr = samsr("list", "--json")
    document = json.loads(stdout)
    assert (code, stderr, document["samsr"]) == (0, "", 1)
    assert [each["name"] for each in document["models"] if each["is_default"]] == [DEFAULT_MODEL]
    assert {each["name"]: each["sha256"] for each in document["models"]} == DIGESTS
    measured = document["models"][0]["measured"][0]
    assert measured["psnr_y"] == BUNDLED[0].measured[0].psnr_y


# --------------------------------------------------------------------------------------- info


def rows_of(stdout: str) -> dict[str, str]:
    """Read what ``info`` prints: a title, then names and values in columns."""
    return {line[2:19].strip(): line[19:] for line in stdout.splitlines()[1:]}


def test_info_tells_what_the_file_says(weights: Path) -> None:
    code, stdout, _ = samsr("info", weights)
    assert code == 0
    assert stdout.splitlines()[0] == "tiny"
    rows = rows_of(stdout)
    assert rows["file"].startswith(f"{weights}, ")
    assert rows["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert rows["source"] == "drawn by chance"
    assert rows["recipe"] == "1 lines; --json prints them"
    assert rows["parameters"].endswith("; F32")
    assert rows["encoder"] == "plain residual, 2 blocks of 8"
    assert rows["chain"] == "10 cosine steps, 2 ancestral steps by default"
    assert "not ours" not in rows


@pytest.mark.parametrize("name", ["default", DEFAULT_MODEL])
def test_info_of_a_bundled_model_takes_its_name(name: str) -> None:
    code, stdout, _ = samsr("info", name)
    assert (code, stdout.splitlines()[0]) == (0, DEFAULT_MODEL)
    assert rows_of(stdout)["sha256"] == DIGESTS[DEFAULT_MODEL]


def test_info_as_json_is_one_document_with_everything(weights: Path) -> None:
    code, stdout, stderr = samsr("info", weights, "--json")
    document = json.loads(stdout)
    facts = inspect_file(weights)
    assert (code, stderr) == (0, "")
    assert (document["samsr"], document["name"], document["path"]) == (1, "tiny", str(weights))
    assert from_json(ModelConfig, json.dumps(document["config"])) == TINY
    for name in ("bytes", "sha256", "parameters", "formats", "version", "source", "recipe"):
        assert document[name] == getattr(facts, name), name
    assert document["others"] == {}


def test_text_of_a_file_does_not_steer_the_terminal(evil: Path) -> None:
    code, stdout, stderr = samsr("info", evil)
    assert code == 0
    assert not [sign for sign in STEERS if sign in stdout + stderr]
    rows = rows_of(stdout)
    for name in ("written by", "source", "not ours"):
        assert "\\x1b[2J" in rows[name], name
        assert "\\u202eevil" in rows[name], name
    document = json.loads(samsr("info", evil, "--json")[1])
    assert document["source"] == STEERING
    assert document["others"] == {STEERING: STEERING}


def test_a_name_does_not_steer_the_terminal(weights: Path) -> None:
    path = weights.rename(weights.with_name("\x1b[2J.safetensors"))
    code, stdout, _ = samsr("info", path)
    assert code == 0
    assert "\x1b" not in stdout
    assert stdout.splitlines()[0] == "\\x1b[2J"


def test_a_text_without_end_is_cut_and_stays_on_its_line(tmp_path: Path) -> None:
    path = tmp_path / "long.safetensors"
    save_weights(path, build_model(TINY), "word\n" * 100_000, torch.float32)
    code, stdout, _ = samsr("info", path)
    assert code == 0
    assert len(stdout) < 5000
    assert rows_of(stdout)["source"].endswith("word word ... (--json has all of it)")
    assert json.loads(samsr("info", path, "--json")[1])["source"] == "word\n" * 100_000


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("gone.safetensors", 4, "gone.safetensors: no such weights file"),
        ("damaged.safetensors", 4, "damaged.safetensors: damaged"),
        ("foreign.safetensors", 4, "not a samsr weights file"),
        ("old.ckpt", 3, "samsr models convert"),
        ("a model", 3, "neither a bundled model, a file, nor org/name"),
    ],
)
@pytest.mark.parametrize("command", ["info", "verify"])
def test_what_is_no_model_is_told(
    command: str,
    model: str,
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("damaged.safetensors").write_bytes(b"\x00" * 100)
    save_file({"x": torch.zeros(1)}, "foreign.safetensors")
    got, stdout, stderr = samsr(command, model)
    assert (got, stdout) == (code, "")
    assert words in stderr
    if command == "info":
        document = json.loads(samsr(command, model, "--json")[1])
        assert document["exit_code"] == document["error"]["exit_code"] == code


# ------------------------------------------------------------------------------------- verify


def test_verify_loads_hashes_and_runs(weights: Path) -> None:
    code, stdout, _ = samsr("verify", weights, "--device", "cpu")
    lines = stdout.splitlines()
    assert code == 0
    assert lines[:2] == [
        "loaded: strictly, all of it, fp32 on cpu",
        f"digest: sha256 {hashlib.sha256(weights.read_bytes()).hexdigest()}",
    ]
    assert [line.partition(":")[0] for line in lines[2:]] == ["0 steps", "2 steps", "ok"]


def test_verify_of_the_bundled_model_knows_its_digest() -> None:
    code, stdout, _ = samsr("verify", "default", "--device", "cpu")
    assert (code, stdout.splitlines()[-1]) == (0, "ok")
    assert f"digest: sha256 {DIGESTS[DEFAULT_MODEL]}" in stdout


@pytest.mark.parametrize("is_upper", [True, False], ids=["capitals", "small"])
def test_verify_takes_the_right_digest(weights: Path, is_upper: bool) -> None:
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    given = digest.upper() if is_upper else digest
    code, stdout, _ = samsr("verify", weights, "--device", "cpu", "--sha256", given)
    assert (code, stdout.splitlines()[-1]) == (0, "ok")


@pytest.mark.parametrize("digest", ["0" * 64, "no digest", ""])
def test_verify_refuses_another_digest(weights: Path, digest: str) -> None:
    code, stdout, stderr = samsr("verify", weights, "--device", "cpu", "--sha256", digest)
    assert code == 4
    assert f"expected {digest}".strip() in stderr
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in stderr
    assert "ok" not in stdout.split()


def test_verify_refuses_a_model_whose_result_is_not_the_picture(weights: Path) -> None:
    model = build_model(TINY)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.full_like(parameter, 0.1))
    save_weights(weights, model, "spoiled", torch.float32)
    code, stdout, stderr = samsr("verify", weights, "--device", "cpu")
    assert code == 4
    assert "does not look like the picture" in stderr
    assert "ok" not in stdout.split()


def test_verify_refuses_what_does_not_load_strictly(weights: Path) -> None:
    tensors, metadata = read_tensors(weights)
    tensors.pop("rrdb.head.bias")
    save_file(tensors, weights, metadata)
    code, stdout, stderr = samsr("verify", weights, "--device", "cpu")
    assert (code, stdout) == (4, "")
    assert "1 tensors missing ['rrdb.head.bias']" in stderr


def test_verify_refuses_a_device_that_is_not_there(weights: Path) -> None:
    assert samsr("verify", weights, "--device", "toaster")[0] == 3


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    path = tmp_path / "converted.safetensors"
    config = ("--config", VECTORS / "config.json")
    assert samsr("convert", VECTORS / CHECKPOINT, "-o", path, *config)[0] == 0
    return path


def test_verify_reproduces_a_recorded_chain(converted: Path) -> None:
    reference = ("--reference", VECTORS / "reverse_chain.npz")
    code, stdout, _ = samsr("verify", converted, "--device", "cpu", *reference)
    assert code == 0
    assert stdout.splitlines()[-1] == "ok"
    assert " 0 of " in stdout.splitlines()[-2]
    assert stdout.splitlines()[-2].startswith("reference: largest difference ")


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("other", 4, "the recorded result is another one"),
        ("shape", 3, "its arrays are"),
        ("garbage", 3, "cannot be read as .npz"),
        ("missing", 3, "cannot be read as .npz"),
    ],
)
def test_verify_refuses_a_bad_chain(
    converted: Path, tmp_path: Path, kind: str, code: int, words: str
) -> None:
    path = tmp_path / "chain.npz"
    with np.load(VECTORS / "reverse_chain.npz") as file:
        arrays = {name: file[name] for name in ("lr", "noises", "sr", "sr_uint8")}
    if kind == "garbage":
        path.write_bytes(b"garbage")
    elif kind != "missing":
        changed = {"sr": -arrays["sr"]} if kind == "other" else {"lr": arrays["lr"][..., 1:]}
        np.savez(path, **(arrays | changed))
    got, stdout, stderr = samsr("verify", converted, "--device", "cpu", "--reference", path)
    assert got == code
    assert f"{path}: " in stderr
    assert words in stderr
    assert "ok" not in stdout.split()


# ------------------------------------------------------------------------------------ convert


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with a checkpoint and its settings, as training leaves them."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (CHECKPOINT, "config.json"):
        shutil.copy(VECTORS / name, folder)
    return folder


@pytest.fixture
def bare(run: Path) -> Path:
    """A folder with a checkpoint alone."""
    (run / "config.json").unlink()
    return run


def settings() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((VECTORS / "config.json").read_text(encoding="utf-8"))
    return parsed


def as_options(values: dict[str, Any]) -> list[str]:
    return [part for item in values.items() for part in ("--set", "{}={}".format(*item))]


def convert(folder: Path, *more: object) -> tuple[int, str, str]:
    return samsr("convert", folder / CHECKPOINT, "-o", folder / "out.safetensors", *more)


def assert_nothing_written(folder: Path) -> None:
    assert not {"out.safetensors"} & set(names_in(folder))
    assert not [name for name in names_in(folder) if name.startswith(".")]


def test_convert_finds_the_settings_beside_the_checkpoint(run: Path) -> None:
    code, stdout, stderr = convert(run)
    assert (code, stdout) == (0, f"{run / 'out.safetensors'}\n")
    assert f"settings: {run / 'config.json'}" in stderr
    assert f"{CHECKPOINT} (sha256 " in stderr
    assert names_in(run) == ["config.json", CHECKPOINT, "out.safetensors"]
    config = inspect_file(run / "out.safetensors").config
    assert (config.unet.widths, config.diffusion.num_timesteps) == ((8, 16), 12)


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_convert_takes_settings_from_elsewhere(bare: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"elsewhere{suffix}"
    path.write_text(json.dumps(settings()) if suffix == ".json" else yaml.safe_dump(settings()))
    code, _, stderr = convert(bare, "--config", path)
    assert code == 0, stderr
    assert f"settings: {path}" in stderr


def test_convert_takes_each_setting_by_itself(bare: Path) -> None:
    code, _, stderr = convert(bare, *as_options(settings()))
    assert code == 0, stderr
    assert "settings:" not in stderr


def test_convert_lays_settings_over_the_published_ones(bare: Path) -> None:
    code, _, stderr = convert(bare, "--published")
    assert code == 4
    assert "by the settings" in stderr
    assert_nothing_written(bare)
    names = ("hidden_size", "rrdb_num_feat", "rrdb_num_block", "unet_dim_mults", "timesteps")
    given = as_options({name: settings()[name] for name in names})
    assert convert(bare, "--published", *given)[0] == 0


def test_convert_lays_settings_over_those_of_the_file(run: Path) -> None:
    code, _, stderr = convert(run, "--set", "hidden_size=16")
    assert code == 4
    assert "by the settings (16,)" in stderr
    assert "hidden_size" in stderr.partition("hint: ")[2]
    assert_nothing_written(run)


@pytest.mark.parametrize(
    ("dtype", "name"), [((), "F32"), ("fp32", "F32"), ("fp16", "F16"), ("bf16", "BF16")], ids=str
)
def test_convert_writes_numbers_of_the_format_asked_for(run: Path, dtype: str, name: str) -> None:
    assert convert(run, *(("--dtype", dtype) if dtype else ()))[0] == 0
    assert list(inspect_file(run / "out.safetensors").formats) == [name]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("hidden_size", "--set hidden_size: not NAME=VALUE"),
        ("=8", "--set =8: not NAME=VALUE"),
        (" =8", "not NAME=VALUE"),
        ("", "not NAME=VALUE"),
        ("hiden_size=8", "--set hiden_size=8: decides no network"),
        ("hidden_size=[8", "the value cannot be read"),
        ("hidden_size=!!int ''", "the value cannot be read"),
        ("hidden_size=!!bool 8", "the value cannot be read"),
        ("hidden_size=2024-13-45", "the value cannot be read"),
        ("hidden_size=!!python/object/apply:os.getcwd []", "the value cannot be read"),
        ("hidden_size=" + "[" * 2000, "the value cannot be read"),
        ("hidden_size=", "hidden_size is None, allowed: a whole number"),
        ("hidden_size=many", "hidden_size is 'many'"),
        ("hidden_size=8.5", "hidden_size is 8.5"),
        ("hidden_size=0x" + "f" * 9000, "hidden_size is a number of many digits"),
        ("hidden_size='" + "1" * 9000 + "'", "hidden_size is '111"),
        ("unet_dim_mults=" + "[" * 9 + "]" * 9, "unet_dim_mults is ["),
        ("unet_dim_mults=1|" + "2" * 9000, "unet_dim_mults is '1|22"),
        ("res_rescale=[2]", "res_rescale is [2]"),
        ("beta_schedule=quad", "beta_schedule is 'quad'"),
        ("use_attn=true", "use_attn is True"),
    ],
    ids=lambda value: value[:30] or "empty",
)
def test_convert_refuses_a_bad_setting_by_its_name(run: Path, given: str, words: str) -> None:
    code, stdout, stderr = convert(run, "--set", given)
    assert (code, stdout) == (4, "")
    assert words in stderr
    assert_nothing_written(run)


def test_convert_needs_settings(bare: Path) -> None:
    code, _, stderr = convert(bare)
    assert code == 4
    assert "no config.yaml or config.json beside it" in stderr
    for option in ("--config", "--published", "--set"):
        assert option in stderr
    assert_nothing_written(bare)


@pytest.mark.parametrize("name", ["hidden_size", "res_rescale"])
def test_convert_names_the_setting_that_is_missing(bare: Path, name: str) -> None:
    given = {key: value for key, value in settings().items() if key != name}
    code, _, stderr = convert(bare, *as_options(given))
    assert code == 4
    assert f"the settings lack {name}" in stderr
    assert_nothing_written(bare)


def test_published_settings_and_a_file_of_them_exclude_each_other(run: Path) -> None:
    code, _, stderr = convert(run, "--published", "--config", run / "config.json")
    assert code == 3
    assert "--published and --config exclude each other" in stderr
    assert_nothing_written(run)


def bomb(levels: int = 5) -> str:
    """Ten lists of ten of the level below: nothing in the file, without end when written out."""
    lines = ["a0: &a0 [x, x]"]
    inner = (", ".join([f"*a{level}"] * 10) for level in range(levels))
    lines += [f"a{level + 1}: &a{level + 1} [{each}]" for level, each in enumerate(inner)]
    return "\n".join(lines)


@pytest.mark.parametrize("name", ["hidden_size", "unet_dim_mults", "res_rescale", "beta_schedule"])
def test_settings_that_are_made_to_harm_are_refused(bare: Path, name: str) -> None:
    values = {key: value for key, value in settings().items() if key != name}
    text = f"{bomb()}\n{yaml.safe_dump(values)}{name}: *a5\n"
    (bare / "config.yaml").write_text(text)
    code, _, stderr = convert(bare)
    assert code == 4
    assert f"{name} is [[" in stderr
    assert len(stderr) < 2000
    assert_nothing_written(bare)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: !!timestamp x", "a: 2024-13-45", "\x00"])
def test_settings_that_cannot_be_read_are_refused(bare: Path, text: str) -> None:
    (bare / "config.yaml").write_text(text)
    code, _, stderr = convert(bare)
    assert code == 4
    assert f"{bare / 'config.yaml'}: " in stderr
    assert_nothing_written(bare)


def test_settings_that_are_not_there_are_refused(run: Path) -> None:
    code, _, stderr = convert(run, "--config", run / "gone.yaml")
    assert code == 4
    assert "gone.yaml: cannot be read as settings" in stderr
    assert_nothing_written(run)


def test_convert_keeps_a_file_that_is_there_unless_told_otherwise(run: Path) -> None:
    out = run / "out.safetensors"
    out.write_bytes(b"precious")
    code, stdout, stderr = convert(run)
    assert (code, stdout) == (3, "")
    assert "out.safetensors: already there" in stderr
    assert "--overwrite" in stderr
    assert out.read_bytes() == b"precious"
    assert convert(run, "--overwrite")[0] == 0
    assert inspect_file(out).config.unet.widths == (8, 16)


def test_a_conversion_that_fails_keeps_the_file_that_was_to_be_replaced(run: Path) -> None:
    out = run / "out.safetensors"
    out.write_bytes(b"precious")
    assert convert(run, "--overwrite", "--set", "timesteps=50")[0] == 4
    assert out.read_bytes() == b"precious"
    assert names_in(run) == ["config.json", CHECKPOINT, "out.safetensors"]


@pytest.mark.parametrize("name", ["out.ckpt", "out", "out.safetensors.part", "out.SAFETENSORS"])
def test_convert_refuses_another_suffix(run: Path, name: str) -> None:
    code, _, stderr = samsr("convert", run / CHECKPOINT, "-o", run / name)
    assert code == 3
    assert f"{name}: weights files end in .safetensors" in stderr
    assert names_in(run) == ["config.json", CHECKPOINT]


def test_convert_does_not_make_folders(run: Path) -> None:
    out = run / "deep" / "out.safetensors"
    code, _, stderr = samsr("convert", run / CHECKPOINT, "-o", out)
    assert code == 3
    assert "cannot write here" in stderr
    assert names_in(run) == ["config.json", CHECKPOINT]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such checkpoint"),
        (b"", "damaged"),
        (b"\x80\x02cos\nsystem\nX\x08\x00\x00\x00touch hi\x85R.", "nothing was run"),
    ],
    ids=["missing", "empty", "pickle"],
)
def test_convert_refuses_what_is_no_checkpoint(
    run: Path, content: bytes | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run)
    (run / CHECKPOINT).unlink()
    if content is not None:
        (run / CHECKPOINT).write_bytes(content)
    before = names_in(run)
    code, _, stderr = convert(run)
    assert code == 4
    assert f"{CHECKPOINT}: " in stderr
    assert words in stderr
    assert names_in(run) == before


def test_convert_takes_the_encoder_of_a_file_of_its_own(run: Path) -> None:
    code, _, stderr = convert(run, "--encoder", VECTORS / "rrdb_ckpt.ckpt")
    assert code == 0, stderr
    assert "rrdb_ckpt.ckpt (sha256 " in inspect_file(run / "out.safetensors").source


def test_convert_refuses_another_encoder(run: Path) -> None:
    code, _, stderr = convert(run, "--encoder", VECTORS / "linear" / "rrdb_ckpt.ckpt")
    assert code == 4
    assert "rrdb_ckpt.ckpt: is another encoder" in stderr
    assert_nothing_written(run)


@pytest.mark.parametrize(
    "arguments",
    [("convert", "x.ckpt"), ("convert", "x.ckpt", "-o", "y.safetensors", "--dtype", "fp8")],
    ids=["no-output", "dtype"],
)
def test_a_command_line_that_cannot_be_understood_is_exit_code_2(arguments: tuple[str]) -> None:
    assert samsr(*arguments)[0] == 2


# ----------------------------------------------------------------------- download and push


@pytest.fixture(scope="module")
def serving() -> Iterator[HubServer]:
    with serve_hub() as found:
        yield found


@pytest.fixture
def server(serving: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """A Hub without repositories, and an empty cache."""
    serving.repositories, serving.asked, serving.refusals = {}, [], []
    template = serving.url + "/{repo_id}/resolve/{revision}/{filename}"
    for name, value in {
        "ENDPOINT": serving.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": template,
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": False,
        # Its own way of uploading needs servers that are not here.
        "HF_HUB_DISABLE_XET": True,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", serving.url, raising=False)
    monkeypatch.setenv("SAMSR_CACHE", str(tmp_path / "samsr"))
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    monkeypatch.setattr("time.sleep", lambda _: None)
    return serving


@pytest.fixture
def hub(server: HubServer, weights: Path) -> HubServer:
    """A Hub that has the weights, and a file that is not ours."""
    server.repositories["org/name"] = Repository()
    save_file({"x": torch.zeros(9)}, foreign := weights.with_name("foreign.safetensors"))
    files = {"model.safetensors": weights.read_bytes(), "foreign.safetensors": foreign.read_bytes()}
    server.repositories["org/name"].commit(files)
    foreign.unlink()
    return server


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A place in a folder of its own."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "fetched.safetensors"


def test_download_writes_the_file_and_prints_where(
    hub: HubServer, weights: Path, out: Path
) -> None:
    code, stdout, stderr = samsr("download", "org/name", "-o", out)
    assert (code, stdout) == (0, f"{out}\n")
    assert out.read_bytes() == weights.read_bytes()
    assert names_in(out.parent) == [out.name]
    assert f"org/name@{hub.repositories['org/name'].refs['main'][:12]}" in stderr


@pytest.mark.usefixtures("hub")
def test_download_without_an_output_prints_the_place_in_the_cache(
    weights: Path, tmp_path: Path
) -> None:
    code, stdout, _ = samsr("download", "org/name")
    place = Path(stdout.rstrip("\n"))
    assert code == 0
    assert place.is_relative_to(tmp_path / "hub")
    assert place.read_bytes() == weights.read_bytes()


def test_download_of_a_bundled_name_is_its_file(out: Path) -> None:
    assert samsr("download", "default", "-o", out)[0] == 0
    assert out.read_bytes() == bundled_weights().read_bytes()
    config = inspect_file(out).config
    assert replace(config, clean_expert=False).networks == LITE.networks


def test_download_compares_the_digest(hub: HubServer, weights: Path, out: Path) -> None:
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    for wrong in ("0" * 64, ""):
        code, stdout, stderr = samsr("download", "org/name", "-o", out, "--sha256", wrong)
        assert (code, stdout) == (4, "")
        assert f"its SHA-256 is {digest}, expected {wrong}".strip() in stderr
        assert names_in(out.parent) == []
    assert samsr("download", "org/name", "-o", out, "--sha256", digest.upper())[0] == 0
    assert out.read_bytes() == weights.read_bytes()
    assert hub.asked


def test_download_keeps_a_file_that_is_there_unless_told_otherwise(
    hub: HubServer, weights: Path, out: Path
) -> None:
    out.write_bytes(b"precious")
    code, _, stderr = samsr("download", "org/name", "-o", out)
    assert code == 3
    assert "fetched.safetensors: already there" in stderr
    assert out.read_bytes() == b"precious"
    assert hub.asked == []
    assert samsr("download", "org/name", "-o", out, "--overwrite")[0] == 0
    assert out.read_bytes() == weights.read_bytes()


def test_download_refuses_another_suffix(hub: HubServer, out: Path) -> None:
    code, _, stderr = samsr("download", "org/name", "-o", out.with_suffix(".bin"))
    assert code == 3
    assert "weights files end in .safetensors" in stderr
    assert names_in(out.parent) == []
    assert hub.asked == []


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("org/name:foreign.safetensors", 4, "not a samsr weights file"),
        ("org/name:gone.safetensors", 4, "it has foreign.safetensors, model.safetensors"),
        ("org/gone", 4, "org/gone: no such repository on the Hub, or it is private"),
        ("org/name:x.bin", 3, "only .safetensors files are read"),
        ("org/name:../x.safetensors", 3, "is not a plain name"),
    ],
)
@pytest.mark.usefixtures("hub")
def test_a_download_that_fails_writes_nothing(model: str, code: int, words: str, out: Path) -> None:
    out.write_bytes(b"precious")
    got, stdout, stderr = samsr("download", model, "-o", out, "--overwrite")
    assert (got, stdout) == (code, "")
    assert words in stderr
    assert names_in(out.parent) == [out.name]
    assert out.read_bytes() == b"precious"


# Of the Hub's library, on its own way of uploading.
uploads = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def push(weights: Path, *more: object) -> tuple[int, str, str]:
    return samsr("push", weights, "org/name", *more)


@uploads
def test_push_prints_what_model_takes(server: HubServer, weights: Path, out: Path) -> None:
    code, stdout, stderr = push(weights, "--licence", "apache-2.0")
    repository = server.repositories["org/name"]
    assert (code, stdout) == (0, f"org/name@{repository.refs['main']}\n")
    assert "use it as --model with:" in stderr
    assert not repository.is_private
    files = repository.commits[repository.refs["main"]]
    assert set(files) == {"model.safetensors", "README.md"}
    assert "license: apache-2.0" in files["README.md"].decode()
    assert samsr("download", stdout.strip(), "-o", out)[0] == 0
    assert out.read_bytes() == weights.read_bytes()


@uploads
def test_push_takes_a_card_and_makes_a_private_repository(
    server: HubServer, weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.md").write_text("# My card\n")
    assert push(weights, "--private", "--card", tmp_path / "mine.md")[0] == 0
    repository = server.repositories["org/name"]
    assert repository.is_private
    card = repository.commits[repository.refs["main"]]["README.md"].decode()
    assert card.endswith("# My card\n")


def test_a_dry_run_prints_the_card_and_uploads_nothing(server: HubServer, weights: Path) -> None:
    code, stdout, stderr = push(weights, "--dry-run", "--licence", "mit")
    assert code == 0
    assert stdout.startswith("---\nlicense: mit\n")
    assert "# org/name" in stdout
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in stdout
    assert f"{weights} would become model.safetensors in org/name" in stderr
    assert (server.asked, server.repositories) == ([], {})


@pytest.mark.usefixtures("server")
def test_a_dry_run_does_not_steer_the_terminal(evil: Path) -> None:
    code, stdout, stderr = push(evil, "--dry-run")
    assert code == 0
    assert not [sign for sign in STEERS if sign in stdout + stderr]
    assert "\\x1b[2J" in stdout.replace("\\\\", "\\").replace("\\[", "[")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("tiny.safetensors", "name"), 3, "name: not of the form org/name"),
        (("tiny.safetensors", "org/name:x.bin"), 3, "only .safetensors files"),
        (("tiny.safetensors", "org/name", "--licence", "two words"), 3, "--licence two words"),
        (("tiny.safetensors", "org/name", "--card", "gone.md"), 3, "gone.md: cannot be read"),
        (("gone.safetensors", "org/name"), 4, "gone.safetensors: no such weights file"),
        (("damaged.safetensors", "org/name"), 4, "damaged.safetensors: damaged"),
    ],
    ids=["target", "suffix", "licence", "card", "missing", "damaged"],
)
@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["push", "dry-run"])
@pytest.mark.usefixtures("weights")
def test_push_refuses_before_it_asks_the_hub(
    server: HubServer,
    arguments: tuple[str, ...],
    code: int,
    words: str,
    more: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("damaged.safetensors").write_bytes(b"\x00" * 100)
    got, stdout, stderr = samsr("push", *arguments, *more)
    assert (got, stdout) == (code, "")
    assert words in stderr
    assert (server.asked, server.repositories) == ([], {})


@pytest.mark.parametrize(
    ("token", "refusals", "words"),
    [
        ("hf_wrong", [], "does not know who asks (401)"),
        ("hf_right", [("/commit/", 403)], "this token may not write there (403)"),
        ("hf_right", [("/commit/", 500)] * 20, "answers with an error (500)"),
    ],
    ids=["token", "forbidden", "broken"],
)
@uploads
def test_a_push_that_fails_publishes_nothing(
    server: HubServer,
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    refusals: list[tuple[str, int]],
    words: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    server.refusals = refusals
    code, stdout, stderr = push(weights)
    assert (code, stdout) == (4, "")
    assert words in stderr
    assert "nothing was published" in stderr
    assert "hint:" in stderr
    assert not any(
        files for each in server.repositories.values() for files in each.commits.values()
    )

"""From an S3 store and to it: a real server on this machine that speaks its protocol."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers import PATIENCE_S, Ran, samsr_process

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("a.png", "b.jpg", "sub/c.webp")


@dataclass
class Store:
    """A bucket, through another client than the one that is tested."""

    client: Any
    environment: dict[str, str]

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket="photos", Key=key, Body=data)

    def content(self, folder: str) -> dict[str, bytes]:
        found = self.client.list_objects_v2(Bucket="photos", Prefix=folder).get("Contents", [])
        return {
            each["Key"].removeprefix(folder): self.client.get_object(
                Bucket="photos", Key=each["Key"]
            )["Body"].read()
            for each in found
        }

    def kind(self, key: str) -> str:
        return str(self.client.head_object(Bucket="photos", Key=key)["ContentType"])


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    botocore_session = pytest.importorskip("botocore.session")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(  # noqa: S603 - a package of the tests
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        wait_for(port, server)
        client = botocore_session.get_session().create_client(
            "s3",
            endpoint_url=settings["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",  # noqa: S106 - of this server alone
        )
        client.create_bucket(Bucket="photos")
        yield Store(client, os.environ | settings | {"OMP_NUM_THREADS": "1"})
        client.close()
    finally:
        server.kill()
        server.wait()


def wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server did not start"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server did not answer")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Path:
    """Draw pictures, on the disk and in the store."""
    folder = tmp_path_factory.mktemp("s3") / "in"
    for seed, name in enumerate(NAMES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        Image.fromarray(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)).save(path)
        store.put(f"in/{name}", path.read_bytes())
    return folder


def upscale(store: Store, *arguments: object) -> Ran:
    return samsr_process("upscale", *arguments, env=store.environment, cwd=ROOT)


def test_from_a_bucket_to_a_bucket_as_from_a_disk_to_a_disk(
    store: Store, photos: Path, weights: Path, tmp_path: Path
) -> None:
    options = ("--recursive", "--weights", weights)
    assert upscale(store, photos, tmp_path / "out", *options).exit_code == 0
    done = upscale(store, "s3://photos/in/", "s3://photos/out/", *options, "--workers", 2)
    assert done.exit_code == 0, done.stderr
    expected = {name: (tmp_path / "out" / name).read_bytes() for name in NAMES}
    assert store.content("out/") == expected
    assert store.kind("out/a.png") == "image/png"


def test_a_run_is_gone_on_with_by_its_manifest(
    store: Store, photos: Path, weights: Path, tmp_path: Path
) -> None:
    options = ("--weights", weights, "--manifest", tmp_path / "m")
    store.put("list.txt", b"s3://photos/in/a.png\ns3://photos/gone.png\n")
    first = upscale(store, "@s3://photos/list.txt", "s3://photos/again", *options)
    assert first.exit_code == 6
    assert "s3://photos/gone.png: not found" in " ".join(first.stderr.split())
    assert list(store.content("again/")) == ["a.png"]
    store.put("gone.png", (photos / "a.png").read_bytes())
    second = upscale(store, "@s3://photos/list.txt", "s3://photos/again", *options)
    assert second.exit_code == 0, second.stderr
    assert second.stdout.split() == ["s3://photos/again/gone.png"]
    assert "1 are there already" in " ".join(second.stderr.split())


def test_a_bucket_that_is_not_there_is_named(store: Store, weights: Path, tmp_path: Path) -> None:
    done = upscale(store, "s3://nowhere/in/", tmp_path / "out", "--weights", weights)
    assert done.exit_code == 3
    assert "s3://nowhere/in/" in done.stderr
    assert "Traceback" not in done.stderr

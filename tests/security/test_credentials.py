"""Keys to S3 are read from the environment and go nowhere: not to the screen, not into results or Ray's files."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import s3fs

from tests.folders import finish, small_panel
from tests.security.conftest import Tally
from volforecast.cli import main

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIAFUZZFUZZFUZZFUZZ",
    "AWS_SECRET_ACCESS_KEY": "verysecretverysecretverysecretverysecret",
    "AWS_SESSION_TOKEN": "sessiontokensessiontokensessiontoken",
}


# a private Ray's folder is removed with it; here its files are copied before
KEEPING = """
import pathlib, shutil, sys
from volforecast.cli import main
remove = shutil.rmtree
def keep(folder, **options):
    if pathlib.Path(folder).name.startswith("vf-"):
        try:
            shutil.copytree(folder, sys.argv[1], dirs_exist_ok=True, symlinks=True)
        except shutil.Error:
            pass  # sockets
    remove(folder, **options)
shutil.rmtree = keep
sys.exit(main(sys.argv[2:]))
"""


def assert_silent(text: bytes | str, where: object) -> None:
    payload = text.encode() if isinstance(text, str) else text
    for name, secret in SECRETS.items():
        assert secret.encode() not in payload, f"{name} is in {where}"


@pytest.mark.s3
@pytest.mark.parametrize("reach", ["no such bucket", "nobody listens"])
@pytest.mark.parametrize("command", ["status", "report", "study"])
def test_failures_say_no_key(
    s3_server: str,
    tmp_path: Path,
    tally: Tally,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    command: str,
    reach: str,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    for name, value in (SECRETS | {"AWS_MAX_ATTEMPTS": "1", "RUST_LOG": "debug"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", nobody if reach == "nobody listens" else s3_server)
    monkeypatch.setattr("cluster.s3.PATIENCE", 0.5)
    monkeypatch.setattr("cluster.s3.FIRST_PATIENCE", 0.5)
    s3fs.S3FileSystem.clear_instance_cache()
    words = [command, "s3://no-such-bucket/x"]
    if command == "study":
        words = ["study", "new-issues", "--panel", "s3://no-such-bucket/x", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    printed = capfd.readouterr()
    assert printed.err.count("\n") == 1, printed.err
    assert_silent(printed.out + printed.err, words)
    s3fs.S3FileSystem.clear_instance_cache()
    tally["credentials: failures", "rejected"] += 1


@pytest.mark.s3
@pytest.mark.cluster
def test_a_run_on_s3_leaves_no_key_behind(s3_server: str, tmp_path: Path, tally: Tally) -> None:
    """Every object of the results, everything printed, and every file that Ray leaves, its logs among them."""
    panel = small_panel(tmp_path)
    (tmp_path / "t.toml").write_text("horizon_days = 20\nreplications = 200\n")
    kept = tmp_path / "kept"
    out = "s3://tests/credentials"
    words = ["study", "new-issues", "--panel", str(panel), "--out", out, "--periods", "50", "--workers", "1"]
    words += ["--config", str(tmp_path / "t.toml"), "--targets", "NEW00001", "--models", "TO HAR-STD,MTL-50 HAR-STD"]
    process = subprocess.Popen(
        [sys.executable, "-c", KEEPING, str(kept), *words],
        env=os.environ | SECRETS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    code, printed, error = finish(process)
    assert code == 0, error
    assert_silent(printed + error, "what is printed")
    client = boto3.client("s3")
    listed = client.list_objects_v2(Bucket="tests", Prefix="credentials/")["Contents"]
    assert len(listed) > 20
    for entry in listed:
        body = client.get_object(Bucket="tests", Key=entry["Key"])["Body"].read()
        assert_silent(entry["Key"], "a name")
        assert_silent(body, entry["Key"])
    left = [path for path in kept.rglob("*") if path.is_file()]
    assert any(path.suffix in (".out", ".err", ".log") for path in left), "Ray's logs"
    for path in left:
        assert_silent(path.read_bytes(), path)
    tally["credentials: objects", "without a key"] += len(listed)
    tally["credentials: Ray's files", "without a key"] += len(left)

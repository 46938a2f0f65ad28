"""One S3 server and one private Ray, both on loopback, for the whole test session; started when first asked for."""

import itertools
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np  # noqa: F401 - whose threads are held below
import pytest
import scipy.linalg  # noqa: F401 - it has a library of its own for them
from hypothesis import settings
from moto.server import ThreadedMotoServer
from threadpoolctl import threadpool_limits

# as in the engine's workers: several processes whose every product waits for two threads each take many times as long
threadpool_limits(limits=1)

pytest.register_assert_rewrite("tests.cluster.conformance")

# Ray reads its settings when it is first imported, which may be any test's doing: loopback only, and a token
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))

ROOT = Path(__file__).parent.parent
_numbers = itertools.count()

# the same examples in every run, so that a red run says something about the change under test; new ones in chaos
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("chaos", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server; this process and those it starts find it in their environment."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.delenv("AWS_PROFILE", raising=False)
        boto3.client("s3").create_bucket(Bucket="tests")
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_url(s3_server: str) -> str:
    """An empty folder on the S3 server."""
    return f"s3://tests/{next(_numbers)}"


@pytest.fixture(scope="session")
def private_ray(s3_server: str) -> Iterator[None]:
    """A Ray with two CPUs, whatever the machine has, whose workers find the tests' modules and the S3 server.

    It also counts two GPUs, which nothing uses: enough to see who asks for them.
    """
    from cluster.session import ray_session

    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        with ray_session(workers=2, object_store_mib=200, gpus=2):
            yield

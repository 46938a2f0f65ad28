"""S3: how it is reached, which of its failures pass, and what the others mean.

Everything is tried again by one rule, :func:`persist`, and obstore's own retries are off: they leave out a create or a
delete whose connection breaks and a listing that is cut short, and eight of them are over in two seconds, too soon for
an S3 that asks to be left alone for a moment.
"""

import itertools
import os
import random
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from obstore.exceptions import AlreadyExistsError, BaseError, GenericError
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore.store import S3Credential

from cluster.errors import StoreError

TIMEOUT = "S3_REQUEST_TIMEOUT"  # environment variable: seconds one request may take, its answer's body included
PATIENCE = 120.0  # seconds after which what still fails is not tried again
FIRST_PATIENCE = 20.0  # likewise where nobody has answered yet: the address may be wrong
FIRST, LONGEST = 0.1, 10.0  # seconds: the waits' upper ends double from one to the other

_PASSING = {408, 409, 429, 500, 502, 503, 504}  # 409: S3 was busy with another write of the same object
_PASSING_CODES = {"RequestTimeout", "RequestTimeTooSlow", "SlowDown", "Throttling", "ThrottlingException"}
_LASTING = ("redirect", "Name or service not known", "AccessDenied")  # in failures that carry no HTTP status
_dice = random.Random()  # its own, so that nobody's seeded draws depend on S3's mood
_Result = TypeVar("_Result")


def persist(doing: Callable[[], _Result], patience: float) -> _Result:
    """What an operation comes to, tried again for so many seconds while it fails for reasons that pass.

    The waits are drawn between nothing and an upper end that doubles: a thousand workers that are turned away together
    do not come back together.
    """
    end = time.monotonic() + patience
    for attempt in itertools.count():
        try:
            return doing()
        except (BaseError, OSError) as error:
            left = end - time.monotonic()
            if left <= 0 or not passes(error):
                raise
        time.sleep(min(left, _dice.uniform(0.0, min(LONGEST, FIRST * 2**attempt))))
    raise AssertionError("unreachable")


def passes(error: Exception) -> bool:
    """Whether a failed request may succeed when it is made again."""
    status, code = _status(error), _tag("Code", error)
    if status is not None:
        return status in _PASSING or code in _PASSING_CODES
    # no answer, half an answer, or one within which an object's deletion failed
    return isinstance(error, GenericError) and not any(word in str(error) for word in _LASTING)


def answered(error: Exception) -> bool:
    """Whether S3 was there to say that a request failed."""
    return _status(error) is not None


def exists_already(error: AlreadyExistsError) -> bool:
    """Whether a create lost to an object that is there; obstore also calls a conflict of two requests (409) so."""
    return not passes(error)


def no_bucket(error: Exception) -> bool:
    """Whether what is missing is the whole bucket; obstore tells it like a missing object."""
    return _tag("Code", error) == "NoSuchBucket"


def explain(error: Exception, patience: float) -> str:
    """Why a request failed for good, and what to do.

    Of S3's answer only code and message are shown: the rest may repeat a session token.
    """
    status, code, text = _status(error), _tag("Code", error), str(error)
    said = " ".join(filter(None, (str(status or ""), code, _tag("Message", error)[:200]))).strip()
    if not said:
        why = re.search(r'kind: \w+,\s+message: "([^"]+)"', text)  # the operating system's
        said = " ".join(text.split("Debug source")[0].split())[:300] + (f" ({why[1]})" if why else "")
    if no_bucket(error) or (status == 404 and not code):
        return f"{said}; there is no such bucket, check the address"
    if status in (401, 403) or code in ("AccessDenied", "ExpiredToken", "InvalidToken") or "AccessDenied" in text:
        return (
            f"{said}; these credentials may not: see that they are the right ones, and allow them s3:GetObject, "
            "s3:PutObject, s3:DeleteObject and s3:ListBucket here"
        )
    if "redirect" in text:
        return f"{said}; set AWS_DEFAULT_REGION to the bucket's region"
    if not passes(error):
        return f"{said}; check the address, AWS_ENDPOINT_URL and AWS_DEFAULT_REGION"
    slow = f" (no answer in {request_timeout():g} s; {TIMEOUT} sets how long one may take)" if "Timeout" in text else ""
    return f"{said}{slow}; given up after {patience:g} s, what was done is kept and the same command goes on from it"


def request_timeout() -> float:
    """Seconds that one request may take, after which it is made again."""
    text = os.environ.get(TIMEOUT, "30")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise StoreError(f"{TIMEOUT}={text}: give the seconds that a request to S3 may take, such as 30")
    return seconds


def backend(bucket: str, prefix: str) -> S3Store:
    """An S3 store with the credentials of the usual AWS chain (environment, profile, instance role)."""
    from botocore.session import Session

    session = Session()
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    credentials = session.get_credentials()
    if credentials is None:
        raise StoreError(
            f"s3://{bucket}: no AWS credentials found; set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )

    def current() -> "S3Credential":
        frozen = credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            # botocore renews them itself; asking again every few minutes is how the renewed ones arrive here
            "expires_at": datetime.now(UTC) + timedelta(minutes=10),
        }

    return S3Store(
        bucket,
        prefix=prefix or None,
        region=session.get_config_variable("region") or "us-east-1",
        endpoint=endpoint,
        credential_provider=current,
        client_options={
            "allow_http": (endpoint or "").startswith("http://"),
            "timeout": timedelta(seconds=request_timeout()),
        },
        retry_config={"max_retries": 0},
    )


def _status(error: Exception) -> int | None:
    found = re.search(r"status code: (\d{3})", str(error))
    return int(found[1]) if found else None


def _tag(name: str, error: Exception) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>", str(error), re.DOTALL)
    return " ".join(found[1].split()) if found else ""

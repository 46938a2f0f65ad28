"""Tables to Parquet bytes and back; the same table always gives the same bytes."""

import io
from collections.abc import Mapping

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from volforecast.data.files import UNREADABLE, check_rows
from volforecast.errors import InputError
from volforecast.printable import printable


def to_parquet(table: pa.Table) -> bytes:
    """The table as one Parquet file, without pandas' or a schema's metadata."""
    sink = io.BytesIO()
    # a dictionary of numbers that hardly repeat takes longer to write and more room
    repeating = [field.name for field in table.schema if pa.types.is_string(field.type)]
    pq.write_table(
        table.replace_schema_metadata(None), sink, compression="zstd", use_dictionary=repeating, store_schema=False
    )
    return sink.getvalue()


def from_parquet(payload: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in a Parquet file, or some of its columns.

    Raises:
        InputError: It is no such table, or claims more rows than its bytes can hold.
    """
    try:
        check_rows(pq.read_metadata(io.BytesIO(payload)).num_rows, len(payload), "a stored table")
        table = pq.read_table(io.BytesIO(payload), columns=columns)
        table.validate(full=True)
    except UNREADABLE as error:
        reason = printable(error, 200) or type(error).__name__
        raise InputError(f"a stored table cannot be read as Parquet ({reason}); compute it again") from error
    return table


def pack(tables: Mapping[str, pa.Table]) -> bytes:
    """Several tables by name as one payload."""
    return msgspec.msgpack.encode({name: to_parquet(table) for name, table in tables.items()})


def unpack(payload: bytes, *names: str) -> dict[str, pa.Table]:
    """Some tables of a packed payload, those that it has; all of them without a name.

    Raises:
        InputError: It is no such payload.
    """
    try:
        parts = msgspec.msgpack.decode(payload, type=dict[str, bytes])
    except msgspec.DecodeError as error:
        raise InputError(f"a stored part holds no tables ({printable(error, 200)}); compute it again") from error
    return {name: from_parquet(part) for name, part in parts.items() if not names or name in names}

"""Tables that others wrote: only the columns asked for, and no more memory than their files can account for.

A file may be damaged or made to do harm: a footer may claim any number of rows, a few kilobytes may stand for terabytes
of repeated text, text may be no text. What is read here is whole, plain, and bounded by the size of the files.
"""

import csv
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset as ds
from botocore.exceptions import BotoCoreError

from volforecast.errors import PanelError
from volforecast.printable import printable

ROWS_IN_ANY_FILE = 1_000_000  # beyond it a row takes a byte of the files at least: distinct variances do not compress
LONGEST_TEXT = 1000  # bytes
LARGEST_TEXT = 1 << 30  # bytes of a column in any file; beyond it 64 times the files, as a name takes at most
LONGEST_HEADER = 1 << 16  # bytes of a CSV file's first line
NO_NUMBER = ["", "NA", "NaN", "nan", "null"]  # in CSV; among texts NA is a ticker
# what pyarrow and file systems raise on files that are damaged: an unknown time zone is a KeyError, a year 20000 an
# OverflowError
UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    NotImplementedError,
    OverflowError,
    pa.ArrowException,
    csv.Error,
    BotoCoreError,
)


def parquet(location: str, filesystem: Any, folders: ds.Partitioning | None = None) -> ds.Dataset:
    """A Parquet file or a folder of them, of which nothing but the schema has been read."""
    return ds.dataset(location, filesystem=filesystem, format="parquet", partitioning=folders)


def read_file(
    location: str,
    filesystem: Any,
    choose: Callable[[Sequence[str]], Sequence[str]],
    where: str,
    numbers: Collection[str] = (),
) -> pd.DataFrame:
    """Some columns of one file: CSV if it is called so, else Parquet.

    Args:
        location: The file; a folder is refused.
        filesystem: Where it lies.
        choose: Takes the names of the columns that there are and returns those to read.
        where: What messages call the file.
        numbers: Columns that are numbers in CSV; all others are text there.

    Raises:
        PanelError: The file is not there, is damaged, or breaks a rule of :func:`read_columns`.
    """
    try:
        if filesystem.info(location)["type"] != "file":  # to open a pipe would wait, a device may have no end
            raise PanelError(f"{where} cannot be read (it is no file); give Parquet or CSV")
        if location.endswith(".csv"):
            return _read_csv(location, filesystem, choose, where, numbers)
        dataset = parquet(location, filesystem)
        return read_columns(dataset, filesystem, choose(dataset.schema.names), where)
    except UNREADABLE as error:
        reason = printable(error, 200) or type(error).__name__
        raise PanelError(f"{where} cannot be read ({reason}); give Parquet or CSV") from error


def read_columns(dataset: ds.Dataset, filesystem: Any, columns: Sequence[str], where: str) -> pd.DataFrame:
    """Some columns of a dataset, each of text, numbers, truth values, or dates.

    Args:
        dataset: What :func:`parquet` opened.
        filesystem: Where its files lie.
        columns: Names of columns it has.
        where: What messages call it.

    Raises:
        PanelError: A column holds something else, its texts are too long, or more rows are claimed than the files can
            hold. What pyarrow raises on damaged files goes through.
    """
    for field in map(dataset.schema.field, columns):
        if not (_is_text(field.type) or any(test(field.type) for test in _PLAIN)):
            name, kind = printable(field.name, 60), printable(field.type, 60)
            raise PanelError(f"{where}: column {name} holds {kind}; store text, numbers or dates")
    rows = dataset.count_rows()
    if rows > ROWS_IN_ANY_FILE:
        check_rows(rows, sum(filesystem.size(path) for path in dataset.files), where)
    # as dictionaries, so that a text is held once however many rows repeat it
    texts = {name for name in columns if _is_text(dataset.schema.field(name).type)}
    reading = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(dictionary_columns=texts))
    fragments = [
        reading.make_fragment(part.path, part.filesystem, partition_expression=part.partition_expression)
        for part in dataset.get_fragments()
    ]
    schema = pa.schema(
        [
            pa.field(field.name, pa.dictionary(pa.int32(), _dense(field.type)) if field.name in texts else field.type)
            for field in map(dataset.schema.field, columns)
        ]
    )
    table = ds.FileSystemDataset(fragments, schema, reading, dataset.filesystem).to_table()
    for i, name in enumerate(columns):
        if name in texts:
            _check_texts(
                table[name], lambda: sum(map(filesystem.size, dataset.files)), f"{where}: column {printable(name, 60)}"
            )
        table = table.set_column(i, name, _plain(table[name], f"{where}: column {printable(name, 60)}"))
    table.validate(full=True)  # text that is no UTF-8 would break whatever touches it later
    # without pandas' metadata an index of the writer's (often the date) is a column like any other
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, date_as_object=False)
    return frame


def check_rows(rows: int, size: int, where: str) -> None:
    """Stop before memory is taken for rows that a footer only claims.

    Raises:
        PanelError: There are more rows than so many bytes can hold.
    """
    if rows > max(ROWS_IN_ANY_FILE, size):
        raise PanelError(
            f"{where}: claims {rows:,} rows in {size:,} bytes, which no table of distinct values has; write it again"
        )


def _read_csv(
    location: str,
    filesystem: Any,
    choose: Callable[[Sequence[str]], Sequence[str]],
    where: str,
    numbers: Collection[str],
) -> pd.DataFrame:
    with filesystem.open(location, "rb") as stream:
        first = stream.readline(LONGEST_HEADER).decode("utf-8-sig").splitlines()[:1]
        present = next(csv.reader(first), [])
        columns = list(choose(present))
        twice = [name for name in columns if present.count(name) > 1]
        if twice:
            raise PanelError(f"{where}: {printable(twice[0], 60)} names more than one column; keep one")
        stream.seek(0)
        # unlike pandas, Arrow wants every row to have all columns: rows of a few bytes cannot stand for thousands
        options = pa.csv.ConvertOptions(
            include_columns=columns,
            column_types={name: pa.float64() if name in numbers else pa.string() for name in columns},
            null_values=NO_NUMBER,
        )
        table = pa.csv.read_csv(stream, convert_options=options)
    for name in table.column_names:
        if name not in numbers:
            _check_length(pc.max(pc.binary_length(table[name])).as_py() or 0, f"{where}: column {printable(name, 60)}")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _check_texts(column: pa.ChunkedArray, size: Callable[[], int], where: str) -> None:
    """Stop before memory is taken for texts that the files hold once and rows repeat.

    Raises:
        PanelError: A text is too long, or all of them are more than files of so many bytes may hold.
    """
    lengths = [pc.binary_length(chunk.dictionary) for chunk in column.chunks]
    longest = max((pc.max(own).as_py() or 0 for own in lengths), default=0)
    _check_length(longest, where)
    if longest * len(column) > LARGEST_TEXT:
        parts = zip(lengths, column.chunks, strict=True)
        whole = sum(pc.sum(own.take(chunk.indices)).as_py() or 0 for own, chunk in parts)
        if whole > max(LARGEST_TEXT, 64 * size()):
            raise PanelError(f"{where} holds {whole:,} bytes of text in a file of {size():,}; shorten the texts")


def _check_length(longest: int, where: str) -> None:
    if longest > LONGEST_TEXT:
        raise PanelError(f"{where} holds a text of {longest:,} bytes; shorten it to {LONGEST_TEXT:,}")


def _plain(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """The same values as a type that pandas has in full."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        try:
            return column.cast(pa.timestamp("ns", kind.tz))
        except pa.ArrowInvalid as error:
            raise PanelError(f"{where} holds a time before the year 1678 or after 2261; correct it") from error
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    if not pa.types.is_dictionary(kind):
        return column
    return column.cast(kind.value_type).cast(pa.string())


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return any(test(kind) for test in _TEXT)


def _dense(kind: pa.DataType) -> pa.DataType:
    """What Parquet makes of any kind of text."""
    if pa.types.is_dictionary(kind):
        return _dense(kind.value_type)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return pa.binary() if binary else pa.string()


_TEXT = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
)
_PLAIN = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
    pa.types.is_date,
    pa.types.is_timestamp,
    pa.types.is_null,
)

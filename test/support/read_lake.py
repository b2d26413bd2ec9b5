"""Reads Parquet as other people's clients do, and prints rows as DuckDB prints them to JSON.

file <path> ...                     pyarrow, straight from files
table <endpoint> <database> <table>  awswrangler, which asks Glue for columns and partitions first
"""

import json
import sys

import pyarrow as pa
import pyarrow.parquet


def plain(value, of):
    if value is None:
        return None
    types = pa.types
    if types.is_struct(of):
        return {field.name: plain(value[field.name], field.type) for field in of}
    if types.is_map(of):
        return [{"key": plain(k, of.key_type), "value": plain(v, of.item_type)} for k, v in value]
    if types.is_list(of) or types.is_large_list(of):
        return [plain(one, of.value_type) for one in value]
    if types.is_decimal(of) or types.is_int64(of):
        return format(value, "f") if types.is_decimal(of) else str(value)
    if types.is_date(of):
        return value.isoformat()
    if types.is_timestamp(of):
        text = value.strftime("%Y-%m-%d %H:%M:%S.%f")
        return text.rstrip("0").rstrip(".")
    if types.is_binary(of) or types.is_large_binary(of):
        return value.hex()
    return value


def rows_of(table):
    fields = {field.name: field.type for field in table.schema}
    return [{name: plain(row[name], of) for name, of in fields.items()} for row in table.to_pylist()]


def read_files(paths):
    tables = [pa.parquet.read_table(path, partitioning=None) for path in paths]
    return {"rows": [row for table in tables for row in rows_of(table)], "types": {}}


def read_table(endpoint, database, name):
    import awswrangler as wr

    wr.config.s3_endpoint_url = endpoint
    wr.config.glue_endpoint_url = endpoint
    frame = wr.s3.read_parquet_table(database=database, table=name, dtype_backend="pyarrow")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return {"rows": rows_of(table), "types": wr.catalog.get_table_types(database=database, table=name)}


kind, *arguments = sys.argv[1:]
print(json.dumps(read_files(arguments) if kind == "file" else read_table(*arguments)))

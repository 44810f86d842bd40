"""Build one data set: `python -m driftgate.datasets NAME FILE`."""

import argparse
from pathlib import Path

from driftgate.datasets import flights, rules

BUILDERS = {"flights": flights.build, "rules": rules.build}


def main() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(BUILDERS))
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    # Without pandas' own metadata, which names versions, the same rows give the same bytes.
    table = pa.Table.from_pandas(BUILDERS[arguments.name](), preserve_index=False).replace_schema_metadata(None)
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, arguments.file, compression="zstd")
    print(f"{arguments.file}: {table.num_rows:,} rows, {table.num_columns} columns")


if __name__ == "__main__":
    main()

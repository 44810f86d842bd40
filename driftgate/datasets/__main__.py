"""Build one data set as a .parquet or .csv file: `python -m driftgate.datasets NAME FILE`."""

import argparse
from pathlib import Path

from driftgate.datasets import flights, orders, rules

BUILDERS = {"flights": flights.build, "orders": orders.build, "rules": rules.build}


def main() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(BUILDERS))
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    frame = BUILDERS[arguments.name]()
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    if arguments.file.suffix == ".csv":
        frame.to_csv(arguments.file, index=False)
    else:
        # Without pandas' own metadata, which names versions, the same rows give the same bytes.
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        pq.write_table(table, arguments.file, compression="zstd")
    print(f"{arguments.file}: {len(frame):,} rows, {frame.shape[1]} columns")


if __name__ == "__main__":
    main()

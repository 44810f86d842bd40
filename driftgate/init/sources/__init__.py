"""Read a table from a CSV or Parquet file, a folder, S3 or a database, and find the types of its columns."""

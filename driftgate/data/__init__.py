"""The versions of a problem's data: what DVC promises, which rows are read, and whether they keep the contract."""

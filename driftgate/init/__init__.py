"""From a table to a problem file: read it, find out what its columns are, and choose split, candidates and limits."""

"""ZenML pipelines, and the code that starts one and reads its outcome."""

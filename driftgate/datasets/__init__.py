"""The data sets that come with the project; the stages of `dvc.yaml` build them: `python -m driftgate.datasets NAME FILE`."""

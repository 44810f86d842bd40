"""The domain of Driftgate: plain typed Python that knows neither ZenML nor BentoML."""

__version__ = "0.1.0"

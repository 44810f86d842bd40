"""An empty BentoML service, to measure the start time without our code."""

import bentoml


@bentoml.service
class Empty:
    @bentoml.api
    def nothing(self) -> str:
        return ""

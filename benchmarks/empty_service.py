"""An empty BentoML service: what starting takes without us."""

import bentoml


@bentoml.service
class Empty:
    @bentoml.api
    def nothing(self) -> str:
        return ""

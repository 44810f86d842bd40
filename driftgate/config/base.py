"""What the models of a problem file have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(gt=0, lt=1)]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Span(Frozen):
    """A length of calendar time."""

    months: int = Field(0, ge=0, description="Whole calendar months.")
    days: int = Field(0, ge=0, description="Days, in addition to the months.")

    @model_validator(mode="after")
    def _not_empty(self) -> Span:
        if not self.months and not self.days:
            raise ValueError("a span needs months or days above 0")
        return self

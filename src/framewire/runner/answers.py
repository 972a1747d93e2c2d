"""What a direct method answers: a status and JSON (topologies, section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from framewire.topology import Problem

Json = dict[str, Any]

Code = Literal["BadRequest", "NotFound", "Conflict", "InternalServerError", "ServerBusy"]

_STATUS: dict[Code, int] = {
    "BadRequest": 400,
    "NotFound": 404,
    "Conflict": 409,
    "InternalServerError": 500,
    "ServerBusy": 503,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one method.

    Args:
        status: As of HTTP.
        body: A JSON object; None for no content.
    """

    status: int
    body: Json | None = None

    @property
    def is_error(self) -> bool:
        """Whether it tells of an error."""
        return self.status >= 400


class MethodError(Exception):
    """Ends a method with an error.

    Args:
        code: What kind of error.
        message: What is wrong, for people.
        details: Code, message and target of each thing that is wrong.
    """

    def __init__(self, code: Code, message: str, details: Sequence[tuple[str, str, str]] = ()) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
        self.details = details

    def answer(self) -> Answer:
        """As it is sent."""
        error: Json = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = [
                {"code": code, "message": message, **({"target": target} if target else {})}
                for code, message, target in self.details
            ]
        return Answer(_STATUS[self.code], {"error": error})


def invalid(what: str, problems: Sequence[Problem]) -> MethodError:
    """A document that has errors."""
    details = [
        ("PipelineValidationError", _words(problem), problem.pointer)
        for problem in problems
        if problem.severity == "error"
    ]
    count = len(details)
    return MethodError("BadRequest", f"{what} has {count} error{'' if count == 1 else 's'}", details)


def _words(problem: Problem) -> str:
    text = f"{problem.value}: {problem.message}" if problem.value else problem.message
    if problem.allowed:
        text += f"; allowed: {problem.allowed}"
    return text + (f"; did you mean {problem.nearest}?" if problem.nearest else "")

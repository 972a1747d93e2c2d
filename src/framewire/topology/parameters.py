"""Parameters of a topology: their values, and putting them in (topologies, section 1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from framewire.errors import ConfigurationError
from framewire.topology.documents import ParameterType
from framewire.topology.json_value import Json
from framewire.topology.problems import Findings, is_secret_name, listed, printable, quoted
from framewire.topology.scalars import MAX_TEXT_CHARACTERS, WrongValueError, boolean, read_decimal, text, whole

_VARIABLE = re.compile(r"\$\{([^${}]*)\}")
_MAX_CHARACTERS_IN_ALL = 1 << 22
"""All texts of a topology together, parameters put in: a short text can name a long one very often."""

_RUNTIME = {"system.runtime.datetime": "System.Runtime.DateTime"}
_RUNTIME["system.runtime.precisedatetime"] = "System.Runtime.PreciseDateTime"
SYSTEM_VARIABLES = ("System.TopologyName", "System.PipelineName", *_RUNTIME.values())

_READERS = {
    "int": whole(-(1 << 31), (1 << 31) - 1).read,
    "double": read_decimal,
    "bool": boolean().read,
    "string": text().read,
    "secretString": text().read,
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter with its value.

    Args:
        name: As declared.
        kind: As declared.
        value: What it stands for; None when it has none.
        place: Its declaration.
        is_wrong: Whether the declaration or the value is wrong, which has been told.
    """

    name: str
    kind: ParameterType
    value: str | None = field(repr=False)
    place: Json = field(repr=False)
    is_wrong: bool = False

    @property
    def is_secret(self) -> bool:
        """Whether its value is never shown."""
        return self.kind == "secretString" or is_secret_name(self.name)


def read_settings(items: Iterable[str]) -> dict[str, str]:
    """Reads parameters as a command line gives them.

    Args:
        items: Each `NAME=VALUE`. What is behind the first `=` is the value, whatever it holds.

    Returns:
        Values by name.

    Raises:
        ConfigurationError: One is not of that form, or a name is there twice. Values are not shown.
    """
    settings: dict[str, str] = {}
    for position, item in enumerate(items, 1):
        name, separator, value = item.partition("=")
        name = name.strip()
        if not separator or not name:
            missing = "no name" if separator else "no '='"
            raise ConfigurationError(f"setting {position} has {missing}", allowed="--set NAME=VALUE")
        if name in settings:
            raise ConfigurationError(f"parameter {quoted(name)} is set twice", remedy="leave one --set out")
        settings[name] = value
    return settings


def check_value(kind: ParameterType, value: str) -> None:
    """Raises WrongValueError when a text is no value of a parameter of this type."""
    try:
        _READERS[kind](value)
    except WrongValueError as wrong:
        raise WrongValueError(f"no {kind}: {wrong.message}", allowed=wrong.allowed, names=wrong.names) from None


class Scope:
    """What stands for what in one topology, and how much was put in.

    Args:
        parameters: The declared ones.
        system: Values of the system variables that are known, by name.
        findings: Gets what is wrong.
    """

    def __init__(self, parameters: Iterable[Parameter], system: Mapping[str, str], findings: Findings) -> None:
        self._parameters = {parameter.name: parameter for parameter in parameters}
        self._by_lower = {name.lower(): parameter for name, parameter in self._parameters.items()}
        self._system = {name.lower(): value for name, value in system.items()}
        self._findings = findings
        self._characters = 0
        self.unset: dict[str, Parameter] = {}
        """Those that were asked for and have no value."""

    def put_in(self, json: Json, *, keeps_runtime: bool = False) -> Json:
        """A text with its variables replaced, once: a value that holds a variable itself keeps it.

        Args:
            json: The text, where it stands.
            keeps_runtime: Whether the variables of the time stay in it.

        Returns:
            The same place with the new text; unset when a variable has no value or is wrong.
        """
        given: str = json.content
        if "${" not in given:
            return json
        parts: list[str] = []
        length = end = 0
        is_secret = is_unset = False
        for match in _VARIABLE.finditer(given):
            value = self._value(match[1], json, keeps_runtime)
            is_unset |= value is None
            is_secret |= (found := self._find(match[1])) is not None and found.is_secret
            parts += [given[end : match.start()], value or ""]
            length += len(parts[-1]) + len(parts[-2])
            end = match.end()
            if length > MAX_TEXT_CHARACTERS or self._characters + length > _MAX_CHARACTERS_IN_ALL:
                self._findings.error(
                    json,
                    "too long with its parameters put in",
                    allowed=f"up to {MAX_TEXT_CHARACTERS} characters, and {_MAX_CHARACTERS_IN_ALL} in all",
                    is_value_shown=False,
                )
                return json.with_text("", is_secret=True, is_unset=True)
        self._characters += length
        if "${" in given[end:]:
            self._findings.warning(json, "'${' without a '}' behind it stays as it is", is_value_shown=not is_secret)
        return json.with_text("".join((*parts, given[end:])), is_secret=is_secret, is_unset=is_unset)

    def _find(self, name: str) -> Parameter | None:
        return self._parameters.get(name) or self._by_lower.get(name.lower())

    def _value(self, name: str, json: Json, keeps_runtime: bool) -> str | None:
        parameter = self._find(name)
        if parameter is not None:
            if parameter.name != name:
                self._findings.warning(
                    json, f"${{{printable(name)}}} is taken for the parameter {printable(parameter.name)}"
                )
            if parameter.value is None and not parameter.is_wrong:
                self.unset[parameter.name] = parameter
            return parameter.value
        lower = name.strip().lower()
        if lower in self._system:
            return self._system[lower]
        if lower in _RUNTIME:
            if keeps_runtime:
                return f"${{{_RUNTIME[lower]}}}"
            self._findings.error(json, f"${{{_RUNTIME[lower]}}} has a value only in a fileNamePattern")
            return None
        names = (*self._parameters, *SYSTEM_VARIABLES)
        self._findings.error(
            json, f"${{{printable(name)}}} is not declared", allowed=listed(names), meant=name, names=names
        )
        return None

"""Where the settings of ``framewire serve`` come from, and which one wins.

Defaults < file < ``FRAMEWIRE_*`` < flags: click's own order. On top come the three variables of existing deployments,
which override flags there today (contract, section 8).
"""

from __future__ import annotations

import difflib
import json
import logging
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from framewire.errors import ConfigurationError

_log = logging.getLogger(__name__)

_F = TypeVar("_F", bound=Callable[..., Any])

PREFIX = "FRAMEWIRE_"


def setting(*declarations: str, **attributes: Any) -> Callable[[_F], _F]:  # the attributes of click.option
    """A click option that is also read from ``FRAMEWIRE_`` and its long name."""
    long_name = next(text for text in declarations if text.startswith("--"))
    variable = PREFIX + long_name.strip("-").replace("-", "_").upper()
    return click.option(*declarations, envvar=variable, show_envvar=True, **attributes)


class KeyValue(click.ParamType[str]):
    """``key=value``; in the environment several are separated by semicolons."""

    name = "key=value"

    def split_envvar_value(self, rv: str) -> list[str]:
        """Splits what an environment variable holds."""
        return [part.strip() for part in rv.split(";") if part.strip()]


def read_file(context: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Callback of ``--config``: makes the file's values the defaults of the command.

    Raises:
        ConfigurationError: The file cannot be read, is no TOML, or holds an unknown name or a wrong value.
    """
    if path is None:
        return None
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}", remedy="check --config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no TOML: {error}") from None
    options = {_file_name(option): option for option in context.command.params if option.name not in _NOT_IN_A_FILE}
    defaults: dict[str, object] = {}
    for name, value in values.items():
        long_name = name.replace("_", "-")
        option = options.get(long_name)
        if option is None or option.name is None:
            near = difflib.get_close_matches(long_name, options, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(f"{path} sets unknown {name!r}{hint}", allowed=", ".join(sorted(options)))
        given = _options_of_processor(value, path) if long_name == "option" else value
        _check_type(option, given, f"{path}: {name} is {value!r}")
        try:
            option.type_cast_value(context, given)
        except click.BadParameter as error:
            raise ConfigurationError(f"{path}: {name} is {value!r}: {error.message.rstrip('.')}") from None
        defaults[option.name] = given
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


_NOT_IN_A_FILE = ("config", "show_config", "help")


def _file_name(option: click.Parameter) -> str:
    return (option.name or "").replace("_", "-")


def _options_of_processor(value: object, path: Path) -> list[str]:
    """The options of a processor as ``--option`` would give them, from a table or a list."""
    if isinstance(value, dict):
        return [f"{key}={_option_text(item, key, path)}" for key, item in value.items()]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise ConfigurationError(f"{path}: option is {value!r}", allowed="a table [option], or a list of key=value texts")


def _option_text(value: object, key: str, path: Path) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value)
    except TypeError:
        raise ConfigurationError(
            f"{path}: option.{key} is {value}, a {type(value).__name__}",
            allowed="texts, numbers, true, false, and lists and tables of them",
        ) from None


def _check_type(option: click.Parameter, value: object, what: str) -> None:
    """Refuses a value of a file that click would bend into shape: a port of 5.5, or of true."""
    if option.multiple:
        return
    match option.type:
        case click.types.IntParamType():
            is_right, allowed = isinstance(value, int) and not isinstance(value, bool), "a whole number"
        case click.types.FloatParamType():
            is_right, allowed = isinstance(value, int | float) and not isinstance(value, bool), "a number"
        case click.types.BoolParamType():
            is_right, allowed = isinstance(value, bool), "true or false"
        case _:
            is_right, allowed = isinstance(value, str), "a text in quotes"
    if not is_right:
        raise ConfigurationError(what, allowed=allowed)


@dataclass(frozen=True, slots=True)
class Setting:
    """A value in force.

    Args:
        value: The value.
        source: Where it comes from.
    """

    value: Any  # of the option's own type
    source: str


def gather(context: click.Context, environment: Mapping[str, str] = os.environ) -> dict[str, Setting]:
    """The values in force of a command, by parameter name, each with its source."""
    settings: dict[str, Setting] = {}
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in _NOT_IN_A_FILE:
            continue
        settings[name] = Setting(context.params[name], _source(context, parameter))
    _warn_of_mistyped(context, environment)
    _apply_deployment(settings, environment)
    return settings


CREDENTIALS = (f"{PREFIX}USER", f"{PREFIX}PASSWORD")
"""One pair of user and password, which the command reads itself."""


def _warn_of_mistyped(context: click.Context, environment: Mapping[str, str]) -> None:
    known = {*CREDENTIALS, *(str(parameter.envvar) for parameter in context.command.params if parameter.envvar)}
    for variable in sorted(environment):
        # Only what is near to a name of ours: a cluster sets others by itself, FRAMEWIRE_SERVICE_HOST for one.
        near = difflib.get_close_matches(variable.upper(), known, n=1, cutoff=0.85)
        if variable not in known and variable.upper().startswith(PREFIX) and near:
            _log.warning("environment variable %s means nothing; did you mean %s?", variable, near[0])


def _source(context: click.Context, parameter: click.Parameter) -> str:
    match context.get_parameter_source(parameter.name or ""):
        case ParameterSource.COMMANDLINE:
            return f"flag {parameter.opts[-1]}"
        case ParameterSource.ENVIRONMENT:
            return f"environment {parameter.envvar}"
        case ParameterSource.DEFAULT_MAP:
            return f"file {context.params['config']}"
        case _:
            return "default"


def _apply_deployment(settings: dict[str, Setting], environment: Mapping[str, str]) -> None:
    """The variables of existing deployments, matched by case: grpcBinding, then port, then batchSize."""
    binding = environment.get("grpcBinding", "")
    if binding:
        host, port = _parse_binding(binding)
        _override(settings, "host", host, "grpcBinding")
        if port is not None and not environment.get("port"):
            _override(settings, "port", port, "grpcBinding")
    for variable, name, lowest, highest in (("port", "port", 0, 65_535), ("batchSize", "batch_size", 1, 4_096)):
        text = environment.get(variable, "").strip()
        if not text:
            continue
        if not (text.isascii() and text.isdecimal() and lowest <= int(text) <= highest):
            raise ConfigurationError(
                f"environment variable {variable} is {text!r}", allowed=f"a whole number from {lowest} to {highest}"
            )
        _override(settings, name, int(text), variable)


def _parse_binding(text: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(text if "://" in text else f"tcp://{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", -1
    if port == -1 or (not host and port is None) or parts.scheme != "tcp" or parts.path.strip("/"):
        raise ConfigurationError(
            f"environment variable grpcBinding is {text!r}", allowed="tcp://HOST:PORT, for example tcp://0.0.0.0:5001"
        )
    return "" if host == "*" else host, port


def _override(settings: dict[str, Setting], name: str, value: object, variable: str) -> None:
    before = settings[name]
    if before.source.startswith("flag") and before.value != value:
        _log.warning(
            "environment variable %s sets %s to %s and overrides %s %s; unset it to use the flag",
            variable,
            name.replace("_", "-"),
            _shown(value),
            before.source,
            _shown(before.value),
        )
    settings[name] = Setting(value, f"environment {variable}")


def table(settings: Mapping[str, Setting]) -> str:
    """The settings as lines: name, value, source."""
    rows = [(name.replace("_", "-"), _shown(setting.value), setting.source) for name, setting in settings.items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {value:<{widths[1]}}  ({source})" for name, value, source in rows)


def _shown(value: object) -> str:
    if value is None or value in ("", ()):
        return "-"
    if isinstance(value, tuple):
        return "; ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if isinstance(value, bool) else str(value)

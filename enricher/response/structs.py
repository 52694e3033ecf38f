"""Lets answers hold structs: read and written as msgspec does, described as any other model.

A plan is a struct because its id is the digest of exactly what is written of it.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from pydantic import Field, PlainSerializer, PlainValidator, create_model

if TYPE_CHECKING:
    from pydantic import BaseModel, GetCoreSchemaHandler

# e.g. "    id: Digest of all the rest."
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


class Structured:
    """Annotates a field of a pydantic model that holds a struct of this kind."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self._kind = kind

    def __get_pydantic_core_schema__(self, _source: object, handler: GetCoreSchemaHandler) -> Any:  # noqa: ANN401 - pydantic's own
        """Say how it is read, written and described."""
        reading = PlainValidator(self._read, json_schema_input_type=_described(self._kind))
        return handler.generate_schema(Annotated[Any, reading, PlainSerializer(_written)])

    def _read(self, value: object) -> msgspec.Struct:
        if isinstance(value, self._kind):
            return value
        try:
            return msgspec.convert(value, self._kind)
        except msgspec.ValidationError as err:
            raise ValueError(str(err)) from err


def _written(value: msgspec.Struct) -> Any:  # noqa: ANN401 - JSON
    return msgspec.json.decode(msgspec.json.encode(value))


@cache
def _described(kind: type[msgspec.Struct]) -> type[BaseModel]:
    """Make a model that looks like a struct; its docstring says what each field means."""
    told = inspect.cleandoc(kind.__doc__ or "")
    meanings = {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(told)}
    hints = get_type_hints(kind)
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        default = ... if field.required else field.default
        if default is msgspec.NODEFAULT:
            default = field.default_factory()
        fields[field.name] = (
            _plain(hints[field.name]),
            Field(default, description=meanings.get(field.name)),
        )
    made: type[BaseModel] = create_model(kind.__name__, __doc__=told.partition("\n")[0], **fields)
    return made


def _plain(hint: Any) -> Any:  # noqa: ANN401 - any annotation
    """Put described models for the structs in an annotation."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _described(hint)
    if get_origin(hint) is tuple:
        return tuple[_plain(get_args(hint)[0]), ...]  # type: ignore[misc] # made when it runs
    return hint

"""The forms that the conformance suite asks for, word by word."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, WithJsonSchema


class User(BaseModel):
    """Free text."""

    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class Defaults(BaseModel):
    """Each primitive type with a default."""

    name: str = Field(default="John Doe", description="User name")
    age: int = Field(default=30, description="User age")
    score: float = Field(default=95.5, description="User score")
    status: Literal["active", "inactive", "pending"] = Field(default="active", description="User status")
    verified: bool = Field(default=True, description="Verification status")


def _titled(*values: tuple[str, str]) -> list[dict[str, str]]:
    return [{"const": value, "title": title} for value, title in values]


def _shape(schema: dict[str, Any]) -> Any:
    return WithJsonSchema(schema)


class Enums(BaseModel):
    """Choices, one or several, with and without titles."""

    untitledSingle: Literal["option1", "option2", "option3"]
    titledSingle: Annotated[
        str,
        _shape(
            {
                "type": "string",
                "oneOf": _titled(("value1", "First Option"), ("value2", "Second Option"), ("value3", "Third Option")),
            }
        ),
    ]
    legacyEnum: Annotated[
        str,
        _shape(
            {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            }
        ),
    ]
    untitledMulti: Annotated[
        list[str], _shape({"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}})
    ]
    titledMulti: Annotated[
        list[str],
        _shape(
            {
                "type": "array",
                "items": {
                    "anyOf": _titled(
                        ("value1", "First Choice"), ("value2", "Second Choice"), ("value3", "Third Choice")
                    )
                },
            }
        ),
    ]

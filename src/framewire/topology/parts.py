"""What all models of topology documents share, and the small parts that nodes are made of.

Members of documents are matched without regard to case; the attributes here are their names in snake case. A model of
a typed object has the name of its `@type` without `#Microsoft.VideoAnalyzer.`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, SecretStr
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from framewire.model.format import MAX_DIMENSION_PX, PixelFormat
from framewire.model.geometry import ScaleMode
from framewire.topology.scalars import address, boolean, certificate, choice, name, rate, secret, text, whole

TYPE_PREFIX = "#Microsoft.VideoAnalyzer."

MediaType = Literal["video", "audio", "application"]
MEDIA: tuple[MediaType, ...] = ("video", "audio", "application")
PIXEL_FORMATS = tuple(member.name.lower() for member in PixelFormat if member is not PixelFormat.NONE)


class Part(BaseModel):
    """An object of a document."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore")

    @classmethod
    def has_default(cls, field_name: str, mode: str) -> bool:
        """Whether the default of an attribute, if it has one, says something.

        Args:
            field_name: The attribute.
            mode: What the document says under `mode`, in lower case.
        """
        return not cls.model_fields[field_name].is_required()

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """The name alone: any other value may come from a secret parameter."""
        if isinstance(given := getattr(self, "name", None), str):
            yield "name", given


class Typed(Part):
    """An object with `@type`."""

    is_abstract: ClassVar[bool] = True

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        cls.is_abstract = "is_abstract" in vars(cls)

    @classmethod
    def type_name(cls) -> str:
        """The whole `@type`."""
        return TYPE_PREFIX + cls.__name__

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core))
        if not cls.is_abstract:
            pattern = rf"^#?([Mm]icrosoft\.[Vv]ideo[Aa]nalyzer\.)?{cls.__name__}$"
            kind = {"type": "string", "default": cls.type_name(), "pattern": pattern}
            schema["properties"] = {"@type": kind, **schema.get("properties", {})}
            schema["required"] = ["@type", *schema.get("required", [])]
        return schema


class UsernamePasswordCredentials(Typed):
    """A user and a password: of a camera, for `x-ms-authentication` of gRPC, Basic or Digest of HTTP."""

    username: Annotated[str, text(is_line=True)]
    password: Annotated[SecretStr, secret()]


class HttpHeaderCredentials(Typed):
    """A header of HTTP requests."""

    header_name: Annotated[str, text(is_line=True, least=1)]
    header_value: Annotated[SecretStr, secret()]


class SymmetricKeyCredentials(Typed):
    """A key. Nothing that framewire talks to takes one."""

    key: Annotated[SecretStr, secret()]


Credentials = UsernamePasswordCredentials | HttpHeaderCredentials | SymmetricKeyCredentials


class PemCertificateList(Typed):
    """Certificates that a server's own may be signed with, each as PEM."""

    certificates: Annotated[tuple[Annotated[str, certificate()], ...], Field(min_length=1)]


class TlsValidationOptions(Part):
    """What is not checked of a server's certificate."""

    ignore_hostname: Annotated[bool, boolean()] = False
    ignore_signature: Annotated[bool, boolean()] = False


class UnsecuredEndpoint(Typed):
    """An address without TLS; one that says `https` or `rtsps` itself is encrypted all the same."""

    url: Annotated[str, address()]
    credentials: Credentials | None = None


class TlsEndpoint(Typed):
    """An address with TLS. Without trusted certificates, those of the system are trusted."""

    url: Annotated[str, address()]
    credentials: Credentials | None = None
    trusted_certificates: PemCertificateList | None = None
    validation_options: TlsValidationOptions = TlsValidationOptions()


Endpoint = UnsecuredEndpoint | TlsEndpoint


class OutputSelector(Part):
    """Which of the media of a node is taken. `application` stands for inferences."""

    property: Annotated[Literal["mediaType"], choice("mediaType")] = "mediaType"
    operator: Annotated[Literal["is", "isNot"], choice("is", "isNot")] = "is"
    value: Annotated[MediaType, choice("video", "audio", "application")]


class NodeInput(Part):
    """Where a node gets something from.

    Of several selectors, those with `is` are alternatives, and what one with `isNot` names is taken away. Without any,
    everything is taken.
    """

    node_name: Annotated[str, name()]
    output_selectors: tuple[OutputSelector, ...] = ()

    def takes(self, media: MediaType) -> bool:
        """Whether the selectors let this kind of media through."""
        return selects(((item.operator, item.value) for item in self.output_selectors), media)


def selects(selectors: Iterator[tuple[str, str]], media: str) -> bool:
    """Whether selectors, each an operator and a value, let media through."""
    wanted = [(operator, value) for operator, value in selectors]
    positive = [value for operator, value in wanted if operator == "is"]
    return (media in positive or not positive) and ("isNot", media) not in wanted


class ImageScale(Part):
    """The size of the images (topologies, section 3). A dimension that is left out follows the aspect."""

    mode: Annotated[ScaleMode, choice("pad", "preserveAspectRatio", "stretch")] = "pad"
    width: Annotated[int | None, whole(1, MAX_DIMENSION_PX)] = None
    height: Annotated[int | None, whole(1, MAX_DIMENSION_PX)] = None


class ImageFormatJpeg(Typed):
    """JPEG. A quality of 90 when none is given is our choice."""

    quality: Annotated[int, whole(0, 100)] = 90


class ImageFormatBmp(Typed):
    """BMP, 24 bits a pixel."""


class ImageFormatPng(Typed):
    """PNG."""


class ImageFormatRaw(Typed):
    """Pixels as they are; the name is FFmpeg's, in lower case."""

    pixel_format: Annotated[str, choice(*PIXEL_FORMATS)]


ImageFormat = ImageFormatJpeg | ImageFormatBmp | ImageFormatPng | ImageFormatRaw


class Image(Part):
    """What an extension gets to see. Without a scale, the camera's own size; without a format, JPEG (our choice)."""

    scale: ImageScale | None = None
    format: ImageFormat = ImageFormatJpeg()


class SamplingOptions(Part):
    """Which frames an extension gets."""

    maximum_samples_per_second: Annotated[float | None, rate()] = None
    skip_samples_without_annotation: Annotated[bool, boolean()] = False


class DataTransfer(Part):
    """How a gRPC extension gets its images. 20 MiB, when the document says nothing, are our choice."""

    mode: Annotated[Literal["embedded", "sharedMemory"], choice("embedded", "sharedMemory")]
    shared_memory_size_mib: Annotated[int, whole(0, 100)] = Field(
        default=20, validation_alias="sharedMemorySizeMiB", serialization_alias="sharedMemorySizeMiB"
    )

    @classmethod
    def has_default(cls, field_name: str, mode: str) -> bool:
        """The size means something with shared memory alone."""
        return super().has_default(field_name, mode) and (
            field_name != "shared_memory_size_mib" or mode == "sharedmemory"
        )

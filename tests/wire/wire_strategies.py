"""Messages of every kind, for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.geometry import Rectangle
from framewire.model.inference import Attribute, Classification, Entity, Event, Inference, Motion, Other, Tag, Text
from framewire.model.message import ContentReference, Descriptor, GraphIdentifier, Message, Sample, SharedMemory

uint32 = st.integers(0, 2**32 - 1)
uint64 = st.integers(0, 2**64 - 1)
words = st.text(max_size=6)
some_words = st.text(min_size=1, max_size=6)
fractions = st.floats(0, 1, width=32)
rectangles = st.builds(Rectangle, fractions, fractions, fractions, fractions)
tags = st.builds(Tag, some_words, fractions)
attributes = st.lists(st.builds(Attribute, some_words, some_words, fractions), max_size=2)
maps = st.dictionaries(words, words, max_size=2)

_common = {
    "subtype": words.map(str.strip),
    "inference_id": words,
    "sequence_id": words,
    "related_inferences": st.lists(words, max_size=2),
    "extensions": maps,
}

inferences: st.SearchStrategy[Inference] = st.one_of(
    st.builds(Classification, tags, attributes, **_common),
    st.builds(Motion, st.none() | rectangles, **_common),
    st.builds(Entity, tags, st.none() | rectangles, attributes, words, **_common),
    st.builds(Text, words, words, uint64, uint64, **_common),
    st.builds(Event, some_words, maps, **_common),
    st.builds(Other, words, st.binary(max_size=8), **_common),
)


@st.composite
def video_formats(draw: st.DrawFn) -> VideoFormat:
    encoding = draw(st.sampled_from(Encoding))
    width, height = draw(st.integers(1, 65_535)), draw(st.integers(1, 65_535))
    pixel_format = draw(st.sampled_from([item for item in PixelFormat if item or encoding is not Encoding.RAW]))
    stride = draw(st.just(0) | st.integers(width * pixel_format.bytes_per_pixel, 2**32 - 1))
    return VideoFormat(encoding, width, height, pixel_format, stride)


contents = st.none() | st.binary(max_size=20) | st.builds(ContentReference, uint64, uint64)
samples = st.builds(Sample, uint64, contents, st.lists(inferences, max_size=3).map(tuple))
descriptors = st.builds(
    Descriptor,
    st.none() | words | st.builds(GraphIdentifier, words, words, words),
    words,
    uint32,
    st.none() | video_formats(),
    st.none() | st.builds(SharedMemory, words, uint64),
)
messages = st.builds(Message, uint64, uint64, st.none() | descriptors | samples)

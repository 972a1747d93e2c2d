"""The contract's names and numbers, typed from the contract and compared with the stubs: nothing may drift."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from framewire.wire import METHOD, METHOD_PATH, SERVICE, extension_pb2, inferencing_pb2, media_pb2

PACKAGE = "microsoft.azure.media.live_video_analytics.extensibility.grpc.v1"

# message -> field -> (number, type); * is repeated, (name) the oneof that the field belongs to.
MESSAGES = {
    "MediaStreamMessage": {
        "sequence_number": (1, "uint64"),
        "ack_sequence_number": (2, "uint64"),
        "media_stream_descriptor": (5, "MediaStreamDescriptor (payload)"),
        "media_sample": (6, "MediaSample (payload)"),
    },
    "MediaStreamDescriptor": {
        "graph_identifier": (1, "GraphIdentifier (stream_identifier)"),
        "extension_identifier": (2, "string (stream_identifier)"),
        "extension_configuration": (3, "string"),
        "media_descriptor": (5, "MediaDescriptor"),
        "shared_memory_buffer_transfer_properties": (
            10,
            "SharedMemoryBufferTransferProperties (data_transfer_properties)",
        ),
    },
    "GraphIdentifier": {
        "media_services_arm_id": (1, "string"),
        "graph_instance_name": (2, "string"),
        "graph_node_name": (3, "string"),
    },
    "SharedMemoryBufferTransferProperties": {"handle_name": (1, "string"), "length_bytes": (2, "uint64")},
    "MediaSample": {
        "timestamp": (1, "uint64"),
        "content_bytes": (5, "ContentBytes (content)"),
        "content_reference": (6, "ContentReference (content)"),
        "inferences": (10, "Inference*"),
    },
    "MediaDescriptor": {
        "timescale": (1, "uint32"),
        "video_frame_sample_format": (5, "VideoFrameSampleFormat (media_sample_format)"),
    },
    "VideoFrameSampleFormat": {
        "encoding": (1, "Encoding"),
        "pixel_format": (2, "PixelFormat"),
        "dimensions": (3, "Dimensions"),
        "stride_bytes": (4, "uint32"),
    },
    "Dimensions": {"width": (1, "uint32"), "height": (2, "uint32")},
    "ContentBytes": {"bytes": (1, "bytes")},
    "ContentReference": {"address_offset": (1, "uint64"), "length_bytes": (2, "uint64")},
    "Inference": {
        "type": (1, "InferenceType"),
        "subtype": (2, "string"),
        "inference_id": (3, "string"),
        "related_inferences": (4, "string*"),
        "classification": (5, "Classification (value)"),
        "motion": (6, "Motion (value)"),
        "entity": (7, "Entity (value)"),
        "text": (8, "Text (value)"),
        "event": (9, "Event (value)"),
        "other": (13, "InferenceOther (value)"),
        "sequence_id": (14, "string"),
        "extensions": (15, "map"),
    },
    "Classification": {"tag": (1, "Tag"), "attributes": (2, "Attribute*")},
    "Motion": {"box": (1, "Rectangle")},
    "Entity": {"tag": (1, "Tag"), "attributes": (2, "Attribute*"), "box": (3, "Rectangle"), "id": (4, "string")},
    "Text": {
        "value": (1, "string"),
        "language": (2, "string"),
        "start_timestamp": (5, "uint64"),
        "end_timestamp": (6, "uint64"),
    },
    "Event": {"name": (1, "string"), "properties": (7, "map")},
    "InferenceOther": {"content_type": (1, "string"), "content_bytes": (2, "bytes")},
    "Attribute": {"name": (1, "string"), "value": (2, "string"), "confidence": (3, "float")},
    "Tag": {"value": (2, "string"), "confidence": (3, "float")},
    "Rectangle": {"l": (1, "float"), "t": (2, "float"), "w": (3, "float"), "h": (4, "float")},
}

ENUMERATIONS = {
    "VideoFrameSampleFormat.Encoding": {"BMP": 0, "JPG": 1, "PNG": 2, "RAW": 3},
    "VideoFrameSampleFormat.PixelFormat": {
        "NONE": 0,
        "YUV420P": 20,
        "RGB565BE": 40,
        "RGB565LE": 41,
        "RGB555BE": 42,
        "RGB555LE": 43,
        "RGB24": 60,
        "BGR24": 61,
        "ARGB": 80,
        "RGBA": 81,
        "ABGR": 82,
        "BGRA": 83,
    },
    "Inference.InferenceType": {
        "AUTO": 0,
        "CLASSIFICATION": 1,
        "MOTION": 2,
        "ENTITY": 3,
        "TEXT": 4,
        "EVENT": 5,
        "OTHER": 15,
    },
}

SCALARS = {
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_FLOAT: "float",
}

FILES = [module.DESCRIPTOR for module in (extension_pb2, media_pb2, inferencing_pb2)]


def kind_of(field: FieldDescriptor) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name
        assert (entry["key"].type, entry["value"].type) == (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_STRING)
        return "map"
    if field.message_type is not None:
        kind = field.message_type.name
    elif field.enum_type is not None:
        kind = field.enum_type.name
    else:
        kind = SCALARS[field.type]
    if field.is_repeated:
        kind += "*"
    return f"{kind} ({field.containing_oneof.name})" if field.containing_oneof is not None else kind


def fields_of(message: Descriptor) -> dict[str, tuple[int, str]]:
    return {field.name: (field.number, kind_of(field)) for field in message.fields}


def test_every_message_has_the_contracts_fields_and_no_others() -> None:
    found = {name: fields_of(message) for file in FILES for name, message in file.message_types_by_name.items()}
    assert found == MESSAGES


def test_every_enumeration_has_the_contracts_numbers_and_no_others() -> None:
    found = {
        f"{name}.{enumeration.name}": {value.name: value.number for value in enumeration.values}
        for file in FILES
        for name, message in file.message_types_by_name.items()
        for enumeration in message.enum_types
    }
    assert found == ENUMERATIONS
    assert [list(file.enum_types_by_name) for file in FILES] == [[], [], []]


def test_the_service_has_the_contracts_name_and_one_method_that_streams_both_ways() -> None:
    assert {file.package for file in FILES} == {PACKAGE}
    (service,) = extension_pb2.DESCRIPTOR.services_by_name.values()
    assert service.full_name == f"{PACKAGE}.MediaGraphExtension" == SERVICE
    (method,) = service.methods
    assert method.name == "ProcessMediaStream" == METHOD
    assert f"/{PACKAGE}.MediaGraphExtension/ProcessMediaStream" == METHOD_PATH
    assert (method.client_streaming, method.server_streaming) == (True, True)
    assert method.input_type.name == method.output_type.name == "MediaStreamMessage"

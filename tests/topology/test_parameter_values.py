"""Parameters: where their values come from, and where they go."""

from __future__ import annotations

import pytest
from topology_texts import RECORDER, STREET, lines_of, swapped

from framewire.errors import ConfigurationError
from framewire.topology import FileSink, GrpcExtension, IotHubMessageSink, Topology, load_topology, read_settings


def topology_of(text: str, **settings: str) -> Topology:
    loaded = load_topology(text, settings)
    assert loaded.topology is not None, [str(problem) for problem in loaded.problems]
    return loaded.topology


def configuration_of(text: str, **settings: str) -> str:
    grpc = topology_of(text, **settings).nodes["grpc"]
    assert isinstance(grpc, GrpcExtension)
    return grpc.extension_configuration


def with_configuration(configuration: str) -> str:
    return swapped(STREET, ('"extensionConfiguration": "{}"', f'"extensionConfiguration": "{configuration}"'))


def test_a_setting_wins_over_the_default() -> None:
    grpc = topology_of(STREET, quality="75").nodes["grpc"]
    assert isinstance(grpc, GrpcExtension)
    assert grpc.image.format.quality == 75  # type: ignore[union-attr]


def test_an_empty_setting_is_a_value() -> None:
    assert configuration_of(with_configuration("<${rtspUrl}>").replace('${rtspUrl}",', 'x.mp4",'), rtspUrl="") == "<>"


def test_variables_stand_anywhere_in_a_text_more_than_once() -> None:
    text = with_configuration("a${quality}b${quality}${System.TopologyName}/${system.pipelinename}}$ {")
    loaded = load_topology(text, pipeline_name="north-1")
    assert loaded.topology is not None
    grpc = loaded.topology.nodes["grpc"]
    assert isinstance(grpc, GrpcExtension)
    assert grpc.extension_configuration == "a90b90Street/north-1}$ {"


def test_a_value_that_holds_a_variable_keeps_it() -> None:
    settings = {"rtspUrl": "clip-${quality}.mp4"}
    assert configuration_of(with_configuration("${rtspUrl}"), **settings) == "clip-${quality}.mp4"


def test_defaults_may_be_numbers_and_booleans() -> None:
    text = swapped(STREET, ('"default": "90"', '"default": 55'))
    grpc = topology_of(text).nodes["grpc"]
    assert isinstance(grpc, GrpcExtension)
    assert grpc.image.format.quality == 55  # type: ignore[union-attr]


def test_a_declared_parameter_need_not_be_used() -> None:
    assert load_topology(swapped(STREET, ('"quality": "${quality}"', '"quality": "5"'))).problems == ()


def test_variables_of_the_time_stay_in_a_file_name() -> None:
    pattern = "${system.topologyname}-${SYSTEM.RUNTIME.PRECISEDATETIME}"
    files = topology_of(swapped(RECORDER, ("street-${System.TopologyName}-${System.Runtime.DateTime}", pattern))).nodes[
        "files"
    ]
    assert isinstance(files, FileSink)
    assert files.file_name_pattern == "Recorder-${System.Runtime.PreciseDateTime}"


def test_the_pipeline_has_the_name_that_is_given() -> None:
    loaded = load_topology(STREET, pipeline_name="north")
    assert loaded.topology is not None
    assert (loaded.topology.name, loaded.topology.pipeline_name) == ("Street", "north")


def test_a_pipeline_name_is_a_name() -> None:
    assert lines_of(STREET, pipeline_name="north/1") == [
        '1:1: error: the live pipeline\'s name "north/1" is no name; allowed: '
        "1 to 32 letters, digits and dashes, no dash first or last"
    ]


def test_only_declared_parameters_may_be_set() -> None:
    assert lines_of(STREET, {"rtspurl": "x.mp4", "q": "s3cret"}) == [
        "6:19: error: /properties/parameters: the parameter rtspurl is set, and not declared; "
        "allowed: rtspUrl, rtspPassword, quality; did you mean rtspUrl?",
        "6:19: error: /properties/parameters: the parameter q is set, and not declared; "
        "allowed: rtspUrl, rtspPassword, quality",
    ]


def test_a_topology_without_parameters_takes_no_settings() -> None:
    assert lines_of(RECORDER, {"rtspUrl": "x.mp4"})[0] == (
        "3:17: error: /properties: the parameter rtspUrl is set, and not declared; "
        "allowed: none: no parameter is declared"
    )


def test_a_setting_must_have_the_type_of_its_parameter() -> None:
    assert lines_of(STREET, {"quality": "high"}) == [
        '9:7: error: /properties/parameters/2: the parameter quality is set to "high": no int: no whole number; '
        "allowed: -2147483648 to 2147483647"
    ]


def test_numbers_are_checked_where_they_stand_with_what_was_put_in() -> None:
    assert lines_of(STREET, {"quality": "500"}) == [
        '50:86: error: /properties/processors/1/image/format/quality is "500": too large; allowed: 0 to 100'
    ]


def test_a_parameter_without_a_value_is_an_error_for_a_run() -> None:
    text = swapped(STREET, (', "default": "90"', ""))
    assert lines_of(text) == [
        "9:7: error: /properties/parameters/2: the parameter quality has no value; "
        "allowed: --set quality=VALUE, or a default"
    ]


def test_a_parameter_without_a_value_is_a_note_for_who_only_looks() -> None:
    text = swapped(STREET, (', "default": "90"', ""), ('"transport": "tcp"', '"transport": "tpc"'))
    loaded = load_topology(text, may_be_unset=True)
    assert loaded.topology is None
    assert [str(problem) for problem in loaded.problems] == [
        "9:7: note: /properties/parameters/2: the parameter quality has no value, so what depends on it is not checked",
        '15:22: error: /properties/sources/0/transport is "tpc": unknown; allowed: tcp, http, udp; did you mean tcp?',
    ]


def test_a_name_of_a_node_that_depends_on_it_makes_no_more_mistakes() -> None:
    text = swapped(
        STREET,
        ('"name": "quality", "type": "Int", "default": "90"', '"name": "sink", "type": "string"'),
        ('"quality": "${quality}"', '"quality": "5"'),
        ('"name": "motion"', '"name": "${sink}"'),
        ('"nodeName": "motion"', '"nodeName": "${sink}"'),
    )
    assert lines_of(text, may_be_unset=True) == [
        "9:7: note: /properties/parameters/2: the parameter sink has no value, so what depends on it is not checked"
    ]
    assert lines_of(text, {"sink": "motion"}) == []


def test_a_text_with_its_parameters_is_bounded() -> None:
    text = with_configuration("${rtspUrl}" * 300)
    assert lines_of(text, {"rtspUrl": "x" * 1000}) == [
        "53:35: error: /properties/processors/1/extensionConfiguration: too long with its parameters put in; "
        "allowed: up to 262144 characters, and 4194304 in all"
    ]


def test_settings_of_a_command_line() -> None:
    assert read_settings(["rtspUrl=rtsp://camera/x?a=b", " q =", "c= d "]) == {
        "rtspUrl": "rtsp://camera/x?a=b",
        "q": "",
        "c": " d ",
    }


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["a=1", "s3cret"], "setting 2 has no '='; allowed: --set NAME=VALUE"),
        (["=s3cret"], "setting 1 has no name; allowed: --set NAME=VALUE"),
        (["a=s3cret", "a=2"], 'parameter "a" is set twice; leave one --set out'),
    ],
)
def test_what_is_no_setting_is_refused_without_showing_it(items: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(items)
    assert str(caught.value) == message
    assert "s3cret" not in str(caught.value)


def test_a_parameter_of_each_type() -> None:
    declared = (
        '{"name": "quality", "type": "INT", "default": " 90 "}, {"name": "d", "type": "Double", "default": 2.5},'
        ' {"name": "b", "type": "BOOL", "default": true}, {"name": "s", "type": "String", "default": "in"}'
    )
    text = swapped(
        STREET,
        ('{"name": "quality", "type": "Int", "default": "90"}', declared),
        ('"maximumSamplesPerSecond": "5"', '"maximumSamplesPerSecond": "${d}"'),
        ('"skipSamplesWithoutAnnotation": "false"', '"skipSamplesWithoutAnnotation": "${b}"'),
        ('"hubOutputName": "inferences"', '"hubOutputName": "${s}ferences"'),
    )
    nodes = topology_of(text).nodes
    grpc, hub = nodes["grpc"], nodes["hub"]
    assert isinstance(grpc, GrpcExtension)
    assert isinstance(hub, IotHubMessageSink)
    assert grpc.sampling_options.maximum_samples_per_second == 2.5
    assert grpc.sampling_options.skip_samples_without_annotation is True
    assert hub.hub_output_name == "inferences"

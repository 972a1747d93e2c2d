"""JSON with places: what is read, where it stands, and what is said of a text that is no JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framewire.topology.json_text import MAX_CHARACTERS, read_json
from framewire.topology.json_value import Json
from framewire.topology.problems import Findings


def read(text: str) -> tuple[Json | None, list[str]]:
    findings = Findings()
    value = read_json(text, findings)
    return value, [str(problem) for problem in findings.all()]


def places(value: Json) -> dict[str, tuple[int, int]]:
    found = {value.pointer: (value.line, value.column)}
    children = value.content.values() if value.kind == "object" else value.items()
    for child in children:
        found |= places(child)
    return found


def test_every_value_knows_its_line_and_column() -> None:
    value, problems = read('{\n  "a/b": [1,\r\n\ttrue],\r  "~": {"x": null}\n}')
    assert problems == []
    assert value is not None
    assert places(value) == {
        "": (1, 1),
        "/a~1b": (2, 10),
        "/a~1b/0": (2, 11),
        "/a~1b/1": (3, 2),
        "/~0": (4, 8),
        "/~0/x": (4, 14),
    }


def test_surrogates_that_belong_together_are_one_character() -> None:
    value, problems = read('["\\ud800\\udc00", "\\uDBFF\\uDFFF", "\\udbff\\u0041", "\\udc00"]')
    assert problems == []
    assert value is not None
    assert value.plain() == ["\U00010000", "\U0010ffff", "\udbffA", "\udc00"]


def test_columns_count_characters() -> None:
    value, _ = read('{"ä😀": "ü", "b": 1}')
    assert value is not None
    assert places(value)["/b"] == (1, 18)


WRONG = [
    ("", "1:1: error: no JSON: the document is empty; there: the end of the text"),
    (" \n ", "2:2: error: no JSON: the document is empty; there: the end of the text"),
    (
        "<!DOCTYPE html>",
        "1:1: error: no JSON: this looks like a web page or XML; there: <!DOCTYPE html>; allowed: the JSON file itself",
    ),
    ('{"a": 1', "1:8: error: no JSON: the text ends too early: '{' of 1:1 is never closed; there: the end of the text"),
    (
        '{"a": [1,\n',
        "2:1: error: no JSON: the text ends too early: '[' of 1:7 is never closed; there: the end of the text",
    ),
    ('{"a": 1\n "b": 2}', "2:2: error: no JSON: ',' or '}' is missing before this; there: \"b\": 2}"),
    ('["a" "b"]', "1:6: error: no JSON: ',' or ']' is missing before this; there: \"b\"]"),
    ('{"a" 1}', "1:6: error: no JSON: ':' is missing behind a name; there: 1}"),
    ('{"a":}', "1:6: error: no JSON: a value is missing before this; there: }"),
    ('{"a":,}', "1:6: error: no JSON: a value is missing before this; there: ,}"),
    ("{,}", '1:2: error: no JSON: a member name is missing here; there: ,}; allowed: "name"'),
    ("{a: 1}", '1:2: error: no JSON: a member name without quotes; there: a: 1}; allowed: "name"'),
    ("{'a': 1}", "1:2: error: no JSON: a text in single quotes; there: 'a': 1}; allowed: double quotes: \""),
    (
        '{"a": \u2019x\u2019}',
        '1:7: error: no JSON: a text in typographic quotes; there: \u2019x\u2019}; allowed: straight quotes: "',
    ),
    ('{"a": True}', "1:7: error: no JSON: True is no JSON; there: True}; allowed: true"),
    ('{"a": undefined}', "1:7: error: no JSON: undefined is no JSON; there: undefined}; allowed: null"),
    ('{"a": NaN}', "1:7: error: no JSON: NaN is no JSON number; there: NaN}"),
    (
        '{"a": -Infinity}',
        "1:7: error: no JSON: no number as JSON writes them; there: -Infinity}; allowed: for example 0, -5, 2.5, 1e3",
    ),
    (
        '{"a": tcp}',
        "1:7: error: no JSON: a text without quotes; there: tcp}; allowed: a text in double quotes, true, false, null",
    ),
    ("[01]", "1:2: error: no JSON: no number as JSON writes them; there: 01]; allowed: for example 0, -5, 2.5, 1e3"),
    ("[.5]", "1:2: error: no JSON: no number as JSON writes them; there: .5]; allowed: for example 0, -5, 2.5, 1e3"),
    ("[1.]", "1:2: error: no JSON: no number as JSON writes them; there: 1.]; allowed: for example 0, -5, 2.5, 1e3"),
    (
        "[0x10]",
        "1:2: error: no JSON: no number as JSON writes them; there: 0x10]; allowed: for example 0, -5, 2.5, 1e3",
    ),
    (
        '["a\n"]',
        '1:2: error: no JSON: the text that begins here is not closed on its line; there: "a; allowed: " at its end',
    ),
    ('["a\t"]', '1:4: error: no JSON: a control character (U+0009) in a text; there: \\t"]; allowed: \\u0009'),
    (
        '["\\x"]',
        '1:3: error: no JSON: no escape that JSON knows; there: \\x"]; '
        'allowed: \\", \\\\, \\/, \\b, \\f, \\n, \\r, \\t, \\u0000',
    ),
    (
        '["\\u12"]',
        '1:3: error: no JSON: \\u without four hexadecimal digits; there: \\u12"]; allowed: \\u0000 to \\uffff',
    ),
    ("{} {}", "1:4: error: no JSON: there is more text behind the document; there: {}; allowed: one JSON object"),
    ("[/* x", "1:2: error: no JSON: a comment that is never closed; there: /* x; allowed: no comments"),
    (
        "[\x1b[2J]",
        '1:2: error: no JSON: this begins no value; there: \\x1b[2J]; allowed: {, [, ", a number, true, false, null',
    ),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_no_json_is_named_with_its_place(text: str, said: str) -> None:
    assert read(text) == (None, [said])


def test_comments_and_commas_too_many_are_errors_behind_which_the_reading_goes_on() -> None:
    value, problems = read('{ // the camera\n "a": [1, 2,], /* two\n lines */ # more\n "b": 3,\n}')
    assert value is not None
    assert value.plain() == {"a": [1, 2], "b": 3}
    assert problems == [
        "1:3: error: no JSON: a comment; there: // the camera; allowed: no comments; a description member takes text",
        "2:12: error: no JSON: a trailing comma before ']'; there: ,; allowed: no comma there",
        "2:16: error: no JSON: a comment; there: /* two; allowed: no comments; a description member takes text",
        "3:11: error: no JSON: a comment; there: # more; allowed: no comments; a description member takes text",
        "4:8: error: no JSON: a trailing comma before '}'; there: ,; allowed: no comma there",
    ]


def test_a_byte_order_mark_is_skipped_with_a_warning() -> None:
    value, problems = read("\ufeff{}")
    assert value is not None
    assert problems == [
        "1:1: warning: the file begins with a byte order mark (BOM), which JSON does not have; it is skipped"
    ]


def test_of_members_of_one_name_the_last_counts() -> None:
    value, problems = read('{"a": 1,\n "a": 2}')
    assert value is not None
    assert value.plain() == {"a": 2}
    assert problems == ["2:2: warning: /a: this member is there twice; the last one counts"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"password": "s3cret" x}',
            "1:23: error: no JSON: ',' or '}' is missing before this; there: ***}",
        ),
        (
            '{"password": s3cret}',
            "1:14: error: no JSON: a text without quotes; there: ***}; "
            "allowed: a text in double quotes, true, false, null",
        ),
        (
            '{"headerValue":\n  "s3cret}',
            '2:3: error: no JSON: the text that begins here is not closed on its line; there: "***}; '
            'allowed: " at its end',
        ),
        (
            "['rtsp://user:s3cret-and-long-enough-to-be-cut-off-somewhere@camera']",
            "1:2: error: no JSON: a text in single quotes; there: 'rtsp://***@camera']; allowed: double quotes: \"",
        ),
    ],
)
def test_a_password_that_stands_there_is_not_shown(text: str, said: str) -> None:
    assert read(text) == (None, [said])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 65 + "]" * 65, "no JSON: too deep"),
        ("[" + "1," * 50_000 + "1]", "no JSON: too many values"),
        (f'{{"{"n" * 1001}": 1}}', "no JSON: the member name is too long"),
        (" " * (MAX_CHARACTERS + 1), f"no JSON: the document has {MAX_CHARACTERS + 1} characters"),
    ],
)
def test_what_is_too_much_is_refused(text: str, message: str) -> None:
    findings = Findings()
    assert read_json(text, findings) is None
    assert [problem.message for problem in findings.all()] == [message]


def test_what_is_just_not_too_much_is_read() -> None:
    value, problems = read("[" * 64 + "]" * 64)
    assert (value is not None, problems) == (True, [])


def test_a_number_of_thousands_of_digits_harms_nobody() -> None:
    value, problems = read(f"[{'9' * 10_000}]")
    assert value is not None
    assert (value.plain(), problems) == ([float("inf")], [])


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(_json, st.sampled_from([None, 0, 3]), st.booleans())
def test_valid_json_is_read_as_the_json_module_reads_it(value: Any, indent: int | None, is_ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    found, problems = read(text)
    assert problems == []
    assert found is not None
    assert found.plain() == json.loads(text)


@given(st.text(st.sampled_from('{}[]",:\\/u0123456789abcdef.-+eE \n\rtrulsn\ud83d\ude00'), max_size=40))
def test_it_takes_what_the_json_module_takes_and_nothing_else(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        value, problems = read(text)
        assert problems
    else:
        value, problems = read(text)
        assert value is not None
        assert value.plain() == expected
        assert all("this member is there twice" in problem for problem in problems)

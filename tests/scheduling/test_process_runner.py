"""A runner of a process does what one of this process does: the same results, the same errors."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import process_toys as toys
import pytest
from process_runners import INFO, frame_of, info_of, opened, process_runner, words

from framewire.errors import FrameError, FramewireError, ProcessorError, SharedMemoryError
from framewire.frames.content import EmbeddedContent, FrameContent, ReferencedContent
from framewire.frames.encoded import encode
from framewire.frames.raw import pack
from framewire.frames.shared_memory import ReadMode, SharedMemoryReader
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.frame import SessionInfo
from framewire.model.inference import Event, Inference, Text
from framewire.model.message import ContentReference, GraphIdentifier, SharedMemory
from framewire.processors.api import NoOptions
from framewire.processors.catalogue import ProcessorKind
from framewire.scheduling import process
from framewire.scheduling.library_threads import THREAD_VARIABLES
from framewire.scheduling.process import ProcessRunner
from framewire.scheduling.runner import ProcessorRunner, Runner
from framewire.scheduling.task import FrameTask, Lane

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)

FORMATS = [
    VideoFormat(Encoding.RAW, 6, 4, PixelFormat.RGB24),
    VideoFormat(Encoding.RAW, 6, 4, PixelFormat.RGB24, 24),
    VideoFormat(Encoding.RAW, 6, 3, PixelFormat.BGR24),
    VideoFormat(Encoding.RAW, 5, 4, PixelFormat.YUV420P),
    VideoFormat(Encoding.JPG, 6, 4),
    VideoFormat(Encoding.PNG, 5, 3),
    VideoFormat(Encoding.BMP, 6, 3),
]


def bytes_of(video_format: VideoFormat) -> bytes:
    picture = np.ascontiguousarray(RGB[: video_format.height, : video_format.width])
    if video_format.encoding is Encoding.RAW:
        return pack(picture, video_format.pixel_format, video_format.stride_bytes).tobytes()
    return encode(picture, video_format.encoding)


@pytest.fixture(scope="module")
def telling() -> Iterator[ProcessRunner]:
    with opened(toys.Telling) as runner:
        yield runner


@pytest.fixture(scope="module")
def moody() -> Iterator[ProcessRunner]:
    with opened(toys.Moody) as runner:
        yield runner


@pytest.fixture
def here() -> ProcessorRunner:
    runner = ProcessorRunner(ProcessorKind("toy", toys.Telling), NoOptions())
    runner.open()
    return runner


Found = list[tuple[Sequence[Inference], type[FramewireError] | None, str]]


def results(runner: Runner, contents: Sequence[tuple[VideoFormat, FrameContent]]) -> Found:
    """What a runner makes of frames of several sessions in one batch."""
    tasks = []
    for number, (video_format, content) in enumerate(contents):
        info = SessionInfo(video_format, 600, GraphIdentifier("arm", f"graph {number}", "node"), "settings")
        state = runner.open_session(info)
        tasks.append(FrameTask(Lane(info), number, 2**63 + number, content, (Event("e", {"k": "v"}),), state=state))
    outcomes = runner.run(tasks)
    assert [outcome.task for outcome in outcomes] == tasks
    for task in tasks:
        runner.close_session(task.state)
    return [
        (outcome.inferences, type(outcome.error) if outcome.error else None, str(outcome.error)) for outcome in outcomes
    ]


def test_embedded_frames_of_every_encoding_come_to_the_same(telling: ProcessRunner, here: ProcessorRunner) -> None:
    contents = [(video_format, bytes_of(video_format)) for video_format in FORMATS]
    there = results(telling, [(video_format, EmbeddedContent(data)) for video_format, data in contents])
    assert there == results(here, [(video_format, EmbeddedContent(data)) for video_format, data in contents])
    assert [error for _, error, _ in there] == [None] * 7
    assert there[0][0][0] == Text(f"(4, 6, 3) {bytes(range(64)).hex()} False")
    assert "state=" not in str(there[0][0][1])
    assert str(there[0][0][1]).count("state of GraphIdentifier") == 1


@pytest.mark.parametrize("mode", ["map", "copy"])
def test_frames_in_shared_memory_come_to_the_same(
    mode: ReadMode, telling: ProcessRunner, here: ProcessorRunner, tmp_path: Path
) -> None:
    data = [bytes_of(video_format) for video_format in FORMATS]
    (tmp_path / "street").write_bytes(b"\xff" * 100 + b"".join(data))
    memory = SharedMemory("street", 100 + sum(map(len, data)))

    def contents(reader: SharedMemoryReader) -> Iterator[tuple[VideoFormat, FrameContent]]:
        offset = 100
        for video_format, one in zip(FORMATS, data, strict=True):
            yield video_format, ReferencedContent(reader, ContentReference(offset, len(one)))
            offset += len(one)

    readers = [SharedMemoryReader(memory, mode, tmp_path) for _ in range(2)]
    # Its name is gone, the file is not: the process gets the file itself.
    (tmp_path / "street").unlink()
    there = results(telling, list(contents(readers[0])))
    assert there == results(here, list(contents(readers[1])))
    assert [error for _, error, _ in there] == [None] * 7
    for reader in readers:
        reader.close()


def test_embedded_and_referenced_frames_go_together_in_their_order(moody: ProcessRunner, tmp_path: Path) -> None:
    (tmp_path / "street").write_bytes(bytes([1] * 6 + [3] * 6))
    reader = SharedMemoryReader(SharedMemory("street", 12), folder=tmp_path)
    state = moody.open_session(info_of("a"))
    tasks = [
        frame_of(state, 0, EmbeddedContent(bytes([10] * 6))),
        frame_of(state, 1, ReferencedContent(reader, ContentReference(0, 6))),
        frame_of(state, 2, EmbeddedContent(memoryview(bytes([12] * 6)))),
        frame_of(state, 3, ReferencedContent(reader, ContentReference(6, 6))),
    ]
    assert [text.split()[0] for text in words(moody.run(tasks))] == ["10", "1", "12", "3"]
    reader.close()


def test_bad_frames_have_the_same_errors_and_spoil_no_other(
    telling: ProcessRunner, here: ProcessorRunner, tmp_path: Path
) -> None:
    jpg = VideoFormat(Encoding.JPG, 6, 4)

    def contents(reader: SharedMemoryReader) -> list[tuple[VideoFormat, FrameContent]]:
        return [
            (FORMATS[0], EmbeddedContent(b"\1" * 71)),
            (jpg, EmbeddedContent(b"\1" * 71)),
            (jpg, EmbeddedContent(b"")),
            (jpg, EmbeddedContent(bytes_of(VideoFormat(Encoding.JPG, 5, 4)))),
            (FORMATS[0], ReferencedContent(reader, ContentReference(0, 71))),
            (FORMATS[0], ReferencedContent(reader, ContentReference(0, 73))),
            (FORMATS[0], ReferencedContent(reader, ContentReference(29, 72))),
            (FORMATS[0], ReferencedContent(reader, ContentReference(28, 72))),
        ]

    (tmp_path / "street").write_bytes(bytes(200))
    readers = [SharedMemoryReader(SharedMemory("street", 200), "map", tmp_path, max_frame_bytes=72) for _ in range(2)]
    os.truncate(tmp_path / "street", 100)
    there = results(telling, contents(readers[0]))
    assert there == results(here, contents(readers[1]))
    frame_errors, shared_memory_errors = [FrameError] * 6, [SharedMemoryError]
    assert [error for _, error, _ in there] == [*frame_errors, *shared_memory_errors, None]
    assert there[6][2].startswith("the shared memory has shrunk to 100 bytes and a frame ends at byte 101")
    for reader in readers:
        reader.close()


def test_frames_of_a_closed_memory_have_the_same_error(
    telling: ProcessRunner, here: ProcessorRunner, tmp_path: Path
) -> None:
    (tmp_path / "street").write_bytes(bytes(72))
    reader = SharedMemoryReader(SharedMemory("street", 72), folder=tmp_path)
    reader.close()
    contents = [(FORMATS[0], ReferencedContent(reader, ContentReference(0, 72)))]
    assert results(telling, contents) == results(here, contents)
    assert results(telling, contents) == [((), SharedMemoryError, "the shared memory is closed")]


def test_batches_that_grow_and_shrink_are_read_right(moody: ProcessRunner) -> None:
    state = moody.open_session(info_of("sizes"))
    large = SessionInfo(VideoFormat(Encoding.RAW, 1024, 1024, PixelFormat.RGB24), 90_000)
    large_state = moody.open_session(large)
    for count in (1, 4, 2, 9):
        tasks = [frame_of(large_state, 7, EmbeddedContent(bytes([7]) * (3 << 20)), large) for _ in range(count)]
        tasks.append(frame_of(state, 8))
        assert [text.split()[0] for text in words(moody.run(tasks))] == ["7"] * count + ["8"]
    (outcome,) = moody.run([frame_of(state, 9)])
    assert outcome.error is None


def test_inferences_of_all_kinds_come_back_as_they_were() -> None:
    with opened(toys.AllKinds) as runner:
        state = runner.open_session(INFO)
        outcomes = runner.run([frame_of(state, 1), frame_of(state, 2)])
    assert [list(outcome.inferences) for outcome in outcomes] == [list(toys.ALL_KINDS)] * 2


def test_a_users_own_kind_of_inference_comes_back_as_it_was() -> None:
    with opened(toys.OwnKind) as runner:
        (outcome,) = runner.run([frame_of(runner.open_session(INFO))])
    assert outcome.inferences == [toys.OwnText("own")]


def test_an_inference_that_cannot_be_sent_is_an_error_of_its_frame_alone() -> None:
    with opened(toys.Unpicklable) as runner:
        state = runner.open_session(INFO)
        assert words(runner.run([frame_of(state, level) for level in (0, 1, 2)])) == [
            "y",
            "processor toy answered what cannot be sent from its process: TypeError: this stays here; "
            "answer inferences of framewire's own classes, with plain values",
            "y",
        ]


def test_an_answer_that_cannot_be_read_is_an_error_and_the_process_goes_on() -> None:
    with opened(toys.Unreadable) as runner:
        state, pid = runner.open_session(INFO), runner.pid
        assert words(runner.run([frame_of(state, 1)])) == [
            "processor toy answered what cannot be read outside of its process: ValueError: only here; "
            "answer inferences of framewire's own classes"
        ]
        assert words(runner.run([frame_of(state, 2)])) == ["y"]
        assert runner.pid == pid


def test_a_processor_that_raises_fails_its_frame_with_its_traceback(moody: ProcessRunner) -> None:
    state = moody.open_session(info_of("a"))
    outcomes = moody.run([frame_of(state, 1), frame_of(state, toys.RAISED), frame_of(state, 2)])
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    error = outcomes[1].error
    assert type(error) is ProcessorError
    assert error.problem.startswith("processor toy raised: ValueError: no such level\nTraceback")
    assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)


def test_sessions_have_states_of_their_own(moody: ProcessRunner) -> None:
    with opened(toys.Moody) as runner:
        first, second = runner.open_session(info_of("a")), runner.open_session(info_of("b"))
        assert words(runner.run([frame_of(second, 1), frame_of(first, 2)])) == ["1 b#2", "2 a#1"]
        runner.close_session(first)
        assert words(runner.run([frame_of(second, 3)])) == ["3 b#2"]


def test_a_session_that_cannot_be_opened_is_an_error_with_its_traceback(moody: ProcessRunner) -> None:
    with pytest.raises(ProcessorError) as caught:
        moody.open_session(info_of("refused"))
    assert caught.value.problem.startswith("processor toy cannot open a session: LookupError: no such session\nTrace")
    moody.open_session(info_of("welcome"))


def test_a_processor_that_cannot_open_is_an_error_with_its_traceback() -> None:
    runner = process_runner(toys.Moody, path="/nowhere/model")
    with pytest.raises(ProcessorError) as caught:
        runner.open()
    assert caught.value.problem.startswith(
        "processor toy cannot be opened: FileNotFoundError: no model /nowhere/model\nTraceback"
    )
    runner.close()


def test_a_process_that_ends_while_it_opens_is_an_error_that_says_how() -> None:
    runner = process_runner(toys.Dying)
    with pytest.raises(ProcessorError, match=r"its process \d+ was ended by SIGSEGV \(Segmentation fault\)"):
        runner.open()


def test_options_that_cannot_be_sent_are_an_error_that_says_what_to_do() -> None:
    runner = process_runner(toys.Moody, path=lambda: None)
    with pytest.raises(ProcessorError, match=r"options of processor toy cannot be sent to a process.*in threads"):
        runner.open()


def test_before_open_and_after_close_frames_are_answered_with_an_error() -> None:
    runner = process_runner(toys.Moody)
    assert words(runner.run([frame_of(None, 1)])) == ["processor toy is not open"]
    runner.open()
    state = runner.open_session(INFO)
    runner.close()
    runner.close()
    assert words(runner.run([frame_of(state, 1)])) == ["processor toy is not open"]
    runner.close_session(state)


def test_a_processor_is_closed_in_its_process(tmp_path: Path) -> None:
    with opened(toys.SlowToClose, path=str(tmp_path / "told")):
        pass
    assert (tmp_path / "told").read_text() == "closed"


def test_a_processor_that_does_not_close_is_killed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_CLOSE_S", 2.0)
    with opened(toys.SlowToClose):
        pass
    assert [record.getMessage() for record in caplog.records] == [
        "processor toy: its process did not close within 2 s and is killed"
    ]


@pytest.mark.parametrize(
    ("given", "threads"),
    [
        ({}, "3,3"),
        ({"OMP_NUM_THREADS": "5"}, "5,None"),
        ({"OPENBLAS_NUM_THREADS": "5"}, "3,5"),
        ({"NUMEXPR_NUM_THREADS": "5"}, "3,3"),
    ],
)
def test_libraries_are_capped_where_the_operator_has_not_done_so(
    given: dict[str, str], threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in THREAD_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.syspath_prepend("/nowhere/else")
    monkeypatch.setattr("sys.path", [*__import__("sys").path, "/nowhere/at/all"])
    with opened(toys.Surroundings, threads=3) as runner:
        (text,) = words(runner.run([frame_of(runner.open_session(INFO))]))
    assert text == f"{threads},3,{Path.cwd()},/nowhere/at/all,False,0000000000000000"


def test_the_current_folder_is_no_place_to_import_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("numpy", "cv2", "framewire", "socket"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('the wrong one')")
    monkeypatch.chdir(tmp_path)
    with opened(toys.Moody) as runner:
        assert words(runner.run([frame_of(runner.open_session(info_of("a")), 1)])) == ["1 a#1"]


def test_signals_of_a_terminal_do_not_end_the_process(moody: ProcessRunner) -> None:
    state, pid = moody.open_session(info_of("a")), moody.pid
    assert pid is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid, number)
    (outcome,) = moody.run([frame_of(state, 1)])
    assert outcome.error is None
    assert moody.pid == pid


def test_signals_that_come_while_it_starts_do_not_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    class Hasty(subprocess.Popen[bytes]):
        """Sends each signal as soon as there is a process."""

        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(self.pid, number)

    monkeypatch.setattr(subprocess, "Popen", Hasty)
    with opened(toys.Moody) as runner:
        (outcome,) = runner.run([frame_of(runner.open_session(INFO), 1)])
    assert outcome.error is None


def test_the_log_has_the_form_and_level_of_this_process(capfd: pytest.CaptureFixture[str]) -> None:
    import sys

    handler = logging.StreamHandler(sys.__stderr__)
    handler.setFormatter(logging.Formatter("<%(levelname)s> %(message)s"))
    logger = logging.getLogger("chatty")
    logging.root.addHandler(handler)
    try:
        for level in (logging.INFO, logging.WARNING):
            logger.setLevel(level)
            with opened(toys.Chatty) as runner:
                runner.run([frame_of(runner.open_session(INFO))])
    finally:
        logging.root.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert capfd.readouterr().err.splitlines() == ["<INFO> an info", "<WARNING> a warning", "<WARNING> a warning"]


@pytest.mark.parametrize("is_embedded", [True, False])
def test_a_kept_view_is_told_once_and_stays_readable(
    is_embedded: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    large = SessionInfo(VideoFormat(Encoding.RAW, 1024, 1024, PixelFormat.RGB24), 90_000)
    (tmp_path / "street").write_bytes(bytes([1]) * (3 << 20))
    with opened(toys.Keeping) as runner:
        state = runner.open_session(large)
        said = []
        for _ in range(3):
            # Each memory is let go of in the process before the next one comes.
            reader = SharedMemoryReader(SharedMemory("street", 3 << 20), folder=tmp_path)
            content = ReferencedContent(reader, ContentReference(0, 3 << 20))
            embedded = EmbeddedContent(bytes([1]) * (3 << 20))
            said += words(runner.run([frame_of(state, 1, embedded if is_embedded else content, large)]))
            reader.close()
        if is_embedded:
            # A larger batch: the first memory is let go of as well.
            said += words(
                runner.run([frame_of(state, 1, EmbeddedContent(bytes([1]) * (3 << 20)), large) for _ in range(9)])
            )[-1:]
            said += words(runner.run([frame_of(state, 1, EmbeddedContent(bytes([1]) * (3 << 20)), large)]))
    assert said == ["1", "2", "3", "12", "13"][: len(said)]
    assert capfd.readouterr().err.count("kept a view of a frame after process returned") == 1

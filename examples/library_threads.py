"""A processor whose library starts threads of its own: it is told how many of them fit beside the other workers."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from framewire import Attribute, Classification, Frame, Inference, Layout, Processor, Tag


# region: processor
class ThreadedModel(Processor):
    """A stand-in for a library with a thread pool of its own."""

    layout = Layout.GREY

    def open(self) -> None:
        # An ONNX Runtime session would get it as intra_op_num_threads.
        self._pool = ThreadPoolExecutor(self.library_threads)

    def close(self) -> None:
        self._pool.shutdown()

    def process(self, frames: Sequence[Frame]) -> Sequence[Sequence[Inference]]:
        means = self._pool.map(lambda frame: float(frame.pixels.mean()), frames)
        return [[self._classify(mean)] for mean in means]

    # endregion: processor
    def _classify(self, mean: float) -> Inference:
        threads = Attribute("threads", str(self.library_threads))
        return Classification(Tag("light" if mean >= 127 else "dark"), [threads], subtype="threadedModel")

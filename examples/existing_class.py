"""A class as it was written for older servers of this contract. It runs unchanged."""

import inferencing_pb2
import numpy as np


class BatchImageProcessor:
    """Says whether the left half of a picture is lighter than its right half."""

    def process_images(self, mediaStreamMessage, rawBytes, size):  # noqa: N803 - the names that such classes have
        width, height = size
        picture = np.frombuffer(rawBytes, np.uint8).reshape(height, width, 3)
        left, right = picture[:, : width // 2].mean(), picture[:, width // 2 :].mean()

        inference = mediaStreamMessage.media_sample.inferences.add()
        inference.type = inferencing_pb2.Inference.InferenceType.CLASSIFICATION
        inference.subtype = "lighterHalf"
        inference.classification.CopyFrom(
            inferencing_pb2.Classification(
                tag=inferencing_pb2.Tag(value="left" if left > right else "right", confidence=1.0)
            )
        )
        return mediaStreamMessage

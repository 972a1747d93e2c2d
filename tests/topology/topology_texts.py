"""Topologies that tests change line by line."""

from __future__ import annotations

from pathlib import Path

from framewire.topology import load_topology

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "topologies"
"""Files as users of Azure Video Analyzer have them. They are not part of this repository."""

STREET = """\
{
  "@apiVersion": "1.1",
  "name": "Street",
  "properties": {
    "description": "Nothing is wrong here",
    "parameters": [
      {"name": "rtspUrl", "type": "String", "default": "rtsp://camera.local/stream"},
      {"name": "rtspPassword", "type": "SecretString", "default": "s3cret"},
      {"name": "quality", "type": "Int", "default": "90"}
    ],
    "sources": [
      {
        "@type": "#Microsoft.VideoAnalyzer.RtspSource",
        "name": "camera",
        "transport": "tcp",
        "endpoint": {
          "@type": "#Microsoft.VideoAnalyzer.UnsecuredEndpoint",
          "url": "${rtspUrl}",
          "credentials": {
            "@type": "#Microsoft.VideoAnalyzer.UsernamePasswordCredentials",
            "username": "user",
            "password": "${rtspPassword}"
          }
        }
      }
    ],
    "processors": [
      {
        "@type": "#Microsoft.VideoAnalyzer.MotionDetectionProcessor",
        "name": "motion",
        "sensitivity": "medium",
        "outputMotionRegion": "true",
        "eventAggregationWindow": "PT1S",
        "framewire:mask": "[[[0,0],[1,0],[1,0.2]]]",
        "inputs": [{"nodeName": "camera"}]
      },
      {
        "@type": "#Microsoft.VideoAnalyzer.GrpcExtension",
        "name": "grpc",
        "endpoint": {
          "@type": "#Microsoft.VideoAnalyzer.TlsEndpoint",
          "url": "tcp://detector:5001"
        },
        "dataTransfer": {
          "mode": "sharedMemory",
          "sharedMemorySizeMiB": "64"
        },
        "image": {
          "scale": {"mode": "pad", "width": "416", "height": "416"},
          "format": {"@type": "#Microsoft.VideoAnalyzer.ImageFormatJpeg", "quality": "${quality}"}
        },
        "samplingOptions": {"maximumSamplesPerSecond": "5", "skipSamplesWithoutAnnotation": "false"},
        "extensionConfiguration": "{}",
        "inputs": [{"nodeName": "motion"}]
      },
      {
        "@type": "#Microsoft.VideoAnalyzer.HttpExtension",
        "name": "http",
        "endpoint": {
          "@type": "#Microsoft.VideoAnalyzer.UnsecuredEndpoint",
          "url": "http://detector/score"
        },
        "image": {"format": {"@type": "#Microsoft.VideoAnalyzer.ImageFormatRaw", "pixelFormat": "Bgr24"}},
        "inputs": [{"nodeName": "grpc"}]
      }
    ],
    "sinks": [
      {
        "@type": "#Microsoft.VideoAnalyzer.IotHubMessageSink",
        "name": "hub",
        "hubOutputName": "inferences",
        "inputs": [{"nodeName": "http"}]
      }
    ]
  }
}
"""

RECORDER = """\
{
  "name": "Recorder",
  "properties": {
    "sources": [
      {
        "@type": "#Microsoft.VideoAnalyzer.RtspSource",
        "name": "camera",
        "endpoint": {"@type": "#Microsoft.VideoAnalyzer.UnsecuredEndpoint", "url": "rtsp://camera.local"}
      },
      {
        "@type": "#Microsoft.VideoAnalyzer.IotHubMessageSource",
        "name": "trigger",
        "hubInputName": "open"
      }
    ],
    "processors": [
      {
        "@type": "#Microsoft.VideoAnalyzer.HttpExtension",
        "name": "http",
        "endpoint": {"@type": "#Microsoft.VideoAnalyzer.UnsecuredEndpoint", "url": "http://detector/score"},
        "image": {},
        "inputs": [{"nodeName": "camera"}]
      },
      {
        "@type": "#Microsoft.VideoAnalyzer.ObjectTrackingProcessor",
        "name": "tracker",
        "accuracy": "low",
        "inputs": [{"nodeName": "http"}]
      },
      {
        "@type": "#Microsoft.VideoAnalyzer.LineCrossingProcessor",
        "name": "lines",
        "lines": [
          {"@type": "#Microsoft.VideoAnalyzer.NamedLineString", "name": "kerb", "line": "[[0.5,0.1],[0.5,0.9]]"}
        ],
        "inputs": [{"nodeName": "tracker"}]
      },
      {
        "@type": "#Microsoft.VideoAnalyzer.SignalGateProcessor",
        "name": "gate",
        "activationEvaluationWindow": "PT1S",
        "activationSignalOffset": "-PT5S",
        "minimumActivationTime": "PT20S",
        "maximumActivationTime": "PT40S",
        "inputs": [{"nodeName": "camera"}, {"nodeName": "trigger"}, {"nodeName": "lines"}]
      }
    ],
    "sinks": [
      {
        "@type": "#Microsoft.VideoAnalyzer.FileSink",
        "name": "files",
        "baseDirectoryPath": "/var/media",
        "fileNamePattern": "street-${System.TopologyName}-${System.Runtime.DateTime}",
        "maximumSizeMiB": "512",
        "inputs": [{"nodeName": "gate"}]
      },
      {
        "@type": "#Microsoft.VideoAnalyzer.VideoSink",
        "name": "video",
        "videoName": "street",
        "localMediaCachePath": "/var/cache",
        "localMediaCacheMaximumSizeMiB": 2048,
        "videoCreationProperties": {"title": "Street", "segmentLength": "PT30S", "retentionPeriod": "P7D"},
        "inputs": [{"nodeName": "gate"}]
      },
      {
        "@type": "#Microsoft.VideoAnalyzer.IotHubMessageSink",
        "name": "hub",
        "hubOutputName": "inferences",
        "inputs": [{"nodeName": "http"}]
      }
    ]
  }
}
"""

NOT_YET = [
    "24:7: warning: /properties/processors/1: ObjectTrackingProcessor passes nothing on yet",
    "30:7: warning: /properties/processors/2: LineCrossingProcessor passes nothing on yet",
    "38:7: warning: /properties/processors/3: SignalGateProcessor passes nothing on yet",
    "49:7: warning: /properties/sinks/0: FileSink records nothing yet",
    "57:7: warning: /properties/sinks/1: VideoSink records nothing yet",
]
"""What is said of RECORDER as it is."""


def swapped(text: str, *swaps: tuple[str, str]) -> str:
    """`text` with pieces replaced, each of which is there once."""
    for old, new in swaps:
        assert text.count(old) == 1, f"{text.count(old)} times: {old}"
        text = text.replace(old, new)
    return text


def lines_of(text: str, settings: dict[str, str] | None = None, **options: object) -> list[str]:
    """The problems of a topology, a line each."""
    return [str(problem) for problem in load_topology(text, settings or {}, **options).problems]  # type: ignore[arg-type]


def of_rules(text: str) -> list[str]:
    """The problems of a topology without those that say of nodes what they do not do yet."""
    return [line for line in lines_of(text) if not line.endswith((" passes nothing on yet", " records nothing yet"))]

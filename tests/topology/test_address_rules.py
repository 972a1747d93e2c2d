"""Addresses, certificates and credentials that cannot be used, and what is said of each."""

from __future__ import annotations

import pytest
from topology_texts import STREET, of_rules, swapped

CASES = [
    pytest.param(
        STREET,
        [('"url": "${rtspUrl}"', '"url": "rtps://camera"')],
        [
            (
                '18:18: error: /properties/sources/0/endpoint/url is "rtps://camera": no address of a source;'
                " allowed: rtsp://, rtsps://, http://, https://, a path, file:, /dev/videoN, test:; did you mean"
                " rtsps?"
            )
        ],
        id="a source with a scheme that there is not",
    ),
    pytest.param(
        STREET,
        [('"url": "${rtspUrl}"', '"url": "tcp://camera:554"')],
        [
            (
                '18:18: error: /properties/sources/0/endpoint/url is "tcp://camera:554": no address of a source;'
                " allowed: rtsp://, rtsps://, http://, https://, a path, file:, /dev/videoN, test:"
            )
        ],
        id="a source at an extension's address",
    ),
    pytest.param(
        STREET,
        [('"url": "${rtspUrl}"', '"url": "rtsp:camera.local"')],
        [
            (
                "18:18: error: /properties/sources/0/endpoint/url is \"rtsp:camera.local\": no address: '//' is"
                " missing; allowed: rtsp://, rtsps://, http://, https://, a path, file:, /dev/videoN, test:; did"
                " you mean rtsp://?"
            )
        ],
        id="a source without slashes",
    ),
    pytest.param(
        STREET,
        [('"url": "${rtspUrl}"', '"url": "rtsp://user:s3cret@/stream"')],
        [
            (
                '18:18: error: /properties/sources/0/endpoint/url is "rtsp://***@/stream": an address without a'
                " host; allowed: for example camera.local or 192.0.2.7"
            )
        ],
        id="a source without a host",
    ),
    pytest.param(
        STREET,
        [('"url": "${rtspUrl}"', '"url": "rtsp://user:s3cret@camera:port/stream"')],
        [
            (
                '18:18: error: /properties/sources/0/endpoint/url is "rtsp://***@camera:port/stream": an address'
                " with a wrong port; allowed: 1 to 65535"
            )
        ],
        id="a source with a wrong port",
    ),
    pytest.param(
        STREET,
        [('"url": "${rtspUrl}"', '"url": "rtsp://2001:db8::1/stream"')],
        [
            (
                '18:18: error: /properties/sources/0/endpoint/url is "rtsp://2001:db8::1/stream": an IPv6 address'
                " without brackets; allowed: [2001:db8::1]:PORT"
            )
        ],
        id="a source with a bare IPv6 address",
    ),
    pytest.param(
        STREET,
        [('"url": "${rtspUrl}"', '"url": ""')],
        ['18:18: error: /properties/sources/0/endpoint/url is "": empty; allowed: a text'],
        id="an empty source",
    ),
    pytest.param(
        STREET,
        [('"url": "tcp://detector:5001"', '"url": "detector:5001"')],
        [
            (
                '42:18: error: /properties/processors/1/endpoint/url is "detector:5001": no address that'
                " GrpcExtension can use; allowed: tcp://HOST:PORT"
            )
        ],
        id="an extension without a scheme",
    ),
    pytest.param(
        STREET,
        [('"url": "tcp://detector:5001"', '"url": "http://detector:5001"')],
        [
            (
                '42:18: error: /properties/processors/1/endpoint/url is "http://detector:5001": no address that'
                " GrpcExtension can use; allowed: tcp://HOST:PORT"
            )
        ],
        id="an extension of HTTP where it is gRPC",
    ),
    pytest.param(
        STREET,
        [('"url": "tcp://detector:5001"', '"url": "tcp://detector"')],
        [
            (
                '42:18: error: /properties/processors/1/endpoint/url is "tcp://detector": an address without a'
                " port; allowed: tcp://HOST:PORT"
            )
        ],
        id="an extension without a port",
    ),
    pytest.param(
        STREET,
        [('"url": "tcp://detector:5001"', '"url": "tcp://detector:0"')],
        [
            (
                '42:18: error: /properties/processors/1/endpoint/url is "tcp://detector:0": an address with a'
                " wrong port; allowed: 1 to 65535"
            )
        ],
        id="an extension with port 0",
    ),
    pytest.param(
        STREET,
        [('"url": "tcp://detector:5001"', '"url": "tcp://user:s3cret@detector:5001"')],
        [
            (
                '42:18: error: /properties/processors/1/endpoint/url is "tcp://***@detector:5001": more than host'
                " and port; allowed: tcp://HOST:PORT; user and password belong into credentials"
            )
        ],
        id="an extension with a password in its address",
    ),
    pytest.param(
        STREET,
        [('"url": "tcp://detector:5001"', '"url": "tcp://detector:5001/score"')],
        [
            (
                '42:18: error: /properties/processors/1/endpoint/url is "tcp://detector:5001/score": more than'
                " host and port; allowed: tcp://HOST:PORT; user and password belong into credentials"
            )
        ],
        id="an extension of gRPC with a path",
    ),
    pytest.param(
        STREET,
        [('"url": "tcp://detector:5001"', '"url": "tcp://de tector:1"')],
        [
            (
                '42:18: error: /properties/processors/1/endpoint/url is "tcp://de tector:1": an address with a'
                " space in it; allowed: a host without spaces"
            )
        ],
        id="an extension with a blank",
    ),
    pytest.param(
        STREET,
        [('"url": "http://detector/score"', '"url": "tcp://detector:5001"')],
        [
            (
                '61:18: error: /properties/processors/2/endpoint/url is "tcp://detector:5001": no address that'
                " HttpExtension can use; allowed: http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH"
            )
        ],
        id="an extension of gRPC where it is HTTP",
    ),
    pytest.param(
        STREET,
        [('UnsecuredEndpoint",\n          "url": "http', 'TlsEndpoint",\n          "url": "http')],
        [
            (
                '61:18: warning: /properties/processors/2/endpoint/url is "http://detector/score": a TlsEndpoint'
                " whose address is not encrypted: http; allowed: https://"
            )
        ],
        id="TLS without encryption",
    ),
    pytest.param(
        STREET,
        [
            (
                '"url": "tcp://detector:5001"',
                (
                    '"url": "tcp://detector:5001", "trustedCertificates": {"@type": "PemCertificateList",'
                    ' "certificates": ["-----BEGIN PRIVATE KEY-----"]}'
                ),
            )
        ],
        [
            (
                "42:113: error: /properties/processors/1/endpoint/trustedCertificates/certificates/0 is ***: no"
                " certificate in PEM; allowed: -----BEGIN CERTIFICATE----- .. -----END CERTIFICATE-----"
            )
        ],
        id="a certificate that is none",
    ),
    pytest.param(
        STREET,
        [
            (
                '"url": "tcp://detector:5001"',
                (
                    '"url": "tcp://detector:5001", "trustedCertificates": {"@type": "PemCertificateList",'
                    ' "certificates": ["-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----"]}'
                ),
            )
        ],
        [
            (
                "42:113: error: /properties/processors/1/endpoint/trustedCertificates/certificates/0 is ***: a"
                " certificate that cannot be read; allowed: PEM as it was issued, line breaks and all"
            )
        ],
        id="a certificate that was cut off",
    ),
    pytest.param(
        STREET,
        [
            (
                '"url": "tcp://detector:5001"',
                (
                    '"url": "tcp://detector:5001", "validationOptions": {"ignoreHostname": "true", "ignoreSignature":'
                    " true}"
                ),
            )
        ],
        [
            (
                '42:81: warning: /properties/processors/1/endpoint/validationOptions/ignoreHostname is "true":'
                " ignoreHostname is not honoured on gRPC: name and signature are always checked"
            ),
            (
                "42:108: warning: /properties/processors/1/endpoint/validationOptions/ignoreSignature is true:"
                " ignoreSignature is not honoured on gRPC: name and signature are always checked"
            ),
        ],
        id="validation options on gRPC",
    ),
    pytest.param(
        STREET,
        [
            (
                (
                    '"@type": "#Microsoft.VideoAnalyzer.UsernamePasswordCredentials",\n            "username":'
                    ' "user",\n            "password": "${rtspPassword}"'
                ),
                '"@type": "HttpHeaderCredentials", "headerName": "x-key", "headerValue": "s3cret"',
            )
        ],
        [
            (
                "19:26: warning: /properties/sources/0/endpoint/credentials: RtspSource has no use for"
                " HttpHeaderCredentials; they are left out; allowed: UsernamePasswordCredentials"
            )
        ],
        id="a header for a camera",
    ),
    pytest.param(
        STREET,
        [
            (
                '"url": "http://detector/score"',
                '"url": "http://detector/score", "credentials": {"@type": "SymmetricKeyCredentials", "key": "s3cret"}',
            )
        ],
        [
            (
                "61:58: warning: /properties/processors/2/endpoint/credentials: HttpExtension has no use for"
                " SymmetricKeyCredentials; they are left out"
            )
        ],
        id="a key for an extension",
    ),
    pytest.param(
        STREET,
        [
            (
                '"url": "http://detector/score"',
                (
                    '"url": "http://detector/score", "credentials": {"@type": "HttpHeaderCredentials", "headerName":'
                    ' "x-key", "headerValue": "s3cret\\r\\nx: y"}'
                ),
            )
        ],
        [
            (
                "61:131: error: /properties/processors/2/endpoint/credentials/headerValue is ***: no value of a"
                " header; allowed: one line of ASCII"
            )
        ],
        id="a header with a line end",
    ),
    pytest.param(
        STREET,
        [
            (
                '"url": "http://detector/score"',
                (
                    '"url": "http://detector/score", "credentials": {"@type": "HttpHeaderCredentials", "headerName":'
                    ' "x key", "headerValue": "s3cret"}'
                ),
            )
        ],
        [
            (
                '61:107: error: /properties/processors/2/endpoint/credentials/headerName is "x key": no name of a'
                " header; allowed: for example x-api-key"
            )
        ],
        id="a header without a name",
    ),
    pytest.param(
        STREET,
        [
            (
                '"url": "http://detector/score"',
                (
                    '"url": "http://detector/score", "credentials": {"@type": "PasswordCredentials", "password":'
                    ' "s3cret"}'
                ),
            )
        ],
        [
            (
                '61:68: error: /properties/processors/2/endpoint/credentials/@type is "PasswordCredentials":'
                " unknown type; allowed: UsernamePasswordCredentials, HttpHeaderCredentials,"
                " SymmetricKeyCredentials; did you mean UsernamePasswordCredentials?"
            )
        ],
        id="credentials of an unknown type",
    ),
]


@pytest.mark.parametrize(("text", "swaps", "lines"), CASES)
def test_what_is_said_of(text: str, swaps: list[tuple[str, str]], lines: list[str]) -> None:
    assert of_rules(swapped(text, *swaps)) == lines

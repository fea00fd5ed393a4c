"""A service of a request: makes spans, logs and metrics by the Python SDK, and notes what was acknowledged.

Everything about sending comes from the OTEL_* variables. The first service of a row begins traces; each
of the others reads their contexts (traceparent, one a line) and passes its own on to the next:

    client.py --traces 100 --noted a | client.py --noted b | client.py --noted c

Each line of `--noted` is a span of a batch for which the exporter said SUCCESS, in the fields of OTLP; the
last line says how many spans were made.
"""

import argparse
import base64
import json
import logging
import os
import sys
import time
from collections.abc import Mapping

from opentelemetry import metrics, propagate, trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode

PROTOCOL = os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"]
if PROTOCOL == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
elif PROTOCOL == "http/protobuf":
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
elif PROTOCOL == "http/json":
    from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.json.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter
else:
    sys.exit(f"unknown protocol {PROTOCOL}")

# Every type that an attribute can have, and what is easily lost on the way.
ATTRIBUTES = {
    "text": "plain",
    "text.empty": "",
    "text.hard": "quote \" backslash \\ slash / tab \t line \n nul \0 bell \x07 é 漢字 🦀",
    "text.long": "x" * 3000,
    "yes": True,
    "no": False,
    "whole": 42,
    "whole.zero": 0,
    "whole.negative": -7,
    "whole.most": 2**63 - 1,
    "whole.least": -(2**63),
    "broken": 0.1,
    "broken.whole": 3.0,
    "broken.large": 1e300,
    "broken.small": -5e-324,
    "texts": ["a", "", "ü"],
    "wholes": [1, -2, 2**53 + 1],
    "brokens": [0.5, -1.25],
    "truths": [True, False],
    "none": [],
    "mixed": [1, "a", True, 0.5, None],
    "map": {"a": 1, "b": {"c": ["d", {"e": None}]}},
    "bytes": b"\x00\xff\x7f",
    "not.a.number": float("nan"),
    "infinite": float("-inf"),
    "http.request.method": "GET",
    "http.response.status_code": 503,
}


def plain(value):
    """An attribute's value as JSON can hold it, bytes as base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, (tuple, list)) else value


def noted(span):
    """What the SDK was told of a span."""
    context = span.get_span_context()
    return {
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "parent_span_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "name": span.name,
        "kind": span.kind.value + 1,
        "status": span.status.status_code.value,
        "status_message": span.status.description or "",
        "start": str(span.start_time),
        "duration": span.end_time - span.start_time,
        "attributes": plain(span.attributes),
        "resource": plain(span.resource.attributes),
        "scope": f"{span.instrumentation_scope.name}@{span.instrumentation_scope.version}",
        "events": [
            {"name": event.name, "time": str(event.timestamp), "attributes": plain(event.attributes)}
            for event in span.events
        ],
        "links": [
            {"trace_id": f"{link.context.trace_id:032x}", "span_id": f"{link.context.span_id:016x}"}
            for link in span.links
        ],
    }


class Noting(SpanExporter):
    """Notes the spans for which the exporter says SUCCESS."""

    def __init__(self, inner, path):
        self.inner, self.file = inner, open(path, "w", encoding="utf-8")

    def export(self, spans):
        result = self.inner.export(spans)
        if result is SpanExportResult.SUCCESS:
            at = time.time_ns()
            for span in spans:
                self.file.write(json.dumps({"acknowledged": str(at), **noted(span)}) + "\n")
            self.file.flush()
        return result

    def shutdown(self):
        self.inner.shutdown()

    def force_flush(self, timeout_millis=30_000):
        return self.inner.force_flush(timeout_millis)


def request(tracer, logger, amount, parent, number):
    """The spans of a service on one request; gives its own context and how many they are."""
    kind = SpanKind.SERVER if parent else SpanKind.CONSUMER
    with tracer.start_as_current_span("GET /cart/{id}", parent, kind=kind, attributes=ATTRIBUTES) as server:
        server.set_attribute("number", number)
        server.add_event("begun", {"of": "request", "at": number})
        with tracer.start_as_current_span("look up", kind=SpanKind.INTERNAL) as inner:
            inner.set_attributes({"db.system.name": "postgresql", "rows": [number, number + 1]})
            earlier = inner.get_span_context()
        amount.record(number)
        logger.emit(
            body=f"request {number}",
            severity_number=SeverityNumber.INFO if number % 5 else SeverityNumber.ERROR,
            severity_text="INFO" if number % 5 else "ERROR",
            attributes={"number": number},
        )
        try:
            link = [trace.Link(earlier, {"why": "it came first"})]
            with tracer.start_as_current_span("pay", kind=SpanKind.CLIENT, links=link):
                if number % 5 == 0:
                    raise ValueError(f"card \"{number}\" is\nrefused")
        except ValueError:
            server.set_status(Status(StatusCode.ERROR, "paid nothing"))
        with tracer.start_as_current_span("send on", kind=SpanKind.PRODUCER) as last:
            last.set_status(Status(StatusCode.OK))
            carrier = {}
            propagate.inject(carrier)
    return carrier["traceparent"], 4


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--noted", required=True)
    options.add_argument("--traces", type=int, help="begin so many traces; else go on with those of stdin")
    options.add_argument("--seconds", type=float, default=0, help="spread them over so many seconds")
    options = options.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")

    traces = TracerProvider()
    traces.add_span_processor(BatchSpanProcessor(Noting(OTLPSpanExporter(), options.noted)))
    trace.set_tracer_provider(traces)
    logs = LoggerProvider()
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))

    tracer, logger = trace.get_tracer("shop.checkout", "1.2.3"), logs.get_logger("shop.checkout")
    meter = metrics.get_meter("shop.checkout")
    amount = meter.create_histogram("amount", unit="EUR")
    counter = meter.create_counter("requests")
    meter.create_observable_gauge("temperature", [lambda _: [metrics.Observation(21.5, {"where": "here"})]])
    if options.traces is None:
        contexts = (propagate.extract({"traceparent": line.strip()}) for line in sys.stdin)
    else:
        contexts = (None for _ in range(options.traces))
    made = 0
    for number, context in enumerate(contexts):
        passed_on, spans = request(tracer, logger, amount, context, number)
        counter.add(1, {"good": number % 5 != 0})
        made += spans
        print(passed_on, flush=True)
        if options.seconds:
            time.sleep(options.seconds / options.traces)
    for provider in (traces, logs, metrics.get_meter_provider()):
        provider.shutdown()
    with open(options.noted, "a", encoding="utf-8") as file:
        file.write(json.dumps({"made": made}) + "\n")


main()

"""A program that knows the API of OpenTelemetry alone: all else comes from the OTEL_* variables.

Run under `opentelemetry-instrument`. Prints each span that it ended, as its trace id and span id.
"""

import logging

from opentelemetry import metrics, trace

# The SDK's own errors go to stderr; what the program has to say goes through the SDK.
logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
logging.getLogger().handlers[0].setLevel(logging.WARNING)
logger = logging.getLogger("shop")
logger.setLevel(logging.INFO)

tracer = trace.get_tracer("shop.unaware")
counter = metrics.get_meter("shop.unaware").create_counter("requests")
for number in range(500):
    with tracer.start_as_current_span("request", kind=trace.SpanKind.SERVER) as outer:
        with tracer.start_as_current_span("work", attributes={"number": number}) as inner:
            logger.info("request %d", number)
            counter.add(1)
    for span in (inner, outer):
        context = span.get_span_context()
        print(f"{context.trace_id:032x} {context.span_id:016x}")

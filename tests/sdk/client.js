// A service of a request: makes spans, logs and metrics by the Node SDK, and notes what was acknowledged.
//
// The same as client.py, with the same options; services of both can stand in one row.
'use strict';

const fs = require('node:fs');
const readline = require('node:readline');
const { setTimeout: sleep } = require('node:timers/promises');
const { parseArgs } = require('node:util');

const api = require('@opentelemetry/api');
const { SeverityNumber, logs } = require('@opentelemetry/api-logs');
const { NodeSDK } = require('@opentelemetry/sdk-node');

const { DiagConsoleLogger, DiagLogLevel, SpanKind, SpanStatusCode, context, diag, metrics, propagation, trace } = api;

const EXPORTERS = {
  grpc: '@opentelemetry/exporter-trace-otlp-grpc',
  'http/protobuf': '@opentelemetry/exporter-trace-otlp-proto',
  'http/json': '@opentelemetry/exporter-trace-otlp-http',
};

// Every type that an attribute can have, and what is easily lost on the way. Node knows numbers only, and
// whole ones are sent as integers: the largest double too, which JSON then has as an integer far beyond 64 bits.
const ATTRIBUTES = {
  text: 'plain',
  'text.empty': '',
  'text.hard': 'quote " backslash \\ slash / tab \t line \n nul \0 bell \x07 é 漢字 🦀',
  'text.long': 'x'.repeat(3000),
  yes: true,
  no: false,
  whole: 42,
  'whole.zero': 0,
  'whole.negative': -7,
  'whole.most.exact': Number.MAX_SAFE_INTEGER,
  broken: 0.1,
  'broken.small': -5e-324,
  'broken.large': 1.7976931348623157e308,
  texts: ['a', '', 'ü'],
  wholes: [1, -2, 3],
  brokens: [0.5, -1.25],
  truths: [true, false],
  none: [],
  'http.request.method': 'GET',
  'http.response.status_code': 503,
};

const nanos = ([seconds, rest]) => BigInt(seconds) * 1_000_000_000n + BigInt(rest);
const linked = ({ traceId, spanId }) => ({ trace_id: traceId, span_id: spanId });

/** What the SDK was told of a span. */
function noted(span) {
  const { traceId, spanId } = span.spanContext();
  return {
    trace_id: traceId,
    span_id: spanId,
    parent_span_id: span.parentSpanContext?.spanId ?? null,
    name: span.name,
    kind: span.kind + 1,
    status: span.status.code,
    status_message: span.status.message ?? '',
    start: String(nanos(span.startTime)),
    duration: Number(nanos(span.endTime) - nanos(span.startTime)),
    attributes: span.attributes,
    resource: span.resource.attributes,
    scope: `${span.instrumentationScope.name}@${span.instrumentationScope.version}`,
    events: span.events.map(({ name, time, attributes }) => ({ name, time: String(nanos(time)), attributes })),
    links: span.links.map((link) => linked(link.context)),
  };
}

/** Notes the spans for which the exporter says SUCCESS. */
class Noting {
  constructor(inner, path) {
    this.inner = inner;
    this.file = fs.openSync(path, 'w');
  }

  export(spans, done) {
    this.inner.export(spans, (result) => {
      if (result.code === 0) {
        const acknowledged = String(BigInt(Date.now()) * 1_000_000n);
        const lines = spans.map((span) => `${JSON.stringify({ acknowledged, ...noted(span) })}\n`);
        fs.writeSync(this.file, lines.join(''));
      }
      done(result);
    });
  }

  forceFlush() {
    return this.inner.forceFlush();
  }

  shutdown() {
    return this.inner.shutdown();
  }
}

/** The spans of a service on one request; gives its own context and how many they are. */
function request({ tracer, logger, amount }, parent, number) {
  const good = number % 5 !== 0;
  const kind = parent === undefined ? SpanKind.CONSUMER : SpanKind.SERVER;
  const server = tracer.startSpan('GET /cart/{id}', { kind, attributes: ATTRIBUTES }, parent ?? api.ROOT_CONTEXT);
  server.setAttribute('number', number);
  server.addEvent('begun', { of: 'request', at: number });
  const within = trace.setSpan(parent ?? api.ROOT_CONTEXT, server);

  const inner = tracer.startSpan('look up', {}, within);
  inner.setAttributes({ 'db.system.name': 'postgresql', rows: [number, number + 1] });
  inner.end();
  amount.record(number);
  const [severityNumber, severityText] = good ? [SeverityNumber.INFO, 'INFO'] : [SeverityNumber.ERROR, 'ERROR'];
  logger.emit({ body: `request ${number}`, severityNumber, severityText, attributes: { number }, context: within });

  const links = [{ context: inner.spanContext(), attributes: { why: 'it came first' } }];
  const pay = tracer.startSpan('pay', { kind: SpanKind.CLIENT, links }, within);
  if (!good) {
    pay.recordException(new TypeError(`card "${number}" is\nrefused`));
    pay.setStatus({ code: SpanStatusCode.ERROR, message: 'refused' });
    server.setStatus({ code: SpanStatusCode.ERROR, message: 'paid nothing' });
  }
  pay.end();

  const last = tracer.startSpan('send on', { kind: SpanKind.PRODUCER }, within);
  last.setStatus({ code: SpanStatusCode.OK });
  const carrier = {};
  propagation.inject(trace.setSpan(within, last), carrier);
  last.end();
  server.end();
  return [carrier.traceparent, 4];
}

/** The contexts with which traces begin or go on. */
async function* contexts(traces) {
  if (traces !== undefined) {
    for (let i = 0; i < traces; i += 1) yield undefined;
    return;
  }
  for await (const line of readline.createInterface({ input: process.stdin })) {
    yield propagation.extract(api.ROOT_CONTEXT, { traceparent: line.trim() });
  }
}

async function main() {
  const { values } = parseArgs({
    options: { noted: { type: 'string' }, traces: { type: 'string' }, seconds: { type: 'string', default: '0' } },
  });
  const traces = values.traces === undefined ? undefined : Number(values.traces);
  const seconds = Number(values.seconds);
  diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN);
  const { OTLPTraceExporter } = require(EXPORTERS[process.env.OTEL_EXPORTER_OTLP_PROTOCOL]);
  const sdk = new NodeSDK({ traceExporter: new Noting(new OTLPTraceExporter(), values.noted) });
  sdk.start();

  const meter = metrics.getMeter('shop.checkout');
  const counter = meter.createCounter('requests');
  meter.createObservableGauge('temperature').addCallback((result) => result.observe(21.5, { where: 'here' }));
  const tools = {
    tracer: trace.getTracer('shop.checkout', '1.2.3'),
    logger: logs.getLogger('shop.checkout'),
    amount: meter.createHistogram('amount', { unit: 'EUR' }),
  };
  let [number, made] = [0, 0];
  for await (const parent of contexts(traces)) {
    const [passedOn, spans] = context.with(api.ROOT_CONTEXT, request, undefined, tools, parent, number);
    counter.add(1, { good: number % 5 !== 0 });
    number += 1;
    made += spans;
    process.stdout.write(`${passedOn}\n`);
    if (seconds > 0) await sleep((seconds * 1000) / traces);
  }
  // Where the last batch was refused, it fails.
  await sdk.shutdown().catch((error) => console.error(`ending: ${error.message}`));
  fs.appendFileSync(values.noted, `${JSON.stringify({ made })}\n`);
}

main();

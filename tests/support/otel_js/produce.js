// produce: the OpenTelemetry JS SDK, whose OTLP/HTTP exporters send JSON.
//
//   node produce.js '{"url": "http://127.0.0.1:4318", "rounds": 20, "delta": false, "gzip": false, "zero_ids": 0}'
//
// Makes spans, points and log records, and prints what it made, counted by
// itself, as one line of JSON. Every `zero_ids`-th root span has an id that is
// all zero, which no receiver may take; `warnings` are what the SDK said.
'use strict';

const { context, diag, DiagLogLevel, SpanKind, SpanStatusCode, trace } = require('@opentelemetry/api');
const { SeverityNumber } = require('@opentelemetry/api-logs');
const { OTLPLogExporter } = require('@opentelemetry/exporter-logs-otlp-http');
const { AggregationTemporalityPreference, OTLPMetricExporter } = require('@opentelemetry/exporter-metrics-otlp-http');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { BatchLogRecordProcessor, LoggerProvider } = require('@opentelemetry/sdk-logs');
const { AggregationType, MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');
const { BasicTracerProvider, BatchSpanProcessor, RandomIdGenerator } = require('@opentelemetry/sdk-trace-base');

const options = JSON.parse(process.argv[2]);
const SERVICES = ['till', 'depot', 'mail'];
const facts = { spans: {}, edges: {}, errors: 0, invalid: 0, logs: {}, points: {}, warnings: [] };
const random = new RandomIdGenerator();
let nextIsZero = false;

function count(table, key, n = 1) {
  table[key] = (table[key] || 0) + n;
}

const heard = (message, ...rest) => facts.warnings.push([message, ...rest].join(' '));
diag.setLogger({ error: heard, warn: heard, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN);

function exporterOptions(path) {
  return { url: options.url + path, compression: options.gzip ? 'gzip' : 'none' };
}

function resourceOf(service) {
  return resourceFromAttributes({
    'service.name': service, 'service.namespace': 'js', 'service.instance.id': service + '-0', 'service.version': '7',
  });
}

const idGenerator = {
  generateTraceId: () => random.generateTraceId(),
  generateSpanId: () => {
    const isZero = nextIsZero;
    nextIsZero = false;
    return isZero ? '0000000000000000' : random.generateSpanId();
  },
};

const tracers = {}, providers = [];
for (const service of SERVICES) {
  const provider = new BasicTracerProvider({
    resource: resourceOf(service),
    idGenerator,
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter(exporterOptions('/v1/traces')), { maxExportBatchSize: 16 }),
    ],
  });
  providers.push(provider);
  tracers[service] = provider.getTracer('produce', '1.0');
}

const temporality = AggregationTemporalityPreference[options.delta ? 'DELTA' : 'CUMULATIVE'];
const meterProvider = new MeterProvider({
  resource: resourceOf('till'),
  readers: [new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ ...exporterOptions('/v1/metrics'), temporalityPreference: temporality }),
    exportIntervalMillis: 3600000,
  })],
  views: [{
    instrumentName: 'walk', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 80 } },
  }],
});
const meter = meterProvider.getMeter('produce');
const sold = meter.createCounter('sold', { unit: '{item}', description: 'items sold' });
const wait = meter.createHistogram('wait', { unit: 's' });
const walk = meter.createHistogram('walk', { unit: 'm' });
const queue = meter.createUpDownCounter('queue');

const loggerProvider = new LoggerProvider({ resource: resourceOf('till') });
loggerProvider.addLogRecordProcessor(new BatchLogRecordProcessor(new OTLPLogExporter(exporterOptions('/v1/logs'))));
const logger = loggerProvider.getLogger('produce');

function record(round) {
  const kind = round % 3 === 0 ? 'bulk' : 'single', seconds = (round % 7) / 8, metres = (round % 5) * 2.5 + 0.5;
  sold.add(1 + (round % 2), { kind });
  count(facts.points, 'sold|' + kind, 1 + (round % 2));
  wait.record(seconds);
  count(facts.points, 'wait.count');
  count(facts.points, 'wait.sum', seconds);
  walk.record(metres);
  count(facts.points, 'walk.count');
  count(facts.points, 'walk.sum', metres);
  queue.add(round % 4 === 0 ? -1 : 2);
  count(facts.points, 'queue', round % 4 === 0 ? -1 : 2);
}

function sell(round) {
  nextIsZero = options.zero_ids > 0 && round % options.zero_ids === options.zero_ids - 1;
  const isZero = nextIsZero;
  const root = tracers.till.startSpan('POST /sale', {
    kind: SpanKind.SERVER,
    attributes: { status: 200, exact: Number.MAX_SAFE_INTEGER, ratio: 0.25, cold: true, tags: ['a', 'ü'] },
  });
  if (isZero) {
    facts.invalid++;
    root.end();
    return;
  }
  count(facts.spans, 'till|SERVER');
  const inside = trace.setSpan(context.active(), root);
  for (const other of SERVICES.slice(1)) {
    if ((round + other.length) % 3 === 0) {
      continue;
    }
    const call = tracers.till.startSpan('call ' + other, { kind: SpanKind.CLIENT }, inside);
    const serve = tracers[other].startSpan('serve', { kind: SpanKind.SERVER }, trace.setSpan(inside, call));
    if (round % 5 === 0) {
      serve.setStatus({ code: SpanStatusCode.ERROR, message: 'boom ✓' });
      facts.errors++;
    }
    serve.addEvent('looked', { shelf: round });
    serve.end();
    call.end();
    count(facts.spans, 'till|CLIENT');
    count(facts.spans, other + '|SERVER');
    count(facts.edges, 'till->' + other);
  }
  const isError = round % 5 === 0;
  logger.emit({
    severityNumber: isError ? SeverityNumber.ERROR : SeverityNumber.INFO,
    severityText: isError ? 'ERROR' : 'INFO',
    body: 'sold in round ' + round,
    attributes: { round, parts: { deep: [1, 'two', null] } },
    context: inside,
  });
  count(facts.logs, isError ? 'ERROR' : 'INFO');
  root.end();
}

async function main() {
  for (let round = 0; round < options.rounds; round++) {
    sell(round);
    record(round);
    if (round === Math.floor(options.rounds / 2)) {
      await meterProvider.forceFlush(); /* so that two exports must be put together */
    }
  }
  for (const provider of [...providers, meterProvider, loggerProvider]) {
    await provider.forceFlush();
    await provider.shutdown();
  }
  process.stdout.write(JSON.stringify(facts) + '\n');
}

main();

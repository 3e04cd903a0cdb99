// A run as Node's OpenTelemetry SDK sends it: OTLP/JSON over HTTP. The endpoint is the only argument.
import { createRequire } from "node:module";

// Modules lie where PERFLINE_E2E_NODE_MODULES says, not beside this file.
const require = createRequire(`${process.env.PERFLINE_E2E_NODE_MODULES}/`);
const { context, SpanStatusCode, trace } = require("@opentelemetry/api");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-http");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BatchSpanProcessor, NodeTracerProvider } = require("@opentelemetry/sdk-trace-node");

const exporter = new OTLPTraceExporter({ url: `${process.argv[2]}/v1/traces` });
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "assistant" }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const tracer = provider.getTracer("e2e");
const begin = Date.UTC(2026, 4, 1);

for (let number = 1; number <= 20; number += 1) {
  const startTime = begin + number * 3_600_000;
  const root = tracer.startSpan("answer", {
    startTime,
    attributes: { "cicd.pipeline.name": "answer", "cicd.pipeline.run.id": `node-${number}` },
  });
  const call = tracer.startSpan(
    "chat",
    {
      startTime: startTime + 100,
      attributes: {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 1000 + number,
        "gen_ai.usage.output_tokens": 200,
      },
    },
    trace.setSpan(context.active(), root),
  );
  call.end(startTime + 900);
  if (number === 7) {
    root.setStatus({ code: SpanStatusCode.ERROR, message: "the answer was empty" });
  }
  root.end(startTime + 1000);
}

await provider.forceFlush();
await provider.shutdown();

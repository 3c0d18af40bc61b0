import { z } from 'zod'
import { url } from './fields.ts'

/** Whether calls are traced, and where the spans go. */
export const traces = z
  .strictObject({
    endpoint: url
      .optional()
      .describe(
        'OTLP/HTTP collector, such as http://localhost:4318; needs the packages @opentelemetry/api and @opentelemetry/sdk-trace-base. Without it spans go to the tracer provider that the program was started with (node --import)',
      ),
    sample: z
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe(
        'Share of the calls that is sent to the endpoint; a caller’s trace that is not sampled never is',
      ),
  })
  .optional()
  .describe('OpenTelemetry traces of calls; without it there are none')

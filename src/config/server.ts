import { z } from 'zod'
import { draining } from './drain.ts'
import { count, url } from './fields.ts'
import { connectionLimits } from './limits.ts'

/** Where the router listens. */
export const server = z
  .strictObject({
    host: z.string().default('127.0.0.1').describe('Address to listen on'),
    port: z.int().min(0).max(65_535).default(8402).describe('Port to listen on'),
    publicUrl: url.optional().describe('How callers reach it; default http://host:port'),
    bodyLimit: count.default(4 << 20).describe('Largest request body, bytes'),
    ...draining,
    ...connectionLimits,
  })
  .prefault({})

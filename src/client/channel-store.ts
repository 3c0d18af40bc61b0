import { open, readFile, rename } from 'node:fs/promises'
import { z } from 'zod'
import type { ChainId } from '../assets.ts'
import { address, hex, uint } from '../wire/fields.ts'
import type { Channel } from './channel.ts'

/** Keeps a client's channels, all of them at once. `save` is called before a signature is shown, and is awaited. */
export type ChannelStore = {
  load: () => Promise<readonly Channel[]>
  save: (channels: readonly Channel[]) => Promise<void>
}

/** Keeps nothing beyond this process: a later one with the same key asks the chain or the router where its channels stand. */
export const memoryChannels = (): ChannelStore => ({ load: async () => [], save: async () => {} })

/**
 * Keeps channels in a JSON file of one process; a crash leaves the old file or the new one. Rejects when the file is there
 * and is none of ours: the money in a channel is not to be forgotten by mistake.
 */
export const fileChannels = (path: string): ChannelStore => {
  let last: Promise<void> = Promise.resolve()
  return {
    load: async () => {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      return text === undefined ? [] : parse(path, text)
    },
    save: (channels) => {
      const text = JSON.stringify({ version: 1, channels }, (_, value) =>
        typeof value === 'bigint' ? value.toString() : value,
      )
      last = last.catch(() => {}).then(() => write(path, text))
      return last
    },
  }
}

const write = async (path: string, text: string): Promise<void> => {
  const next = `${path}.next`
  const file = await open(next, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(next, path)
}

const units = uint(256)
const channel = z.object({
  id: hex(32),
  chain: z
    .string()
    .regex(/^eip155:[1-9]\d{0,14}$/)
    .transform((text) => text as ChainId),
  config: z.object({
    payer: address,
    payerAuthorizer: address,
    receiver: address,
    receiverAuthorizer: address,
    token: address,
    withdrawDelay: z.int().min(0),
    salt: hex(32),
  }),
  decimals: z.int().min(0).max(36),
  url: z.string(),
  accepted: z.record(z.string(), z.unknown()),
  balance: units,
  charged: units,
  signed: units,
  open: units,
  pending: units,
  state: z.enum(['open', 'disputed']),
}) satisfies z.ZodType<Channel>
const stored = z.object({ version: z.literal(1), channels: z.array(channel) })

const parse = (path: string, text: string): Channel[] => {
  const parsed = stored.safeParse(json(text))
  if (parsed.success) return parsed.data.channels
  throw new Error(`${path} is not a file of channels; move it away to start anew.`)
}

const json = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

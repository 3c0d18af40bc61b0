/** Farebox in a process of its own, from its own farebox.yaml; also says what its ledger holds. */
import { subscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { readConfig } from '../../src/config.ts'
import { startFarebox } from '../../src/main.ts'
import { serveParent } from './answer.ts'

/** A transfer as ledger and chain are compared: transaction, log index, units. */
export type TransferKey = `${string} ${number} ${bigint}`

const config = readConfig(readFileSync(process.argv[2]!, 'utf8'), process.env)
const farebox = await startFarebox(config)
const { ledger, settler } = farebox.deps
const [{ payTo, rpc }] = config.chains as [(typeof config.chains)[number]]
const node = new URL(rpc[0]!).origin
let nodeRequests = 0
subscribe('undici:request:create', (message) => {
  const { origin } = (message as { request: { origin: string | URL } }).request
  if (new URL(origin).origin === node) nodeRequests++
})

serveParent(farebox.url, {
  pending: () => config.chains.reduce((sum, { id }) => sum + settler(id as `eip155:${number}`).pending(), 0),
  transfers: async (asset: string): Promise<TransferKey[]> => {
    const booked = await ledger.transfers(asset, 0n, 1n << 53n)
    return booked
      .filter((one) => one.payTo === payTo)
      .map((one): TransferKey => `${one.hash} ${one.logIndex} ${one.amount}`)
  },
  nodeRequests: () => nodeRequests,
  close: () => farebox.close(5_000),
})

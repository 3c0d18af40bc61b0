import type { Chain } from '../chain/chain.ts'
import type { Clock } from '../clock.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Shipment } from './jobs.ts'

export type Sender = {
  /** Puts a stored transaction on its way. Nobody waits: what is not taken is sent again by the outbox. */
  send: (shipment: Shipment) => void
  /** A node told us that it takes one transaction at a time from an account that is delegated. */
  oneAtATime: () => boolean
  /** Resolves when nothing is on its way any more. */
  idle: () => Promise<void>
}

export type SenderFacts = { chain: Chain; clock: Clock; log: Log; probe: (point: string) => void }

const MAX_BATCH = 100
/** Geth and reth say so of delegated accounts. */
const ONE_AT_A_TIME = /in-?flight|delegated account/i

/** Sends stored transactions, those of one moment together, in the order of their nonces: so a node with a short queue of its own takes them all. */
export const createSender = ({ chain, clock, log, probe }: SenderFacts): Sender => {
  let queue: Shipment[] = []
  let sending: Promise<void> | undefined
  let alone = false

  const flush = async (): Promise<void> => {
    await new Promise(setImmediate)
    while (queue.length > 0) {
      const sorted = queue.toSorted((a, b) => a.tx.nonce - b.tx.nonce)
      const batch = sorted.slice(0, MAX_BATCH)
      queue = sorted.slice(MAX_BATCH)
      await sendBatch(batch)
    }
  }

  const sendBatch = async (batch: readonly Shipment[]): Promise<void> => {
    try {
      probe('K5')
      const said = await chain.send(batch.map((one) => one.tx.raw))
      probe('K6')
      for (const [i, one] of batch.entries()) told(one, said[i])
    } catch (error) {
      // Nobody could be reached, or nobody answered: the same bytes go out again when the chain can be seen again.
      for (const one of batch) one.sentAt = 0
      log.warn('settlement_send_failed', { why: reasonOf(error) })
    }
  }

  /** What is not taken is offered again at every look: often it only has to wait for the one before it. */
  const told = (one: Shipment, why: string | undefined): void => {
    one.sentAt = why === undefined ? clock.now() : 0
    if (why === undefined) return
    alone ||= ONE_AT_A_TIME.test(why)
    if (why !== one.refused) log.warn('settlement_not_taken', { hash: one.tx.hash, why })
    one.refused = why
  }

  return {
    oneAtATime: () => alone,
    send: (shipment) => {
      shipment.sentAt = clock.now()
      queue.push(shipment)
      sending ??= flush().finally(() => {
        sending = undefined
      })
    },
    idle: async () => {
      while (sending) await sending
    },
  }
}

import { chainNumber, type ChainId, type Hex } from '../assets.ts'
import type { Chain, Head } from '../chain/chain.ts'
import { type Fees, type Settler as Account, signTransaction, TRANSFER_GAS, transferData } from '../chain/transaction.ts'
import type { Clock } from '../clock.ts'
import { type Call, isSettling, type Tx } from '../ledger/call.ts'
import type { Ledger, Posted } from '../ledger/ledger.ts'
import { type Log, reasonOf } from '../log.ts'
import { createNonces } from './nonces.ts'
import { type Finding, type Job, prove } from './prove.ts'
import { createWindow } from './window.ts'

export type Settler = {
  /** Signs the settlement transaction of a call. Nothing is sent: store it in a move, then `submit` what was posted. */
  intend: (call: Call) => Promise<Tx>
  /** Sends a transaction once the move that stores it is posted; when it is not, its nonce is given back and it is never sent. */
  submit: (tx: Tx, posting: Promise<Posted>) => Promise<Posted>
  /** Resolves when the payment of a submitted call is proven or can never be, or `signal` aborts: then as it stands. */
  outcome: (id: string, signal: AbortSignal) => Promise<Call | undefined>
  /** One look at the chain now: what is in blocks, what was taken back, what must be sent again. Also on a timer. */
  tick: () => Promise<void>
  /** The last block seen; the later of its time and ours is "now" for validity. */
  head: () => Head
  /** Jobs whose payment is not proven yet. */
  pending: () => number
  /** Reads what an earlier process left behind and starts the timer. */
  start: () => Promise<void>
  /** Stops the timer and sends what is queued. What is in flight is found again at the next start. */
  stop: () => Promise<void>
}

export type SettlerFacts = {
  ledger: Ledger
  chain: Chain
  account: Account
  clock: Clock
  log: Log
  /** Blocks from the inclusion on, that one included, before a payment counts as settled. */
  confirmations: number
  pollMs: number
  /** Never pay more per gas than this, wei. */
  maxFee: bigint
  /** Named crash points, for the crash matrix; does nothing in a normal process. */
  probe: (point: string) => void
}

const MAX_BATCH = 100
const RESEND_MS = 10_000
const BUMP_MS = 20_000

/** Moves the money of one chain with one key: an outbox of stored transactions, sent until they are in a block and proven. */
export const createSettler = (facts: SettlerFacts): Settler => {
  const { ledger, chain, account, clock, log, confirmations, probe } = facts
  const nonces = createNonces()
  const jobs = new Map<string, Job>()
  const waiting = new Map<string, Set<(call: Call | undefined) => void>>()
  const window = createWindow(chain)
  let queue: Job[] = []
  let head: Head = { number: 0n, hash: '0x', timestamp: 0, baseFee: 0n }
  let sending = false
  let ticking: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  const cap = (fees: Fees): Fees => {
    const maxFee = fees.maxFee < facts.maxFee ? fees.maxFee : facts.maxFee
    return { maxFee, tip: fees.tip < maxFee ? fees.tip : maxFee }
  }

  const sign = async (call: Call, nonce: number, wanted: Fees): Promise<Tx> => {
    const fees = cap(wanted)
    const data = transferData({ ...call, from: call.payer, to: call.payTo, value: call.signed })
    const unsigned = { chainId: chainNumber(chain.id), nonce, to: call.token, data, gas: TRANSFER_GAS, fees }
    const { raw, hash } = await signTransaction(account, unsigned)
    return { hash, chain: chain.id, settler: account.address, nonce, raw, ...fees, call: call.id, at: clock.now() }
  }

  const enqueue = (job: Job) => {
    queue.push(job)
    if (!sending) {
      sending = true
      setImmediate(() => void flush())
    }
  }

  // Sends in the order of nonces, so that a node with a short queue of its own takes them all.
  const flush = async (): Promise<void> => {
    try {
      while (queue.length > 0) {
        const batch = queue.slice(0, MAX_BATCH)
        queue = queue.slice(batch.length)
        probe('K5')
        const said = await chain.send(batch.map((job) => job.tx.raw))
        probe('K6')
        for (const [i, job] of batch.entries()) {
          job.sentAt = clock.now()
          if (said[i] !== undefined) log.warn('settlement_not_taken', { call: job.call.id, why: said[i] })
        }
      }
    } catch (error) {
      // Nobody could be reached: every job stays, and the tick sends it again.
      log.warn('settlement_send_failed', { why: reasonOf(error) })
    } finally {
      sending = false
    }
  }

  const track = (call: Call, tx: Tx): Job => {
    const job: Job = { call, tx, txs: [...(jobs.get(call.id)?.txs ?? []), tx], sentAt: clock.now() }
    jobs.set(call.id, job)
    return job
  }

  const resolve = (call: Call) => {
    jobs.delete(call.id)
    for (const done of waiting.get(call.id) ?? []) done(call)
    waiting.delete(call.id)
  }

  const renew = async (job: Job, nonce: number, fees: Fees): Promise<void> => {
    const tx = await sign(job.call, nonce, fees)
    const posted = await ledger.post({ type: 'settle', id: job.call.id, tx })
    if (posted.ok) enqueue(track(posted.call, tx))
  }

  /** A transaction that the mempool forgot is sent again; one that fees left behind is replaced by a dearer one. */
  const push = async (job: Job): Promise<void> => {
    const now = clock.now()
    const wanted = cap(chain.fees(head))
    const bumped = { maxFee: (job.tx.maxFee * 9n) / 8n + 1n, tip: (job.tx.tip * 9n) / 8n + 1n }
    const behind = job.tx.maxFee < head.baseFee + job.tx.tip
    if (behind && now - job.tx.at >= BUMP_MS && bumped.maxFee <= facts.maxFee) {
      const maxFee = wanted.maxFee > bumped.maxFee ? wanted.maxFee : bumped.maxFee
      log.info('settlement_bumped', { call: job.call.id, nonce: job.tx.nonce })
      await renew(job, job.tx.nonce, { maxFee, tip: bumped.tip })
    } else if (now - job.sentAt >= RESEND_MS) {
      job.sentAt = now
      enqueue(job)
    }
  }

  const settle = async (job: Job): Promise<void> => {
    const { settlement } = job.call
    if (settlement.at !== 'included' || head.number - settlement.proof.block + 1n < BigInt(confirmations)) return
    const posted = await ledger.post({ type: 'settled', id: job.call.id, proof: settlement.proof })
    probe('K8')
    if (posted.ok) resolve(posted.call)
  }

  const include = async (job: Job, finding: Finding): Promise<void> => {
    const { id } = job.call
    if (finding.kind === 'again') return renew(job, nonces.take(), chain.fees(head))
    if (finding.kind === 'lost') {
      log.error('settlement_lost', { call: id, why: finding.why })
      const posted = await ledger.post({ type: 'lose', id, why: finding.why, gas: finding.gas })
      if (posted.ok) resolve(posted.call)
      return
    }
    probe('K7')
    window.add(id, finding.proof)
    const deep = head.number - finding.proof.block + 1n >= BigInt(confirmations)
    const posted = await ledger.post({ type: deep ? 'settled' : 'include', id, proof: finding.proof })
    probe('K8')
    if (!posted.ok) return
    if (deep) resolve(posted.call)
    else job.call = posted.call
  }

  const conclude = async (some: readonly Job[]): Promise<void> => {
    const findings = await prove(chain, head, some)
    // One after the other would wait for one fsync each; together they share it.
    await Promise.all(some.map((job, i) => (findings[i] ? include(job, findings[i]) : undefined)))
  }

  const undo = async (id: string): Promise<void> => {
    const posted = await ledger.post({ type: 'reorg', id })
    if (!posted.ok) return
    log.warn('settlement_reorged', { call: id })
    const txs = await ledger.transactions(id)
    const last = txs.at(-1)
    if (!last) return
    const job: Job = { call: posted.call, tx: last, txs, sentAt: 0 }
    jobs.set(id, job)
    enqueue(job)
  }

  const look = async (): Promise<void> => {
    head = await chain.head()
    for (const id of await window.takenBack(head.number)) await undo(id)
    if (jobs.size === 0) return
    const mined = await chain.nonce(account.address)
    nonces.atLeast(mined)
    const all = [...jobs.values()]
    for (const job of all) await settle(job)
    const settling = all.filter((job) => job.call.settlement.at === 'settling')
    const passed = settling.filter((job) => job.tx.nonce < mined)
    for (let i = 0; i < passed.length; i += MAX_BATCH) await conclude(passed.slice(i, i + MAX_BATCH))
    for (const job of settling) if (job.tx.nonce >= mined && jobs.has(job.call.id)) await push(job)
    await fillGaps(mined)
  }

  // A nonce that was given back and that later ones wait behind is used up by paying nothing to ourselves.
  const fillGaps = async (mined: number): Promise<void> => {
    for (const nonce of nonces.gaps(mined)) {
      const fees = cap(chain.fees(head))
      const empty = { chainId: chainNumber(chain.id), nonce, to: account.address, data: '0x' as Hex, gas: 21_000n, fees }
      const { raw } = await signTransaction(account, empty)
      await chain.send([raw])
    }
  }

  const tick = (): Promise<void> => {
    ticking ??= look()
      .catch((error) => log.warn('settler_tick_failed', { chain: chain.id, why: reasonOf(error) }))
      .finally(() => {
        ticking = undefined
      })
    return ticking
  }

  const again = () => {
    timer = setTimeout(() => void tick().then(() => timer && again()), facts.pollMs)
  }

  return {
    intend: (call) => sign(call, nonces.take(), chain.fees(head)),
    submit: async (tx, posting) => {
      const posted = await posting.catch((error) => {
        nonces.giveBack(tx.nonce)
        throw error
      })
      if (posted.ok) enqueue(track(posted.call, tx))
      else nonces.giveBack(tx.nonce)
      return posted
    },
    outcome: async (id, signal) => {
      const call = await ledger.call(id)
      if (!call || !isSettling(call) || signal.aborted) return call
      return new Promise((done) => {
        const set = waiting.get(id) ?? new Set()
        waiting.set(id, set.add(done))
        signal.addEventListener('abort', () => void ledger.call(id).then(done), { once: true })
      })
    },
    tick,
    head: () => head,
    pending: () => jobs.size,
    start: async () => {
      head = await chain.head()
      const stored = await ledger.lastNonce(chain.id, account.address)
      nonces.atLeast(Math.max(await chain.nonce(account.address), stored + 1))
      for (const job of await leftBehind(ledger, chain.id)) {
        jobs.set(job.call.id, job)
        if (job.call.settlement.at === 'settling') enqueue(job)
        else if (job.call.settlement.at === 'included') window.add(job.call.id, job.call.settlement.proof)
      }
      await tick()
      again()
    },
    stop: async () => {
      clearTimeout(timer)
      timer = undefined
      await ticking
      await flush()
    },
  }
}

const leftBehind = async (ledger: Ledger, chain: ChainId): Promise<Job[]> => {
  const calls = (await ledger.open()).filter((call) => call.chain === chain && isSettling(call))
  const jobs: Job[] = []
  for (const call of calls) {
    const txs = await ledger.transactions(call.id)
    const tx = txs.at(-1)
    if (tx) jobs.push({ call, tx, txs, sentAt: 0 })
  }
  return jobs.toSorted((a, b) => a.tx.nonce - b.tx.nonce)
}

import type { Code } from '../errors.ts'
import { type Bill, billOf, type Call, fromSigned } from '../ledger/call.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { UpstreamFault } from '../providers/provider.ts'
import type { Terms } from '../quote/seal.ts'
import type { Attempt } from './attempt.ts'
import { type Span, within } from './trace.ts'

/** What one paid call went through, noted on its way: for the metrics, its one line in the log, and its trace. */
export type Trail = {
  span: Span | undefined
  /** Does one step of the way, and times it. */
  step: <T>(name: Step, work: () => Promise<T>) => Promise<T>
  /** It is claimed: from here on it is told how it ends, once. */
  held: (call: Call, terms: Terms) => void
  /** A provider is asked, and why beyond the first time; what is returned is told how that ended. */
  asks: (provider: string, why: Again | undefined) => (outcome: Asked) => void
  /** Its answer begins to leave; only the first time counts. */
  first: () => void
  /** Its end is written; `call` as it stands then. */
  billed: (attempt: Attempt, call: Call) => void
  /** Nothing more leaves; the end is told when it is billed too. */
  closed: () => void
  /** It was stopped by `code`; `call` as it stands then. */
  failed: (call: Call, code: Code) => void
}

/** verify: quote and signature; chain: what the chain says of the payment; settle: a payment that must come first. */
export type Step = 'verify' | 'claim' | 'chain' | 'settle' | 'bill'
/** The same host again, another host, or another beside one that is late. */
export type Again = 'retry' | 'failover' | 'hedge'
/** `left`: nobody wanted the answer any more. */
export type Asked = 'answered' | 'left' | UpstreamFault

/** Begins the trail of a paid call; `began`: when its request had been read, ms of `performance.now()`. */
export type Watch = (about: { span: Span | undefined; began: number }) => Trail

export type WatchFacts = { metrics: Metrics; log: Log }

type End = { outcome: string; code?: Code; attempt?: Attempt; bill?: Bill | undefined }

/** Counts, writes and traces each call that was claimed, whatever its end; a call that nobody claimed leaves nothing. */
export const createWatch =
  ({ metrics, log }: WatchFacts): Watch =>
  ({ span, began }) => {
    const waits = waiting()
    let attempts = 0
    let claimed: { call: Call; terms: Terms } | undefined
    let firstMs: number | undefined
    let overheadMs: number | undefined
    let end: End | undefined
    let closed = false
    let told = false

    const first = (): void => {
      if (overheadMs !== undefined) return
      firstMs = performance.now() - began
      overheadMs = Math.max(0, firstMs - waits.ms())
    }
    const tell = (): void => {
      if (told || !end || !claimed) return
      told = true
      const ms = performance.now() - began
      overheadMs ??= Math.max(0, ms - waits.ms())
      const times = { ms, firstMs: end.attempt && firstMs, overheadMs }
      count(metrics, claimed.call, claimed.terms, end, times)
      log.info('call', lineOf({ ...claimed, ...end, times, attempts, span }))
      span?.set(attributesOf(end))
    }

    return {
      span,
      step: async (name, work) => {
        const from = performance.now()
        try {
          return await (span ? within(span, name, work) : work())
        } finally {
          metrics.observe('farebox_call_step_seconds', [name], (performance.now() - from) / 1_000)
        }
      },
      held: (call, terms) => {
        claimed = { call, terms }
        span?.set({
          'farebox.call.id': call.id,
          'farebox.chain': call.chain,
          'farebox.strategy': terms.strategy,
          'gen_ai.request.model': call.asked,
          'gen_ai.request.max_tokens': terms.maxOutput,
        })
        if (call.kind !== 'voucher' && !call.settleFirst) span?.settles(call.id)
      },
      asks: (provider, why) => {
        attempts++
        metrics.count('farebox_provider_attempts_total', [provider])
        if (why) metrics.count('farebox_provider_extra_attempts_total', [provider, why])
        const from = performance.now()
        waits.begin(from)
        return (outcome) => {
          const now = performance.now()
          waits.end(now, outcome === 'answered')
          metrics.observe('farebox_provider_attempt_seconds', [provider, outcome], (now - from) / 1_000)
        }
      },
      first,
      billed: (attempt, call) => {
        end ??= { outcome: call.service.at, attempt, bill: billOf(call) }
        if (closed) tell()
      },
      closed: () => {
        first()
        closed = true
        tell()
      },
      failed: (call, code) => {
        end = end ? { ...end, code } : { outcome: call.service.at, code, bill: billOf(call) }
        tell()
      },
    }
  }

/** How long at least one of several things was waited for, until one of them came. */
const waiting = () => {
  let open = 0
  let since = 0
  let sum = 0
  let came = false
  return {
    begin: (now: number): void => {
      if (open++ === 0) since = now
    },
    end: (now: number, it: boolean): void => {
      open--
      if (came || (open > 0 && !it)) return
      sum += now - since
      came = it
    },
    ms: (): number => sum + (open > 0 && !came ? performance.now() - since : 0),
  }
}

type Times = { ms: number; firstMs: number | undefined; overheadMs: number }

const count = (metrics: Metrics, call: Call, terms: Terms, end: End, times: Times): void => {
  const { outcome, code, attempt, bill } = end
  metrics.observe(
    'farebox_overhead_seconds',
    [call.settleFirst ? 'first' : 'after'],
    times.overheadMs / 1_000,
  )
  if (code) metrics.count('farebox_calls_failed_total', [outcome, code])
  if (!attempt || !bill) return
  const kind = attempt.answer.kind
  if (times.firstMs !== undefined)
    metrics.observe('farebox_first_token_seconds', [kind], times.firstMs / 1_000)
  const { usage } = bill
  // What is given again from memory was made by nobody.
  if (attempt.attempts === 0) return
  const ms = Math.max(1, (kind === 'json' ? attempt.first : bill.at) - attempt.asked)
  if (usage.output > 0)
    metrics.observe('farebox_answer_tokens_per_second', [kind], (usage.output * 1_000) / ms)
  if (usage.source === 'reported' && terms.input > 0)
    metrics.observe('farebox_input_tokens_ratio', [], usage.input / terms.input)
}

type Line = { call: Call; terms: Terms; times: Times; attempts: number; span: Span | undefined } & End

const lineOf = ({ call, terms, times, attempts, span, outcome, code, bill }: Line) => {
  const charged = bill?.charged ?? 0n
  const nodeOf = (level: string) => call.account?.find((id) => id.startsWith(`${level}_`))
  return {
    call: call.id,
    outcome,
    code,
    payer: call.payer,
    chain: call.chain,
    asset: call.token,
    scheme: call.kind,
    asked: call.asked,
    model: bill?.model,
    provider: bill?.provider,
    strategy: terms.strategy,
    stream: call.stream,
    attempts,
    input: bill?.usage.input,
    cached: bill?.usage.cached,
    output: bill?.usage.output,
    charged: charged.toString(),
    ceiling: call.ceiling.toString(),
    credit: (charged - fromSigned(call, charged)).toString(),
    firstMs: rounded(times.firstMs),
    ms: rounded(times.ms),
    overheadMs: rounded(times.overheadMs),
    org: nodeOf('org'),
    team: nodeOf('team'),
    user: nodeOf('user'),
    key: nodeOf('key'),
    trace: span?.traceId,
  }
}

const rounded = (ms: number | undefined): number | undefined =>
  ms === undefined ? undefined : Math.round(ms * 1_000) / 1_000

const attributesOf = ({ outcome, bill }: End) => ({
  'farebox.outcome': outcome,
  ...(bill && {
    'gen_ai.response.model': bill.model,
    'gen_ai.provider.name': bill.provider,
    'gen_ai.usage.input_tokens': bill.usage.input,
    'gen_ai.usage.cache_read.input_tokens': bill.usage.cached,
    'gen_ai.usage.output_tokens': bill.usage.output,
    'farebox.charged': bill.charged.toString(),
  }),
})

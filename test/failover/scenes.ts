import {
  CANON,
  cutAfter,
  forMs,
  healthy,
  malformedAt,
  once,
  pause,
  refusing,
  reset,
  silence,
  slowFirst,
  stallAfter,
  USAGE,
  withoutDone,
  withoutPrefill,
} from '../support/faulty-upstream.ts'
import type { Script } from '../support/upstream.ts'
import type { Bench, Heard, Mode } from './router.ts'

/**
 * Sixteen faults of providers, as the public Failover Bench (methodology 0.1) describes them, each met by a paid call with
 * one other model to fall back to. `pass`: the caller got all of the answer (or, where that is right, the refusal) and
 * every check holds; `partial`: an advisory check does not; `safe`: no answer, and a clean, bounded error that costs
 * nothing or what was delivered; `fail`: the rest.
 */
export type Verdict = 'pass' | 'partial' | 'safe' | 'fail'
export type Result = { id: string; title: string; mode: Mode; verdict: Verdict; notes: string[] }

type Check = { name: string; holds: boolean; advisory?: boolean }
type Facts = { heard: Heard; bench: Bench; scale: number }

export type Scene = {
  id: string
  title: string
  /** What the provider of the model that is asked for does; all times are those of the bench. */
  primary: (scale: number) => Script
  fallback?: Script
  /** A refusal is the right answer. */
  refused?: true
  /** Longest that the call may take, ms. */
  within: number
  modes: readonly Mode[]
  checks?: (facts: Facts) => Check[] | Promise<Check[]>
}

const BOTH = ['SSE', 'JSON'] as const
const STREAM = ['SSE'] as const

const attempts = ({ primary }: Heard): number => primary.length
const gap = ({ primary }: Heard): number => (primary[1]?.at ?? Number.NaN) - primary[0]!.at
const atMost = (heard: Heard, most: number): Check => ({
  name: `the provider is asked at most ${most} times`,
  holds: attempts(heard) <= most,
})
const alive = async ({ bench }: Facts): Promise<Check> => {
  bench.wall.primary.script(healthy)
  bench.wake()
  const { text } = await bench.ask({}, 'SSE')
  return { name: 'the next call is answered', holds: text === CANON }
}

export const SCENES: readonly Scene[] = [
  {
    id: 'S01',
    title: '429 with Retry-After',
    primary: () => once(refusing(429, { code: 'rate_limit_exceeded' }, { 'retry-after': '2' })),
    within: 20_000,
    modes: BOTH,
    // A header counts in whole seconds, so this one is never scaled.
    checks: ({ heard }) => [
      { name: 'it is asked again', holds: attempts(heard) === 2, advisory: true },
      { name: 'not before two seconds have passed', holds: !(gap(heard) < 1_990), advisory: true },
      { name: 'nor long after', holds: !(gap(heard) > 2_600), advisory: true },
    ],
  },
  {
    id: 'S02',
    title: '429 without Retry-After, persistent',
    primary: () => refusing(429, { code: 'rate_limit_exceeded' }),
    within: 40_000,
    modes: BOTH,
    checks: ({ heard }) => [
      atMost(heard, 4),
      { name: 'and not twice within a quarter of a second', holds: !(gap(heard) < 240) },
    ],
  },
  {
    id: 'S03',
    title: '500 once, then healthy',
    primary: () => once(refusing(500)),
    within: 20_000,
    modes: BOTH,
    checks: ({ heard }) => [{ name: 'it is asked again', holds: attempts(heard) === 2, advisory: true }],
  },
  {
    id: 'S04',
    title: '503 persistent',
    primary: () => refusing(503),
    within: 40_000,
    modes: BOTH,
    checks: ({ heard }) => [atMost(heard, 6)],
  },
  {
    id: 'S05',
    title: 'TCP reset before headers',
    primary: () => once(reset),
    within: 20_000,
    modes: BOTH,
  },
  {
    id: 'S06',
    title: 'no response at all',
    primary: () => silence,
    within: 100_000,
    modes: BOTH,
    checks: ({ heard }) => [
      { name: 'the silent host is asked once', holds: attempts(heard) === 1, advisory: true },
      { name: 'and let go', holds: heard.primary[0]!.closedEarly },
    ],
  },
  {
    id: 'S07',
    title: 'slow first token',
    primary: (scale) => slowFirst(20_000 * scale),
    within: 60_000,
    modes: STREAM,
    checks: ({ heard, scale }) => [
      // Of thirty seconds of patience half at most is for the first; a little is for the payment, whatever the scale.
      { name: 'another is asked before 15 s', holds: heard.ms < 15_000 * scale + 1_000, advisory: true },
    ],
  },
  {
    id: 'S08',
    title: 'stream cut mid-answer',
    primary: () => cutAfter(40),
    within: 40_000,
    modes: BOTH,
  },
  {
    id: 'S09',
    title: 'stream stalls',
    primary: (scale) => stallAfter(20, 30_000 * scale),
    within: 45_000,
    modes: STREAM,
    checks: async (facts) => [await alive(facts)],
  },
  {
    id: 'S10',
    title: 'malformed chunk in the stream',
    primary: () => malformedAt(10),
    within: 30_000,
    modes: BOTH,
    checks: async (facts) => [await alive(facts)],
  },
  {
    id: 'S11',
    title: 'stream ends without [DONE]',
    primary: () => withoutDone,
    within: 8_000,
    modes: STREAM,
    checks: ({ heard }) => [{ name: 'usage is reported', holds: heard.usage !== undefined, advisory: true }],
  },
  {
    id: 'S12',
    title: 'context length exceeded',
    primary: () => refusing(400, { message: 'too many tokens', code: 'context_length_exceeded' }),
    within: 20_000,
    modes: BOTH,
    checks: ({ heard }) => [{ name: 'the model is asked once', holds: attempts(heard) === 1 }],
  },
  {
    id: 'S13',
    title: 'content-filter rejection',
    primary: () => refusing(400, { message: 'refused by our policy', code: 'content_policy_violation' }),
    refused: true,
    within: 20_000,
    modes: BOTH,
    checks: ({ heard }) => [
      { name: 'the model is asked once', holds: attempts(heard) === 1 },
      { name: 'nobody else is asked', holds: heard.fallback.length === 0 },
      { name: 'the caller is told why', holds: heard.status === 400 && heard.code === 'upstream_filtered' },
    ],
  },
  {
    id: 'S14',
    title: 'fallback target rejects prefill',
    primary: () => cutAfter(40),
    fallback: withoutPrefill,
    within: 40_000,
    modes: BOTH,
    checks: ({ heard }) => [
      {
        name: 'its refusal does not hide the real fault',
        holds: heard.success || heard.code === 'stream_broken',
      },
    ],
  },
  {
    id: 'S15',
    title: 'primary flaps: down, then healthy',
    primary: (scale) => forMs(60_000 * scale, refusing(503)),
    within: 30_000,
    modes: STREAM,
    checks: flapping,
  },
  {
    id: 'S16',
    title: 'failover accounting',
    primary: () => refusing(503),
    within: 40_000,
    modes: BOTH,
    checks: ({ heard }) => [
      atMost(heard, 6),
      { name: 'the body names who answered', holds: heard.model === 'fallback-model' },
      { name: 'so does the header', holds: heard.headers.get('x-farebox-model') === 'bench/other' },
      { name: 'so does the receipt', holds: heard.receipt?.modelAnswered === 'bench/other' },
      {
        name: 'the attempts are told',
        holds: Number(heard.headers.get('x-farebox-attempts')) === attempts(heard) + heard.fallback.length,
      },
    ],
  },
]

/** The first call has met the outage; others follow, one every four seconds, until the primary is back. Rests are not scaled. */
async function flapping({ bench, scale, heard: { primary } }: Facts): Promise<Check[]> {
  const began = primary[0]!.at
  const healthyAt = began + 60_000 * scale
  const calls: { at: number; heard: Heard }[] = []
  const isBack = ({ at, heard }: (typeof calls)[number]) => at >= healthyAt && heard.fallback.length === 0
  for (let i = 1; !calls.some(isBack) && Date.now() < healthyAt + 30_000; i++) {
    await pause(Math.max(0, began + i * 4_000 * scale - Date.now()))
    calls.push({ at: Date.now(), heard: await bench.ask({}, 'SSE') })
  }
  const outage = calls.filter(({ at }) => at < healthyAt)
  const back = calls.find(isBack)
  const asked = outage.reduce((sum, { heard }) => sum + attempts(heard), 0)
  return [
    {
      name: 'all calls are answered',
      holds: calls.every(({ heard }) => heard.text === CANON && heard.success),
    },
    {
      name: 'the primary answers again within 30 s',
      holds: back !== undefined && back.at - healthyAt <= 30_000,
    },
    { name: 'it is not asked by every call while it is down', holds: asked < outage.length },
  ]
}

/** Plays one scene and judges it. */
export const play = async (bench: Bench, scene: Scene, mode: Mode, scale: number): Promise<Result> => {
  const { id, title } = scene
  bench.wake()
  bench.wall.primary.script(scene.primary(scale))
  bench.wall.fallback.script(scene.fallback ?? healthy)
  const heard = await bench.ask({}, mode)
  const more = (await scene.checks?.({ heard, bench, scale })) ?? []
  const checks = [...common(scene, heard), ...money(heard), ...more]
  const broken = checks.filter((one) => !one.holds)
  const rescued = scene.refused ? !heard.success : heard.success && heard.text === CANON
  const verdict = broken.some((one) => !one.advisory)
    ? 'fail'
    : rescued
      ? broken.length > 0
        ? 'partial'
        : 'pass'
      : 'safe'
  return { id, title, mode, verdict, notes: [told(heard), ...broken.map((one) => `NOT: ${one.name}`)] }
}

/** Such as `upstream_failed` or `bench/other after 3 requests in 812 ms, charged 420`. */
const told = ({ primary, fallback, code, call, headers, ms }: Heard): string => {
  const charged = 'bill' in call.service ? call.service.bill.charged : 0n
  const who = code ?? headers.get('x-farebox-model')
  return `${who}, asked ${primary.length}+${fallback.length}, ${ms} ms, charged ${charged}`
}

const common = ({ within }: Scene, heard: Heard): Check[] => [
  { name: 'it ends in time', holds: heard.ms <= within },
  { name: 'a truncated answer is not shown as a success', holds: !heard.success || heard.text === CANON },
  { name: 'what is not a success says why', holds: heard.success || heard.code !== undefined },
]

/** Units of 1 millionth of a dollar: so many tokens at the prices of the model. */
const PRICES = { 'bench/asked': [1, 2], 'bench/twins': [1, 2], 'bench/other': [3, 6] } as const

/** An answer costs what its own model asks for it, a broken one no more than was delivered, a failed one nothing. */
const money = ({ call, receipt, success, text }: Heard): Check[] => {
  const { service } = call
  if (!('bill' in service)) {
    return [
      { name: 'a failed call is not charged', holds: service.at === 'released' && receipt === undefined },
      { name: 'and its payment never moves', holds: call.settlement.at === 'none' },
    ]
  }
  const { charged, usage, model } = service.bill
  const [input, output] = PRICES[model as keyof typeof PRICES]
  const price = BigInt(usage.input * input + usage.output * output)
  return [
    { name: 'the price is that of the model that answered', holds: charged === price },
    { name: 'and never above the quote', holds: charged <= call.ceiling },
    { name: 'the receipt says the same', holds: receipt?.charged === charged.toString() },
    success
      ? { name: 'all of it is billed as reported', holds: isDeepUsage(usage) && service.at === 'served' }
      : {
          name: 'what was delivered is billed at most',
          holds: service.at === 'partial' && usage.output <= text.length,
        },
  ]
}

const isDeepUsage = ({ input, output }: { input: number; output: number }): boolean =>
  input === USAGE.prompt_tokens && output === USAGE.completion_tokens

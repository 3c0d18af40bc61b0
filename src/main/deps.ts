import type { ChainId } from '../assets.ts'
import { createAnswers } from '../call/answers.ts'
import { createCuts } from '../call/cuts.ts'
import type { Deps } from '../call/deps.ts'
import { createWatch } from '../call/trail.ts'
import { toHex } from '../chain/signatures.ts'
import { type ChannelDesk, createChannelDesk } from '../channel/desk.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { createCoverCheck, createFundsCheck, createSignatureCheck } from '../payment/check.ts'
import { leastUnits } from '../payment/gas-policy.ts'
import { createSponsor } from '../payment/sponsor.ts'
import { anthropicProvider } from '../providers/anthropic.ts'
import { geminiProvider } from '../providers/gemini.ts'
import { openAiProvider } from '../providers/openai.ts'
import type { Provider } from '../providers/provider.ts'
import { simulatedProvider } from '../providers/simulated.ts'
import { createLearner } from '../quote/learn.ts'
import type { Sealer } from '../quote/seal.ts'
import { createRetryBudget } from '../route/budget.ts'
import { loadDifficulty } from '../route/difficulty.ts'
import { createHealth } from '../route/health.ts'
import { createJudge } from '../route/judge.ts'
import { createPrefixes } from '../route/prefixes.ts'
import { createTempo } from '../route/tempo.ts'
import { openAccounts } from './accounts.ts'
import type { Admit } from './admit.ts'
import type { Base } from './base.ts'
import { needsTwo } from './facilitator.ts'
import type { Providers } from './providers.ts'
import { liveDeps } from './reload.ts'
import type { Lookups } from './routing.ts'
import type { Tree } from './tree.ts'

/** Longest wait for a settlement that must come first, ms. */
export const SETTLE_FIRST_MS = 60_000
const RECHECK_MS = 10_000
const MAX_TIMEOUT_SECONDS = 300

/** What is opened after the base: the doors to providers and callers. `closed`: when the last process ended well, ms. */
export type Doors = {
  providers: Pick<Providers, 'get'>
  sealer: Sealer
  publicUrl: string
  desk: ChannelDesk
  admit: Admit
  closed: number
  tree: Tree
}

/** Everything about channels. */
export const openDesk = ({ chains, channels, payers }: Config, base: Base): ChannelDesk =>
  createChannelDesk({
    ...base,
    confirmations: new Map(chains.map((one) => [one.id as ChainId, one.confirmations])),
    settler: base.account.address,
    contracts: payers.contracts === 'settle-first',
    policy: { above: channels.claimAbove, afterMs: channels.claimAfterSeconds * 1_000 },
    withdrawDelayMs: channels.withdrawDelaySeconds * 1_000,
  })

/** Everything that a call needs. */
export const createDeps = (
  config: Config,
  base: Base,
  { providers, sealer, publicUrl, desk, admit, closed, tree }: Doors,
): Deps => {
  const { ledger, clock, log, probe, account, tills, chains, settlers } = base
  const contracts = config.payers.contracts === 'settle-first'
  const health = createHealth({ clock, board: base.fleet.board })
  const learner = createLearner()
  const lookups: Lookups = {
    health,
    learner,
    clock,
    tempo: createTempo({ clock }),
    prefixes: createPrefixes({ clock }),
    judge: createJudge(loadDifficulty()),
    provider: (id) => providers.get(id),
  }
  const chainConfig = (id: ChainId) => config.chains.find((one) => one.id === id)!
  const gasPolicy = (id: ChainId) => ({
    nativeUsd: chainConfig(id).nativeUsd,
    share: config.settler.gasSharePercent,
  })
  const sponsor = createSponsor({
    tills,
    limits: config.sponsor,
    ledger,
    account,
    chainOf: (id) => chains.get(id)!,
    settlerOf: (id) => settlers.get(id)!,
    nativeUsd: (id) => chainConfig(id).nativeUsd,
    maxFee: (id) => BigInt(Math.round(chainConfig(id).maxFeeGwei * 1e9)),
    clock,
    log,
  })
  return {
    ledger,
    instance: base.fleet.store && base.fleet.alive.me,
    ...liveDeps(config, lookups),
    formerQuotes: () => [],
    offers: {
      tills,
      sealer,
      get epoch() {
        return ledger.epoch
      },
      maxTimeout: MAX_TIMEOUT_SECONDS,
      signer: account.address,
      withdrawDelay: config.channels.withdrawDelaySeconds,
      onTrust: config.exposure.perCall,
      least: (till, way) =>
        leastUnits(gasPolicy(till.asset.chain), way, settlers.get(till.asset.chain)!.head(), till.asset),
      small: config.settler.smallPayments,
    },
    ...lookups,
    retries: createRetryBudget({ clock }),
    log,
    gates: admit.gates,
    admission: admit.admission,
    settler: (chain) => settlers.get(chain)!,
    serving: base.serving.enter,
    isContract: contracts
      ? async ({ till, authorization }) =>
          (await chains.get(till.asset.chain)!.code(authorization.from)) !== 'none'
      : async () => false,
    checkSignature: createSignatureCheck({
      tills,
      settler: account.address,
      askContract: contracts
        ? (chain, payer, digest, signature) => chains.get(chain)!.isSignedBy(payer, toHex(digest), signature)
        : undefined,
    }),
    checkFunds: createFundsCheck({
      chainOf: (call) => chains.get(call.chain)!,
      refresh: (call) => settlers.get(call.chain)!.tick(),
      counter: ledger.counter,
      contracts,
      settler: account.address,
      clock,
      sponsor,
      needsTwo: (call) => needsTwo(config, call),
      sharers: base.fleet.alive.count,
    }),
    sponsor,
    covers: createCoverCheck({
      chainOf: (call) => chains.get(call.chain)!,
      counter: ledger.counter,
      sponsor,
      refresh: (call) => settlers.get(call.chain)!.tick(),
    }),
    recheckMs: RECHECK_MS,
    account,
    ...tree,
    ...openAccounts(config, { ...base, publicUrl, closed }),
    cuts: createCuts(),
    watch: createWatch(base),
    tracer: base.traces?.tracer,
    answers: createAnswers({
      clock,
      ttlMs: config.cache.ttlSeconds * 1_000,
      capacity: config.cache.megabytes << 20,
    }),
    channels: desk.channels,
    turns: desk.turns,
    deposits: desk.deposits,
    settleFirstMs: SETTLE_FIRST_MS,
    publicUrl,
    probe,
  }
}

/** Opens a provider by its type. */
export const openProvider = (one: Config['providers'][number], config: Config, clock: Clock): Provider => {
  if (one.type === 'simulated')
    return simulatedProvider({ id: one.id, clock, firstTokenMs: 250, tokenMs: 25 })
  const { id, firstByteMs, idleMs } = one
  const key = config.secrets.providerKeys[id]
  if (one.type === 'anthropic')
    return anthropicProvider({
      id,
      baseUrl: one.baseUrl ?? 'https://api.anthropic.com',
      key,
      clock,
      firstByteMs,
      idleMs,
    })
  if (one.type === 'gemini')
    return geminiProvider({
      id,
      baseUrl: one.baseUrl ?? 'https://generativelanguage.googleapis.com/v1beta',
      key,
      clock,
      firstByteMs,
      idleMs,
    })
  return openAiProvider({
    id,
    kind: one.kind,
    baseUrl: one.baseUrl!,
    key,
    maxTokensField: one.maxTokensField,
    firstByteMs,
    idleMs,
  })
}

/** One thing that is counted; `buckets` are upper bounds. */
export type Family = {
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels: readonly string[]
  buckets?: readonly number[]
}

const QUICK = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
const ANSWER = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
/** From what a clock can tell to what waits for a block. */
const ADDED = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  30, 60,
]
const PACE = [1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1_000, 2_500]
const RATIO = [0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 1.5, 2, 4]
const SETTLING = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600]

/** Everything that is counted. A label is a name out of this code or of the configuration, never a caller's words or address. */
// biome-ignore format: a row is a line.
export const FAMILIES = {
  farebox_http_requests_total: { type: 'counter', labels: ['path', 'status', 'code'], help: 'Requests answered, by path of the table, status class and refusal.' },
  farebox_http_first_byte_seconds: { type: 'histogram', labels: ['answer'], buckets: ANSWER, help: 'From a request to the first byte of its answer: a call, a demand (402), a refusal or anything free.' },
  farebox_http_open_requests: { type: 'gauge', labels: [], help: 'Requests whose answer is not complete.' },
  farebox_rate_limited_total: { type: 'counter', labels: ['kind', 'by'], help: 'Requests refused with 429: of which kind, and for whose rate.' },
  farebox_connections_cut_total: { type: 'counter', labels: ['why'], help: 'Connections that were cut off or not taken.' },
  farebox_calls_total: { type: 'counter', labels: ['outcome', 'scheme', 'model'], help: 'Paid calls that ended: served, partial, released or rejected.' },
  farebox_call_seconds: { type: 'histogram', labels: ['outcome'], buckets: ANSWER, help: 'From the claim of a payment to the end of the service.' },
  farebox_calls_open: { type: 'gauge', labels: ['chain'], help: 'Calls being served by this instance, by the chain that pays; those on channels not counted.' },
  farebox_calls_failed_total: { type: 'counter', labels: ['outcome', 'code'], help: 'Paid calls that were claimed and ended in a refusal, by the state they ended in and what their caller was told.' },
  farebox_claims_open: { type: 'gauge', labels: ['state'], help: 'Calls of the whole fleet that are being served, or served and not proven, looked at each minute by the instance that settles; at most 500 are looked at, the oldest first.' },
  farebox_claim_oldest_seconds: { type: 'gauge', labels: [], help: 'Since the oldest of them was claimed; 0 where there is none.' },
  farebox_overhead_seconds: { type: 'histogram', labels: ['settle'], buckets: ADDED, help: 'What this router added to a paid call: from the whole request being read to the first byte of its answer, or to its refusal after the claim, less the time in which a provider was waited for. Waits for the chain and for a place at a provider are in it; settle: whether the payment had to settle first.' },
  farebox_first_token_seconds: { type: 'histogram', labels: ['answer'], buckets: ANSWER, help: 'From the whole request being read to the first content of its answer leaving: of a stream its first event, of JSON all of it. Paid calls that were answered.' },
  farebox_answer_tokens_per_second: { type: 'histogram', labels: ['answer'], buckets: PACE, help: 'Output tokens of an answer by the time from its request to the provider to its last token; answers without output tokens or out of memory are not in it.' },
  farebox_call_step_seconds: { type: 'histogram', labels: ['step'], buckets: ADDED, help: 'Steps of a paid call: verify (quote and signature), claim, chain (what the chain says of the payment), settle (first, where that must be) and bill.' },
  farebox_input_tokens_ratio: { type: 'histogram', labels: [], buckets: RATIO, help: 'Input tokens as the provider reported them by those that the quote expected.' },
  farebox_tokens_total: { type: 'counter', labels: ['model', 'direction'], help: 'Tokens billed: input or output.' },
  farebox_quoted_microusd_total: { type: 'counter', labels: ['chain'], help: 'Ceilings of the calls that were taken, micro-dollars.' },
  farebox_charged_microusd_total: { type: 'counter', labels: ['chain'], help: 'Charged for calls, micro-dollars.' },
  farebox_refunded_microusd_total: { type: 'counter', labels: ['chain'], help: 'Given back of it as credit, micro-dollars.' },
  farebox_settled_microusd_total: { type: 'counter', labels: ['chain'], help: 'Proven on the chain for calls, what is credit included, micro-dollars.' },
  farebox_lost_microusd_total: { type: 'counter', labels: ['chain'], help: 'Charged for calls whose payment can never settle, micro-dollars.' },
  farebox_settlements_total: { type: 'counter', labels: ['chain', 'outcome'], help: 'Payments and errands on the chain: settled, lost, reorged or found.' },
  farebox_settlement_lag_seconds: { type: 'histogram', labels: ['chain'], buckets: SETTLING, help: 'From the end of the service to the proof at the confirmation depth; 0 for what settled first.' },
  farebox_settlement_age_seconds: { type: 'histogram', labels: ['chain'], buckets: SETTLING, help: 'From the claim of a payment to its proof at the confirmation depth.' },
  farebox_settlement_gas_gwei_total: { type: 'counter', labels: ['chain'], help: 'What settling cost, gwei of the chain’s own coin.' },
  farebox_outbox_depth: { type: 'gauge', labels: ['chain'], help: 'Payments that are to move and are not proven; every instance but the lease holder says 0.' },
  farebox_settler_gas_wei: { type: 'gauge', labels: ['chain'], help: 'What the settler holds of the chain’s own coin, wei.' },
  farebox_chain_head_age_seconds: { type: 'gauge', labels: ['chain'], help: 'Since the newest block that the settler has seen.' },
  farebox_chain_failures_total: { type: 'counter', labels: ['chain', 'node'], help: 'Requests that a node, by its place in the configuration, did not answer.' },
  farebox_exposure_microusd: { type: 'gauge', labels: [], help: 'Unpaid service that is risked now, of the whole fleet, micro-dollars.' },
  farebox_exposure_limit_microusd: { type: 'gauge', labels: [], help: 'The most that may be, micro-dollars.' },
  farebox_provider_attempts_total: { type: 'counter', labels: ['provider'], help: 'Requests to a provider.' },
  farebox_provider_extra_attempts_total: { type: 'counter', labels: ['provider', 'why'], help: 'Those of them beyond the first of their call: retry (the same host again), failover (another host) or hedge (beside one that is late).' },
  farebox_provider_errors_total: { type: 'counter', labels: ['provider', 'fault'], help: 'Attempts that failed before the first byte.' },
  farebox_provider_attempt_seconds: { type: 'histogram', labels: ['provider', 'outcome'], buckets: ANSWER, help: 'Every request to a provider until it was answered (a stream with its first content, JSON whole), failed (the fault), or was not wanted any more (left).' },
  farebox_provider_resting: { type: 'gauge', labels: ['provider'], help: '1 while the breaker keeps some model of a provider out, for this instance.' },
  farebox_store_up: { type: 'gauge', labels: [], help: '1 when the ledger answered just now.' },
  farebox_store_answer_seconds: { type: 'gauge', labels: [], help: 'How long that took.' },
  farebox_store_write_seconds: { type: 'histogram', labels: [], buckets: QUICK, help: 'One durable move of the ledger.' },
  farebox_store_errors_total: { type: 'counter', labels: [], help: 'Moves that could not be written.' },
  farebox_ledger_violations: { type: 'gauge', labels: ['invariant'], help: 'Invariants of the ledger that do not hold, by a cheap check each minute on the instance that settles: what the oldest 500 open calls say of themselves (claims, charge, books, released, overdue), and the limit of all unpaid service, which a reorganisation may pass. All of the ledger is checked by `farebox ledger verify`.' },
  farebox_ledger_checks_total: { type: 'counter', labels: ['result'], help: 'Such checks: done or failed.' },
  farebox_budget_refusals_total: { type: 'counter', labels: ['code'], help: 'Requests that a budget, a rule or an approval of their organisation stopped, by what was told.' },
  farebox_approvals_waiting: { type: 'gauge', labels: [], help: 'Approvals that nobody has decided yet; at most 500 are counted.' },
  farebox_webhook_deliveries_total: { type: 'counter', labels: ['outcome'], help: 'Attempts to deliver a webhook: delivered, failed (it is tried again), given_up, or dropped because its hook is paused or gone.' },
  farebox_lease_held: { type: 'gauge', labels: [], help: '1 on the instance that settles.' },
  farebox_log_events_total: { type: 'counter', labels: ['level', 'event'], help: 'Log lines by their name, written or not.' },
} as const satisfies Record<string, Family>

type Families = typeof FAMILIES

/** The names of one type. */
export type Of<T extends Family['type']> = {
  [K in keyof Families]: Families[K]['type'] extends T ? K : never
}[keyof Families]

/** One value for each label of a family, in its order. */
export type Labels<K extends keyof Families> = Texts<Families[K]['labels']>
type Texts<L extends readonly string[]> = { readonly [I in keyof L]: string }

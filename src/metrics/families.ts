/** One thing that is counted; `buckets` are upper bounds. */
export type Family = {
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels: readonly string[]
  buckets?: readonly number[]
}

const QUICK = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
const ANSWER = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
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
  farebox_tokens_total: { type: 'counter', labels: ['model', 'direction'], help: 'Tokens billed: input or output.' },
  farebox_quoted_microusd_total: { type: 'counter', labels: ['chain'], help: 'Ceilings of the calls that were taken, micro-dollars.' },
  farebox_charged_microusd_total: { type: 'counter', labels: ['chain'], help: 'Charged for calls, micro-dollars.' },
  farebox_refunded_microusd_total: { type: 'counter', labels: ['chain'], help: 'Given back of it as credit, micro-dollars.' },
  farebox_settled_microusd_total: { type: 'counter', labels: ['chain'], help: 'Proven on the chain for calls, what is credit included, micro-dollars.' },
  farebox_lost_microusd_total: { type: 'counter', labels: ['chain'], help: 'Charged for calls whose payment can never settle, micro-dollars.' },
  farebox_settlements_total: { type: 'counter', labels: ['chain', 'outcome'], help: 'Payments and errands on the chain: settled, lost, reorged or found.' },
  farebox_settlement_lag_seconds: { type: 'histogram', labels: ['chain'], buckets: SETTLING, help: 'From the end of the service to the proof at the confirmation depth; 0 for what settled first.' },
  farebox_settlement_gas_gwei_total: { type: 'counter', labels: ['chain'], help: 'What settling cost, gwei of the chain’s own coin.' },
  farebox_outbox_depth: { type: 'gauge', labels: ['chain'], help: 'Payments that are to move and are not proven; every instance but the lease holder says 0.' },
  farebox_settler_gas_wei: { type: 'gauge', labels: ['chain'], help: 'What the settler holds of the chain’s own coin, wei.' },
  farebox_chain_head_age_seconds: { type: 'gauge', labels: ['chain'], help: 'Since the newest block that the settler has seen.' },
  farebox_chain_failures_total: { type: 'counter', labels: ['chain', 'node'], help: 'Requests that a node, by its place in the configuration, did not answer.' },
  farebox_exposure_microusd: { type: 'gauge', labels: [], help: 'Unpaid service that is risked now, of the whole fleet, micro-dollars.' },
  farebox_exposure_limit_microusd: { type: 'gauge', labels: [], help: 'The most that may be, micro-dollars.' },
  farebox_provider_attempts_total: { type: 'counter', labels: ['provider'], help: 'Requests to a provider.' },
  farebox_provider_errors_total: { type: 'counter', labels: ['provider', 'fault'], help: 'Attempts that failed before the first byte.' },
  farebox_provider_answer_seconds: { type: 'histogram', labels: ['provider'], buckets: ANSWER, help: 'Until a provider began to answer: a stream with its head, JSON whole.' },
  farebox_store_up: { type: 'gauge', labels: [], help: '1 when the ledger answered just now.' },
  farebox_store_answer_seconds: { type: 'gauge', labels: [], help: 'How long that took.' },
  farebox_store_write_seconds: { type: 'histogram', labels: [], buckets: QUICK, help: 'One durable move of the ledger.' },
  farebox_store_errors_total: { type: 'counter', labels: [], help: 'Moves that could not be written.' },
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

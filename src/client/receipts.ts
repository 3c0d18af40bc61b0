import { recoverTypedDataAddress } from 'viem'
import { type ChainId, chainNumber, type Hex } from '../assets.ts'
import { orderAt } from '../wire/doors.ts'
import { decodeHeaderJson } from '../wire/json.ts'
import { RECEIPT_TYPES, type Receipt, receiptDomain, type SignedReceipt } from '../wire/receipt.ts'
import { settleResponseSchema, signedReceiptSchema } from './receipt-shape.ts'

/** What the caller knows and the receipt must say. What is left out is not compared; amounts are in units of the asset. */
export type Expected = {
  /** Who must have signed. Without it a receipt only proves that somebody signed it. */
  signer?: Hex | undefined
  callId?: string | undefined
  payer?: Hex
  payTo?: Hex
  nonce?: Hex
  chain?: ChainId
  asset?: Hex
  /** The amount that was authorized, all of which moves. */
  signed?: bigint
  /** The most that was authorized, where only what is charged moves: an `upto`, a voucher. */
  signedAtMost?: bigint
  maxCharged?: bigint
  requestDigest?: Hex | undefined
  responseDigest?: Hex | undefined
}

export type Verified = { ok: true } | { ok: false; problems: string[] }

/** A receipt as it was seen and judged; `signed` is undefined when none came. */
export type Checked = { url: string; signed: SignedReceipt | undefined; ok: boolean; problems: string[] }

/** Checks a receipt offline: its signature, its sums, and that it is for the call it is said to be for. Never throws; what is no receipt is a problem. */
export const verifyReceipt = async (signed: unknown, expected: Expected = {}): Promise<Verified> => {
  const parsed = signedReceiptSchema.safeParse(signed)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    return { ok: false, problems: [`it is not a receipt (${issue?.path.join('.')}: ${issue?.message})`] }
  }
  const problems = [
    ...(await checkSigner(parsed.data, expected.signer)),
    ...checkSums(parsed.data.receipt, expected),
    ...checkFacts(parsed.data.receipt, expected),
  ]
  return problems.length === 0 ? { ok: true } : { ok: false, problems }
}

/** What PAYMENT-RESPONSE says of a paid call; `charged` in token units, and only of a channel. */
export type Told = { receipt: SignedReceipt | undefined; charged: bigint | undefined }

/** Reads a PAYMENT-RESPONSE value; undefined when it says nothing of ours. Believes nothing: verify the receipt. */
export const readTold = (header: string | null | undefined): Told | undefined => {
  if (!header) return undefined
  const parsed = settleResponseSchema.safeParse(decodeHeaderJson(header))
  if (!parsed.success) return undefined
  const told = { receipt: parsed.data.extensions?.farebox, charged: parsed.data.extra?.chargedAmount }
  return told.receipt || told.charged !== undefined ? told : undefined
}

/** A receipt from GET /v1/receipts/{id}; undefined when it is none. */
export const asReceipt = (value: unknown): SignedReceipt | undefined => {
  const parsed = signedReceiptSchema.safeParse(value)
  return parsed.success ? parsed.data : undefined
}

/** The digest that a router puts on a request; undefined at any other path or for a body that we do not know to the last field. */
export const requestDigestOf = (pathname: string, body: unknown): Hex | undefined =>
  orderAt(pathname, body)?.digest

const checkSigner = async (
  { receipt, signer, signature }: SignedReceipt,
  wanted: Hex | undefined,
): Promise<string[]> => {
  const found = await recoverTypedDataAddress({
    domain: receiptDomain(chainNumber(receipt.chain)),
    types: RECEIPT_TYPES,
    primaryType: 'Receipt',
    message: message(receipt),
    signature,
  }).catch(() => undefined)
  if (found === undefined || !same(found, signer)) return ['its signature is not that of its signer']
  return wanted !== undefined && !same(found, wanted)
    ? [`it is signed by ${found.toLowerCase()}, not by ${wanted.toLowerCase()}`]
    : []
}

const message = (receipt: Receipt) => ({
  ...receipt,
  issuedAt: BigInt(receipt.issuedAt),
  quoted: BigInt(receipt.quoted),
  signed: BigInt(receipt.signed),
  creditUsed: BigInt(receipt.creditUsed),
  charged: BigInt(receipt.charged),
  credited: BigInt(receipt.credited),
  inputTokens: BigInt(receipt.inputTokens),
  cachedTokens: BigInt(receipt.cachedTokens),
  outputTokens: BigInt(receipt.outputTokens),
})

const checkSums = (receipt: Receipt, expected: Expected): string[] => {
  const [quoted, signed, creditUsed, charged, credited] = [
    BigInt(receipt.quoted),
    BigInt(receipt.signed),
    BigInt(receipt.creditUsed),
    BigInt(receipt.charged),
    BigInt(receipt.credited),
  ] as const
  const { maxCharged, signedAtMost: most } = expected
  const left = signed + creditUsed - charged
  const moves = most === undefined
  return [
    charged > quoted && `it charges ${charged}, more than the ${quoted} quoted`,
    moves &&
      quoted > signed + creditUsed &&
      `it quotes ${quoted}, more than the ${signed + creditUsed} signed and credited`,
    moves && credited !== left && `it credits ${credited}, not what is left`,
    !moves && (credited > left || left < 0n) && `it credits ${credited} of the ${left} that are left`,
    !moves && signed > most && `it says ${signed} were signed, not ${most} at most`,
    !moves &&
      charged > most + creditUsed &&
      `it charges ${charged}, more than the ${most + creditUsed} agreed to`,
    maxCharged !== undefined && charged > maxCharged && `it charges ${charged}, more than ${maxCharged}`,
    expected.signed !== undefined &&
      signed !== expected.signed &&
      `it says ${signed} were signed, not ${expected.signed}`,
  ].filter((problem) => problem !== false)
}

const TEXTS = [
  'callId',
  'chain',
  'asset',
  'payer',
  'payTo',
  'nonce',
  'requestDigest',
  'responseDigest',
] as const satisfies readonly (keyof Expected & keyof Receipt)[]

const checkFacts = (receipt: Receipt, expected: Expected): string[] =>
  TEXTS.flatMap((name) => {
    const wanted = expected[name]
    const equal =
      wanted === undefined || (name === 'callId' ? receipt[name] === wanted : same(receipt[name], wanted))
    return equal ? [] : [`its ${name} is ${receipt[name]}, not ${wanted}`]
  })

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

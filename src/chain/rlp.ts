/** Bytes, or a list of such. */
export type RlpItem = Uint8Array | readonly RlpItem[]

/** RLP of a list of byte strings and lists. Source: Ethereum yellow paper, appendix B. */
export const rlpList = (items: readonly RlpItem[]): Uint8Array => {
  const parts: Uint8Array[] = []
  let length = 0
  for (const one of items) {
    const item = one instanceof Uint8Array ? one : rlpList(one)
    const head = item === EMPTY_LIST || item !== one ? NOTHING : headOf(item)
    parts.push(head, item)
    length += head.length + item.length
  }
  return Buffer.concat([prefix(0xc0, length), ...parts])
}

/** An empty list inside a list, such as a missing access list. */
export const EMPTY_LIST: Uint8Array = Uint8Array.of(0xc0)

/** A number without leading zeros; zero is no byte at all. */
export const rlpNumber = (value: bigint): Uint8Array => {
  if (value === 0n) return NOTHING
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}

/** Bytes that stand for a number: without leading zeros. */
export const trimmed = (bytes: Uint8Array): Uint8Array => {
  let start = 0
  while (start < bytes.length && bytes[start] === 0) start++
  return bytes.subarray(start)
}

const NOTHING = new Uint8Array(0)

const headOf = (item: Uint8Array): Uint8Array =>
  item.length === 1 && item[0]! < 0x80 ? NOTHING : prefix(0x80, item.length)

const prefix = (base: number, length: number): Uint8Array => {
  if (length < 56) return Uint8Array.of(base + length)
  const size = rlpNumber(BigInt(length))
  return Buffer.concat([Uint8Array.of(base + 55 + size.length), size])
}

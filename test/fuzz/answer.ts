/** An answer as it stood on the wire. Header names are in lower case. */
export type Answer = { status: number; headers: [string, string][]; body: Buffer }

export const headerOf = ({ headers }: Pick<Answer, 'headers'>, name: string): string | undefined =>
  headers.find(([one]) => one === name)?.[1]

export type Read = { answer: Answer; used: number } | 'more' | { problem: string }

const END = Buffer.from('\r\n\r\n')

/** Reads one answer strictly from the start of `bytes`; `ended`: nothing more will come. Interim answers (1xx) are answers too. */
export const readAnswer = (bytes: Buffer, method: string, ended: boolean): Read => {
  const end = bytes.indexOf(END)
  if (end === -1) {
    if (ended && bytes.length > 0) return { problem: 'the head breaks off' }
    return 'more'
  }
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const status = /^HTTP\/1\.1 ([1-5]\d\d) [\x20-\x7e]*$/.exec(first)?.[1]
  if (status === undefined) return { problem: `the status line is ${JSON.stringify(first.slice(0, 80))}` }
  const headers: [string, string][] = []
  for (const line of lines) {
    const parts = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x20-\x7e\x80-\xff\t]*)$/.exec(line)
    if (!parts) return { problem: `a header line is ${JSON.stringify(line.slice(0, 80))}` }
    headers.push([parts[1]!.toLowerCase(), parts[2]!])
  }
  for (const name of ONCE)
    if (headers.filter(([one]) => one === name).length > 1) return { problem: `${name} stands there twice` }
  const head = { status: Number(status), headers }
  return bodyOf(bytes, end + 4, head, method, ended)
}

const ONCE = [
  'content-length',
  'transfer-encoding',
  'content-type',
  'connection',
  'payment-required',
  'payment-response',
]

const bodyOf = (
  bytes: Buffer,
  from: number,
  head: Omit<Answer, 'body'>,
  method: string,
  ended: boolean,
): Read => {
  const { status } = head
  const length = headerOf(head, 'content-length')
  const coding = headerOf(head, 'transfer-encoding')
  if (length !== undefined && coding !== undefined) return { problem: 'its length is told twice' }
  const whole = (to: number): Read =>
    bytes.length >= to
      ? { answer: { ...head, body: bytes.subarray(from, to) }, used: to }
      : ended
        ? { problem: 'the body breaks off' }
        : 'more'
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') return whole(from)
  if (coding !== undefined) return chunked(bytes, from, head, ended)
  if (length !== undefined)
    return /^\d+$/.test(length) ? whole(from + Number(length)) : { problem: `its length is ${length}` }
  if (headerOf(head, 'connection')?.toLowerCase() !== 'close')
    return { problem: 'nothing says where its body ends' }
  return ended ? whole(bytes.length) : 'more'
}

const chunked = (bytes: Buffer, from: number, head: Omit<Answer, 'body'>, ended: boolean): Read => {
  const parts: Buffer[] = []
  for (let at = from; ; ) {
    const line = bytes.indexOf('\r\n', at)
    if (line === -1) return ended ? { problem: 'the body breaks off' } : 'more'
    const size = bytes.subarray(at, line).toString('latin1')
    if (!/^[0-9a-fA-F]{1,8}$/.test(size))
      return { problem: `a chunk's size is ${JSON.stringify(size.slice(0, 40))}` }
    const next = line + 2 + Number.parseInt(size, 16)
    if (bytes.length < next + 2) return ended ? { problem: 'the body breaks off' } : 'more'
    if (bytes.subarray(next, next + 2).toString('latin1') !== '\r\n')
      return { problem: 'a chunk is longer than it says' }
    parts.push(bytes.subarray(line + 2, next))
    at = next + 2
    if (next === line + 2) return { answer: { ...head, body: Buffer.concat(parts) }, used: at }
  }
}

import { connect } from 'node:net'

export type RawAnswer = { status: number; headers: Record<string, string>; body: string }

/** Sends bytes that no HTTP client would let through, and reads until the server closes. `lines`: the request line and headers. */
export const rawRequest = (url: string, lines: readonly string[], body = ''): Promise<RawAnswer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    const parts: Buffer[] = []
    socket.on('data', (part) => parts.push(part))
    socket.on('error', reject)
    socket.on('close', () => resolve(parse(Buffer.concat(parts).toString('latin1'))))
    socket.write(Buffer.from([...lines, 'Connection: close', '', body].join('\r\n'), 'latin1'))
  })

/** The lines of a POST of JSON. */
export const postLines = (target: string, body: string, more: readonly string[] = []): string[] => [
  `POST ${target} HTTP/1.1`,
  ...(more.some((line) => /^host:/i.test(line)) ? [] : ['Host: router.test']),
  'Content-Type: application/json',
  `Content-Length: ${Buffer.byteLength(body)}`,
  ...more,
]

const parse = (text: string): RawAnswer => {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [first = '', ...lines] = head.split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  )
  return { status: Number(first.split(' ')[1]), headers, body: rest.join('\r\n\r\n') }
}

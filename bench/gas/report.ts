/** `gas`: all transactions together; `gasPerCall`: for one settled call (for channels, one voucher). */
export type Row = { way: string; n: number; gas: number; gasPerCall: number }

const width = 940
const height = 470
const left = 70
const top = 50
const right = 500
const bottom = 420
const colours = ['#b03a2e', '#ca6f1e', '#b7950b', '#1e8449', '#2471a3', '#7d3c98', '#34495e']

/** A Markdown table: a row for each way, a column for each number settled together. */
export function table(rows: readonly Row[], sizes: readonly number[]): string {
  const cell = (way: string, n: number) => {
    const row = rows.find((one) => one.way === way && one.n === n)
    return row ? row.gasPerCall.toLocaleString('en-US') : ''
  }
  const lines = waysOf(rows).map((way) => `| ${[way, ...sizes.map((n) => cell(way, n))].join(' | ')} |`)
  const head = `| gas per settled call | ${sizes.map((n) => `N = ${n}`).join(' | ')} |`
  return [head, `|---|${sizes.map(() => '---:|').join('')}`, ...lines].join('\n')
}

/** A line chart, both axes logarithmic, as one SVG without any outside part. */
export function plot(rows: readonly Row[], sizes: readonly number[]): string {
  const most = Math.max(...sizes)
  const x = (n: number) => round(left + ((right - left) * Math.log(n)) / Math.log(most))
  const y = (gas: number) => round(bottom - ((bottom - top) * Math.log(gas / 100)) / Math.log(1000))
  const gridY = [100, 1000, 10_000, 100_000].map(
    (gas) =>
      `${line(left, y(gas), right, y(gas))}${text(left - 8, y(gas) + 4, gas.toLocaleString('en-US'), 'end')}`,
  )
  const gridX = sizes.map((n) => text(x(n), bottom + 18, String(n), 'middle'))
  const series = waysOf(rows).map((way, index) => {
    const colour = colours[index % colours.length]!
    const points = rows.filter((row) => row.way === way).map((row) => [x(row.n), y(row.gasPerCall)] as const)
    const dots = points.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`).join('')
    const path = `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`
    const key = top + 10 + index * 24
    const mark = `<rect x="${right + 24}" y="${key - 9}" width="12" height="10" fill="${colour}"/>`
    return `${path}${dots}${mark}${text(right + 42, key, way, 'start')}`
  })
  const words = 'Gas for one settled call, by the number settled together'
  const title = text(left, 24, words, 'start')
  const under = text(
    (left + right) / 2,
    bottom + 40,
    'settled together (channels: channels claimed together)',
    'middle',
  )
  const body = [title, ...gridY, ...gridX, under, ...series].join('\n')
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`
  const font = 'font-family="sans-serif" font-size="12"'
  const paper = `<rect width="${width}" height="${height}" fill="#fff"/>`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${font}>\n<title>${words}</title>\n${paper}\n${body}\n</svg>\n`
}

const waysOf = (rows: readonly Row[]) => [...new Set(rows.map(({ way }) => way))]

const round = (value: number) => Math.round(value * 10) / 10

const line = (x1: number, y1: number, x2: number, y2: number) =>
  `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#ddd"/>`

const text = (x: number, y: number, words: string, anchor: string) =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="#222">${words}</text>`

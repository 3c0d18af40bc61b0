/** How the demo looks: a little colour where there is a terminal, none where there is not. */
export type Printer = {
  title: (text: string) => void
  /** A line of the story: who, an arrow, what. */
  line: (mark: Mark, text: string) => void
  fact: (name: string, text: string) => void
  /** Text as it arrives, on one line. */
  live: (text: string) => void
  end: () => void
  gap: () => void
}

export type Mark = 'ask' | 'price' | 'sign' | 'answer' | 'good' | 'bad'

const MARKS = {
  ask: ['→', 36],
  price: ['←', 33],
  sign: ['✎', 35],
  answer: ['←', 32],
  good: ['✓', 32],
  bad: ['✗', 31],
} as const satisfies Record<Mark, readonly [string, number]>
const WIDTH = 12

/** Prints to standard output. */
export const createPrinter = (colour: boolean): Printer => {
  const paint = (code: number, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
  const write = (text: string) => void process.stdout.write(text)
  return {
    title: (text) => write(`\n${paint(1, text)}\n`),
    line: (mark, text) => write(`  ${paint(MARKS[mark][1], MARKS[mark][0])} ${text}\n`),
    fact: (name, text) => write(`    ${paint(2, name.padEnd(WIDTH))}${text}\n`),
    live: write,
    end: () => write('\n'),
    gap: () => write('\n'),
  }
}

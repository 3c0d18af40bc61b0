import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WEIGHTS } from '../../src/quote/tokens.generated.ts'
import { countFeatures, estimateTokens, FEATURES, utf8Bytes } from '../../src/quote/tokens.ts'

/** Texts that the weights were not fitted on, with their exact tokens by gpt-tokenizer's o200k_base. */
// biome-ignore format: a table
const SAMPLES: [kind: string, tokens: number, text: string][] = [
  ['a question', 85, `Hi! I'm planning a trip to Portugal with my parents in late September. They're both in their seventies and can't walk more than a mile or so at a time. Could you suggest a relaxed one-week itinerary that starts and ends in Lisbon, with no more than two hotel changes? We love seafood, tiled buildings and quiet beaches, but we'd rather avoid long museum queues. Please give a rough budget per person, too.`],
  ['a story', 87, `The lighthouse keeper had not spoken to anyone in eleven days when the boat arrived. It came out of the fog without a sound, its paint scraped to bare wood along the waterline, and bumped gently against the stone steps as though it had been there many times before. Nobody was aboard. In the stern lay a folded blanket, a tin of peaches, and a letter addressed, in his own handwriting, to the keeper's daughter.`],
  ['typescript', 122, `export async function retry<T>(work: () => Promise<T>, attempts = 3): Promise<T> {
  let lastError: unknown
  for (let attempt = 0; attempt < attempts; attempt++) {
    try {
      return await work()
    } catch (error) {
      lastError = error
      if (error instanceof AbortError) throw error
      await new Promise((resolve) => setTimeout(resolve, 2 ** attempt * 100))
    }
  }
  throw new Error(\`gave up after \${attempts} attempts\`, { cause: lastError })
}
`],
  ['python', 117, `from dataclasses import dataclass, field


@dataclass
class Inventory:
    """Keeps track of the items on hand."""

    items: dict[str, int] = field(default_factory=dict)

    def remove(self, name: str, quantity: int = 1) -> None:
        if self.items.get(name, 0) < quantity:
            raise ValueError(f"only {self.items.get(name, 0)} of {name!r} left")
        self.items[name] -= quantity
        if not self.items[name]:
            del self.items[name]
`],
  ['tool schema', 82, JSON.stringify({ type: 'function', function: { name: 'get_weather', description: 'Current weather for a city, in metric units.', parameters: { type: 'object', properties: { city: { type: 'string', description: 'City and country, e.g. "Oslo, Norway"' }, unit: { type: 'string', enum: ['celsius', 'fahrenheit'] } }, required: ['city'], additionalProperties: false } } })],
  ['indented json', 101, JSON.stringify([{ id: 48211, customer: { name: 'Ada Byron', email: 'ada@example.org' }, total: 129.95, paid: true, lines: [{ sku: 'BK-0042', quantity: 2 }, { sku: 'PN-7', quantity: 10 }] }], null, 2)],
  ['markdown', 100, `## Release checklist

- [ ] Bump the version in \`package.json\`
- [ ] Run \`npm test\` on **both** platforms
- [x] Update the changelog ([#482](https://github.com/acme/widget/pull/482))

| Stage   | Owner | Due        |
| ------- | ----- | ---------- |
| Staging | Priya | 2025-03-14 |
| Live    | Tomás | 2025-03-21 |
`],
  ['log', 149, `2025-02-11T08:14:09.221Z ERROR [worker-7] payments.settle: transaction 0x9f3c5b1e77d04a reverted after 3 attempts (gasUsed=81234)
2025-02-11T08:14:10.004Z WARN [worker-7] payments.settle: retrying in 2000 ms, request id 5b0c1f9e-8a43-4e0b-9b58-0d3f5a1c2e77
GET https://api.example.com/v1/orders?customer=4410&status=open&limit=50 502 Bad Gateway
`],
  ['numbers', 120, `date,open,high,low,close,volume
2024-01-02,187.15,188.44,183.89,185.64,82488700
2024-01-03,184.22,185.88,183.43,184.25,58414500
2024-01-04,182.15,183.09,180.88,181.91,71983600
2024-01-05,181.99,182.76,180.17,181.18,62303300
`],
  ['base64', 275, Buffer.from(Array.from({ length: 300 }, (_, i) => (i * i * 31 + i * 7) % 251)).toString('base64')],
  ['minified javascript', 122, `!function(e,t){"object"==typeof exports&&"undefined"!=typeof module?module.exports=t():e.dayjs=t()}(this,function(){"use strict";var e=864e5,t=/^(\\d{4})-?(\\d{1,2})$/,n=function(e,t){return e.length>=t?e:"0".repeat(t-e.length)+e};return{pad:n,parse:function(r){var i=t.exec(r);return i?new Date(+i[1],i[2]-1||0).getTime()/e:null}}});`],
  ['german', 69, `Sehr geehrte Damen und Herren, vor zwei Wochen habe ich bei Ihnen eine Waschmaschine bestellt, die leider bis heute nicht geliefert wurde. Die Sendungsverfolgung zeigt seit Tagen denselben Stand. Könnten Sie mir bitte mitteilen, wann ich mit der Lieferung rechnen kann? Andernfalls möchte ich von meinem Widerrufsrecht Gebrauch machen.`],
  ['spanish', 65, `El año pasado mi abuela decidió vender la casa del pueblo y mudarse a la ciudad, pero todavía conserva las llaves en un cajón de la cocina. Dice que algún día volverá, aunque solo sea para regar los geranios del balcón y saludar a los vecinos que la vieron crecer.`],
  ['russian', 56, `Вчера вечером мы долго гуляли по набережной и разговаривали о том, как изменился город за последние десять лет. Старый мост наконец отремонтировали, а на месте завода теперь большой парк с велосипедными дорожками и небольшим озером.`],
  ['chinese', 72, `我最近在学习做饭,昨天第一次尝试做红烧肉,结果糖放多了,味道有点甜。朋友建议我先用小火慢慢炖,最后再收汁。你能不能给我一份详细的做法,包括每一步需要的时间和调料的用量?谢谢!`],
  ['japanese', 56, `来週の金曜日に新しいお客様との打ち合わせがあります。会議室の予約と資料の印刷をお願いできますか。また、駅からの道順をメールで送っていただけると助かります。よろしくお願いいたします。`],
  ['korean', 58, `지난 주말에 가족과 함께 제주도에 다녀왔습니다. 날씨가 맑아서 바다가 정말 아름다웠고, 시장에서 먹은 귤과 생선구이도 아주 맛있었습니다. 다음에는 한라산에 올라가 보고 싶습니다.`],
]

describe('estimateTokens', () => {
  test.each(SAMPLES)('is within a quarter of the truth: %s', (_, tokens, text) => {
    expect(estimateTokens(text) / tokens).toBeGreaterThan(0.75)
    expect(estimateTokens(text) / tokens).toBeLessThan(1.25)
  })

  test('is nothing for nothing, and something for anything', () => {
    expect(estimateTokens('')).toBe(0)
    for (const text of [' ', '\n', 'a', '.', '7', 'é', 'я', '的', '😀', '\ud800', '\udc00', '\0']) {
      expect(estimateTokens(text)).toBeGreaterThanOrEqual(1)
    }
  })

  test('is a whole number between one and the bytes', () => {
    fc.assert(
      fc.property(anyText(), (text) => {
        const tokens = estimateTokens(text)
        expect(Number.isSafeInteger(tokens)).toBe(true)
        expect(tokens).toBeGreaterThanOrEqual(text === '' ? 0 : 1)
        expect(tokens).toBeLessThanOrEqual(utf8Bytes(text))
      }),
      { numRuns: 2000 },
    )
  })

  test('costs two texts joined no more than the two apart, within two tokens', () => {
    fc.assert(
      fc.property(anyText(), anyText(), (a, b) => {
        expect(estimateTokens(a + b)).toBeLessThanOrEqual(estimateTokens(a) + estimateTokens(b) + 2)
      }),
      { numRuns: 5000 },
    )
  })

  test('remembers nothing of the text before', () => {
    fc.assert(
      fc.property(anyText(), anyText(), (a, b) => {
        const alone = estimateTokens(b)
        estimateTokens(a)
        expect(estimateTokens(b)).toBe(alone)
      }),
    )
  })

  test('needs no cap: what the features cost is never more than the bytes', () => {
    // Else a text that the cap makes cheap would get dearer by what is joined to it.
    for (let c = 0; c < 0x10000; c++) {
      const char = String.fromCharCode(c)
      for (const text of [char, char.repeat(9), `${char}aB${char} ${char}1`]) {
        if (cost(text) > utf8Bytes(text)) expect.fail(JSON.stringify(text))
      }
    }
    fc.assert(
      fc.property(anyText(), (text) => cost(text) <= utf8Bytes(text)),
      { numRuns: 5000 },
    )
  })
})

describe('hostile texts', () => {
  // The true counts are by gpt-tokenizer, which takes 2 to 16 seconds for most of these. Too high does no harm.
  test.each([
    ['a × 50,000', 'a'.repeat(50_000), 6_250],
    ['A × 50,000', 'A'.repeat(50_000), 6_250],
    ['z × 50,000', 'z'.repeat(50_000), 25_000],
    ['dashes', '-'.repeat(50_000), 781],
    ['blanks', ' '.repeat(50_000), 392],
    ['digits', '7'.repeat(50_000), 16_667],
    ['han', '的'.repeat(50_000), 50_000],
    ['emoji', '😀'.repeat(25_000), 25_000],
  ])('%s', (_, text, tokens) => {
    const estimate = estimateTokens(text)
    expect(estimate).toBeGreaterThan(tokens * 0.75)
    expect(estimate).toBeLessThan(tokens * 8)
  })

  test('lone surrogates cost something, and less than the bytes that they become', () => {
    for (const text of ['\ud800'.repeat(1000), '\udc00'.repeat(1000), '\udc00a'.repeat(750)]) {
      expect(utf8Bytes(text)).toBe(3000)
      expect(estimateTokens(text)).toBeLessThanOrEqual(3000)
      expect(estimateTokens(text)).toBeGreaterThan(100)
    }
  })

  test('random bytes, in any spelling, are not taken for words', () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 255)
    for (const encoding of ['latin1', 'utf8', 'base64', 'hex', 'utf16le'] as const) {
      const text = Buffer.from(bytes).toString(encoding)
      expect(estimateTokens(text)).toBeGreaterThan(text.length * 0.3)
      expect(estimateTokens(text)).toBeLessThanOrEqual(utf8Bytes(text))
    }
  })

  test('a megabyte is read to its end', () => {
    const text = 'The quick brown fox jumps over the lazy dog. '.repeat(23_302)
    expect(text.length).toBeGreaterThan(1 << 20)
    expect(estimateTokens(text) / (10 * 23_302)).toBeGreaterThan(0.75)
    expect(estimateTokens(text) / (10 * 23_302)).toBeLessThan(1.25)
  })

  test('no loop of one to four characters is for nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...VISIBLE), minLength: 1, maxLength: 4 }), (unit) => {
        expect(estimateTokens(unit.repeat(1000))).toBeGreaterThan(unit.length * 20)
      }),
    )
  })
})

test('countFeatures adds to the counts that it is given', () => {
  const once = new Int32Array(FEATURES)
  const twice = new Int32Array(FEATURES)
  countFeatures('Two words, 2 numbers.', once)
  countFeatures('Two words, 2 numbers.', twice)
  countFeatures('Two words, 2 numbers.', twice)
  expect(twice).toEqual(once.map((n) => 2 * n))
})

const VISIBLE = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))

/** What the features of a text cost together, before it is rounded and capped. */
function cost(text: string): number {
  const n = new Int32Array(FEATURES)
  countFeatures(text, n)
  const weights: number[] = Object.values(WEIGHTS)
  return weights.reduce((sum, weight, i) => sum + weight * n[i]!, 0) - 1e-6
}

/** Any code units at all, text of few letters (which meets every rule about runs), and pieces of the samples. */
function anyText(): fc.Arbitrary<string> {
  const units = fc.array(fc.nat({ max: 0xffff }), { maxLength: 60 })
  const letters = 'aaabeEtTzZ0179  \t\n\r.,_"\'{}=-éđệяіЖ的中丂가갂あ…─😀'
  const few = fc.constantFrom(...letters, '\ud83d', '\ude00', '\u200d', '\ufffd')
  return fc.oneof(
    units.map((codes) => String.fromCharCode(...codes)),
    fc.string({ unit: few, maxLength: 60 }),
    fc.string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyzABCXYZ'), maxLength: 60 }),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc
      .tuple(fc.string({ unit: few, minLength: 1, maxLength: 4 }), fc.nat(100))
      .map(([unit, n]) => unit.repeat(n)),
    fc
      .tuple(fc.constantFrom(...SAMPLES), fc.nat(400), fc.nat(60))
      .map(([[, , text], from, size]) => text.slice(from, from + size)),
  )
}

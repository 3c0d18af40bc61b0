/** `npm run train`: makes data/difficulty.bin out of data/routing. Seeded: a second run gives the same bytes. */
import { writeFileSync } from 'node:fs'
import { packWeights } from '../../src/route/difficulty/weights.ts'
import { readManifest, readPriors, readReferences, readRows } from './data.ts'
import { learn, PLAN } from './learn.ts'

const OUT = new URL('../../data/difficulty.bin', import.meta.url)

const manifest = readManifest()
const priors = readPriors()
const weights = learn(
  { rows: readRows(manifest), manifest, priors, references: readReferences(priors) },
  PLAN,
  (text) => console.error(text),
)
const bytes = packWeights(weights)
writeFileSync(OUT, bytes)
console.error(`data/difficulty.bin: ${bytes.length} bytes`)

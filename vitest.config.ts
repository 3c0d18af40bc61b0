import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// Every process and thread of the tests takes compiled code from one place: half of their work was to compile it again.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('node_modules/.cache/farebox', import.meta.url))

/** The longest first: begun last, they would run alone at the end while a core is idle. */
const LONG = [
  'fuzz/http',
  'chain/crash',
  'fleet/chaos',
  'chain/channel-restart',
  'ledger/sqlite',
  'package',
  'ledger/model',
].map((name) => `/test/${name}.test.ts`)

const rank = ({ moduleId }: TestSpecification): number => {
  const at = LONG.findIndex((name) => moduleId.endsWith(name))
  return at === -1 ? LONG.length : at
}

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Tests share no state but what they make: to load everything anew for each file took half of the time.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    // Most tests wait for a chain or a socket most of the time.
    maxWorkers: availableParallelism() + 1,
  },
})

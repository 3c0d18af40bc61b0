import { defineConfig } from 'vitest/config'

/** Only `npm run test:v1` reads this: the suite of the repository leaves these clients out. */
export default defineConfig({
  test: { include: ['test/v1-clients/v1.ts'], testTimeout: 60_000, hookTimeout: 60_000, pool: 'forks' },
})

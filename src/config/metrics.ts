import { z } from 'zod'
import { envName } from './check.ts'

/** Who may read `/metrics`. */
export const metrics = z
  .strictObject({
    keysEnv: envName
      .optional()
      .describe(
        'Environment variable with the keys that open /metrics (Authorization: Bearer), separated by commas; without it, only callers on this machine may read it',
      ),
  })
  .prefault({})

type File = z.output<typeof metrics>
type Environment = Readonly<Record<string, string | undefined>>

const SHORTEST = 16

/** The keys that the settings name; none where no variable is named. */
export const metricsKeys = ({ keysEnv }: File, env: Environment): string[] =>
  keysEnv === undefined ? [] : (env[keysEnv] ?? '').split(',').map((one) => one.trim())

/** What is wrong with them, without their values. */
export const metricsProblems = (file: File, env: Environment): string[] =>
  metricsKeys(file, env).some((one) => one.length < SHORTEST)
    ? [`metrics.keysEnv: set ${file.keysEnv} to keys of ${SHORTEST} characters or more`]
    : []

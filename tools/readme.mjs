// Prints what the README quotes from the code: the configuration table and the refusals.
import { configTable } from '../src/cli/config-help.ts'

console.log(configTable())

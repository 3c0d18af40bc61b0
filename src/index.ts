/** Farebox as a library: start a router from a configuration, inside your own process. */
export { type Config, ConfigError, readConfig } from './config.ts'
export { type Farebox, type Options, startFarebox } from './main.ts'

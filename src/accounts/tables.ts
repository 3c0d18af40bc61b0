/** The tables of accounts in the records. */

/** Nodes of the tree by id; indexes `parent` (the node right above, `site` for organisations) and `org`. */
export const NODES = 'nodes'
/** What belongs to one node only: `bearer:PREFIX`, `wallet:0x…`, `login:NAME`, `signin:0x…`; the value is the node's id. */
export const NAMES = 'names'
/** Approvals that were asked for; index `org`. */
export const APPROVALS = 'approvals'
/** Approvals of calls by what they were asked for, so that asking again finds the same one. */
export const ASKED = 'asked'

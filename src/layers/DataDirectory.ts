/**
 * What a data directory contains, by name.
 */
import { join } from "node:path"

/** The blocks, the unspent outputs and what undoes blocks. */
export const chainFile = (dataDir: string): string => join(dataDir, "chain.db")

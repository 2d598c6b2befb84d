/**
 * Which transactions of a block touch which scripts: what the indexes over the chain are made of.
 *
 * A delta says it all, because no block spends an output that it creates.
 */
import type { BlockDelta } from "../consensus/BlockDelta.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import type { Hash256 } from "../protocol/Hash.ts"

/** A transaction, by its place in the block, pays to the script or spends from it. */
export interface Touch<Script> {
  readonly index: number
  readonly script: Script
}

/** Each pair of a transaction and a script once; scripts are what they are called for the delta's outputs. */
export const blockTouches = <Script extends string | number>(
  delta: BlockDelta,
  spent: ReadonlyArray<Script>,
  created: ReadonlyArray<Script>
): ReadonlyArray<Touch<Script>> => {
  const touches: Array<Touch<Script>> = []
  const seen = delta.txids.map(() => new Set<Script>())
  const touch = (index: number, script: Script): void => {
    const scripts = seen[index]!
    if (scripts.has(script)) return
    scripts.add(script)
    touches.push({ index, script })
  }
  spent.forEach((script, at) => touch(delta.spenders[at]!, script))
  createdBy(delta).forEach((index, at) => touch(index, created[at]!))
  return touches
}

/** Of each created output, the place of its transaction in the block; -1 if the block does not have it. */
export const createdBy = ({ created, txids }: BlockDelta): ReadonlyArray<number> => {
  let index = 0
  return created.map(({ outpoint }) => (index = indexOf(txids, outpoint.txid, index)))
}

/** A key for maps: equal for equal scripts, which need not be text. */
export const scriptKey = ({ buffer, byteLength, byteOffset }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString("latin1")

// --- internal ---

/** Outputs come in the order of their transactions, so that the search begins where the last one ended. */
const indexOf = (txids: ReadonlyArray<Hash256>, txid: Hash256, hint: number): number => {
  for (let at = Math.max(hint, 0); at < txids.length; at++) if (bytesEqual(txids[at]!, txid)) return at
  return txids.findIndex((other) => bytesEqual(other, txid))
}

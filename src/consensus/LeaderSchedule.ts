/**
 * Whose turn it is to propose a block.
 *
 * The first leader of a height is the one that `timed` computes for BFT; each further round has the next in the order of
 * addresses. It depends on the height and the set alone, so that all who know the same set name the same leader.
 */
import * as Bincode from "../protocol/Bincode.ts"
import { compareBytes, concatBytes } from "../protocol/ByteArray.ts"
import { sha256 } from "../protocol/Hash.ts"
import type { Height } from "../protocol/Height.ts"
import { U64 } from "../protocol/Integer.ts"

/** Fewer active masternodes make no blocks. */
export const LEAST_MASTERNODES = 3

/** The addresses in the order of their bytes, in which both the formula and the rounds take them. */
export const inOrder = (addresses: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...addresses].sort((one, other) => compareBytes(utf8.encode(one), utf8.encode(other)))

/** The place of a round's leader among `addresses`, which are in order; `undefined` when there are none. */
export const leaderIndex = (height: Height, round: number, addresses: ReadonlyArray<string>): number | undefined => {
  if (addresses.length === 0) return undefined
  const digest = sha256(concatBytes(u64(height), ...addresses.map((address) => utf8.encode(address))))
  const first = new DataView(digest.buffer, digest.byteOffset).getBigUint64(0, true)
  return Number((first + BigInt(round)) % BigInt(addresses.length))
}

/** The leader of a round, or `undefined` when there are no masternodes. */
export const leaderOf = (height: Height, round: number, addresses: ReadonlyArray<string>): string | undefined => {
  const index = leaderIndex(height, round, addresses)
  return index === undefined ? undefined : addresses[index]
}

// --- internal ---

const utf8 = new TextEncoder()
const u64 = Bincode.encoder(U64)

/**
 * What a connection's address alone says about it, before a byte has come.
 *
 * Networks are ranked by a secret of this process: a few of them are preferred, and nobody outside can know which, or
 * choose an address that lies in one.
 */
import { sha256 } from "../../protocol/Hash.ts"
import { networkGroup } from "../../protocol/NetworkGroup.ts"
import type { PeerId } from "../../protocol/PeerId.ts"

export interface Origin {
  /** Connections from one network count as those of one party. */
  readonly network: string
  /** Of the network; lower ones are preferred. */
  readonly rank: number
  /** The operator named this peer. */
  readonly isConfigured: boolean
}

export type OriginOf = (peer: PeerId) => Origin

export const origins =
  (secret: Uint8Array, configured: ReadonlySet<PeerId>): OriginOf =>
  (peer) => {
    const network = networkGroup(peer)
    const keyed = sha256(Buffer.concat([secret, Buffer.from(network)]))
    return { network, rank: Buffer.from(keyed).readUIntBE(0, 6), isConfigured: configured.has(peer) }
  }

/**
 * Who this node is to others.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { SigningKey } from "../protocol/Ed25519.ts"
import type { PeerId } from "../protocol/PeerId.ts"

export interface NodeIdentityValues {
  /** Random at every start; announced in `Version` so that a node recognises itself and simultaneous dials settle. */
  readonly nodeId: string
  /** What `Version` says of the program, such as "0.1.0". */
  readonly version: string
  /** Null until the operator set it; then nothing is announced. */
  readonly externalAddress: PeerId | null
  /** What a masternode signs its heartbeats, votes and proposals with, and announces; null if this node is none. */
  readonly key: SigningKey | null
}

export class NodeIdentity extends Context.Service<NodeIdentity, NodeIdentityValues>()(
  "timenode/services/NodeIdentity"
) {
  static readonly layerTest = (values: Partial<NodeIdentityValues> = {}): Layer.Layer<NodeIdentity> =>
    Layer.succeed(NodeIdentity, {
      nodeId: "00000000000000000000000000000001",
      version: "0.0.0-test",
      externalAddress: null,
      key: null,
      ...values
    })
}

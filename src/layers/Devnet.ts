/**
 * A whole network in one process, on real time: masternodes that begin with an empty chain, each with a wallet that blocks
 * pay to. Peers meet in memory, so that no port is taken but those of JSON-RPC, which is for the caller to serve.
 *
 * Nothing is kept: when the scope ends, the network is gone.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import type { Address } from "../protocol/Address.ts"
import { SigningKey } from "../protocol/Ed25519.ts"
import { toHex } from "../protocol/Hash.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import { devnet, type Network } from "../protocol/Network.ts"
import { peerId, type PeerId } from "../protocol/PeerId.ts"
import type { WalletFile } from "../protocol/WalletFile.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { NodeIdentity } from "../services/NodeIdentity.ts"
import { NodeLifecycle } from "../services/NodeLifecycle.ts"
import { VERSION } from "./LocalNodeIdentity.ts"
import * as MemoryPeerRegistry from "./MemoryPeerRegistry.ts"
import * as MemoryWallet from "./MemoryWallet.ts"
import { MemoryHub } from "./registry/MemoryHub.ts"
import * as SealedWallet from "./SealedWallet.ts"
import * as TimeNode from "./TimeNode.ts"

/** The services of one of its nodes. */
export type Services = Layer.Success<Effect.Success<ReturnType<typeof nodeLayer>>>

export interface DevnetNode {
  readonly number: number
  /** Where its peers know it. */
  readonly peer: PeerId
  /** Of its wallet. */
  readonly address: Address
  readonly services: Context.Context<Services>
}

export interface DevnetOptions {
  /** At least three, for fewer make no blocks. */
  readonly nodes: number
  /** Seconds from block to block. */
  readonly blockTime: number
}

/** Starts a network whose first block is due one block time from now. A request to stop one of its nodes stops all. */
export const make = Effect.fn("Devnet.make")(function* ({ blockTime, nodes }: DevnetOptions) {
  const now = toUnixSeconds(yield* Clock.currentTimeMillis)
  const network = devnet({ genesisTime: now, blockSeconds: BigInt(blockTime) })
  const shared = yield* Layer.build(Layer.merge(MemoryPeerRegistry.layerHub, NodeLifecycle.layer))
  const hub = Context.get(shared, MemoryHub)
  const lifecycle = Context.get(shared, NodeLifecycle)
  const peers = Array.from({ length: nodes }, (_, index) => peerId(`10.0.0.${index + 1}`)!)
  const started: Array<DevnetNode> = []
  for (const peer of peers) {
    const wallet = SealedWallet.generate(network, now, null)
    const layer = yield* nodeLayer({ hub, lifecycle, network, peer, peers, wallet })
    // A memo map of its own, so that no two nodes share a layer.
    const services = yield* Layer.buildWithMemoMap(layer, yield* Layer.makeMemoMap, yield* Effect.scope)
    started.push({ number: started.length + 1, peer, address: wallet.address, services })
  }
  return { network, nodes: started as ReadonlyArray<DevnetNode>, lifecycle }
})

// --- internal ---

interface NodeOptions {
  readonly hub: MemoryHub["Service"]
  readonly lifecycle: NodeLifecycle["Service"]
  readonly network: Network
  readonly peer: PeerId
  readonly peers: ReadonlyArray<PeerId>
  readonly wallet: WalletFile
}

const nodeLayer = Effect.fnUntraced(function* ({ hub, lifecycle, network, peer, peers, wallet }: NodeOptions) {
  const sealed = yield* SealedWallet.seal(wallet, null)
  const config = NodeConfig.layer({
    network,
    listen: { host: peer, port: network.p2pPort },
    localAddress: peer,
    externalAddress: peer,
    peers: peers.filter((other) => other !== peer).map((other) => ({ peer: other, port: network.p2pPort })),
    discovery: false,
    rpcListen: null,
    legacy: false,
    masternode: { enabled: true, tier: "Free", rewardAddress: wallet.address }
  })
  const identity = Layer.succeed(NodeIdentity, {
    nodeId: toHex(randomBytes(16)),
    version: VERSION,
    externalAddress: peer,
    key: new SigningKey(Redacted.value(wallet.seed))
  })
  const node = TimeNode.layerWith({
    identity,
    peers: MemoryPeerRegistry.layerOnHub.pipe(Layer.provide(Layer.succeed(MemoryHub, hub))),
    wallet: MemoryWallet.layer(sealed)
  })
  return node.pipe(Layer.provideMerge(Layer.mergeAll(config, Layer.succeed(NodeLifecycle, lifecycle))))
})

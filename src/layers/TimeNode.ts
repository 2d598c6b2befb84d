/**
 * A whole node, assembled from its configuration: everything but the operator's surface.
 *
 * Each part is a layer that can be replaced by one of your own with {@link layerWith}; the others are built over it.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BftConsensus from "../peer/BftConsensus.ts"
import * as BlockSync from "../peer/BlockSync.ts"
import * as Dialer from "../peer/Dialer.ts"
import * as ForkResolver from "../peer/ForkResolver.ts"
import * as GossipRelay from "../peer/GossipRelay.ts"
import * as Heartbeats from "../peer/Heartbeats.ts"
import * as HistorySync from "../peer/HistorySync.ts"
import * as InlineAnswers from "../peer/InlineAnswers.ts"
import * as Listener from "../peer/Listener.ts"
import { PeerHandler } from "../peer/PeerHandler.ts"
import * as VoteCollector from "../peer/VoteCollector.ts"
import type { AddressBook } from "../services/AddressBook.ts"
import type { ChainStore, StoreError } from "../services/ChainStore.ts"
import { ConsensusJournal } from "../services/ConsensusJournal.ts"
import type { Gossip } from "../services/Gossip.ts"
import type { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import type { Mempool } from "../services/Mempool.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import type { NodeIdentity } from "../services/NodeIdentity.ts"
import type { PeerConnections } from "../services/PeerConnections.ts"
import type { PeerGuard } from "../services/PeerGuard.ts"
import type { PeerRegistry } from "../services/PeerRegistry.ts"
import type { PeerNetwork } from "../services/PeerTransport.ts"
import type { UtxoStore } from "../services/UtxoStore.ts"
import type { Wallet } from "../services/Wallet.ts"
import { adoptHistory } from "./AdoptedHistory.ts"
import { chainFile, consensusFile, poolFile } from "./DataDirectory.ts"
import * as FileAddressBook from "./FileAddressBook.ts"
import * as FileMasternodeRegistry from "./FileMasternodeRegistry.ts"
import * as FilePeerGuard from "./FilePeerGuard.ts"
import * as FileWallet from "./FileWallet.ts"
import * as LocalBlockchain from "./LocalBlockchain.ts"
import * as LocalNodeIdentity from "./LocalNodeIdentity.ts"
import * as MemoryAddressBook from "./MemoryAddressBook.ts"
import * as MemoryChainStore from "./MemoryChainStore.ts"
import * as MemoryMasternodeRegistry from "./MemoryMasternodeRegistry.ts"
import * as MemoryMempool from "./MemoryMempool.ts"
import * as MemoryPeerGuard from "./MemoryPeerGuard.ts"
import * as MemoryWallet from "./MemoryWallet.ts"
import * as SqliteChainStore from "./SqliteChainStore.ts"
import * as SqliteHistory from "./SqliteHistory.ts"
import * as SqliteMempool from "./SqliteMempool.ts"
import * as SqliteConsensusJournal from "./SqliteConsensusJournal.ts"
import * as TcpPeerRegistry from "./TcpPeerRegistry.ts"
import * as ViewUtxoStore from "./ViewUtxoStore.ts"

/** The parts of a node that may be replaced, each with what it may be built on. */
export interface Parts<E = never, Extra = never> {
  readonly identity?: Layer.Layer<NodeIdentity, E, NodeConfig>
  readonly chainStore?: Layer.Layer<ChainStore, StoreError | E, NodeConfig>
  readonly utxoStore?: Layer.Layer<UtxoStore, StoreError | E, ChainStore | NodeConfig>
  readonly mempool?: Layer.Layer<Mempool, StoreError | E, UtxoStore | NodeConfig>
  readonly masternodes?: Layer.Layer<MasternodeRegistry, E, NodeIdentity | NodeConfig>
  readonly addressBook?: Layer.Layer<AddressBook, E, MasternodeRegistry | NodeConfig>
  readonly peerGuard?: Layer.Layer<PeerGuard, E, NodeConfig>
  readonly peers?: Layer.Layer<
    PeerRegistry | PeerConnections | PeerNetwork | Extra,
    TcpPeerRegistry.ListenError | E,
    PeerGuard | NodeIdentity | NodeConfig
  >
  /** What a masternode has signed for blocks. */
  readonly consensusJournal?: Layer.Layer<ConsensusJournal, StoreError | E, NodeConfig>
  readonly wallet?: Layer.Layer<Wallet, E, ChainStore | Mempool | Gossip | NodeConfig>
}

/** What parts with files of their own need. */
const files = Layer.merge(NodeFileSystem.layer, NodePath.layer)

/** A store in the data directory, or in memory when there is none. */
export const chainStore = Layer.unwrap(
  Effect.map(NodeConfig, ({ dataDir, ...config }) =>
    dataDir === null
      ? MemoryChainStore.layer
      : SqliteChainStore.layer({ file: chainFile(dataDir), network: config.network }).pipe(
          Layer.provide(Layer.effectDiscard(adoptHistory({ ...config, dataDir })))
        )
  )
)

/** A pool in the data directory, or in memory when there is none. */
export const mempool = Layer.unwrap(
  Effect.map(NodeConfig, ({ dataDir, network }) =>
    dataDir === null ? MemoryMempool.layer : SqliteMempool.layer({ file: poolFile(dataDir), network })
  )
)

/** What was signed is in the data directory, or forgotten where there is none. */
export const consensusJournal = Layer.unwrap(
  Effect.map(NodeConfig, ({ dataDir }) =>
    dataDir === null ? ConsensusJournal.layerMemory : SqliteConsensusJournal.layer({ file: consensusFile(dataDir) })
  )
)

/** Bans last where there is a data directory. */
export const peerGuard = Layer.unwrap(
  Effect.map(NodeConfig, ({ dataDir }) =>
    dataDir === null ? MemoryPeerGuard.layer : FilePeerGuard.layer({ dataDir }).pipe(Layer.provide(files))
  )
)

/** Masternodes in the data directory, or in memory when there is none. */
export const masternodes = Layer.unwrap(
  Effect.map(NodeConfig, ({ dataDir }) =>
    dataDir === null
      ? MemoryMasternodeRegistry.layer
      : FileMasternodeRegistry.layer({ dataDir }).pipe(Layer.provide(files))
  )
)

/** An address book in the data directory, or in memory when there is none. */
export const addressBook = Layer.unwrap(
  Effect.map(NodeConfig, ({ dataDir }) =>
    dataDir === null ? MemoryAddressBook.layer : FileAddressBook.layer({ dataDir })
  )
).pipe(Layer.provide(files))

/** The wallet in the data directory, if there is one. */
export const wallet = Layer.unwrap(
  Effect.map(NodeConfig, ({ dataDir }) => (dataDir === null ? MemoryWallet.layer(null) : FileWallet.layer({ dataDir })))
)

/** A node with some parts replaced. */
export const layerWith = <E = never, Extra = never>(parts: Parts<E, Extra>) => {
  const identity = parts.identity ?? LocalNodeIdentity.layer.pipe(Layer.provide(files))
  const state = Layer.mergeAll(parts.addressBook ?? addressBook, SqliteHistory.layer).pipe(
    Layer.provideMerge(LocalBlockchain.layer),
    Layer.provideMerge(Layer.mergeAll(parts.masternodes ?? masternodes, parts.mempool ?? mempool)),
    Layer.provideMerge(parts.utxoStore ?? ViewUtxoStore.layer),
    Layer.provideMerge(Layer.mergeAll(parts.chainStore ?? chainStore, identity, parts.peerGuard ?? peerGuard))
  )
  // Without a registry of the caller's there is nothing extra.
  const registry = (parts.peers ?? TcpPeerRegistry.layer) as NonNullable<Parts<E, Extra>["peers"]>
  const peers = registry.pipe(Layer.provide(InlineAnswers.layer))
  const programs = Layer.mergeAll(Listener.layer, Dialer.layer, HistorySync.layer, Heartbeats.layer).pipe(
    Layer.provide(PeerHandler.layer),
    Layer.provideMerge(BftConsensus.layer.pipe(Layer.provide(parts.consensusJournal ?? consensusJournal))),
    Layer.provideMerge(Layer.mergeAll(BlockSync.layer, VoteCollector.layer)),
    Layer.provideMerge(ForkResolver.layer),
    Layer.provideMerge(GossipRelay.layer)
  )
  return (parts.wallet ?? wallet).pipe(
    Layer.provideMerge(programs),
    Layer.provideMerge(peers),
    Layer.provideMerge(state)
  )
}

/** The node that `timenode start` runs. */
export const layer = layerWith({})

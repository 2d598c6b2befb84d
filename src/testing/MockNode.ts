/**
 * Every service of a node, mocked: harmless defaults to override one by one.
 *
 * Merge a `layerTest` of your own after this layer to replace what a test is about.
 */
import * as Layer from "effect/Layer"
import { AddressBook } from "../services/AddressBook.ts"
import { Blockchain } from "../services/Blockchain.ts"
import { ChainStore } from "../services/ChainStore.ts"
import { Forks } from "../services/Forks.ts"
import { Finality } from "../services/Finality.ts"
import { Consensus } from "../services/Consensus.ts"
import { ConsensusJournal } from "../services/ConsensusJournal.ts"
import { Gossip } from "../services/Gossip.ts"
import { History } from "../services/History.ts"
import { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import { Mempool } from "../services/Mempool.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { NodeIdentity } from "../services/NodeIdentity.ts"
import { PeerConnections } from "../services/PeerConnections.ts"
import { PeerGuard } from "../services/PeerGuard.ts"
import { PeerRegistry } from "../services/PeerRegistry.ts"
import { PeerNetwork } from "../services/PeerTransport.ts"
import { Sync } from "../services/Sync.ts"
import { UtxoStore } from "../services/UtxoStore.ts"
import { Wallet } from "../services/Wallet.ts"

export const layer = Layer.mergeAll(
  AddressBook.layerTest(),
  Blockchain.layerTest(),
  ChainStore.layerTest(),
  Forks.layerTest(),
  Finality.layerTest(),
  Consensus.layerTest(),
  ConsensusJournal.layerMemory,
  Gossip.layerTest(),
  History.layerTest(),
  MasternodeRegistry.layerTest(),
  Mempool.layerTest(),
  NodeConfig.layerTest(),
  NodeIdentity.layerTest(),
  PeerConnections.layerTest(),
  PeerGuard.layerTest(),
  PeerNetwork.layerTest(),
  PeerRegistry.layerTest(),
  Sync.layerTest(),
  UtxoStore.layerTest(),
  Wallet.layerTest()
)

/**
 * The chain in a data directory whose node is not running, and what may keep it from being opened.
 */
import { existsSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { isExchanging } from "../../layers/ChainExchange.ts"
import { chainFile } from "../../layers/DataDirectory.ts"
import * as LocalBlockchain from "../../layers/LocalBlockchain.ts"
import * as MemoryMempool from "../../layers/MemoryMempool.ts"
import * as SqliteChainStore from "../../layers/SqliteChainStore.ts"
import * as ViewUtxoStore from "../../layers/ViewUtxoStore.ts"
import { ChainStore, type ChainTip, type StoreError } from "../../services/ChainStore.ts"
import { NodeConfig, type NodeConfigValues } from "../../services/NodeConfig.ts"
import { type CommandFailure, failure } from "../CommandFailure.ts"
import type { StorageFlagValues } from "../config/Flags.ts"
import { readConfig } from "../config/ReadConfig.ts"

/** A configuration with a data directory. */
export type StoredChain = NodeConfigValues & { readonly dataDir: string }

/** What a program gets that reads: the store, and its last block. */
export interface OpenChain {
  readonly store: ChainStore["Service"]
  readonly tip: ChainTip
}

/** Runs a program on the stored blocks and coins that flags and configuration name; fails when there are none. */
export const readStoppedChain = <R>(
  flags: StorageFlagValues,
  run: (chain: StoredChain, open: OpenChain) => Effect.Effect<void, CommandFailure | StoreError, R>
) => onStoppedChain(flags, (chain) => openChain(chain, run))

/** Runs a program on the file that flags and configuration name, which it opens itself; fails when there is none. */
export const onStoppedChain = <R>(
  flags: StorageFlagValues,
  run: (chain: StoredChain) => Effect.Effect<void, CommandFailure | StoreError, R>
) =>
  Effect.flatMap(storedChain(flags), (chain) =>
    existsSync(chainFile(chain.dataDir)) || isExchanging(chainFile(chain.dataDir))
      ? Effect.catchTag(run(chain), "StoreError", (error) => Effect.fail(storeFailure(chain.dataDir, error)))
      : Effect.fail(absent(chain))
  )

/** Runs a program on the blocks and coins of a chain. */
export const openChain = <E, R>(
  chain: StoredChain,
  run: (chain: StoredChain, open: OpenChain) => Effect.Effect<void, E, R>
) =>
  Effect.gen(function* () {
    const store = yield* ChainStore
    const tip = yield* store.tip
    return tip === null ? yield* absent(chain) : yield* run(chain, { store, tip })
  }).pipe(Effect.provide(coins(chain), { local: true }))

/** Runs a program on the chain with its rules, for adding blocks. A new directory gets the genesis block. */
export const writeStoppedChain = <R>(
  flags: StorageFlagValues,
  program: Effect.Effect<void, CommandFailure | StoreError, R>
) =>
  Effect.flatMap(storedChain(flags), (chain) =>
    program.pipe(
      Effect.provide(rules(chain)),
      Effect.catchTag("StoreError", (error) => Effect.fail(storeFailure(chain.dataDir, error)))
    )
  )

/** The chain of a data directory with its rules. */
export const rules = (chain: StoredChain) =>
  LocalBlockchain.layer.pipe(
    Layer.provideMerge(MemoryMempool.layer),
    Layer.provideMerge(coins(chain)),
    Layer.provide(NodeConfig.layer(chain))
  )

/** What a failure of the store means for the operator. */
export const storeFailure = (dataDir: string | null, { detail, operation, reason }: StoreError): CommandFailure => {
  switch (reason) {
    case "InUse":
      return failure("dataDirectory", `${dataDir} is in use by another process; stop it, or choose another --data-dir`)
    case "Damaged":
      return failure(
        "dataDirectory",
        `the chain in ${dataDir} is damaged (${detail}); timenode chain verify --repair keeps the blocks that are sound`
      )
    case "WrongNetwork":
      return failure("dataDirectory", `${dataDir} holds another network (${detail}); check --network and --data-dir`)
    case "NewerSchema":
      return failure("dataDirectory", `${dataDir} was written by a newer timenode (${detail}); use that version`)
    case "Failed":
      return failure("failed", `the store in ${dataDir} failed to ${operation}: ${detail}`)
  }
}

/** The configuration that flags and files name, with a data directory. */
export const storedChain = Effect.fnUntraced(function* (flags: StorageFlagValues) {
  const { node } = yield* readConfig(flags)
  if (node.dataDir === null) {
    return yield* failure("usage", "storage.backend is memory, so that there is no data directory to work on")
  }
  return { ...node, dataDir: node.dataDir }
})

// --- internal ---

const absent = ({ dataDir }: StoredChain): CommandFailure =>
  failure("failed", `there is no chain in ${dataDir}; ${ADVICE}`)

const ADVICE = "timenode start and timenode chain import make one, --data-dir names another directory"

const coins = ({ dataDir, network }: StoredChain) =>
  ViewUtxoStore.layer.pipe(Layer.provideMerge(SqliteChainStore.layer({ file: chainFile(dataDir), network })))

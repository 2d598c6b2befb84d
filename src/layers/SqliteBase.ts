/**
 * What the chain's file knows of the snapshot that it began with. Blocks 1 to its height are not in the file.
 */
import type { DatabaseSync } from "node:sqlite"
import type { Hash256 } from "../protocol/Hash.ts"
import { height } from "../protocol/Height.ts"
import { type StoredBase, StoreError } from "../services/ChainStore.ts"
import { SNAPSHOT_SCHEMA_VERSION } from "./SqliteSchema.ts"

/** The snapshot's base, or null if the chain began with its genesis. */
export const readBase = (db: DatabaseSync): StoredBase | null => {
  if (Number(db.prepare("SELECT schema FROM meta").get()?.["schema"]) !== SNAPSHOT_SCHEMA_VERSION) return null
  const statement = db.prepare("SELECT * FROM base")
  statement.setReadBigInts(true)
  const row = statement.get()
  if (row === undefined) {
    throw new StoreError({ operation: "open", reason: "Damaged", detail: "nothing is known of the snapshot" })
  }
  const refuted = new TextDecoder().decode(row["refuted"] as Uint8Array)
  return {
    refuted: refuted === "" ? null : refuted,
    height: height(row["height"] as bigint),
    hash: row["hash"] as Hash256,
    utxoCount: row["coins"] as bigint,
    utxoHash: row["utxo_hash"] as Hash256,
    coinsHash: row["coins_hash"] as Hash256
  }
}

/** The row of the table `base`. */
export const baseRow = ({ coinsHash, hash, height, refuted, utxoCount, utxoHash }: StoredBase) =>
  [height, hash, utxoCount, utxoHash, coinsHash, new TextEncoder().encode(refuted ?? "")] as const

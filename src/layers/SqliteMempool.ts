/**
 * `Mempool` that survives the process: its journal is a SQLite file of its own, beside that of the chain.
 *
 * Writes of the pool are single transactions of some 30 µs. Those that no crash may undo (a vote of ours, a phase that
 * others rely on) flush the log to the disk as well.
 */
import type { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Electorate, PoolPhase } from "../consensus/SpendPhase.ts"
import type { PublicKey } from "../protocol/Ed25519.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import type { Message } from "../protocol/Message.ts"
import type { Transaction } from "../protocol/Transaction.ts"
import type { Vote } from "../protocol/Vote.ts"
import * as Wire from "../protocol/wire/Wire.ts"
import { StoreError } from "../services/ChainStore.ts"
import { Mempool, type PooledTransaction } from "../services/Mempool.ts"
import type { NodeConfig } from "../services/NodeConfig.ts"
import type { UtxoStore } from "../services/UtxoStore.ts"
import * as LocalMempool from "./LocalMempool.ts"
import type { KeptTransaction, PoolChange, PoolJournal } from "./PoolJournal.ts"
import { storeError } from "./SqliteChainFile.ts"
import { openPoolFile, type PoolFileOptions } from "./SqlitePoolFile.ts"
import { rowKey, rowValue } from "./UtxoRow.ts"

/**
 * The pool in one file, held by this layer alone while it is there. Building it fails with `InUse` while another process
 * holds the file, and with `Damaged`, `WrongNetwork` or `NewerSchema`.
 */
export const layer = (options: PoolFileOptions): Layer.Layer<Mempool, StoreError, UtxoStore | NodeConfig> =>
  Layer.effect(Mempool, Effect.flatMap(sqliteJournal(options), LocalMempool.make))

// --- internal ---

const sqliteJournal = Effect.fnUntraced(function* (options: PoolFileOptions) {
  const db = yield* openPoolFile(options)
  const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, StoreError> =>
    Effect.try({ try: run, catch: (cause) => storeError(operation, cause) })
  const file = yield* attempt("open the pool", () => new PoolTables(db))
  return {
    load: attempt("load the pool", () => file.load()),
    write: (changes, durability) => attempt("write the pool", () => file.write(changes, durability)),
    voteOn: (txid) => attempt("read votes", () => file.voteOn(txid)),
    pledged: (outpoints) =>
      attempt("read votes", () =>
        outpoints.flatMap((outpoint) => {
          const row = file.statements.pledge.get(rowKey(outpoint))
          return row === undefined ? [] : [row["txid"] as Hash256]
        })
      ),
    pledges: () => file.pledges
  } satisfies PoolJournal
})

class PoolTables {
  readonly statements: ReturnType<typeof prepare>
  readonly #db: DatabaseSync
  #durability: "durable" | "batched" | undefined
  #pledges: number

  constructor(db: DatabaseSync) {
    this.#db = db
    this.statements = prepare(db)
    this.#pledges = this.#countPledges()
  }

  get pledges(): number {
    return this.#pledges
  }

  load(): ReadonlyArray<KeptTransaction> {
    this.#db.exec("DELETE FROM electorate WHERE id NOT IN (SELECT electorate FROM entry WHERE electorate IS NOT NULL)")
    const electorates = new Map<string, Electorate>()
    for (const row of this.#db.prepare("SELECT id, members FROM electorate").all()) {
      const id = String(row["id"])
      electorates.set(id, { id, members: toMembers(String(row["members"])) })
    }
    return this.statements.entries.all().map((row) => ({
      mined: row["mined"] as bigint | null,
      pooled: {
        txid: row["txid"] as Hash256,
        transaction: toTransaction(row["body"] as Uint8Array),
        fee: BigInt.asUintN(64, row["fee"] as bigint),
        phase: toPhase(row),
        arrivedAt: row["arrived"] as bigint,
        electorate: electorates.get(String(row["electorate"])) ?? null
      }
    }))
  }

  write(changes: ReadonlyArray<PoolChange>, durability: "durable" | "batched"): void {
    // SQLite takes this setting only outside a transaction.
    if (durability !== this.#durability) {
      this.#db.exec(`PRAGMA synchronous = ${durability === "durable" ? "FULL" : "NORMAL"}`)
      this.#durability = durability
    }
    this.#db.exec("BEGIN IMMEDIATE")
    try {
      for (const change of changes) this.#apply(change)
      this.#db.exec("COMMIT")
    } catch (cause) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK")
      this.#pledges = this.#countPledges()
      throw cause
    }
  }

  voteOn(txid: Hash256): Vote | undefined {
    const row = this.statements.voteOn.get(txid)
    return row === undefined ? undefined : toVote(row["vote"] as Uint8Array)
  }

  #apply(change: PoolChange): void {
    switch (change._tag) {
      case "Add": {
        const { arrivedAt, fee, transaction, txid } = change.pooled
        this.#keepElectorate(change.pooled)
        const body = lineOf(Wire.encode({ _tag: "TransactionBroadcast", transaction }))
        this.statements.add.run(txid, body, rowValue(fee), arrivedAt, ...phaseColumns(change.pooled))
        return
      }
      case "Advance":
        this.#keepElectorate(change.pooled)
        this.statements.advance.run(...phaseColumns(change.pooled), change.pooled.txid)
        return
      case "Drop":
        this.statements.drop.run(change.txid)
        return
      case "Mine":
        this.statements.mine.run(change.height, change.txid)
        return
      case "Pledge": {
        const line = lineOf(Wire.encode({ _tag: "TransactionVote", vote: change.vote }))
        for (const outpoint of change.outpoints) this.statements.addPledge.run(rowKey(outpoint), change.vote.txid, line)
        this.#pledges += change.outpoints.length
        return
      }
      case "Spend":
        for (const outpoint of change.outpoints) this.statements.spend.run(change.height, rowKey(outpoint))
        return
      case "Prune":
        this.statements.pruneEntries.run(change.height)
        this.#pledges -= Number(this.statements.prunePledges.run(change.height).changes)
    }
  }

  #keepElectorate({ electorate }: PooledTransaction): void {
    if (electorate === null) return
    const members = electorate.members.map(({ address, publicKey }) => [address, toHex(publicKey)])
    this.statements.addElectorate.run(electorate.id, JSON.stringify(members))
  }

  #countPledges(): number {
    return Number(this.#db.prepare("SELECT count(*) AS n FROM pledge").get()!["n"])
  }
}

const prepare = (db: DatabaseSync) => {
  const statement = (sql: string) => {
    const prepared = db.prepare(sql)
    prepared.setReadBigInts(true)
    return prepared
  }
  return {
    entries: statement("SELECT * FROM entry ORDER BY sequence"),
    // A transaction that comes back from a block is a new arrival.
    add: statement(`REPLACE INTO entry (txid, body, fee, arrived, phase, votes, voters, since, electorate)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    advance: statement("UPDATE entry SET phase = ?, votes = ?, voters = ?, since = ?, electorate = ? WHERE txid = ?"),
    drop: statement("DELETE FROM entry WHERE txid = ?"),
    mine: statement("UPDATE entry SET mined = ? WHERE txid = ?"),
    addElectorate: statement("INSERT OR IGNORE INTO electorate VALUES (?, ?)"),
    pledge: statement("SELECT txid FROM pledge WHERE key = ?"),
    voteOn: statement("SELECT vote FROM pledge WHERE txid = ? LIMIT 1"),
    addPledge: statement("INSERT INTO pledge VALUES (?, ?, ?, NULL)"),
    spend: statement("UPDATE pledge SET spent = ? WHERE key = ?"),
    pruneEntries: statement("DELETE FROM entry WHERE mined <= ?"),
    prunePledges: statement("DELETE FROM pledge WHERE spent <= ?")
  }
}

/** Phase, votes, voters, since, electorate. */
const phaseColumns = ({ electorate, phase }: PooledTransaction) =>
  [
    phase._tag,
    phase._tag === "Locked" ? 0 : phase.votes,
    phase._tag === "SpentPending" ? phase.totalNodes : 0,
    phase.at,
    electorate?.id ?? null
  ] as const

const toPhase = (row: Record<string, unknown>): PoolPhase => {
  const votes = Number(row["votes"])
  const at = row["since"] as bigint
  switch (row["phase"]) {
    case "Locked":
      return { _tag: "Locked", at }
    case "SpentPending":
      return { _tag: "SpentPending", votes, totalNodes: Number(row["voters"]), at }
    case "SpentFinalized":
      return { _tag: "SpentFinalized", votes, at }
    default:
      throw damaged(`there is no phase ${String(row["phase"])}`)
  }
}

const lineOf = ({ chunks }: Wire.Encoded<Message>): Uint8Array => Buffer.concat(chunks)

const read = (line: Uint8Array) => Wire.decode(line, 0, line.length - 1)

const toTransaction = (line: Uint8Array): Transaction => {
  const message = read(line)
  if (message._tag !== "TransactionBroadcast") throw damaged("a transaction cannot be read")
  return message.transaction
}

const toVote = (line: Uint8Array): Vote => {
  const message = read(line)
  if (message._tag !== "TransactionVote") throw damaged("a vote cannot be read")
  return message.vote
}

const toMembers = (text: string): Electorate["members"] =>
  (JSON.parse(text) as ReadonlyArray<readonly [string, string]>).map(([address, key]) => ({
    address,
    publicKey: new Uint8Array(Buffer.from(key, "hex")) as PublicKey
  }))

const damaged = (detail: string): StoreError =>
  new StoreError({ operation: "read the pool", reason: "Damaged", detail })

/**
 * One height while it is being decided: the state of the decision, with the blocks and keys that it speaks of.
 */
import { advance, begin, epochOf, EPOCH_ROUNDS, memoryOf, votesFor } from "../consensus/BftRound.ts"
import type { BftAction, BftEvent, BftState, Epoch, RoundVote, Value } from "../consensus/BftState.ts"
import { leaderOf } from "../consensus/LeaderSchedule.ts"
import { roundHash } from "../protocol/Bft.ts"
import type { Block } from "../protocol/Block.ts"
import type { PublicKey } from "../protocol/Ed25519.ts"
import { type Hash256, hashFromHex, ZERO_HASH } from "../protocol/Hash.ts"
import { height, type Height } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import type { MessageOf } from "../protocol/Message.ts"
import type { ChainTip } from "../services/ChainStore.ts"
import type { JournalEntry } from "../services/ConsensusJournal.ts"
import type { Committee } from "./Committee.ts"

export class BftHeight {
  readonly height: Height
  readonly parent: ChainTip
  /** The height whose time it is: this one, or a later one when this one was missed. */
  due: Height
  state: BftState
  /** Our proposal of the round, to be sent again. */
  proposal: MessageOf<"BlockProposal"> | undefined
  private readonly blocks = new Map<Value, Block>()
  private readonly accused = new Set<string>()
  private readonly committees = new Map<number, Committee>()

  constructor(parent: ChainTip, due: Height, self: string | null, remembered: JournalEntry | null, nameOf: NameOf) {
    this.height = height(parent.height + 1n)
    this.parent = parent
    this.due = due
    const entry = remembered?.height === this.height ? remembered : null
    this.state = begin(this.height, self, entry?.memory ?? null)
    for (const block of entry?.blocks ?? []) this.addBlock(nameOf(block), block)
  }

  advance(event: BftEvent): ReadonlyArray<BftAction> {
    const [state, actions] = advance(this.state, event)
    this.state = state
    return actions
  }

  /** The set of the time in which the block of `due` is due takes over. */
  enter(due: Height, committee: Committee): BftEvent {
    this.due = due
    const epoch: Epoch = { first: Number(due - this.height) * EPOCH_ROUNDS, members: committee.members }
    this.committees.set(epoch.first, committee)
    if (this.committees.size > Limits.BFT_EPOCHS) this.committees.delete(this.committees.keys().next().value!)
    return { _tag: "Start", epoch }
  }

  /** The key that signs for a member in a round; `undefined` when it has no say there. */
  keyOf(member: string, round: number): PublicKey | undefined {
    const epoch = epochOf(this.state, round)
    return epoch === undefined ? undefined : this.committees.get(epoch.first)?.keys.get(member)
  }

  leader(round: number): string | undefined {
    return leaderOf(this.height, round, epochOf(this.state, round)?.members ?? [])
  }

  block(value: Value): Block | undefined {
    return this.blocks.get(value)
  }

  /** Makes room by dropping the oldest block that nothing depends on. */
  addBlock(value: Value, block: Block): void {
    this.blocks.set(value, block)
    if (this.blocks.size <= Limits.PROPOSED_BLOCKS) return
    const { locked, valid } = this.state
    const oldest = [...this.blocks.keys()].find((kept) => ![value, locked?.value, valid?.value].includes(kept))
    if (oldest !== undefined) this.blocks.delete(oldest)
  }

  /** True the first time: a member that signs two things can sign two hundred. */
  accuse(name: string): boolean {
    if (this.accused.has(name) || this.accused.size >= Limits.ACCUSATIONS) return false
    this.accused.add(name)
    return true
  }

  journalEntry(): JournalEntry {
    const { locked, valid } = this.state
    const values = new Set([locked, valid].flatMap((choice) => choice?.value ?? []))
    const blocks = [...values].flatMap((value) => this.blocks.get(value) ?? [])
    return { height: this.height, memory: memoryOf(this.state), blocks }
  }

  /** What is sent again as long as nothing is decided: our own votes, and those that show what may be proposed. */
  votesToResend(): ReadonlyArray<RoundVote> {
    const { valid } = this.state
    return [
      ...new Set([...memoryOf(this.state).votes, ...(valid === null ? [] : votesFor(this.state, "Prevote", valid))])
    ]
  }

  voteMessage({ kind, round, signature, value, voter }: RoundVote): MessageOf<"BlockVote"> {
    const blockHash = roundHash(kind, this.height, round, hashOf(value))
    return { _tag: "BlockVote", blockHash, height: this.height, voter, signature, approve: true }
  }
}

/** How a block is called in the state of a decision. */
type NameOf = (block: Block) => Value

/** The hash that a value spells; that of no block for none. */
export const hashOf = (value: Value): Hash256 => hashFromHex(value) ?? ZERO_HASH

/**
 * Where this node answers otherwise than `timed` did when the transcripts were recorded, and why.
 *
 * A row rewrites what was expected or what was answered so that only its own difference disappears, and says whether it
 * found one. A row that finds none any more fails the test, so that the table stays true.
 */
import type { Message } from "../../src/protocol/Message.ts"
import { peerAddress } from "../../src/protocol/PeerId.ts"
import type { Session } from "./Replay.ts"
import { OWN_ADDRESS } from "./Replay.ts"

export interface Difference {
  readonly what: string
  readonly why: string
  /** The session without this difference, or undefined where it has none. */
  readonly without: (session: Session) => Session | undefined
}

/** Leaves out or rewrites messages on one side. */
const change =
  (side: "expected" | "actual", rewrite: (message: Message | string) => ReadonlyArray<Message | string>) =>
  (session: Session): Session | undefined => {
    const before = session[side]
    const after = before.flatMap((message) => rewrite(message))
    const same = after.length === before.length && after.every((message, index) => message === before[index])
    return same ? undefined : ({ ...session, [side]: after } as Session)
  }

const both = (rewrite: (message: Message | string) => ReadonlyArray<Message | string>) => (session: Session) => {
  const expected = change("expected", rewrite)(session)
  const actual = change("actual", rewrite)(expected ?? session)
  return actual ?? expected
}

const only =
  (title: RegExp, without: Difference["without"]): Difference["without"] =>
  (session) =>
    title.test(session.title) ? without(session) : undefined

export const differences: ReadonlyArray<Difference> = [
  {
    what: "the time in a Pong",
    why: "it is the answering node's clock, here a virtual one",
    without: both((message) =>
      typeof message !== "string" && message._tag === "Pong" && message.timestamp !== 0n
        ? [{ ...message, timestamp: 0n }]
        : [message]
    )
  },
  {
    what: "the node's own masternode key and reward address",
    why: "each node has its own",
    without: both((message) =>
      typeof message !== "string" &&
      message._tag === "MasternodesResponse" &&
      message.masternodes.some(({ address, rewardAddress }) => address === OWN_ADDRESS && rewardAddress !== "")
        ? [
            {
              ...message,
              masternodes: message.masternodes.map((record) =>
                record.address === OWN_ADDRESS
                  ? { ...record, rewardAddress: "", publicKey: new Uint8Array(32) as typeof record.publicKey }
                  : record
              )
            }
          ]
        : [message]
    )
  },
  {
    what: "GetGenesisHash and BlockRequest are answered",
    why: "timed defines the two requests and forgot to answer them",
    without: change("actual", (message) =>
      typeof message !== "string" && (message._tag === "GenesisHashResponse" || message._tag === "BlockResponse")
        ? []
        : [message]
    )
  },
  {
    what: "candidates that are no addresses are refused",
    why: "timed keeps any text, 6 MB of the letter a included, and hands it on",
    without: change("expected", (message) => {
      if (typeof message === "string") {
        return /^\{"PeersResponse":\["a+…/.test(message) ? [{ _tag: "PeersResponse", addresses: [] }] : [message]
      }
      if (message._tag !== "PeersResponse") return [message]
      const addresses = message.addresses.filter((text) => peerAddress(text, 24_100) !== undefined)
      return addresses.length === message.addresses.length ? [message] : [{ ...message, addresses }]
    })
  },
  {
    what: "ten bad openings make a ban, not three",
    why: "a newer message or a torn line is no attack; the peer that is let in again behaves",
    without: only(/after that$|try 4$/, (session) =>
      session.closed.expected && !session.closed.actual && session.expected.length === 0
        ? { ...session, expected: session.actual, closed: { expected: true, actual: true } }
        : undefined
    )
  },
  {
    what: "the first bytes of a still older protocol are a bad line like any other",
    why: "they count towards a ban; closing at once as well would be a rule for a program that nobody runs",
    without: only(/^old protocol bytes, try [1-3]$/, (session) =>
      session.closed.actual ? undefined : { ...session, closed: { expected: true, actual: true } }
    )
  },
  {
    what: "GetBlockRange up to 2^64 − 1 is answered with what there is, and others are served meanwhile",
    why: "timed counts to 2^64 and answers nobody any more",
    without: only(/^09-/, (session) =>
      session.expected.some((message) => typeof message !== "string" && message._tag !== "Ack") ||
      session.actual.length !== 2
        ? undefined
        : { ...session, actual: session.actual.slice(0, 1) }
    )
  }
]

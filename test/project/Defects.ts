/**
 * The known defects of connections and of requests in `timed`, each with a test that fails if it comes here. Numbers are
 * those of the list of its defects, sections A (connections, 1 to 24) and B (requests and responses, 25 to 34);
 * docs/protocol.md, section 8, says what differs for it.
 */
export interface Defect {
  readonly number: number
  /** What went wrong. */
  readonly meaning: string
  /** Relative to the project. */
  readonly file: string
  /** The name of the test as it stands in the file, where it is quoted. */
  readonly test: string
}

const suite = "test/services/PeerRegistrySuite.ts"
const registry = "test/layers/registry/Registry.test.ts"
const session = "test/peer/PeerSession.test.ts"
const handshake = "test/peer/Handshake.test.ts"
const dialer = "test/peer/Dialer.test.ts"
const faults = "test/layers/TcpPeerRegistry.faults.test.ts"
const blocks = "test/peer/handlers/Blocks.test.ts"
const requestAny = "test/peer/RequestAny.test.ts"
const claims = "test/layers/registry/Claims.test.ts"

export const defects: ReadonlyArray<Defect> = [
  {
    number: 1,
    meaning: "replies are addressed to an ip:port under which nobody is filed",
    file: suite,
    test: "answers on the connection that asked, whatever its address, and never on its successor"
  },
  {
    number: 2,
    meaning: "a peer that left unnoticed is refused as a duplicate for ever",
    file: registry,
    test: "takes its place when that one stays silent, so that a peer that left unnoticed gets back in"
  },
  {
    number: 3,
    meaning: "a peer that does not read its answers stops the whole node",
    file: suite,
    test: "makes an answer wait for a peer that does not read, and nobody else"
  },
  {
    number: 4,
    meaning: "one full socket holds up every send",
    file: suite,
    test: "tells gossip to all but its origin, encoded once, and waits for nobody who does not drain"
  },
  {
    number: 5,
    meaning: "a range up to the largest height keeps the node busy for ever",
    file: blocks,
    test: "an answer to a range without end is bounded in blocks and bytes, more widely for a timed"
  },
  {
    number: 6,
    meaning: "half a line is lost when something else happens while it is read",
    file: "test/layers/registry/LineReader.test.ts",
    test: "loses and reorders nothing, however it is cut and paused"
  },
  {
    number: 7,
    meaning: "an answer with blocks is lost, and nothing is synced any more",
    file: "test/peer/BlockSync.test.ts",
    test: "asks a second peer for what is late, and leaves the first alone when that one is faster"
  },
  {
    number: 8,
    meaning: "a peer that claims a chain and sends nothing keeps others from being asked",
    file: "test/services/SyncSuite.ts",
    test: "goes on with another peer when the highest ${manner}, and blames nobody"
  },
  {
    number: 9,
    meaning: "one refusal of the system ends the accepting, and the node with it",
    file: faults,
    test: "goes on accepting when the system refuses a connection for a while"
  },
  {
    number: 10,
    meaning: "a session that ended leaves half a socket behind",
    file: session,
    test: "closes the connection when the session is interrupted, and leaves no half of it"
  },
  {
    number: 11,
    meaning: "a banned peer stays connected",
    file: session,
    test: "a line that is no message is an offence of who dialled us; at the ban the connection ends"
  },
  {
    number: 12,
    meaning: "two nodes that dial each other refuse each other",
    file: "test/peer/TwoNodes.test.ts",
    test: "that dial each other at once end with one connection, the same one"
  },
  {
    number: 13,
    meaning: "two connections of one peer pass the check before either is noted",
    file: suite,
    test: "lets only one of two connections establish that came before either did"
  },
  {
    number: 14,
    meaning: "a connection that never had the claim gives it back",
    file: claims,
    test: "has one connection a peer, the older one, which alone gives the claim back"
  },
  {
    number: 15,
    meaning: "several tasks dial the same address",
    file: dialer,
    test: "never exceed the slots, and each address is dialled by one call at a time"
  },
  {
    number: 16,
    meaning: "an address that swallows packets occupies a dial for minutes",
    file: faults,
    test: "gives a dial up that nobody answers, within the connect deadline"
  },
  {
    number: 17,
    meaning: "a stranger that says nothing is kept for ever",
    file: handshake,
    test: "has ten seconds to shake hands"
  },
  {
    number: 18,
    meaning: "a frozen peer keeps its slot, because its system still acknowledges",
    file: registry,
    test: "for too long ends a connection; bytes of an unfinished line do not count as silence"
  },
  {
    number: 19,
    meaning: "a peer that never acknowledges counts as connected",
    file: handshake,
    test: "is left when it has not acknowledged for ten seconds, and never counts as a peer"
  },
  {
    number: 19,
    meaning: "what came before the acknowledgement is thrown away",
    file: session,
    test: "handles lines that came before the acknowledgement once it has come"
  },
  {
    number: 20,
    meaning: "a peer that falls behind with gossip is cut off",
    file: registry,
    test: "of a reader ends the connection, unless it takes something now and then"
  },
  {
    number: 21,
    meaning: "a peer that is unresponsive time and again is redialled as if it had been well",
    file: dialer,
    test: "that ended at once are failures, even after a handshake"
  },
  {
    number: 22,
    meaning: "an unanswered ping is noticed a minute late",
    file: session,
    test: "a peer that says nothing at all is given up with its third ping"
  },
  {
    number: 23,
    meaning: "an error in writing goes unnoticed until the next read",
    file: faults,
    test: "closes a connection whose write fails"
  },
  {
    number: 24,
    meaning: "every end is logged as the end of the stream, and twice",
    file: registry,
    test: "is told to the operator once, with its reason, as is its beginning"
  },
  {
    number: 25,
    meaning: "the reader of a peer waits for a block to be judged, and so for answers that only it can read",
    file: blocks,
    test: "a full queue drops the block, so that no reader waits for the chain"
  },
  {
    number: 26,
    meaning: "an answer wakes the newest waiter, whatever it asked",
    file: suite,
    test: "gives each of many requests its own answer"
  },
  {
    number: 27,
    meaning: "one timeout throws out the other waiters of the peer",
    file: "test/layers/registry/AnswerMatcher.test.ts",
    test: "does not hand the late answer of an expired request to the next"
  },
  {
    number: 28,
    meaning: "a request that could not be sent leaves a waiter, which takes the next answer",
    file: suite,
    test: "refuses more requests than may wait for one peer, and keeps nothing of what it refused"
  },
  {
    number: 29,
    meaning: "a cancelled request leaves a waiter, or half a line",
    file: registry,
    test: "that are interrupted keep their place and leave no waiter"
  },
  {
    number: 30,
    meaning:
      "a link made for one question reads the acknowledgement as its answer; there are no such links, and the next peer is asked",
    file: requestAny,
    test: "leaves a silent peer after the time of the exchange, and takes its late answer for nothing"
  },
  {
    number: 31,
    meaning: "addresses from lists are asked as if they were connected",
    file: requestAny,
    test: "asks only the given peers, of those that are connected and answer such requests"
  },
  {
    number: 32,
    meaning: "a dialling timed is asked, which never answers",
    file: suite,
    test: "does not ask what that kind of peer never answers on its side of a link"
  },
  {
    number: 32,
    meaning: "answers are read on one side of a link only",
    file: "test/peer/TwoNodes.test.ts",
    test: "answer each other in both directions, what a timed never answers included"
  },
  {
    number: 33,
    meaning: "dead peers are asked one after the other, and their silence adds up",
    file: "test/peer/Poll.test.ts",
    test: "gives every peer a turn before the deadline, however many are silent, and waits for few at once"
  },
  {
    number: 34,
    meaning: "answers that nobody asked for are acted upon",
    file: suite,
    test: "takes addresses as gossip, asked or not, and other unasked answers not at all"
  }
]

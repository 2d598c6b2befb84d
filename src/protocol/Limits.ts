/**
 * Every bound of the node, with its reason. Nothing that can grow is without one.
 *
 * Sizes are in bytes and times in milliseconds unless a name says otherwise. A test asserts the relations between them.
 */

const KiB = 1024
const MiB = 1024 * KiB

// --- lines in ---

/** A line before the handshake: a Handshake takes 80 bytes; `timed` reads 300 MB from a stranger. */
export const LINE_BEFORE_HANDSHAKE = 4 * KiB
/** A line nobody asked for that carries a block: the largest that a node of the network makes fits. */
export const LINE_UNASKED_BLOCK = 4 * MiB
/** One that carries a transaction: the largest that is passed on fits. */
export const LINE_UNASKED_TRANSACTION = 512 * KiB
/** Any other line nobody asked for. The worst of them is read in a few ms. */
export const LINE_UNASKED = 128 * KiB
/** An answer with blocks: 101 blocks as `timed` makes them are 13 MB at most in practice. */
export const LINE_BLOCKS = 16 * MiB
/** A UTXO set, which only an operator asks for, one at a time. */
export const LINE_UTXO_SET = 64 * MiB
/** Any other answer. */
export const LINE_ANSWER = 1 * MiB
/** Unfinished lines and unhandled messages of all peers together; above it the peer that holds most is closed. */
export const UNFINISHED_LINES_TOTAL = 64 * MiB
/** Masternodes in one answer; refused on count, before a key is checked. */
export const MASTERNODES_PER_ANSWER = 2_000
/** Public keys whose verdict is remembered. */
export const KEY_CACHE = 4_096

// --- answers out ---

/** Blocks in one answer, as `timed` caps GetBlocks. */
export const BLOCKS_PER_ANSWER = 101
/** Size of an answer with blocks; one block is always sent. */
export const BLOCKS_ANSWER = 8 * MiB
/** The same towards a `timed`, which waits a minute for the rest when an answer is short. */
export const BLOCKS_ANSWER_TIMED = 32 * MiB
export const UTXO_SET_ANSWER = 32 * MiB
export const PENDING_TRANSACTIONS_ANSWER = 8 * MiB
export const MASTERNODES_ANSWER = 1 * MiB
/** Addresses in a PeersResponse. */
export const PEERS_PER_ANSWER = 1_000
/** Outpoints of a UTXOStateQuery that are looked up; the rest is left out of the answer. */
export const OUTPOINTS_PER_QUERY = 2_500

// --- queues ---

/** Bytes that may wait for one peer, beyond the answer being written. */
export const OUTBOUND_PER_PEER = 4 * MiB
/** Bytes that may wait for all peers together. */
export const OUTBOUND_TOTAL = 128 * MiB
/** Decoded, unasked messages that wait for a peer's handler; above it the socket is paused. */
export const INBOUND_QUEUE = 1_024
/** The same in bytes of their lines: two of the largest announcements. */
export const INBOUND_QUEUE_BYTES = 8 * MiB
/** Bytes handed to a socket at a time, so that a slow reader's progress shows before a long answer is all gone. */
export const WRITE_WINDOW = 128 * KiB
/** Peers written to in one go by a broadcast; 500 writes take some 3 ms. */
export const PEERS_PER_SLICE = 500
/** Accepted connections that wait for a session: a burst as long as the system's own queue. */
export const ACCEPT_QUEUE = 1_024
/** Requests of ours that may wait for one peer's answers. */
export const PENDING_REQUESTS_PER_PEER = 256
/** Peers that one poll waits for at a time: all that we dialled, and their answers fit what may be unfinished. */
export const PEERS_POLLED_AT_ONCE = 64
/** Answers that may be given straight from the transport's callback in one tick of one connection. */
export const INLINE_ANSWERS_PER_TICK = 64
/** Lines of one chunk that are handled at once; more than honest peers say in one breath. */
export const LINES_AT_ONCE = 64
/** Lines handled in one turn of the loop of all who say more than that: some hundredths of a millisecond. */
export const LINES_PER_TURN = 4
/** Events kept for a slow subscriber of PeerRegistry.events; older ones are dropped and reported as lag. */
export const PEER_EVENTS = 256
/** Blocks that wait for the chain's single writer. */
export const BLOCK_QUEUE = 1_024

// --- deadlines ---

export const CONNECT_TIMEOUT = 10_000
export const HANDSHAKE_TIMEOUT = 10_000
/** A peer that takes nothing of what waits for it for so long is closed. */
export const DRAIN_TIMEOUT = 10_000
/** A peer that sends nothing for so long is closed; a dialling `timed` pings every 30 s. */
export const IDLE_TIMEOUT = 150_000
/** An old connection silent for so long is probed when its peer dials again. */
export const LIVENESS_WINDOW = 35_000
/** How long such a probe waits for a byte. */
export const PROBE_TIMEOUT = 5_000
/**
 * How long two connections of opposite directions may coexist before one must have won, and how far apart they may have
 * begun: longer than a handshake, so that a line which comes in time for that comes in time for this.
 */
export const COEXISTENCE_WINDOW = 15_000
/** Beat of the registry's one sweep over connections that wait for something. */
export const SWEEP_INTERVAL = 250
/** Beat at which all connections are looked at for silence. */
export const SILENCE_INTERVAL = 4_000
/** How long a closed socket may take to deliver what was written before. */
export const CLOSE_GRACE = 1_000
/** The system refuses connections in bursts, when descriptors run out: one line in the log for so long. */
export const ACCEPT_COMPLAINT_INTERVAL = 1_000

// --- slots, scores, bans ---

export const INBOUND_SLOTS = 1_024
export const OUTBOUND_SLOTS = 50
/** Outbound connections beyond those, which last some seconds and show that an address is alive. */
export const FEELER_SLOTS = 1
/** Outbound connections to one network group; there is no second one while another group has an address to dial. */
export const OUTBOUND_PER_GROUP = 2
/** Connections that have not finished their handshake. */
export const PENDING_HANDSHAKES = 1_024
/** The same of one address, so that it cannot take all of them. */
export const PENDING_HANDSHAKES_PER_PEER = 4
/** Established connections of one address: its claim, see docs/protocol.md, C-21. */
export const CONNECTIONS_PER_IP = 1
/** Inbound connections of one IPv4 /24: a sixteenth of the slots, for networks of one operator or behind one provider. */
export const INBOUND_PER_IPV4_GROUP = 64
/** The same of one IPv6 /64, which is what a single host is given. */
export const INBOUND_PER_IPV6_GROUP = 4
/** With all slots taken, who may be closed for a newcomer is found out once in so long. */
export const EVICTION_REFRESH = 1_000
/** Capabilities of a peer that are kept. */
export const CAPABILITIES_PER_PEER = 32
/** Bad lines, halved every ten minutes, that make a ban. */
export const BAN_SCORE = 10
export const BAN_SCORE_HALF_LIFE = 10 * 60_000
export const BAN_DURATION = 5 * 60_000
/** A ban by the operator who names no time, as in Bitcoin Core. */
export const MANUAL_BAN_DURATION = 24 * 60 * 60_000
/** Peers whose score is remembered. */
export const SCORED_PEERS = 4_096
/** Bans kept; above it the one that ends first goes, an operator's last. */
export const BANNED_PEERS = 4_096

// --- what a peer may cost, in microseconds of this node's time ---

/** A second: 0.4 of a core, for 1,000 transactions of three inputs, which is all that a `timed` takes from one peer. */
export const PEER_COST_RATE = 400_000
/** At once, after two quiet seconds: the opening of a connection, or a block with 2,000 transactions. */
export const PEER_COST_BURST = 2 * PEER_COST_RATE
/** After so much work for one session, the others have their turn. */
export const TURN_COST = 1_000
/** Peers whose spending is remembered: four times as many as can be connected, and a budget is full after two seconds. */
export const BUDGETED_PEERS = 4_096

// --- address book, pools, caches ---

/** Buckets of addresses that were named and never reached; see `layers/AddressTables`. */
export const NEW_BUCKETS = 256
/** Buckets of addresses that were reached. */
export const TRIED_BUCKETS = 64
export const ADDRESSES_PER_BUCKET = 16
/** New buckets open to what the peers of one network group name: a sixteenth of them. */
export const NEW_BUCKETS_PER_SOURCE = 16
/** Tried buckets open to the addresses of one network group: a sixteenth of them. */
export const TRIED_BUCKETS_PER_GROUP = 4
/** Addresses known, beside those configured: all buckets full. */
export const KNOWN_ADDRESSES = 5_120
/** Addresses read of one PeersResponse. */
export const ADDRESSES_PER_INTAKE = 1_000
/** New addresses taken from one peer at once; after that one comes free every `ADDRESS_INTERVAL`. */
export const ADDRESS_BURST = 1_000
export const ADDRESS_INTERVAL = 10_000
/** Peers whose allowance of addresses is remembered: all that can be connected, several times over. */
export const ADDRESS_SOURCES = 4_096
/** Outbound peers that are dialled first after a restart. */
export const ANCHORS = 4
export const KNOWN_MASTERNODES = 2_000
/** Masternodes that the peers of one network group may name: a sixteenth of them. */
export const HINTS_PER_GROUP = 125
/** Between two heartbeats of a masternode that both count, by the times it signed: it says one a minute. */
export const HEARTBEAT_SPACING = 20_000
/** Heartbeats kept of each masternode: an hour of them, or a third of one at the closest spacing. */
export const HEARTBEATS_KEPT = 64
/** Attestations counted and passed on for one heartbeat: three verify it, and all of n masternodes would send n². */
export const WITNESSES_PER_HEARTBEAT = 8
export const MEMPOOL_TRANSACTIONS = 10_000
/** The largest transaction that is passed on and mined, as it is hashed. */
export const TRANSACTION_BYTES = 100 * KiB
/** The most inputs of such a transaction: to check their signatures takes 10 ms, and `timed` merges 100 at most. */
export const TRANSACTION_INPUTS = 100
export const MEMPOOL_BYTES = 64 * MiB
/** A transaction that is not final and that we have not approved is given up after this time. */
export const PENDING_EXPIRY = 60 * 60_000
/** How often that is looked for. */
export const EXPIRY_INTERVAL = 60_000
/** Transactions kept because their parents are unknown, tried again when those come. */
export const ORPHAN_TRANSACTIONS = 1_000
export const ORPHAN_BYTES = 8 * MiB
/** Transactions that masternodes voted down and that are not taken again. */
export const VOTED_DOWN = 4_096
/** Outputs whose spend this node has approved: 16 a second until blocks have confirmed them. Above it we do not vote. */
export const PLEDGED_OUTPUTS = 1_000_000
/** Votes of masternodes on transactions that have not come yet: a tenth of what a full pool gets. */
export const EARLY_VOTES = 10_000
/** The same of one masternode, so that none can fill it. */
export const EARLY_VOTES_PER_VOTER = 256
/** How long they are kept: longer than gossip takes to reach everybody. */
export const EARLY_VOTE_AGE = 60_000
/** Transactions of the pool whose missing votes are asked for in one go. */
export const VOTE_REQUESTS = 100
/** Transactions of others that this node has voted against and can say so again. */
export const REJECTING_VOTES = 4_096
/** Subscriptions of one peer. */
export const SUBSCRIPTIONS_PER_PEER = 16
/** Addresses and outpoints in them, of one peer and of all peers. */
export const SUBSCRIBED_PER_PEER = 1_000
export const SUBSCRIBED_TOTAL = 100_000
/** Events of the pool kept for a slow subscriber, which looks the pool through afterwards. */
export const POOL_EVENTS = 4_096
/** Content hashes of gossip that was already handled. */
export const SEEN_GOSSIP = 16_384
/** Text of a peer that is kept (a network name, a reason), in characters. */
export const PEER_TEXT = 256

// --- wallet ---

/** A file with a secret: `wallet.json` takes 700 bytes, and a label may be long. */
export const SECRET_FILE_BYTES = 64 * KiB
/** Memory that opening a wallet may take: twice what ours are sealed with, so that no file can exhaust it. */
export const WALLET_KDF_MEMORY = 256 * MiB
/** How long a wallet stays unlocked at most: a day, after which whoever pays is asked again. */
export const WALLET_UNLOCKED = 24 * 60 * 60_000
/** Own coins that a payment is chosen from: more sort no faster than 10 ms, and a transaction takes a hundred. */
export const WALLET_COINS = 10_000
/** Characters of a label or passphrase. */
export const WALLET_TEXT = 1_024

// --- JSON-RPC ---

/** Body of an HTTP request: a raw transaction of the largest size as hex fits several times. */
export const RPC_BODY = 1 * MiB
/** Calls in one batch. */
export const RPC_BATCH = 100
/** Addresses of one call. */
export const RPC_ADDRESSES = 100
/** Unspent outputs in one answer: 2.5 MB of JSON. */
export const RPC_UNSPENT = 10_000
/** Transactions of a history in one answer. */
export const RPC_HISTORY = 1_000
/** From the first byte of a request to its answer; the hash of a large UTXO set takes seconds. */
export const RPC_TIMEOUT = 30_000
/** Open HTTP connections. */
export const RPC_CONNECTIONS = 256
/** How long answers in progress may take once the node stops. */
export const RPC_SHUTDOWN = 1_000

// --- chain ---

/** Requests for blocks under way while syncing: two each for eight peers, which is more than one node can check. */
export const SYNC_REQUESTS = 16
/** The same of one peer, so that it works on one answer while another is on its way. */
export const SYNC_REQUESTS_PER_PEER = 2
/** Blocks asked for or waiting to be connected: what is checked in a second, so that a late range is asked again in time. */
export const SYNC_BLOCKS = 64 * BLOCKS_PER_ANSWER
/** Memory of blocks that wait to be connected, the lowest range apart. */
export const SYNC_BYTES = 64 * MiB
/** Blocks connected in one go while syncing: few flushes of the disk, and never a large part of the window. */
export const SYNC_BATCH = 4 * BLOCKS_PER_ANSWER
/** Heights kept to tell how fast a sync is: one a second at most. */
export const SYNC_SAMPLES = 10
/** Blocks in one transaction while syncing: eight times cheaper a block than one each, and 4 ms of the loop. */
export const BLOCKS_PER_COMMIT = 100
/** Outputs that come and go in one transaction, after which others may run: about 10 ms. One block is always taken. */
export const COINS_PER_COMMIT = 2_000
/** Bytes of blocks in one transaction, which are in memory twice until it is committed. */
export const COMMIT_BYTES = 8 * MiB
/** Blocks whose undo data is kept: ten times the depth of the deepest reorganisation that is ever made. */
export const UNDO_BLOCKS = 1_000
/** Blocks that a reorganisation takes off at most, as `timed` has it: two thirds of a day. */
export const REORG_DEPTH = 100
/** Blocks of other branches that are kept: several branches as long as a reorganisation takes. */
export const SIDE_BLOCKS = 1_000
/** Memory they take: two and a half times what 101 blocks of a `timed` come to. */
export const SIDE_BLOCK_BYTES = 32 * MiB
/** How far above or below the tip such a block may be: a branch that is too deep to be taken can still be shown. */
export const SIDE_BLOCK_DISTANCE = 2 * REORG_DEPTH
/** Blocks known to be invalid that are remembered, as many as are kept beside the chain; 300 bytes each. */
export const INVALID_BLOCKS = SIDE_BLOCKS
/** Peers whose branches are looked into at a time: each may send one answer with blocks. */
export const FORKS_AT_ONCE = 4
/** Peers whose branches are looked into, wait for it, or are left alone after it: as many as there are connections. */
export const FORKS_WAITING = INBOUND_SLOTS + OUTBOUND_SLOTS
/** Stored blocks kept in memory, because peers that sync ask for the same ranges. */
export const HOT_BLOCKS = 32 * MiB
/** Pages of the store's file that are kept in memory. */
export const STORE_PAGE_CACHE = 32 * MiB
/** Pages of 4 KiB in the store's log before they go to the file, each once, however often it changed: 16 MiB. */
export const STORE_LOG_PAGES = 4_096
/** Hashes of blocks read in one go at start. */
export const HASHES_PER_READ = 10_000
/** A script or block of a snapshot, in bytes: what an answer with blocks can hold. */
export const SNAPSHOT_RECORD = LINE_BLOCKS
/** Blocks of a snapshot, which are in memory until its end was checked: as many as those of other branches. */
export const SNAPSHOT_BLOCK_BYTES = SIDE_BLOCK_BYTES
/** Unspent outputs looked up or read in one go, before others may run: 1 ms, and 6 ms on a machine with much else to do. */
export const COINS_PER_READ = 250
/** Outputs spent by the last blocks whose spender can be named; above it the oldest block's are forgotten. */
export const RECENTLY_SPENT = 100_000
/** Changes of the chain kept for a slow subscriber: a whole reorganisation and more; older ones are reported as lag. */
export const CHAIN_EVENTS = 512

// --- block production ---

/** Rounds beyond ours whose votes are kept: others are seldom further, and votes are sent again. */
export const BFT_ROUNDS_AHEAD = 8
/** Rounds of one height that are kept: more than pass, with their growing timeouts, before the set changes. */
export const BFT_ROUNDS_KEPT = 64
/** Sets that are kept of a height which takes longer than a block's time. */
export const BFT_EPOCHS = 4
/** Messages about blocks to be decided that wait for their turn; what is dropped is sent again. */
export const CONSENSUS_QUEUE = 4_096
/** Votes for the height after ours, and for ours before it is due, that are kept until then. */
export const EARLY_BALLOTS = 4_096
/** Proposals that are kept so. */
export const EARLY_PROPOSALS = 4
/** Blocks of one height that are kept while it is decided: proposals of so many rounds, and what is locked. */
export const PROPOSED_BLOCKS = 16
/** Members that signed two things, as told in the log for one height. */
export const ACCUSATIONS = 100
/** Certificates that are kept to answer peers that are still at an earlier height. */
export const CERTIFICATES = 128
/** Missed blocks made in a minute: a day of them takes a quarter of an hour. */
export const CATCH_UP_BLOCKS_A_MINUTE = 10
/** Transactions of a block that we make, as they are hashed: written in JSON they fit the longest line of a block. */
export const BLOCK_BYTES = 768 * KiB

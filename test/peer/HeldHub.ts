/**
 * A network in memory that delivers when it is told to: a connection, and what is under way in one direction of it.
 */
import type { OnConnect } from "../../src/layers/registry/MemoryHub.ts"
import { MemoryHub } from "../../src/layers/registry/MemoryHub.ts"
import { MemorySocket } from "../../src/layers/registry/MemorySocket.ts"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { formatPeerAddress, type PeerAddress, type PeerId } from "../../src/protocol/PeerId.ts"

export class HeldHub {
  private readonly listeners = new Map<string, OnConnect>()
  private readonly ways: Array<Way> = []
  private links = 0

  /** The network of the nodes that are to meet. */
  readonly layer = Layer.succeed(
    MemoryHub,
    MemoryHub.of({
      listen: (address, onConnect) =>
        Effect.asVoid(
          Effect.acquireRelease(
            Effect.sync(() => this.listeners.set(formatPeerAddress(address), onConnect)),
            () => Effect.sync(() => this.listeners.delete(formatPeerAddress(address)))
          )
        ),
      connect: (from, to) => this.connect(from, to)
    })
  )

  /** Where something is under way, by name. */
  get underWay(): ReadonlyArray<string> {
    return this.ways.filter(({ coming }) => coming.length > 0).map(({ name }) => name)
  }

  /** Delivers the next thing on its way there. */
  deliver(name: string): void {
    this.ways.find((way) => way.name === name)?.coming.shift()?.()
  }

  /** The links by number that can still break. */
  get up(): ReadonlyArray<number> {
    return Array.from({ length: this.links }, (_, index) => index + 1).filter((number) =>
      this.ways.some((way) => way.link === number && way.isUp)
    )
  }

  /** What is under way is lost, and each end is told when that is delivered. */
  break(link: number): void {
    for (const way of this.ways) if (way.link === link) way.break()
  }

  private connect(from: PeerId, to: PeerAddress): MemorySocket | undefined {
    const onConnect = this.listeners.get(formatPeerAddress(to))
    if (onConnect === undefined) return undefined
    const [near, nearEnd] = MemorySocket.pair()
    const [farEnd, far] = MemorySocket.pair()
    const link = ++this.links
    const there = new Way(link, `${link} to ${to.peer}`, nearEnd, farEnd)
    const back = new Way(link, `${link} to ${from}`, farEnd, nearEnd)
    there.coming.push(() => onConnect(far, { peer: from, port: 49_152 + link }))
    this.ways.push(there, back)
    return near
  }
}

// --- internal ---

/** One direction of a link. */
class Way {
  readonly link: number
  readonly name: string
  coming: Array<() => void> = []
  isUp = true
  private readonly into: MemorySocket

  constructor(link: number, name: string, from: MemorySocket, into: MemorySocket) {
    this.link = link
    this.name = name
    this.into = into
    from.open({
      data: (chunk) => {
        if (this.isUp) this.coming.push(() => into.send(chunk))
      },
      taken: () => {},
      ended: () => {
        if (this.isUp) this.coming.push(() => into.end())
        this.isUp = false
      }
    })
  }

  break(): void {
    if (!this.isUp) return
    this.isUp = false
    this.coming = [() => this.into.close()]
  }
}

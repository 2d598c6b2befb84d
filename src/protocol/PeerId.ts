/**
 * Who a peer is: its IP address, parsed and canonical.
 *
 * The protocol knows one connection per IP address. Every table, on both sides of a link, is keyed by this one type; a
 * socket's `ip:port` is a different type and cannot be used in its place. IPv4-mapped IPv6 addresses are the IPv4
 * address they contain.
 */
import * as Brand from "effect/Brand"
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

export type PeerId = Brand.Branded<string, "PeerId">

/** Where a peer listens: its identity and a TCP port. */
export interface PeerAddress {
  readonly peer: PeerId
  readonly port: number
}

/** The peer of an IP literal in any spelling, or `undefined` for text that is none. Brackets around IPv6 are allowed. */
export const peerId = (text: string): PeerId | undefined => {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text
  const parsed = NetAddress.ipFromString(bare)
  return Result.isSuccess(parsed) ? canonical(parsed.success) : undefined
}

/** Parses `ip`, `ip:port`, `[ipv6]` or `[ipv6]:port`; `undefined` for anything else, host names included. */
export const peerAddress = (text: string, defaultPort: number): PeerAddress | undefined => {
  const bare = peerId(text)
  if (bare !== undefined) return { peer: bare, port: defaultPort }
  const colon = text.lastIndexOf(":")
  if (colon <= 0) return undefined
  const digits = text.slice(colon + 1)
  const host = text.slice(0, colon)
  if (!/^[0-9]{1,5}$/.test(digits) || (host.includes(":") && !host.startsWith("["))) return undefined
  const peer = peerId(host)
  const port = Number(digits)
  return peer === undefined || port < 1 || port > 65535 ? undefined : { peer, port }
}

/** Writes an address as `ip:port`, IPv6 in brackets. */
export const formatPeerAddress = (address: PeerAddress): string =>
  address.peer.includes(":") ? `[${address.peer}]:${address.port}` : `${address.peer}:${address.port}`

/** What kind of network an address belongs to: only `public` ones are worth passing on outside loopback networks. */
export type AddressScope = "public" | "private" | "loopback" | "unusable"

export const addressScope = (peer: PeerId): AddressScope => {
  const address = NetAddress.ipFromStringUnsafe(peer)
  if (NetAddress.isLoopback(address)) return "loopback"
  if (NetAddress.isMulticast(address) || UNUSABLE.some(IpNetwork.contains(address))) return "unusable"
  return PRIVATE.some(IpNetwork.contains(address)) ? "private" : "public"
}

/** True for IPv6 peers, whose addresses only a timenode understands. */
export const isIpv6 = (peer: PeerId): boolean => peer.includes(":")

// --- internal ---

/** Addresses that name no host: unspecified, reserved, broadcast. */
const UNUSABLE = ["0.0.0.0/8", "240.0.0.0/4", "::/128"].map(IpNetwork.fromStringUnsafe)

/** Addresses that mean something else in every network: private, shared, link-local. */
const PRIVATE = [
  "10.0.0.0/8",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "fc00::/7",
  "fe80::/10"
].map(IpNetwork.fromStringUnsafe)

const canonical = (address: NetAddress.IpAddress): PeerId =>
  NetAddress.formatIp(NetAddress.toCanonical(address)) as PeerId

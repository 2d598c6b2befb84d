/**
 * The network group of a peer: addresses that one owner gets easily, and so the unit in which peers are counted where
 * one owner must not count for many.
 *
 * A public IPv4 address belongs to its /16, an IPv6 address to its /32. On private and loopback networks whoever gets
 * one address gets them all: there grouping protects from nothing, and every address is a group of its own.
 */
import { addressScope, isIpv6, type PeerId } from "./PeerId.ts"

export const networkGroup = (peer: PeerId): string => {
  if (addressScope(peer) !== "public") return peer
  if (!isIpv6(peer)) return peer.split(".", 2).join(".")
  // What stands before "::" is written out; behind it there may be zeros that are not.
  const [first = "", second = ""] = peer.split("::", 1)[0]!.split(":", 2)
  return `${first || "0"}:${second || "0"}`
}

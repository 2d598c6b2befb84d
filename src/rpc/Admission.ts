/**
 * Which HTTP requests are let in. Pure.
 *
 * The server has no password on loopback, so that no web page may reach it: a page can send no `application/json`
 * without asking first, names itself in `Origin`, and, when its host name was bent to 127.0.0.1, names that in `Host`.
 */
import { peerId } from "../protocol/PeerId.ts"

export interface RequestHead {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** An HTTP status and what the caller should do about it. */
export interface Refusal {
  readonly status: number
  readonly message: string
}

/** Why a request is refused, or `undefined`. */
export const refusal = ({ headers, method, path }: RequestHead): Refusal | undefined => {
  const { host, origin } = headers
  if (host === undefined || !isOwnHost(host)) {
    return { status: 403, message: "Forbidden: address the node by IP address or as localhost" }
  }
  if (origin !== undefined && origin !== `http://${host}`) {
    return { status: 403, message: "Forbidden: requests of other web sites are not answered" }
  }
  if (path.split("?", 1)[0] !== "/") return { status: 404, message: "Not found: JSON-RPC is at /" }
  if (method !== "POST") return { status: 405, message: "Method not allowed: JSON-RPC calls are made by POST" }
  if (!isJson(headers["content-type"])) {
    return { status: 415, message: "Unsupported media type: send Content-Type: application/json" }
  }
  return undefined
}

// --- internal ---

const isOwnHost = (host: string): boolean => {
  const name = host.replace(/:[0-9]{1,5}$/, "")
  if (name.includes(":") && !name.startsWith("[")) return false
  return name.toLowerCase() === "localhost" || peerId(name) !== undefined
}

const isJson = (contentType: string | undefined): boolean =>
  contentType?.split(";", 1)[0]?.trim().toLowerCase() === "application/json"

/**
 * The published test kit: mocked services, peers played by hand, the handler to try them on, and networks of whole nodes.
 */
export * as MemoryPeerRegistry from "../layers/MemoryPeerRegistry.ts"
export { PeerHandler } from "../peer/PeerHandler.ts"
export { FaultyHub } from "./FaultyHub.ts"
export * as MockNode from "./MockNode.ts"
export * as TestNetwork from "./TestNetwork.ts"

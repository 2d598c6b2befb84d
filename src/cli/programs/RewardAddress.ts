/**
 * Whom blocks pay for the work of a masternode.
 */
import * as Effect from "effect/Effect"
import * as FileWallet from "../../layers/FileWallet.ts"
import type { NodeConfigValues } from "../../services/NodeConfig.ts"
import type { CommandFailure } from "../CommandFailure.ts"
import { walletFailure } from "./StoredWallet.ts"

/**
 * A masternode for which no reward address is configured is paid to its wallet, if it has one; one whose wallet cannot be
 * read does not start, because it would be paid elsewhere.
 */
export const paidToWallet = (node: NodeConfigValues): Effect.Effect<NodeConfigValues, CommandFailure> => {
  const { dataDir, masternode, network } = node
  if (!masternode.enabled || masternode.rewardAddress !== "" || dataDir === null) return Effect.succeed(node)
  return FileWallet.readFor(dataDir, network).pipe(
    Effect.map(({ address }) => ({ ...node, masternode: { ...masternode, rewardAddress: address } })),
    Effect.catch((error) => (error.reason === "Absent" ? Effect.succeed(node) : Effect.fail(walletFailure(error))))
  )
}

"""Other packages' dialects of Smart Money Concepts, for people who come from them.

Nothing else in `smc_agent` imports this: some of these outputs look ahead, and what the agent acts on never may.
"""

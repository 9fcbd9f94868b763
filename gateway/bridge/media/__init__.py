"""Audio on its way between a leg and the agent: batches, playout, recording, levels."""

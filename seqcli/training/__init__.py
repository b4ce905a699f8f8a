"""What training is, whichever library computes: one loop, schedules, progress. No torch."""

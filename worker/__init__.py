"""The provider's program: takes functions from its queue, runs them, and signs for what it did."""

"""What controller and provider say to each other: task names, queues, messages and their limits."""

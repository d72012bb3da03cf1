"""What a process shows of itself: probes, numbers, traces, log lines."""

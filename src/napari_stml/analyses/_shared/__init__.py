"""What analyses of every kind take: inputs inside the scope, progress, threads, charts."""
